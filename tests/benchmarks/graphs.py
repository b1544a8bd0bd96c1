"""Graphs of no-op nodes, as dagbook's and as plain lists for the floors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dagbook.graph.dag import DAG
from dagbook.graph.node import Node, Parameter

SHAPES = ("chain", "fan", "layered")


def preds_of(shape: str, size: int) -> list[tuple[int, ...]]:
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


def functions(preds: list[tuple[int, ...]], body: str = "return 0") -> list[Callable[..., Any]]:
    """One function for each node, whose parameters are called after its inputs."""
    lines = [f"def n{i}({', '.join(f'n{p}' for p in inputs)}): {body}" for i, inputs in enumerate(preds)]
    space: dict[str, Any] = {"__name__": "bench"}
    exec("\n".join(lines), space)
    return [space[f"n{i}"] for i in range(len(preds))]


def dag_of(preds: list[tuple[int, ...]], fns: list[Callable[..., Any]]) -> DAG:
    """The same graph as a DAG, its topology made."""
    dag = DAG()
    dag.define(
        Node(f"n{i}", fn, tuple(Parameter(f"n{p}") for p in inputs))
        for i, (inputs, fn) in enumerate(zip(preds, fns, strict=True))
    )
    dag.topology()
    return dag
