"""Graphs of no-op nodes, as dagbook's and as plain lists for the floors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import sleep
from types import ModuleType
from typing import Any

from dagbook import DAG
from dagbook.graph.node import Node, Parameter

Preds = list[tuple[int, ...]]
Functions = list[Callable[..., Any]]

SHAPES = ("chain", "fan", "layered")


def preds_of(shape: str, size: int) -> Preds:
    """The inputs of each node, all smaller numbers."""
    if shape == "chain":
        return [(i - 1,) if i else () for i in range(size)]
    if shape == "fan":
        return [(0,) if i else () for i in range(size)]
    width = max(2, int(size**0.5) // 2)
    layers = [i // width for i in range(size)]
    return [
        () if not layers[i] else tuple(sorted({i - width - i % width, (layers[i] - 1) * width + (i + 1) % width}))
        for i in range(size)
    ]


def succs_of(preds: Preds) -> list[list[int]]:
    """Who needs each node."""
    succs: list[list[int]] = [[] for _ in preds]
    for i, inputs in enumerate(preds):
        for p in inputs:
            succs[p].append(i)
    return succs


def functions(preds: Preds, bodies: str | Sequence[str] = "return 0") -> Functions:
    """One function for each node, whose parameters are called after its inputs. ``bodies`` may use ``sleep``."""
    each = [bodies] * len(preds) if isinstance(bodies, str) else bodies
    heads = [f"def n{i}({', '.join(f'n{p}' for p in inputs)})" for i, inputs in enumerate(preds)]
    space: dict[str, Any] = {"__name__": "bench", "sleep": sleep}
    exec("\n".join(f"{head}: {body}" for head, body in zip(heads, each, strict=True)), space)
    return [space[f"n{i}"] for i in range(len(preds))]


def module_of(source: str, folder: str, name: str) -> ModuleType:
    """A module in a file, for those who want to read the source of a function."""
    path = Path(folder) / f"{name}.py"
    path.write_text(source)
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tasks_of(fns: Functions) -> dict[str, Callable[..., Any]]:
    """The functions by the names of their nodes."""
    return {f"n{i}": fn for i, fn in enumerate(fns)}


def bare_dag(preds: Preds) -> DAG:
    """Names and edges, for the executors that are given tasks."""
    dag = DAG()
    dag.add_nodes([f"n{i}" for i in range(len(preds))])
    dag.add_edges([(f"n{p}", f"n{i}") for i, inputs in enumerate(preds) for p in inputs])
    return dag


def dag_of(preds: Preds, fns: Functions) -> DAG:
    """Nodes with functions, for sessions; its topology is made."""
    dag = DAG()
    dag.define(
        Node(f"n{i}", fn, tuple(Parameter(f"n{p}") for p in inputs))
        for i, (inputs, fn) in enumerate(zip(preds, fns, strict=True))
    )
    dag.topology()
    return dag
