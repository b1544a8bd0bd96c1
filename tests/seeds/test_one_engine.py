"""There is one engine: no face loops over nodes, has a pool or state of its own, or calls a task of the user's.

Read from the source. Each message says the file and line, and what to use instead.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dagbook

ROOT = Path(dagbook.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
FACES = [name for name in TREES if name.startswith("executors/")]

MACHINERY = ("_thread", "concurrent", "queue", "heapq", "multiprocessing", "sched", "subprocess")
"""What an engine is made of. A face may import ``threading`` and ``asyncio``, but make nothing with them."""

MAKERS = {"Thread", "Timer", "Process", "ThreadPoolExecutor", "ProcessPoolExecutor", "TaskGroup", "SimpleQueue"} | {
    "create_task",
    "ensure_future",
    "gather",
    "run_in_executor",
    "run_coroutine_threadsafe",
    "start_new_thread",
    "to_thread",
    "as_completed",
    "wait_for",
}

RUNNING = {"execute", "execute_async", "plain_run", "run", "run_async", "start", "submit"}
"""Calls that make something run; in a loop they would be a loop over nodes."""

TASK, TASKS = {"fn", "_fn", "task"}, {"tasks", "_tasks", "functions", "_functions"}
"""What is a function of the user's that is a node, and what holds such functions."""

AGAIN = {"executors/attempt.py": {"runs"}, "executors/runner.py": {"_finished"}}
"""Functions that may have a whole run once more: a stored value turned out to be damaged. They never see a node."""

CHANGES = {"add", "append", "extend", "pop", "popitem", "clear", "remove", "setdefault", "update", "insert", "discard"}

MEMORY = {
    "executors/dynamic.py": {"_growths", "_last"},  # what the last execution did to the graph is taken back
    "executors/runner.py": {"_runs"},  # the runs that go on, so that pause() reaches them
}
"""What a face may change in itself after it was made. Values and statuses are the run's, and the session's."""

THREADS = {
    "backends/threads.py": "the workers",
    "engine/coroutines.py": "an event loop for coroutines of a plain run",
    "engine/driver.py": "deadlines and commits",
    "engine/run.py": "the run itself",
    "fingerprint/plain.py": "a deep stack for a deep value",
    "notebook/flusher.py": "messages to the page",
    "observe/bus.py": "listeners, which must not hold up the run",
}
"""The modules that may make a thread, and what for. Only those of ``engine`` and ``backends`` ever run a node."""


def called(node):
    """The last name of what a call calls: ``a.b.c()`` → ``c``."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def at(name, node):
    return f"src/dagbook/{name}:{node.lineno}"


def own(node):
    """The attribute of ``self`` that an expression is, or is a part of: ``self.x[0]`` → ``x``; else nothing."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return node.attr
        node = node.value
    return ""


def user_calls(tree):
    """Calls of what is held as a task: ``task()``, ``node.fn()``, ``tasks[name]()``."""
    for call in calls(tree):
        held = isinstance(call.func, ast.Subscript)
        target = call.func.value if held else call.func
        if getattr(target, "attr", getattr(target, "id", "")) in (TASKS if held else TASK):
            yield call


def loops(name, *kinds):
    """The loops of a module, but for those that have a whole run again."""
    again = [f for f in functions(TREES[name]) if f.name in AGAIN.get(name, ())]
    left_out = {id(node) for function in again for node in ast.walk(function)}
    return [node for node in ast.walk(TREES[name]) if isinstance(node, kinds) and id(node) not in left_out]


def test_there_are_faces_to_check():
    assert {f"executors/{name}.py" for name in ("general", "incremental", "dynamic", "pipeline")} <= set(FACES)


@pytest.mark.parametrize("name", FACES)
def test_a_face_imports_no_machinery(name):
    for node in ast.walk(TREES[name]):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for module in modules:
            assert module.partition(".")[0] not in MACHINERY, f"{at(name, node)} imports {module}: begin a run instead"
            assert not module.startswith("dagbook.backends"), f"{at(name, node)}: only a session knows the backends"
            assert module != "dagbook.engine.driver", f"{at(name, node)}: begin a run by plain_run or a Session instead"
        if isinstance(node, ast.ImportFrom) and node.module in ("threading", "asyncio"):
            made = MAKERS & {alias.name for alias in node.names}
            assert not made, f"{at(name, node)} imports {made}: begin a run instead"


@pytest.mark.parametrize("name", FACES)
def test_a_face_makes_no_thread_pool_or_asyncio_task(name):
    for call in calls(TREES[name]):
        assert called(call) not in MAKERS, f"{at(name, call)} calls {called(call)}: begin a run instead"


@pytest.mark.parametrize("name", FACES)
def test_a_face_does_not_wait_in_a_loop(name):
    found = [at(name, node) for node in loops(name, ast.While, ast.AsyncFor)]
    assert not found, f"{', '.join(found)}: a face has no `while` and no `async for`; run.wait() waits"


@pytest.mark.parametrize("name", FACES)
def test_a_face_runs_nothing_in_a_loop(name):
    for loop in loops(name, ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp):
        for node in ast.walk(loop):
            assert not isinstance(node, ast.Await), f"{at(name, node)} awaits in a loop: that is a loop over nodes"
            if isinstance(node, ast.Call):
                assert called(node) not in RUNNING, f"{at(name, node)} calls {called(node)} in a loop: one run for all"


@pytest.mark.parametrize("name", FACES)
def test_a_face_calls_no_task(name):
    for call in user_calls(TREES[name]):
        pytest.fail(f"{at(name, call)} calls `{ast.unparse(call)}`: only the engine calls what a node is made of")


def executors(tree):
    """The classes that run something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = {function.name for function in functions(node)}
            if methods & RUNNING or node.name.endswith(("Executor", "Runner")):
                yield node


def changes(class_):
    """What a class changes in itself after it was made: attribute, line."""
    for function in functions(class_):
        if function.name in ("__init__", "__post_init__"):
            continue
        for node in ast.walk(function):
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
            if isinstance(node, ast.AugAssign | ast.AnnAssign):
                targets = [node.target]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and called(node) in CHANGES:
                targets = [node.func.value]
            yield from ((own(target), node.lineno) for target in targets if own(target) not in ("", "_session"))


@pytest.mark.parametrize("name", FACES)
def test_a_face_has_no_state_of_its_own(name):
    for class_ in executors(TREES[name]):
        for attribute, line in changes(class_):
            where = f"src/dagbook/{name}:{line} changes self.{attribute}"
            assert attribute in MEMORY.get(name, ()), f"{where}: it belongs to the run or the session"


@pytest.mark.parametrize("name", FACES)
def test_a_face_shares_no_state_between_executors(name):
    for node in TREES[name].body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        empty = (isinstance(value, ast.List) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)
        made = isinstance(value, ast.Call) and called(value) in ("dict", "list", "set", "defaultdict", "deque")
        filled = empty or made
        assert not filled, f"{at(name, node)} is filled while runs go on: it belongs to a run or session"


@pytest.mark.parametrize("name", TREES)
def test_threads_are_made_where_it_is_known_what_for(name):
    for call in calls(TREES[name]):
        if called(call) in ("Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "start_new_thread"):
            assert name in THREADS, f"{at(name, call)} makes a thread: say in THREADS what for; nodes run in backends"


@pytest.mark.parametrize("name", [name for name in TREES if not name.startswith(("engine/", "backends/"))])
def test_only_the_engine_calls_what_a_node_is_made_of(name):
    for call in user_calls(TREES[name]):
        if getattr(call.func, "attr", "") in ("fn", "_fn") or isinstance(call.func, ast.Subscript):
            pytest.fail(f"{at(name, call)} calls `{ast.unparse(call)}`: nodes are called in engine/")


def takers():
    """The functions that take a node from the scheduler, which is what starts it."""
    for name, tree in TREES.items():
        for function in functions(tree):
            for call in calls(function):
                if called(call) == "take" and "scheduler" in ast.unparse(call.func):
                    yield f"{name}:{function.name}"


def test_there_is_one_place_where_a_node_is_started():
    places = sorted(set(takers()))
    assert len(places) == 1, f"a node is started in {', '.join(places) or 'no place'}; there must be exactly one"
    assert places[0].startswith("engine/driver.py")


def test_only_the_driver_and_the_session_hand_work_to_backends():
    for name, tree in TREES.items():
        for call in calls(tree):
            if called(call) == "submit":
                assert name == "engine/driver.py", f"{at(name, call)} hands work to a backend: only the driver does"


def test_no_face_puts_an_engine_together():
    composing = {"session.py", "launch.py"}
    for made in ("Scheduler", "Driver", "ThreadsBackend", "InlineBackend"):
        where = {name for name, tree in TREES.items() for call in calls(tree) if called(call) == made}
        others = sorted(name for name in where - composing if not name.startswith("engine/"))
        assert not others, f"a {made} is made in {', '.join(others)}: that is for {' and '.join(sorted(composing))}"
