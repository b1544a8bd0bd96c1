"""How many of ten nodes in a row run after a change: when every value differs, when the second one is equal again,
and when the first one is. It should be 10, 2 and 1, whatever the values are. Every call is counted where it happens.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import dagbook
from dagbook.graph.node import Node
from tests.benchmarks.graphs import module_of
from tests.benchmarks.measure import Row, peer, show, table

LENGTH = 10
LAST = f"n{LENGTH - 1}"
CASES = {"all differ": 10, "equal at the second": 2, "equal at the first": 1}
RAN = "tests.benchmarks.ran"
BEFORE, AFTER = 1, 3

KINDS = {
    "int": ("", "int", "x", "v"),
    "nested": ("", "dict", "{'rows': [(x, 'a'), {'deep': [x, {1.5, None}]}]}", "v['rows'][0][0]"),
    "numpy": ("import numpy", "numpy.ndarray", "numpy.full(1000, x)", "int(v[0])"),
    "pandas": (
        "import pandas",
        "pandas.DataFrame",
        "pandas.DataFrame({'a': [x] * 100, 'b': ['text'] * 100})",
        "int(v['a'].iloc[0])",
    ),
    "polars": (
        "import polars",
        "polars.DataFrame",
        "polars.DataFrame({'a': [x] * 100, 'b': ['text'] * 100})",
        "v['a'][0]",
    ),
    "arrow": (
        "import pyarrow",
        "pyarrow.Table",
        "pyarrow.table({'a': [x] * 100, 'b': ['text'] * 100})",
        "v['a'][0].as_py()",
    ),
}
"""What to import, the type, how a value is made of a number, and the number read from it again."""

Run = Callable[[int], object]
"""Brings the last node up to date with the level."""


def source(kind: str, case: str) -> str:
    """Ten functions: each reads the number in the value before it, adds one, and says that it ran."""
    imports, annotation, make, read = KINDS[kind]
    lines = [imports, "import sys"]
    for i in range(LENGTH):
        head = f"def n{i}(n{i - 1}: {annotation}) -> {annotation}:" if i else f"def n0(level: int) -> {annotation}:"
        number = f"(lambda v: {read})(n{i - 1}) + 1" if i else "level"
        if (case, i) in (("equal at the second", 1), ("equal at the first", 0)):
            number = f"({number}) % 2"
        lines += [head, f"    sys.audit({RAN!r}, {i})", f"    x = {number}", f"    return {make}"]
    return "\n".join(lines)


def functions(module: ModuleType) -> list[Callable[..., Any]]:
    return [getattr(module, f"n{i}") for i in range(LENGTH)]


# -- dagbook


def incremental(module: ModuleType) -> Run:
    dag = dagbook.DAG()
    dag.add_nodes([f"n{i}" for i in range(LENGTH)])
    dag.add_edges([(f"n{i - 1}", f"n{i}") for i in range(1, LENGTH)])
    executor = dagbook.IncrementalExecutor(dag)
    first, *others = functions(module)
    tasks: dict[str, Callable[..., Any]] = {f"n{i}": fn for i, fn in enumerate(others, 1)}

    def run(level: int) -> object:
        return executor.execute({"n0": lambda: first(level), **tasks}, changed_nodes=["n0"])

    return run


def session(module: ModuleType) -> Run:
    dag = dagbook.DAG()
    dag.define([Node.of(fn) for fn in functions(module)])
    made = dagbook.Session(dag, workers=1)

    def run(level: int) -> object:
        made.dag.set(level=level)
        return made.run()

    return run


# -- other projects


def hamilton(module: ModuleType) -> Run:
    from hamilton import driver
    from hamilton.caching.stores import memory

    stores = {"metadata_store": memory.InMemoryMetadataStore(), "result_store": memory.InMemoryResultStore()}
    made = driver.Builder().with_modules(module).with_cache(**stores).build()
    return lambda level: made.execute([LAST], inputs={"level": level})


def joblib(module: ModuleType) -> Run:
    from joblib import Memory

    memory = Memory(tempfile.mkdtemp(dir=Path(str(module.__file__)).parent), verbose=0)
    cached = [memory.cache(fn) for fn in functions(module)]

    def run(level: int) -> object:
        value: Any = level
        for fn in cached:
            value = fn(value)
        return value

    return run


def pipefunc(module: ModuleType) -> Run:
    from pipefunc import PipeFunc, Pipeline

    nodes = [PipeFunc(fn, fn.__name__, cache=True) for fn in functions(module)]
    made = Pipeline(nodes, cache_type="simple")
    return lambda level: made.map({"level": level}, parallel=False, storage="dict", show_progress=False)


def dask(module: ModuleType) -> Run:
    from dask import delayed

    nodes = [delayed(fn, pure=True) for fn in functions(module)]

    def run(level: int) -> object:
        value: Any = level
        for fn in nodes:
            value = fn(value)
        return value.compute(scheduler="sync")

    return run


OURS = {"IncrementalExecutor": incremental, "Session": session}
PEERS = {"hamilton": hamilton, "joblib": joblib, "pipefunc": pipefunc, "dask": dask}


# -- figures


class Counter:
    """Counts the functions that say that they ran."""

    def __init__(self) -> None:
        self.count = 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, _arguments: tuple[object, ...]) -> None:
        self.count += event == RAN


def count(make: Callable[[ModuleType], Run], module: ModuleType, counter: Counter) -> str:
    """How many functions ran for the change; what went wrong, when something did."""
    try:
        run = make(module)
        run(BEFORE)
        counter.count = 0
        run(AFTER)
    except Exception as error:
        if make in OURS.values():
            raise
        return type(error).__name__
    return str(counter.count)


def told(counts: list[str]) -> str:
    """The counts of the cases, or the one error that all of them end in."""
    return " / ".join(counts if counts[0].isdigit() else dict.fromkeys(counts))


def main() -> list[Row]:
    print("  left out: dagron needs Python 3.12; there it runs 10, 2 and 2. marimo needs its own editor: 10, 10 and 10")
    print("  joblib has no graph: ten cached functions are called one after another. dask keeps nothing between calls")
    makers = OURS | {name: make for name, make in PEERS.items() if peer(name)}
    counter = Counter()
    lines: list[tuple[str, ...]] = []
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, (imports, *_) in KINDS.items():
            if imports and not peer(imports.removeprefix("import ")):
                continue
            modules = {case: module_of(source(kind, case), folder, f"ten_{kind}_{n}") for n, case in enumerate(CASES)}
            found = {name: [count(m, modules[case], counter) for case in CASES] for name, m in makers.items()}
            lines.append((kind, *(told(counts) for counts in found.values())))
            exact = [str(wanted) for wanted in CASES.values()]
            right = sum(got == want for name in OURS for got, want in zip(found[name], exact))
            rows.append(Row(f"10 / 2 / 1 with {kind} values", right, len(OURS) * len(CASES), unit="exact", sense="="))
    table(f"nodes run of {LENGTH}: {', '.join(CASES)}", lines, ("values", *makers))
    return rows


if __name__ == "__main__":
    show(main())
