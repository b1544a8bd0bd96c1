"""A DAG as JSON, and the difference of two."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from dagbook.errors import CycleError, GraphError, ManifestError, NodeNotFoundError, did_you_mean, nearest
from dagbook.graph.dag import DAG
from dagbook.graph.node import DEFAULTS, NodeOptions

VERSION = 1
"""Of the format; a file of a greater version is refused."""

OPTIONS = "dagbook"
"""Under this key of a node's config stand the options that a run heeds: retries, timeout, cost …"""


@dataclass(frozen=True, slots=True)
class ManifestNode:
    """A node as data. ``config`` is JSON: what the node is made from, as far as it is no code."""

    id: str
    name: str
    type: str | None = None
    tags: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """The whole definition in one spelling: 1, 1.0 and true are different."""
        return json.dumps(_as_json(self), sort_keys=True)

    def options(self) -> NodeOptions:
        """The options that a run heeds. Raises GraphError for what is none."""
        given = self.config.get(OPTIONS, {})
        if not isinstance(given, Mapping):
            raise GraphError(f'"{OPTIONS}" in the config of a node is an object of options, not {given!r}.')
        return NodeOptions.of(**dict(given) | {"type": self.type, "tags": self.tags})


class Manifest:
    """Nodes, edges between their ids, nothing else: a DAG that can be written down. Never changed after it is made.

    Raises ManifestError for two nodes of one id and for an edge to an unknown one, CycleError for a cycle. ``dag`` is
    the DAG that it was made from, which knows the functions; None for one that was read.
    """

    def __init__(self, nodes: Iterable[ManifestNode] = (), edges: Iterable[tuple[str, str]] = ()) -> None:
        self.dag: DAG | None = None
        self.nodes: dict[str, ManifestNode] = {}
        for n, node in enumerate(nodes):
            if node.id in self.nodes:
                raise ManifestError(f"nodes[{n}]: a node with the id {node.id!r} is there already.")
            self.nodes[node.id] = node
        self.edges: list[tuple[str, str]] = list(dict.fromkeys((a, b) for a, b in edges))
        for n, edge in enumerate(self.edges):
            for name in edge:
                if name not in self.nodes:
                    near = did_you_mean(nearest(name, self.nodes))
                    raise ManifestError(f"edges[{n}]: no node has the id {name!r}{near}")
        self._bare = self._build()

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[ManifestNode]:
        return iter(self.nodes.values())

    def __getitem__(self, id: str) -> ManifestNode:
        try:
            return self.nodes[id]
        except KeyError:
            raise NodeNotFoundError(id, self.nodes) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and not self.diff(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Manifest: {len(self.nodes)} nodes, {len(self.edges)} edges>"

    # -- a DAG

    @classmethod
    def from_dag(cls, dag: DAG) -> Manifest:
        """The manifest of a DAG: ids are its names; a payload that is a dict is the config, with the options of a run.

        Raises ManifestError for a payload that is no JSON.
        """
        nodes = [_described(dag, name) for name in dag]
        manifest = cls(nodes, dag.edges())
        manifest.dag = dag.snapshot()
        return manifest

    def to_dag(self) -> DAG:
        """A DAG of its own, whose names are the ids: the functions of the DAG it was made from, else bare nodes.

        The payload of a bare node is its :class:`ManifestNode`.
        """
        return (self.dag or self._bare).snapshot()

    def _build(self) -> DAG:
        dag = DAG()
        for node in self:
            try:
                dag.add_node(node.id, payload=node, options=node.options())
            except GraphError as error:
                raise ManifestError(f"node {node.id!r}: {error}") from None
        dag.add_edges(self.edges)
        return dag

    def diff(self, old: Manifest) -> ManifestDiff:
        """What has changed since ``old``."""
        return ManifestDiff.of(old, self)

    # -- a file

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Manifest:
        """Read a manifest. Raises ManifestError, or CycleError, that names the file and the place."""
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error.strerror or error}.") from error
        try:
            return cls(*_parse(text))
        except CycleError as error:
            raise CycleError(error.path, [str(path)]) from None
        except ManifestError as error:
            raise ManifestError(f"{path}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, whole or not at all. Raises ManifestError for a config that is no JSON."""
        content = {
            "version": VERSION,
            "nodes": [_as_json(node) for node in self],
            "edges": [list(edge) for edge in self.edges],
        }
        _write(Path(path), json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


@dataclass(frozen=True, slots=True)
class ManifestDiff:
    """What differs between two manifests, by ids; false when nothing does.

    ``modified_nodes`` have another type, name, config or other tags. ``changed`` are the nodes of the new one whose own
    definition or incoming edges are not as they were; what lies below them is not in it.
    """

    added_nodes: list[str]
    removed_nodes: list[str]
    modified_nodes: list[str]
    added_edges: list[tuple[str, str]]
    removed_edges: list[tuple[str, str]]
    changed: list[str]

    @classmethod
    def of(cls, old: Manifest, new: Manifest) -> ManifestDiff:
        """What has to be done to ``old`` to have ``new``."""
        both = [id for id in new.nodes if id in old.nodes]
        modified = [id for id in both if new.nodes[id].text() != old.nodes[id].text()]
        added = [id for id in new.nodes if id not in old.nodes]
        before, after = set(old.edges), set(new.edges)
        added_edges = [edge for edge in new.edges if edge not in before]
        removed_edges = [edge for edge in old.edges if edge not in after]
        touched = {*added, *modified, *(below for _, below in (*added_edges, *removed_edges))}
        return cls(
            added,
            [id for id in old.nodes if id not in new.nodes],
            modified,
            added_edges,
            removed_edges,
            [id for id in new.nodes if id in touched],
        )

    def __bool__(self) -> bool:
        edges = self.added_edges or self.removed_edges
        return bool(self.added_nodes or self.removed_nodes or self.modified_nodes or edges)


def _described(dag: DAG, name: str) -> ManifestNode:
    payload, options = dag.payload(name), dag[name].options
    if isinstance(payload, ManifestNode) and payload.id == name:
        return payload
    config = dict(payload) if isinstance(payload, Mapping) else {}
    chosen = {
        f.name: value
        for f in fields(NodeOptions)
        if f.name not in ("type", "tags") and (value := getattr(options, f.name)) != getattr(DEFAULTS, f.name)
    }
    if chosen:
        config[OPTIONS] = chosen
    short = name.removeprefix(f"{options.type}.") if options.type else name
    return ManifestNode(name, short or name, options.type, options.tags, _json(config, f"the payload of {name!r}"))


def _json(value: Mapping[str, Any], what: str) -> dict[str, Any]:
    try:
        text = json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ManifestError(f"{what} cannot be written as JSON: {error}.") from None
    copied: dict[str, Any] = json.loads(text)
    return copied


def _as_json(node: ManifestNode) -> dict[str, Any]:
    content: dict[str, Any] = {"id": node.id, "name": node.name}
    if node.type is not None:
        content["type"] = node.type
    return content | {"tags": list(node.tags), "config": _json(node.config, f"the config of {node.id!r}")}


# -- reading


def _parse(text: bytes) -> tuple[list[ManifestNode], list[tuple[str, str]]]:
    try:
        content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"it is not JSON: {error}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("nodes"), list):
        raise ManifestError('it is no manifest: that is an object with "version", "nodes" and "edges".')
    version = content.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ManifestError(f'"version" is a whole number from 1 up, not {version!r}.')
    if version > VERSION:
        raise ManifestError(f"it has version {version}, and this dagbook reads up to {VERSION}. Take a newer dagbook.")
    edges = content.get("edges", [])
    if not isinstance(edges, list):
        raise ManifestError('"edges" is a list of pairs of ids.')
    _known_keys(content, {"version", "nodes", "edges"}, "it")
    nodes = [_node(entry, f"nodes[{n}]") for n, entry in enumerate(content["nodes"])]
    return nodes, [_edge(entry, f"edges[{n}]") for n, entry in enumerate(edges)]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")


def _node(entry: Any, place: str) -> ManifestNode:
    if not isinstance(entry, dict):
        raise ManifestError(f"{place} is no object.")
    _known_keys(entry, {f.name for f in fields(ManifestNode)}, place)
    kind, name = entry.get("type"), _text(entry.get("name"), f"{place}: the name")
    tags, config = entry.get("tags", []), entry.get("config", {})
    if kind is not None:
        _text(kind, f"{place}: the type")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ManifestError(f"{place}: the tags are a list of texts, not {tags!r}.")
    if not isinstance(config, dict):
        raise ManifestError(f"{place}: the config is an object, not {config!r}.")
    id = entry.get("id", f"{kind}.{name}" if kind else name)
    return ManifestNode(_text(id, f"{place}: the id"), name, kind, tuple(tags), config)


def _edge(entry: Any, place: str) -> tuple[str, str]:
    if not isinstance(entry, list) or len(entry) != 2:
        raise ManifestError(f'{place} is no pair of ids like ["source.users", "clean"], but {entry!r}.')
    return _text(entry[0], place), _text(entry[1], place)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ManifestError(f"{what} is a text that is not empty, not {value!r}.")
    return value


def _known_keys(entry: Mapping[str, Any], known: Iterable[str], place: str) -> None:
    for key in entry:
        if key not in set(known):
            raise ManifestError(f"{place} has a key {key!r} that means nothing{did_you_mean(nearest(key, known))}")


def _write(path: Path, text: str) -> None:
    """Beside the file first, then in its place: whoever reads it sees the old one or the new one."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
