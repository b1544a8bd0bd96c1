"""The notebooks in ``notebooks/`` are well formed, wired, and hold nothing that differs from one run to the next."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("flights", "tour")

FLIGHTS = {
    *("flights", "weather", "planes", "airports", "airlines", "clean", "joined", "by_hour", "by_carrier", "carriers"),
    *("features", "model", "score", "fig_hours", "fig_carriers", "report"),
}
GRAPH_INPUTS = {"flights": set(), "tour": {"factor"}}

VOLATILE = {
    "duration": re.compile(r"\b\d+(?:\.\d+)?\s?(?:ms|µs|us|ns|s|sec|secs|seconds?)\b"),
    "clock time": re.compile(r"\b\d{1,2}:\d{2}:\d{2}\b"),
    "date and time": re.compile(r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"),
    "age": re.compile(r"\b(?:ago|just now)\b"),
    "address": re.compile(r"\b0x[0-9a-fA-F]{6,}\b"),
    "random id": re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-"),
    "absolute path": re.compile(r"""(?:^|[\s"'(=\[])(?:/(?:[\w.@+-]+/)+[\w.@+-]+|[A-Za-z]:\\\w)""", re.MULTILINE),
    "temporary cell file": re.compile(r"ipykernel_\d+"),
    "run number": re.compile(r"\brun \d+\b"),
    "progress bar": re.compile("[█▉▊▋▌▍▎▏]|\\r"),
    "warning": re.compile(r"\b\w+Warning: "),
}


def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def volatile(text: str) -> list[str]:
    """What in ``text`` would not be there again after another run."""
    return [kind for kind, pattern in VOLATILE.items() if pattern.search(text)]


def strings(output: Any) -> Iterator[str]:
    """Every text in an output but pictures, whose bytes only look like text."""
    if isinstance(output, str):
        yield output
    elif isinstance(output, list):
        for item in output:
            yield from strings(item)
    elif isinstance(output, dict):
        for key, item in output.items():
            if not key.startswith("image/") or key == "image/svg+xml":
                yield from strings(item)


def dag_cells(notebook: Any) -> list[Any]:
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.startswith(("%%dag", "#| dag"))]


def parsed(cell: Any) -> ast.Module:
    """A dag cell as Python, its first line blanked so that line numbers stay."""
    return ast.parse("\n" + cell.source.partition("\n")[2], cell.id)


def functions(notebook: Any) -> list[ast.FunctionDef]:
    bodies = [parsed(cell).body for cell in dag_cells(notebook)]
    return [f for body in bodies for f in body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")]


def sources(function: ast.FunctionDef) -> set[str]:
    """What gives a node its inputs: the names of its parameters, or what ``each`` maps them over."""
    each: dict[str, str] = {}
    for decorator in function.decorator_list:
        for option in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if option.arg == "each":
                each |= ast.literal_eval(option.value)
    return {each.get(a.arg, a.arg) for a in function.args.args}


@pytest.mark.parametrize("name", NAMES)
def test_is_valid_and_opens_with_the_python3_kernel(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", NAMES)
def test_cell_ids_are_readable_and_unique(name: str) -> None:
    ids = [cell.id for cell in read(name).cells]
    assert len(set(ids)) == len(ids)
    assert [i for i in ids if not re.fullmatch(r"[a-z]+(?:-[a-z]+)*", i)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_stored_output_is_volatile(name: str) -> None:
    found = [
        (cell.id, kind, text[:200])
        for cell in read(name).cells
        if cell.cell_type == "code"
        for output in cell.outputs
        for text in strings(output)
        for kind in volatile(text)
    ]
    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_stores_when_it_ran(name: str) -> None:
    assert [cell.id for cell in read(name).cells if "execution" in cell.metadata] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_dag_cell_compiles_without_its_first_line(name: str) -> None:
    cells = dag_cells(read(name))
    assert cells
    for cell in cells:
        assert cell.source.splitlines()[0] in ("%%dag", "#| dag")
        compile(parsed(cell), cell.id, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_each_node_is_defined_once_and_every_parameter_is_provided(name: str) -> None:
    nodes = functions(read(name))
    names = [f.name for f in nodes]
    assert len(set(names)) == len(names)
    wanted = set().union(*(sources(f) for f in nodes))
    assert wanted - set(names) == GRAPH_INPUTS[name]


def test_flights_has_the_documented_nodes_and_both_ways_to_mark_a_cell() -> None:
    notebook = read("flights")
    assert {f.name for f in functions(notebook)} == FLIGHTS
    assert {c.source.splitlines()[0] for c in dag_cells(notebook)} == {"%%dag", "#| dag"}


@pytest.mark.parametrize(
    "text",
    [
        "ran in 2.5 s",
        "12 ms",
        "finished 14:02:17",
        "2024-05-01T10:00:00",
        "5 minutes ago",
        "<function clean at 0x7f32a81b2c10>",
        '"model_id": "0b1c2d3e4f5061728394a5b6c7d8e9f0"',
        "File /home/ann/flights.py",
        "C:\\Users\\ann",
        "ipykernel_4242",
        "run 41",
        "45 %|████▌     |",
        "FutureWarning: soon gone",
    ],
)
def test_the_patterns_find_what_differs_between_runs(text: str) -> None:
    assert volatile(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "327,346 of 336,776 rows",
        "{'flights': 65104, 'r2': 0.212, 'mae': 23.9}",
        "Late flights: 10% of those due out at 5:00, 37% at 21:00",
        "Mean delay on arrival: -9.9 min with AS",
        "<Figure size 800x300 with 1 Axes>",
        "raw → clean → total",
        "<div></div>",
    ],
)
def test_the_patterns_leave_lasting_text_alone(text: str) -> None:
    assert volatile(text) == []
