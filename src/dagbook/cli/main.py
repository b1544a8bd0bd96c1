"""``dagbook``: what it takes, its help, and its exit codes. What a command does is imported when it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from dagbook import __version__
from dagbook.cli import USAGE
from dagbook.errors import UsageError, did_you_mean, nearest
from dagbook.notebook.request import WORDS, Request, listed


class _Commands(click.Group):
    """Offers the nearest command for one that it does not know."""

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = words[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            if name.endswith(".ipynb"):
                raise UsageError(f"no command is called {name!r}. To run that notebook: `dagbook run {name}`.")
            known = self.list_commands(context)
            raise UsageError(f"no command is called {name!r}{did_you_mean(nearest(name, known))} See `dagbook --help`.")
        return super().resolve_command(context, words)


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="dagbook %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Notebooks that run only what changed."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _said(word: str) -> str:
    """What a word means, as a sentence."""
    return f"{WORDS[word][0].upper()}{WORDS[word][1:]}."


def _names(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    return listed(option.opts[0], given) if given else None


@commands.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Write here; leave NOTEBOOK as it is.")
@click.option(
    *("--timeout", "timeout"),
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop when a cell takes longer. Without it, cells may take as long as they like.",
)
@click.option("--kernel", metavar="NAME", help="Use this kernel, whatever the notebook asks for.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing unless something fails.")
@click.option("--full", is_flag=True, help=_said("full"))
@click.option("--dry-run", is_flag=True, help=_said("dry_run"))
@click.option("--types", multiple=True, callback=_names, metavar="A,B", help=_said("types"))
@click.option("--nodes", multiple=True, callback=_names, metavar="A,B", help=_said("nodes"))
@click.option("--exclude-tags", multiple=True, callback=_names, metavar="A,B", help=_said("exclude_tags"))
@click.option(
    *("--continue-on-error/--fail-fast", "go_on"),
    default=None,
    help=f"{_said('continue_on_error')[:-1]}, and with the cells below; or {WORDS['fail_fast']}.",
)
@click.option("--retry", type=click.IntRange(min=0), metavar="N", help=_said("retry"))
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help=_said("workers"))
@click.option("--trace", type=click.Path(path_type=Path), metavar="FILE", help="Write the last run's trace there.")
def run(
    notebook: Path,
    output: Path | None,
    timeout: float | None,
    kernel: str | None,
    quiet: bool,
    trace: Path | None,
    dry_run: bool,
    go_on: bool | None,
    **words: Any,
) -> int:
    """Run NOTEBOOK from top to bottom in a fresh kernel.

    What its cells show is written into it. Nodes whose results are current are not run again.

    What is said of nodes holds for each run of the graph in the notebook, as if it stood behind its `%dag run`. Cells
    that want a value which is left out are passed over. A dry run runs the cells, but no node, and writes nothing.

    Exit codes: 0 all ran, 1 something failed, 3 the command was given something it cannot take, 130 and 143 it was
    stopped by Ctrl-C or a request to end.
    """
    from dagbook.cli import run as command

    if dry_run and (output or trace):
        raise UsageError(f"--dry-run writes nothing; leave {'--output' if output else '--trace'} out.")
    request = Request(dry_run=dry_run, fail_fast=None if go_on is None else not go_on, **words)
    return command.run(
        notebook, output=output, timeout=timeout, kernel=kernel, quiet=quiet, request=request, trace=trace
    )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program: carries out ``arguments`` (those of the process, when None) and exits with its code."""
    sys.exit(status(arguments))


def status(arguments: Sequence[str] | None = None) -> int:
    """Carry out ``arguments`` and return the exit code."""
    try:
        return commands.main(arguments, prog_name="dagbook", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return USAGE
    except UsageError as error:
        click.echo(f"dagbook: {error}", err=True)
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return 130
