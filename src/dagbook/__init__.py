"""dagbook: a notebook that runs only what changed.

``%load_ext dagbook`` in a notebook, ``dagbook run notebook.ipynb`` in a shell. Heavy parts are imported when used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagbook.errors import CycleError as CycleError
    from dagbook.errors import DagbookError as DagbookError
    from dagbook.errors import DuplicateNodeError as DuplicateNodeError
    from dagbook.errors import GraphError as GraphError
    from dagbook.errors import NodeNotFoundError as NodeNotFoundError
    from dagbook.errors import RunPaused as RunPaused
    from dagbook.errors import UsageError as UsageError
    from dagbook.executors.callbacks import ExecutionCallbacks as ExecutionCallbacks
    from dagbook.executors.checkpoint import CheckpointExecutor as CheckpointExecutor
    from dagbook.executors.checkpoint import CheckpointInfo as CheckpointInfo
    from dagbook.executors.composition import DagContext as DagContext
    from dagbook.executors.composition import inline as inline
    from dagbook.executors.dynamic import DynamicExecutor as DynamicExecutor
    from dagbook.executors.dynamic import DynamicModification as DynamicModification
    from dagbook.executors.dynamic import DynamicNodeSpec as DynamicNodeSpec
    from dagbook.executors.general import AsyncDAGExecutor as AsyncDAGExecutor
    from dagbook.executors.general import ConditionalExecutor as ConditionalExecutor
    from dagbook.executors.general import DAGExecutor as DAGExecutor
    from dagbook.executors.incremental import IncrementalExecutor as IncrementalExecutor
    from dagbook.executors.pipeline import Pipeline as Pipeline
    from dagbook.executors.pipeline import task as task
    from dagbook.executors.provenance import DagProvenance as DagProvenance
    from dagbook.executors.provenance import NullProvenance as NullProvenance
    from dagbook.executors.results import ExecutionResult as ExecutionResult
    from dagbook.executors.results import IncrementalResult as IncrementalResult
    from dagbook.executors.results import NodeResult as NodeResult
    from dagbook.executors.results import NodeStatus as NodeStatus
    from dagbook.executors.runner import DAGRunner as DAGRunner
    from dagbook.executors.summary import DagRunResult as DagRunResult
    from dagbook.executors.summary import ExecutionStatus as ExecutionStatus
    from dagbook.executors.summary import ExecutionSummary as ExecutionSummary
    from dagbook.executors.summary import NodeExecution as NodeExecution
    from dagbook.executors.summary import print_summary as print_summary
    from dagbook.graph.builder import DAGBuilder as DAGBuilder
    from dagbook.graph.dag import DAG as DAG
    from dagbook.graph.manifest import Manifest as Manifest
    from dagbook.graph.manifest import ManifestDiff as ManifestDiff
    from dagbook.graph.node import node as node
    from dagbook.graph.plan import ExecutionStep as ExecutionStep
    from dagbook.notebook.extension import current as current
    from dagbook.notebook.extension import load_ipython_extension as load_ipython_extension
    from dagbook.notebook.extension import unload_ipython_extension as unload_ipython_extension
    from dagbook.session import Session as Session

    Dag = DAG
    DagPause = RunPaused
    DagRunner = DAGRunner

__version__ = "0.1.0"

_NAMES = {
    "errors": "CycleError DagbookError DuplicateNodeError GraphError NodeNotFoundError RunPaused UsageError",
    "executors.callbacks": "ExecutionCallbacks",
    "executors.checkpoint": "CheckpointExecutor CheckpointInfo",
    "executors.composition": "DagContext inline",
    "executors.dynamic": "DynamicExecutor DynamicModification DynamicNodeSpec",
    "executors.general": "AsyncDAGExecutor ConditionalExecutor DAGExecutor",
    "executors.incremental": "IncrementalExecutor",
    "executors.pipeline": "Pipeline task",
    "executors.provenance": "DagProvenance NullProvenance",
    "executors.results": "ExecutionResult IncrementalResult NodeResult NodeStatus",
    "executors.runner": "DAGRunner",
    "executors.summary": "DagRunResult ExecutionStatus ExecutionSummary NodeExecution print_summary",
    "graph.builder": "DAGBuilder",
    "graph.dag": "DAG",
    "graph.manifest": "Manifest ManifestDiff",
    "graph.node": "node",
    "graph.plan": "ExecutionStep",
    "notebook.extension": "current load_ipython_extension unload_ipython_extension",
    "session": "Session",
}
_HOME = {name: f"dagbook.{module}" for module, names in _NAMES.items() for name in names.split()}
_SAME = {"Dag": "DAG", "DagPause": "RunPaused", "DagRunner": "DAGRunner"}

__all__ = ["__version__", *_SAME, *(name for name in _HOME if not name.endswith("_ipython_extension"))]


def __getattr__(name: str) -> Any:
    own = _SAME.get(name, name)
    if own in _HOME:
        value = globals()[name] = getattr(import_module(_HOME[own]), own)
        return value
    raise AttributeError(f"module 'dagbook' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
