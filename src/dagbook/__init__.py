"""dagbook: a notebook that runs only what changed.

``%load_ext dagbook`` in a notebook, ``dagbook run notebook.ipynb`` in a shell. Heavy parts are imported when used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagbook.errors import DagbookError as DagbookError
    from dagbook.graph.dag import DAG as DAG
    from dagbook.graph.node import node as node
    from dagbook.notebook.extension import current as current
    from dagbook.notebook.extension import load_ipython_extension as load_ipython_extension
    from dagbook.notebook.extension import unload_ipython_extension as unload_ipython_extension
    from dagbook.session import Session as Session

__version__ = "0.1.0"

_HOME = {
    "DAG": "dagbook.graph.dag",
    "DagbookError": "dagbook.errors",
    "Session": "dagbook.session",
    "current": "dagbook.notebook.extension",
    "load_ipython_extension": "dagbook.notebook.extension",
    "node": "dagbook.graph.node",
    "unload_ipython_extension": "dagbook.notebook.extension",
}

__all__ = ["DAG", "DagbookError", "Session", "__version__", "current", "node"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value
    raise AttributeError(f"module 'dagbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
