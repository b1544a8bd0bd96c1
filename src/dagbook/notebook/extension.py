"""``%load_ext dagbook``: a kernel's notebook, put into its shell, and taken out again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dagbook.errors import DagbookError, UsageError
from dagbook.notebook import magics
from dagbook.notebook.accessor import Dag
from dagbook.notebook.caller import Standing
from dagbook.notebook.cells import transform
from dagbook.notebook.notebook import Notebook
from dagbook.notebook.tracebacks import dress

_active: Notebook | None = None
_standing: Standing | None = None
"""What ``dagbook run`` asked for, once that is known."""


def active() -> Notebook:
    """The notebook of this kernel. Raises UsageError before ``%load_ext dagbook``."""
    if _active is None:
        raise UsageError("dagbook is not loaded here. Run `%load_ext dagbook` first.")
    return _active


def current() -> Dag:
    """The ``dag`` object of this kernel, also where its name is taken. Raises UsageError when there is none."""
    return active().dag


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext dagbook``."""
    global _active, _standing
    if _active is not None:
        return
    _standing = Standing.taken() or _standing
    notebook = Notebook(shell, Path(os.environ.get("DAGBOOK_DIR") or ".dagbook"), _standing)
    shell.input_transformers_cleanup.append(transform)
    shell.ast_transformers.append(notebook._registration)
    shell.events.register("pre_run_cell", notebook.before_cell)
    shell.register_magic_function(_line_magic, "line", "dag")
    shell.register_magic_function(_cell_magic, "cell", "dag")
    shell.register_magic_function(_misplaced, "line", "%dag")
    shell.Completer.custom_matchers.append(_complete)
    taken = notebook.namespace.get("dag")
    if taken is None or isinstance(taken, Dag):
        notebook.namespace["dag"] = notebook.dag
    else:
        print("The name `dag` is taken here; `dagbook.current()` gives the graph.")
    _active = notebook


def unload_ipython_extension(shell: Any) -> None:
    """Called by ``%unload_ext dagbook``."""
    global _active
    if _active is None:
        return
    shell.input_transformers_cleanup.remove(transform)
    shell.ast_transformers.remove(_active._registration)
    shell.events.unregister("pre_run_cell", _active.before_cell)
    shell.Completer.custom_matchers.remove(_complete)
    _active.close()
    _active = None


def _line_magic(line: str) -> Any:
    """``%dag COMMAND …``: run, plan, status, why, show, trace, set, resources … ``%dag help`` tells more."""
    try:
        return magics.command(active(), line)
    except DagbookError as error:
        raise (error if hasattr(error, "_render_traceback_") else dress(error)) from None
    except KeyboardInterrupt:
        raise dress(KeyboardInterrupt("interrupted before anything ran")) from None


def _cell_magic(line: str, cell: str) -> None:
    """``%%dag`` on the first line makes each top-level function of the cell a node; its parameters name its inputs.

    Names that begin with ``_`` are ordinary helpers. ``#| dag`` means the same, and is a comment to every other tool.
    """
    _misplaced(line)


def _misplaced(line: str) -> None:
    """Where ``%%dag`` stands below the first line of a cell, it is taken for a line magic of this name."""
    raise dress(UsageError("`%%dag` must be the first line of its cell. Put what is above it into a cell of its own."))


def _complete(context: Any) -> dict[str, Any]:
    """IPython asks what may stand at the cursor; for a ``%dag`` line nobody else's answer counts."""
    from IPython.core.completer import SimpleCompletion

    line = context.text_until_cursor.rpartition("\n")[2]
    if not line.startswith("%dag "):
        return {"completions": []}
    word = line.rpartition(" ")[2]
    found = magics.complete(active(), line, word)
    return {
        "completions": [SimpleCompletion(text, type="dag") for text in found],
        "matched_fragment": word,
        "suppress": True,
    }


_complete.matcher_api_version = 2  # type: ignore[attr-defined]
_complete.matcher_priority = 1000  # type: ignore[attr-defined]  # before the one that knows Python's names
