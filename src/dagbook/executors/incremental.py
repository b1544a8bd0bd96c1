"""The incremental executor: runs what a change can have affected, and stops where a value turns out equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dagbook.engine.options import RunOptions
from dagbook.errors import UsageError
from dagbook.executors.callbacks import observers_of
from dagbook.executors.general import Tasks, checked_dag, concluded
from dagbook.executors.results import IncrementalResult
from dagbook.graph.dag import DAG
from dagbook.session import Session


class IncrementalExecutor:
    """Keeps the values of the last execution, and runs again only what may have changed since.

    A task runs when it never ran, when its code or a value that it depends on has changed, when it is declared as
    changed, or when it failed. Values are compared by fingerprint, never by ``==``.
    """

    def __init__(
        self,
        dag: DAG,
        callbacks: object | None = None,
        fail_fast: bool = True,
        enable_tracing: bool = False,
        *,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self.dag = checked_dag(dag)
        self._options = RunOptions(fail_fast=fail_fast, resources=resources or {})
        self._observers = observers_of(callbacks)
        self._traced_as = dag.name if enable_tracing else None
        self._session = Session(dag)

    def execute(self, tasks: Tasks | None, changed_nodes: Iterable[str] | None = None) -> IncrementalResult:
        """Bring all up to date, and return what became of each node. Raises nothing for tasks that raise.

        ``changed_nodes`` run in any case; what else has changed is found by the tasks' code. With None for ``tasks``
        those of the last time stand, and only what is declared as changed is looked at: the cost is then that of what
        is affected. Raises before anything runs: NodeNotFoundError for an unknown name, UsageError or GraphError for
        tasks that do not fit the graph.
        """
        changed = _names(changed_nodes)
        run = self._session.update(changed, tasks=tasks, options=self._options, observers=self._observers)
        return concluded(run.wait(), IncrementalResult(run, self._traced_as))


def _names(changed: Iterable[str] | None) -> tuple[str, ...]:
    if isinstance(changed, str) or not isinstance(changed, Iterable | None):
        raise UsageError(f"changed_nodes is a list of names, not {changed!r}.")
    return tuple(changed or ())
