"""Functions that are given to the nodes of a graph from outside: checked, and bound to what each node needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

from dagbook.errors import GraphError, UsageError, did_you_mean, nearest
from dagbook.graph.node import DEFAULTS, Node, NodeOptions, Parameter, parameters_of
from dagbook.graph.topology import Topology

Function = Callable[..., Any]


def functions_of(topology: Topology, tasks: Mapping[str, Function] | None) -> list[Function]:
    """One function for each node, by index. Without ``tasks`` they are those of the nodes themselves.

    Raises UsageError for a task that is missing, unknown or no function.
    """
    if tasks is None:
        tasks = {name: node.fn for name, node in topology.described.items() if not node.bare}
    if not isinstance(tasks, Mapping):
        raise UsageError(f"tasks are a dict from the name of a node to its function, not a {type(tasks).__name__}.")
    try:
        functions = list(map(tasks.__getitem__, topology.names))
    except KeyError:
        raise UsageError(_misfit(topology, tasks)) from None
    if len(tasks) != len(functions):
        raise UsageError(_misfit(topology, tasks))
    if not all(map(callable, functions)):
        name, task = next(pair for pair in zip(topology.names, functions, strict=True) if not callable(pair[1]))
        raise UsageError(f"the task of {name!r} is a {type(task).__name__}, not a function. Give a callable.")
    return functions


def _misfit(topology: Topology, tasks: Mapping[str, Function]) -> str:
    missing = [name for name in topology.names if name not in tasks]
    unknown = [name for name in tasks if name not in topology.index]
    words = []
    if missing:
        words.append(f"there is no task for {_some(missing)}")
    if unknown:
        words.append(f"no node is called {_some(unknown)}{did_you_mean(nearest(str(unknown[0]), topology.names))}")
    return f"{'; '.join(words).removesuffix('.')}. Give one task for each node of the graph; nothing has run."


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (" …" if len(names) > 5 else "")


def takes_nothing(fn: Function) -> bool:
    """Whether a plain function can be called without arguments; False when that is not seen at once."""
    if type(fn) is not FunctionType:
        return False
    code = fn.__code__
    return not code.co_kwonlyargcount and code.co_argcount == len(fn.__defaults__ or ())


def required(name: str, fn: Function, needed: Callable[[str], bool]) -> tuple[Parameter, ...]:
    """The parameters that must be given, each of which is to be the name of a node that node ``name`` needs.

    Raises GraphError for another.
    """
    if takes_nothing(fn):
        return ()
    wanted = tuple(p for p in parameters_of(fn) if not p.optional)
    for parameter in wanted:
        if not needed(parameter.name):
            raise GraphError(
                f"the task of {name!r} takes {parameter.name!r}, which is no node that {name!r} needs. Add an edge "
                f"from {parameter.name!r}, give the parameter a default, or take it out; nothing has run."
            )
    return wanted


def with_tasks(topology: Topology, tasks: Mapping[str, Function]) -> Topology:
    """The same graph, whose nodes have these functions. Raises as :func:`functions_of`, and GraphError."""
    functions = functions_of(topology, tasks)
    index, preds = topology.index, topology.preds
    described = dict(topology.described)
    for i, (name, fn) in enumerate(zip(topology.names, functions, strict=True)):
        own = described.get(name)
        parameters = required(name, fn, lambda p, i=i: index.get(p, -1) in preds[i])  # type: ignore[misc]
        described[name] = replace(own, fn=fn, parameters=parameters) if own else Node(name, fn, parameters)
    return Topology(topology.names, index, topology.preds, topology.succs, described)


def with_others(topology: Topology, functions: Mapping[int, Function]) -> Topology:
    """The same graph, some of whose nodes have other functions. Raises GraphError."""
    index, preds, described = topology.index, topology.preds, dict(topology.described)
    for i, fn in functions.items():
        name = topology.names[i]
        parameters = required(name, fn, lambda p, i=i: index.get(p, -1) in preds[i])  # type: ignore[misc]
        described[name] = replace(topology.nodes[i], fn=fn, parameters=parameters)
    return Topology(topology.names, index, preds, topology.succs, described)


def given_options(topology: Topology) -> dict[int, NodeOptions]:
    """The options of the nodes that have some, by index."""
    index = topology.index
    described = [(name, node.options) for name, node in topology.described.items() if node.options is not DEFAULTS]
    return {index[name]: options for name, options in described if options != DEFAULTS}
