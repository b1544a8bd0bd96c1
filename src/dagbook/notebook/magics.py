"""``%dag COMMAND …``: the words of a command line, checked, then one method of the notebook."""

from __future__ import annotations

import argparse
import ast
import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from dagbook.errors import UsageError, did_you_mean, nearest

if TYPE_CHECKING:
    from dagbook.notebook.extension import Notebook

_HELP = {
    "run": "bring nodes (all, without names) up to date, and show it live",
    "plan": "what a run would do, and why; runs nothing",
    "status": "how each node stands",
    "why": "why a node ran, or did not",
    "show": "the graph, live; or as --text, --mermaid, --svg, --dot",
    "set": "give graph inputs their values: %dag set n=10",
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
    parser.add_argument("-h", "--help", action=_Help, nargs=0, help="show this text")
    match command:
        case "run":
            parser.add_argument("targets", nargs="*", metavar="NODE")
            parser.add_argument("--force", action="append", default=[], metavar="NODE", help="run it even if current")
            parser.add_argument("--full", action="store_true", help="run everything, current or not")
            parser.add_argument("--jobs", type=_count, metavar="N", help="how many nodes run at once")
            parser.add_argument("--fail-fast", action="store_true", help="start nothing more after a failure")
        case "plan":
            parser.add_argument("targets", nargs="*", metavar="NODE")
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


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it is a whole number from 1 up, not {text!r}")
    return int(text)


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


def _run(notebook: Notebook, given: argparse.Namespace) -> None:
    force = list(notebook.session.dag) if given.full else given.force
    notebook.run(*given.targets, force=force, fail_fast=given.fail_fast, workers=given.jobs)


def _help(notebook: Notebook, given: argparse.Namespace) -> None:
    if given.topic is not None:
        _check_command(given.topic)
        print(_parser(given.topic).format_help())
    else:
        print("\n".join([f"%dag {name:<8}{text}" for name, text in _HELP.items()]))


def _set(notebook: Notebook, given: argparse.Namespace) -> None:
    values: dict[str, object] = {}
    for assignment in given.assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(f"%dag set takes NAME=VALUE, like n=10, not {assignment!r}.")
        values[name] = _literal(name, text, notebook.namespace)
    notebook.set(**values)


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
    "run": _run,
    "plan": lambda notebook, given: notebook.print_plan(*given.targets),
    "status": lambda notebook, given: notebook.print_status(),
    "why": lambda notebook, given: [print(notebook.why(name)) for name in given.names] and None,
    "show": _show,
    "set": _set,
    "cancel": lambda notebook, given: notebook.cancel(),
    "pause": lambda notebook, given: notebook.pause(),
    "resume": lambda notebook, given: notebook.resume(),
    "drop": lambda notebook, given: notebook.drop(*given.names),
    "help": _help,
}


def complete(notebook: Notebook, line: str, word: str) -> list[str]:
    """What may stand at the end of a ``%dag`` line that begins with ``word``: commands, options, names of nodes."""
    words = line.split()
    if len(words) <= 1 or (len(words) == 2 and not line.endswith(" ")):
        return [name for name in _HELP if name.startswith(word)]
    if words[1] not in _HELP:
        return []
    options = [o for action in _parser(words[1])._actions for o in action.option_strings]
    names = list(notebook.session.dag) if words[1] in ("run", "plan", "why", "drop") else []
    return [c for c in (*options, *names) if c.startswith(word)]
