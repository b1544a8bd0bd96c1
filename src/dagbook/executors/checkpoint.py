"""The checkpoint executor: every result is on disk as soon as it is there, and a later process goes on from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dagbook.engine.options import RunOptions
from dagbook.errors import UsageError
from dagbook.executors.callbacks import observers_of
from dagbook.executors.general import Tasks, checked_dag, concluded
from dagbook.executors.results import ExecutionResult
from dagbook.graph.dag import DAG
from dagbook.session import Session


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What is stored of a graph: the nodes with a stored result, those without, and the last run that stored one.

    ``run`` is the number of that run, ``finished`` when it stored it, in seconds since the epoch.
    """

    directory: Path
    completed: tuple[str, ...]
    remaining: tuple[str, ...]
    run: int
    finished: float


class CheckpointExecutor:
    """Runs the tasks of a graph and stores each result as soon as it is there.

    A process that was killed loses nothing that had finished: :meth:`resume` goes on from there, also in another
    process. A value that cannot be stored is kept by this object alone, and made again by any other. The arguments
    after ``checkpoint_dir`` are those of :class:`DAGExecutor`. Raises StoreError when the directory cannot be used.
    """

    def __init__(
        self,
        dag: DAG,
        checkpoint_dir: str | os.PathLike[str],
        max_workers: int | None = None,
        costs: Mapping[str, float] | None = None,
        callbacks: object | None = None,
        fail_fast: bool = True,
        enable_tracing: bool = False,
        hooks: Iterable[object] | None = None,
        *,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self.dag = checked_dag(dag)
        if not isinstance(checkpoint_dir, str | os.PathLike):
            raise UsageError(f"checkpoint_dir is the path of a directory, not {checkpoint_dir!r}.")
        self._options = RunOptions(max_workers, fail_fast, costs=costs or {}, resources=resources or {})
        self._observers = observers_of(callbacks, hooks)
        self._traced_as = dag.name if enable_tracing else None
        self._session = Session(dag, checkpoint_dir)

    def execute(self, tasks: Tasks | None) -> ExecutionResult:
        """Run every task from the start, and store what each returns. Raises as :meth:`DAGExecutor.execute`."""
        return self._run(tasks, tuple(self.dag))

    def resume(self, tasks: Tasks | None) -> ExecutionResult:
        """Run only what has no stored result that fits: the rest is taken from the store.

        A task whose code, or one of whose inputs, has changed since runs again.
        """
        return self._run(tasks, ())

    def checkpoint_info(self) -> CheckpointInfo | None:
        """What is stored of this graph; None when nothing is."""
        names = tuple(self.dag)
        last = self._session.journal.last(names)
        records = {name: r for name, r in last.items() if r.blob is not None or r.children is not None}
        if not records:
            return None
        newest = max(records.values(), key=lambda record: record.finished)
        return CheckpointInfo(
            directory=Path(self._session.directory or ""),
            completed=tuple(name for name in names if name in records),
            remaining=tuple(name for name in names if name not in records),
            run=newest.run,
            finished=newest.finished,
        )

    def _run(self, tasks: Tasks | None, force: tuple[str, ...]) -> ExecutionResult:
        run = self._session.run(tasks=tasks, force=force, options=self._options, observers=self._observers)
        return concluded(run, ExecutionResult(run, self._traced_as))
