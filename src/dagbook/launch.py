"""Runs that keep nothing, and what every run is put together from: a clock, worker threads, listeners."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dagbook.backends.inline import InlineBackend
from dagbook.backends.threads import ThreadsBackend
from dagbook.engine.driver import Driver
from dagbook.engine.events import Log
from dagbook.engine.interrupts import held
from dagbook.engine.options import RunOptions
from dagbook.engine.plain import Plain, Program
from dagbook.engine.ports import Brought, Errand, Listener, Record, Started
from dagbook.engine.run import Run
from dagbook.engine.scheduler import Scheduler
from dagbook.engine.states import Place
from dagbook.engine.urgency import UNKNOWN_COST, demands, ranking
from dagbook.engine.work import Environment
from dagbook.errors import UsageError
from dagbook.graph.compose import Growth
from dagbook.graph.dag import DAG
from dagbook.graph.topology import Topology
from dagbook.observe.bus import Bus
from dagbook.storage.memory import MemoryJournal

Observer = Callable[[Any], Listener]
"""Told of each run before its first event; what it returns hears of the events."""

MAX_WORKERS = 8

MAX_SPARE = 4
"""How many pools of idle threads are kept for the next run."""

DEFAULT_OPTIONS = RunOptions()


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


class NoJournal(MemoryJournal):
    """The journal of a run that nobody will ask about later."""

    def commit(self, run: int, log: Log, start: int, stop: int, records: Sequence[Record]) -> None:
        pass


def plain_run(
    dag: DAG,
    tasks: Mapping[str, Callable[..., Any]] | None = None,
    options: RunOptions = DEFAULT_OPTIONS,
    observers: Sequence[Observer] = (),
    accept: Callable[[Growth], None] | None = None,
) -> Run:
    """Begin to run every node of ``dag`` once, and return at once. Nothing is reused, and nothing is kept.

    ``tasks`` are the nodes' functions by name; without it they are the functions of the DAG's own nodes. ``accept`` is
    told of each growth of the graph before it happens, and may refuse it by raising. Raises UsageError or GraphError
    before anything has run. Call ``wait()`` on what it returns, or await ``finished()``.
    """
    topology = dag.topology()
    program = Program.of(topology, tasks)
    _check_edges(dag, options)
    pool = borrow(options.workers)
    inline, bus, clock = InlineBackend(), Bus(), SystemClock()
    log = Log(topology.names)
    work = Plain(topology, program, log, options)
    work.accept, work.remote = accept or dag.grow, remote
    timed = options.timeout is not None or any(o.timeout is not None for o in program.options.values())
    alone = pool.slots == 1 and options.loop is None
    places = (Place.WORKER, Place.LOOP) if options.loop else (Place.CALLER,) if alone and not timed else (Place.WORKER,)
    everything = range(len(topology))
    scheduler = Scheduler(
        topology.preds,
        topology.succs,
        everything,
        log,
        checked=bool(options.conditions),
        in_order=alone,
        fail_fast=options.fail_fast,
        rank=None if alone else ranking(topology.succs, everything, _said_costs(topology, program, options)),
        place=work.place if options.loop else places[0],
        alone=work.alone(),
        demand=demands(topology.names, program.options, options),
        capacities=options.resources,
    )
    environment = Environment(NoJournal(), clock, inline, pool, bus)
    work.driver = driver = Driver(scheduler, work, environment, options, 0, places)
    run = Run(driver, inline, topology, bus)
    for observer in observers:
        bus.add(observer(run))
    environment.watched = bool(bus)
    environment.stretches = not bus and work.stretches()
    if places == (Place.CALLER,):  # nothing runs before somebody waits: an interrupt finds nothing to be stopped
        run.start(lambda: give_back(pool, run))
        return run
    with held() as interrupts:
        run.start(lambda: give_back(pool, run))
    if interrupts:
        driver.interrupt()
    return run


def remote(errand: Errand, started: Started) -> Brought:
    """Calls in worker processes, which cost nothing before the first; see :class:`dagbook.engine.ports.Remote`."""
    if os.name != "posix":
        raise UsageError(f"{errand.node} has process=True, which needs Linux or macOS. Take it out here.")
    from dagbook.backends.processes import call
    from dagbook.storage.by_value import dump

    return call(errand, started, dump)


def _check_edges(dag: DAG, options: RunOptions) -> None:
    for above, below in options.conditions:
        if not dag.has_edge(above, below):
            raise UsageError(f"there is a condition on the edge from {above!r} to {below!r}, and no such edge.")


def _said_costs(topology: Topology, program: Program, options: RunOptions) -> Callable[[int], float]:
    names, costs = topology.names, options.costs
    own = {i: o.cost for i, o in program.options.items() if o.cost is not None}
    if not costs and not own:
        return lambda i: 1.0
    usual = UNKNOWN_COST * (sum(costs.values()) + sum(own.values()))
    return lambda i: costs.get(names[i], own.get(i, usual))


_spare: list[ThreadsBackend] = []
"""Worker threads that no run has now."""

_spare_lock = threading.Lock()


def borrow(workers: int | None) -> ThreadsBackend:
    """Worker threads for one run; no other run has them meanwhile, so runs within runs cannot wait for each other."""
    slots = number_of_workers(workers)
    with _spare_lock:
        for n, pool in enumerate(_spare):
            if pool.slots == slots:
                return _spare.pop(n)
    return ThreadsBackend(slots)


def give_back(pool: ThreadsBackend, run: Run) -> None:
    """The run is over: the next one may have its threads, unless some of them are stuck."""
    if run.left_behind:
        pool.abandon()
        return
    with _spare_lock:
        if len(_spare) < MAX_SPARE:
            _spare.append(pool)
            return
    pool.close()


def number_of_workers(workers: int | None) -> int:
    """``workers``, or a number that fits this machine. Raises UsageError for what is no number from 1 up."""
    if workers is None:
        return max(2, min(MAX_WORKERS, os.cpu_count() or 2))
    return RunOptions(workers=workers).workers or 1
