"""A DAG put together in one expression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dagbook.graph.dag import DAG


class DAGBuilder:
    """Nodes and edges, each call after the other; :meth:`build` gives the DAG.

    What a call refuses leaves the builder as it was before that call.
    """

    def __init__(self, name: str = "dag") -> None:
        self._dag = DAG(name)

    def add_node(self, name: str, **options: Any) -> DAGBuilder:
        """As :meth:`DAG.add_node`."""
        self._dag.add_node(name, **options)
        return self

    def add_nodes(self, names: Iterable[str]) -> DAGBuilder:
        """As :meth:`DAG.add_nodes`."""
        self._dag.add_nodes(names)
        return self

    def add_edge(self, upstream: str, downstream: str) -> DAGBuilder:
        """As :meth:`DAG.add_edge`."""
        self._dag.add_edge(upstream, downstream)
        return self

    def add_edges(self, pairs: Iterable[tuple[str, str]]) -> DAGBuilder:
        """As :meth:`DAG.add_edges`."""
        self._dag.add_edges(pairs)
        return self

    def build(self) -> DAG:
        """A DAG of all that was added so far; the builder can go on, and what it adds then is not in it."""
        return self._dag.snapshot()
