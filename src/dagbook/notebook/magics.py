"""``%dag COMMAND …``: the words of a command line, checked, then one method of the notebook."""

from __future__ import annotations

import argparse
import ast
import shlex
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NoReturn

from dagbook.errors import UsageError, did_you_mean, nearest
from dagbook.notebook.request import WORDS, Request, listed

if TYPE_CHECKING:
    from dagbook.notebook.notebook import Notebook

_HELP = {
    "run": "bring nodes (all, without names) up to date, and show it live",
    "plan": "what a run would do, why, and about how long it takes; runs nothing",
    "status": "how each node stands",
    "why": "why a node ran, or did not",
    "show": "the graph, live; or as --text, --mermaid, --svg, --dot",
    "trace": "where the time of the last run went; with a path, written there for https://ui.perfetto.dev",
    "set": "give graph inputs their values: %dag set n=10",
    "resources": "how much there is of what nodes ask for: %dag resources gpu=1 ram=16; alone, what was said",
    "cancel": "end the run that is going on; what has finished is kept",
    "pause": "start nothing new until %dag resume",
    "resume": "go on after a pause",
    "drop": "take nodes out of the graph",
    "help": "this text; `%dag help COMMAND` or `%dag COMMAND --help` for one command",
}


class _Parser(argparse.ArgumentParser):
    """Raises instead of leaving the process, and says what it was about."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}. `{self.prog} --help` shows what it takes.")


class _Asked(Exception):
    """Somebody asked for help."""


class _Help(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        raise _Asked(parser.format_help())


def _parser(command: str) -> _Parser:
    parser = _Parser(prog=f"%dag {command}", description=_HELP[command], add_help=False)
    parser.add_argument("-h", "--help", action=_Help, nargs=0, default=argparse.SUPPRESS, help="show this text")
    match command:
        case "run":
            _add_selection(parser)
            parser.add_argument("--dry-run", action="store_true", help=WORDS["dry_run"])
            outcome = parser.add_mutually_exclusive_group()
            outcome.add_argument("--continue-on-error", dest="fail_fast", action="store_false", help=_CONTINUE)
            outcome.add_argument("--fail-fast", dest="fail_fast", action="store_true", help=WORDS["fail_fast"])
            parser.set_defaults(fail_fast=None)
            parser.add_argument("--retry", type=_count(0), metavar="N", help=WORDS["retry"])
            parser.add_argument("--workers", "--jobs", type=_count(1), metavar="N", help=WORDS["workers"])
            parser.add_argument("--timeout", type=_seconds, metavar="S", help="seconds that the whole run may take")
        case "plan":
            _add_selection(parser)
        case "trace":
            parser.add_argument("path", nargs="?", metavar="PATH")
        case "resources":
            parser.add_argument("amounts", nargs="*", metavar="NAME=NUMBER")
        case "why" | "drop":
            parser.add_argument("names", nargs="+", metavar="NODE")
        case "show":
            kind = parser.add_mutually_exclusive_group()
            for form in ("text", "mermaid", "svg", "dot"):
                kind.add_argument(f"--{form}", dest="form", action="store_const", const=form)
        case "set":
            parser.add_argument("assignments", nargs="+", metavar="NAME=VALUE")
        case "help":
            parser.add_argument("topic", nargs="?", metavar="COMMAND")
        case _:
            pass
    return parser


_CONTINUE = f"{WORDS['continue_on_error']}; that is so without it, too"


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """The words that say which nodes a run is about."""
    parser.add_argument("targets", nargs="*", metavar="NODE", help="bring these up to date, and what they need")
    names: dict[str, Any] = {"action": "extend", "type": _names}
    parser.add_argument("--force", metavar="NODE", default=[], help="run it even if current", **names)
    parser.add_argument("--full", action="store_true", help=WORDS["full"])
    parser.add_argument("--types", metavar="A,B", help=WORDS["types"], **names)
    parser.add_argument("--nodes", metavar="A,B", help=WORDS["nodes"], **names)
    parser.add_argument("--exclude-tags", metavar="A,B", help=WORDS["exclude_tags"], **names)


def _names(text: str) -> tuple[str, ...]:
    try:
        return listed("it", text) or ()
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"it is a whole number from {least} up, not {text!r}")
        return int(text)

    return count


def _seconds(text: str) -> float:
    number = _number(text)
    if number is None or number <= 0:
        raise argparse.ArgumentTypeError(f"it is a number of seconds above 0, not {text!r}")
    return number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None


def command(notebook: Notebook, line: str) -> Any:
    """Carry out one ``%dag`` line. Raises UsageError with the nearest words for what it does not know."""
    words = _split(line)
    name = words[0] if words else "help"
    if name in ("-h", "--help"):
        name = "help"
    _check_command(name)
    try:
        given = _parser(name).parse_args(words[1:])
    except _Asked as asked:
        print(asked)
        return None
    return _ACTIONS[name](notebook, given)


def _check_command(name: str) -> None:
    if name not in _HELP:
        raise UsageError(f"%dag has no command {name!r}{did_you_mean(nearest(name, _HELP))} `%dag help` lists them.")


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"%dag {line}: {error}. A quote may be missing.") from None


def _request(given: argparse.Namespace) -> Request:
    words: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in vars(given).items()}
    return Request(**words)


def _plan(notebook: Notebook, given: argparse.Namespace) -> None:
    given.dry_run = True
    notebook.run(_request(given))


def _help(notebook: Notebook, given: argparse.Namespace) -> None:
    if given.topic is not None:
        _check_command(given.topic)
        print(_parser(given.topic).format_help())
    else:
        print("\n".join([f"%dag {name:<10}{text}" for name, text in _HELP.items()]))


def _set(notebook: Notebook, given: argparse.Namespace) -> None:
    values: dict[str, object] = {}
    for assignment in given.assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"%dag set takes NAME=VALUE, like n=10, not {assignment!r}.")
        values[name] = _literal(name, text, notebook.namespace)
    notebook.set(**values)


def _resources(notebook: Notebook, given: argparse.Namespace) -> None:
    amounts: dict[str, float] = {}
    for assignment in given.amounts:
        name, _, text = assignment.partition("=")
        number = _number(text)
        if not name or number is None or number < 0:
            raise UsageError(f"%dag resources takes NAME=NUMBER, like gpu=1, from 0 up, not {assignment!r}.")
        amounts[name] = number
    notebook.set_resources(amounts)


def _literal(name: str, text: str, namespace: Mapping[str, Any]) -> object:
    """A Python literal, or the value of a name of the notebook; never an expression that is evaluated."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if text.isidentifier() and text in namespace:
            return namespace[text]
        raise UsageError(
            f"%dag set {name}={text}: the value is no Python literal and no name of this notebook. "
            f'Text needs quotes: %dag set {name}="\'{text}\'", or use dag.set({name}=…).'
        ) from None


def _show(notebook: Notebook, given: argparse.Namespace) -> None:
    notebook.show(given.form)


_ACTIONS: Mapping[str, Callable[[Notebook, argparse.Namespace], Any]] = {
    "run": lambda notebook, given: notebook.run(_request(given)),
    "plan": _plan,
    "status": lambda notebook, given: notebook.print_status(),
    "why": lambda notebook, given: [print(notebook.why(name)) for name in given.names] and None,
    "show": _show,
    "trace": lambda notebook, given: notebook.trace(given.path),
    "set": _set,
    "resources": _resources,
    "cancel": lambda notebook, given: notebook.cancel(),
    "pause": lambda notebook, given: notebook.pause(),
    "resume": lambda notebook, given: notebook.resume(),
    "drop": lambda notebook, given: notebook.drop(*given.names),
    "help": _help,
}


def complete(notebook: Notebook, line: str, word: str) -> list[str]:
    """What may stand at the end of a ``%dag`` line that begins with ``word``: commands, options, names."""
    words = line.split()
    if len(words) <= 1 or (len(words) == 2 and not line.endswith(" ")):
        return [name for name in _HELP if name.startswith(word)]
    if words[1] not in _HELP:
        return []
    flag, equals, _ = word.partition("=")
    before = words[-1] if not word else words[-2]
    listing = _listing(notebook, words[1], flag if equals else before)
    if listing is not None:
        start = word[: max(word.rfind(","), len(flag) if equals else -1) + 1]
        return [start + name for name in listing if name.startswith(word[len(start) :])]
    options = [o for action in _parser(words[1])._actions for o in action.option_strings]
    names = list(notebook.session.dag) if words[1] in ("run", "plan", "why", "drop") else []
    return [c for c in (*options, *names) if c.startswith(word)]


def _listing(notebook: Notebook, command: str, flag: str) -> Iterable[str] | None:
    """What may stand behind an option that takes names; None for any other word."""
    if command not in ("run", "plan"):
        return None
    options = [node.options for node in notebook.session.dag.topology().nodes]
    match flag:
        case "--types":
            return sorted({o.type for o in options if o.type})
        case "--exclude-tags":
            return sorted({tag for o in options for tag in o.tags})
        case "--nodes" | "--force":
            return list(notebook.session.dag)
        case _:
            return None
