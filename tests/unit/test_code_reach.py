"""What is reached is found through modules, seen again when it changes, named, and equal in every process."""

from __future__ import annotations

import importlib
import linecache
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dagbook.fingerprint.code import Reach, code_digest, reach
from dagbook.fingerprint.key import difference, sentence
from dagbook.fingerprint.parts import known


def define(source: str, **space: Any) -> dict[str, Any]:
    space = {"__name__": "__main__", **space}
    exec(compile(source, "<cell>", "exec", dont_inherit=True), space)
    return space


def names(found: Reach, kind: str) -> list[str]:
    return [part.name for part in found.parts if part.kind == kind]


def first(old: Reach, new: Reach) -> str:
    changes = difference(old.parts, new.parts)
    assert bool(changes) is (old.digest != new.digest)
    return sentence(changes[0]) if changes else ""


# -- modules of the project -----------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Writes a module of the project and (re)loads it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, source: str, load: bool = True) -> ModuleType:
        path = tmp_path / (name.replace(".", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        importlib.invalidate_caches()
        linecache.checkcache()
        if not load:
            return sys.modules.get(name, ModuleType(name))
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


CLEAN = """
LATE = 15
def _keep(x):
    return x
def clean(x):
    return _keep(x) > LATE
def other():
    return 1
"""


def test_a_reached_attribute_of_a_module_counts_after_a_reload(project: Callable[..., ModuleType]) -> None:
    space = define("def node(raw): return steps.clean(raw)", steps=project("dbsteps", CLEAN))
    old = reach(space["node"])
    project("dbsteps", CLEAN.replace("return x", "return -x"))
    assert first(old, reach(space["node"])) == "module `dbsteps` changed (`dbsteps._keep`, 1 line, dbsteps.py)"


def test_what_is_not_reached_in_a_module_does_not_count(project: Callable[..., ModuleType]) -> None:
    space = define("def node(raw): return steps.clean(raw)", steps=project("dbsteps", CLEAN))
    old = reach(space["node"])
    project("dbsteps", "# a comment\n" + CLEAN.replace("return 1", "return 2"))
    assert reach(space["node"]).digest == old.digest


def test_a_file_that_is_edited_but_not_loaded_does_not_count(project: Callable[..., ModuleType]) -> None:
    space = define("def node(raw): return steps.clean(raw)", steps=project("dbsteps", CLEAN))
    old = reach(space["node"])
    project("dbsteps", CLEAN.replace("return x", "return -x"), load=False)
    assert reach(space["node"]).digest == old.digest


def test_a_constant_of_a_module_is_named_with_its_values(project: Callable[..., ModuleType]) -> None:
    space = define("from dbsteps import clean\ndef node(raw): return clean(raw)", steps=project("dbsteps", CLEAN))
    old = reach(space["node"])
    sys.modules["dbsteps"].LATE = 20  # type: ignore[attr-defined]
    assert first(old, reach(space["node"])) == "module `dbsteps` changed (`dbsteps.LATE` from 15 to 20)"


def test_a_module_that_cannot_be_followed_counts_as_a_whole(project: Callable[..., ModuleType]) -> None:
    space = define("def node(name): return getattr(steps, name)()", steps=project("dbsteps", CLEAN))
    old = reach(space["node"])
    assert old.unseen == ("`node` reads an attribute by a computed name (`getattr`)",)
    project("dbsteps", CLEAN.replace("return 1", "return 2"))
    assert first(old, reach(space["node"])) == "module `dbsteps` changed (`dbsteps.other`, 1 line, dbsteps.py)"
    sys.modules["dbsteps"].more = 1  # type: ignore[attr-defined]
    assert "dbsteps.more" in names(reach(space["node"]), "module")


@pytest.mark.parametrize(
    "body",
    [
        "import dbsteps\n    return dbsteps.clean(raw)",
        "import dbsteps as s\n    return s.clean(raw)",
        "from dbsteps import clean as c\n    return c(raw)",
        "from dbsteps import clean\n    return [clean(r) for r in raw]",
        "import dbsteps\n    return lambda r: dbsteps.clean(r)",
    ],
)
def test_an_import_inside_the_function_is_followed(project: Callable[..., ModuleType], body: str) -> None:
    project("dbsteps", CLEAN, load=False)
    space = define(f"def node(raw):\n    {body}")
    old = reach(space["node"])
    assert "dbsteps.other" not in names(old, "module")
    project("dbsteps", CLEAN.replace("return x", "return -x"))
    assert first(old, reach(space["node"])) == "module `dbsteps` changed (`dbsteps._keep`, 1 line, dbsteps.py)"


def test_a_package_of_the_project_is_followed_to_the_attribute(project: Callable[..., ModuleType]) -> None:
    project("dbpkg.__init__", "", load=False)
    project("dbpkg.steps", CLEAN)
    space = define("import dbpkg.steps\ndef node(raw): return dbpkg.steps.clean(raw)")
    old = reach(space["node"])
    assert {"dbpkg", "dbpkg.steps"} <= old.modules
    project("dbpkg.steps", CLEAN.replace("return x", "return -x"))
    assert first(old, reach(space["node"])) == "module `dbpkg.steps` changed (`dbpkg.steps._keep`, 1 line, steps.py)"


def test_a_module_that_cannot_be_imported_is_missing_until_it_can(project: Callable[..., ModuleType]) -> None:
    space = define("def node(raw):\n    import dblater\n    return dblater.clean(raw)")
    old = reach(space["node"])
    project("dblater", CLEAN, load=False)
    assert old.digest != reach(space["node"]).digest


def test_equal_functions_of_two_modules_are_told_apart(project: Callable[..., ModuleType]) -> None:
    one, two = project("dbone", "K = 1\ndef f(): return K\n"), project("dbtwo", "K = 2\ndef f(): return K\n")
    source = "def node(): return f(), one.f(), two.f()"
    digests = {reach(define(source, one=one, two=two, f=f)["node"]).digest for f in (one.f, two.f)}
    assert len(digests) == 2


# -- installed packages ---------------------------------------------------------------------------------------------


def test_an_installed_package_counts_by_name_and_version_and_is_not_read() -> None:
    import numpy

    space = define("import numpy as np\nfrom numpy.linalg import svd\ndef node(raw): return svd(np.random.rand(raw))")
    found = reach(space["node"])
    assert names(found, "package") == [f"numpy {numpy.__version__}"]
    assert {"numpy", "numpy.random", "numpy.linalg"} <= found.modules
    assert len(found.parts) == 5  # code, np, svd, package, Python


def test_a_package_has_one_version_whether_it_is_loaded_or_not() -> None:
    script = "{}; from dagbook.fingerprint.origin import version; print(version('sklearn'))"
    found = set()
    for first in ("pass", "import sklearn"):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", script.format(first)]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    sklearn = pytest.importorskip("sklearn")
    assert found == {f"sklearn {sklearn.__version__}\n"}


def test_the_standard_library_needs_no_part_of_its_own_but_its_modules_are_told() -> None:
    found = reach(define("import random, os.path\ndef node(): return os.path.join(random.random())")["node"])
    assert names(found, "package") == []
    assert {"random", "os"} <= found.modules


def test_a_wrapper_of_the_standard_library_is_seen_through() -> None:
    source = (
        "from contextlib import contextmanager\n@contextmanager\ndef f():\n    yield {}\n"
        "def node():\n    with f() as x: return x"
    )
    assert reach(define(source.format(1))["node"]).digest != reach(define(source.format(2))["node"]).digest


# -- asked again -----------------------------------------------------------------------------------------------------

SOURCE = """
K = 1
CFG = {"a": [1]}
class M:
    def go(self): return K
def f(x, n=2, *, m=3): return x * n * m
T = {"f": f}
L = [f]
def make(k):
    def inner(x): return x + k
    def change(v):
        nonlocal k
        k = v
    return inner, change
g, change = make(1)
m = M()
def node(raw): return f(raw) + K + CFG["a"][0] + M().go() + T["f"](1) + L[0](1) + g(1) + m.go()
"""


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda space: space.__setitem__(name, value)


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "a global is bound anew": _set("K", True),
    "a global list grows": lambda s: s["CFG"]["a"].append(2),
    "a class gets another method": lambda s: setattr(s["M"], "go", lambda self: 3),
    "a class gets another attribute": lambda s: setattr(s["M"], "more", 3),
    "an instance changes": lambda s: setattr(s["m"], "k", 3),
    "a function gets other code": lambda s: setattr(s["f"], "__code__", (lambda x, n=2, *, m=3: 0).__code__),
    "a function gets other defaults": lambda s: setattr(s["f"], "__defaults__", (3,)),
    "a keyword default changes": lambda s: s["f"].__kwdefaults__.update(m=4),
    "a function gets an attribute": lambda s: setattr(s["f"], "mark", 1),
    "a captured variable changes": lambda s: s["change"](5),
    "a dispatch table changes": lambda s: s["T"].update(f=s["g"]),
    "a list of functions changes": lambda s: s["L"].append(s["g"]),
    "a dispatch table grows": lambda s: s["T"].update(g=s["g"]),
    "a global goes": lambda s: s.pop("CFG"),
    "the node's own code changes": lambda s: setattr(s["node"], "__code__", (lambda raw: 0).__code__),
    "a builtin is covered": _set("len", max),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen_when_asked_again(change: Callable[[dict[str, Any]], None]) -> None:
    space = define(SOURCE.replace("return f(raw)", "return len([]) + f(raw)"))
    old = reach(space["node"])
    assert reach(space["node"]) is old
    change(space)
    assert reach(space["node"]).digest != old.digest


def test_an_undone_change_gives_the_first_digest_again() -> None:
    space = define(SOURCE)
    old = reach(space["node"])
    space["CFG"]["a"].append(2)
    assert reach(space["node"]).digest != old.digest
    space["CFG"]["a"].pop()
    assert reach(space["node"]).digest == old.digest


def test_what_cannot_be_compared_equals_nothing() -> None:
    space = define("import threading\nlock = threading.Lock()\ndef node():\n    with lock: return 1")
    old = reach(space["node"])
    assert not known(old.digest)
    assert reach(space["node"]).digest != old.digest


def test_a_function_that_is_gone_is_forgotten() -> None:
    import gc
    import weakref

    space = define("def fact(n): return n and n * fact(n - 1)")
    alive = weakref.ref(space["fact"])
    reach(space["fact"])
    space.clear()
    gc.collect()
    assert alive() is None


# -- shapes that could trap a walk -----------------------------------------------------------------------------------


def test_a_chain_of_ten_thousand_helpers_needs_no_recursion() -> None:
    size = 10_000
    space = {"__name__": "__main__"}
    exec("\n".join(f"f{i} = lambda x: f{i + 1}(x)" for i in range(size)) + f"\nf{size} = len", space)
    assert len(reach(space["f0"]).parts) == size + 2  # and Python


def test_data_that_holds_the_function_that_reads_it_ends() -> None:
    source = "class Box: pass\nbox = Box()\ndef node(): return box.fn\nbox.fn = node\nT = [node]\n"
    space = define(source + "def two(): return T, box")
    assert known(reach(space["node"]).digest)
    assert known(reach(space["two"]).digest)
    assert reach(space["node"]) is reach(space["node"])


def test_a_digest_does_not_depend_on_what_was_asked_before() -> None:
    source = """
class Box: pass
box, other = Box(), Box()
def one(): return box.fn
def two(): return other.fn
box.fn, other.fn = two, one
"""
    first, second = define(source), define(source)
    found = reach(first["one"]).digest, reach(first["two"]).digest
    assert (reach(second["two"]).digest, reach(second["one"]).digest) == found[::-1]
    assert (reach(first["one"]).digest, reach(first["two"]).digest) == found


def test_what_a_function_in_a_table_reads_is_named() -> None:
    found = reach(define("K = 1\nT = {'a': [lambda x: x + K]}\ndef node(raw): return T['a'][0](raw)")["node"])
    assert names(found, "constant") == ["K", "T"]


def test_names_of_locals_count_only_where_something_can_see_them() -> None:
    plain = [reach(define(f"def node(): {n} = 1; return {n}")["node"]).digest for n in "ab"]
    seen = [reach(define(f"def node(): {n} = 1; return locals()")["node"]).digest for n in "ab"]
    assert plain[0] == plain[1]
    assert seen[0] != seen[1]


def test_a_rebound_closure_of_a_recursive_local_function_ends() -> None:
    source = "def make():\n    def fact(n): return n and n * fact(n - 1)\n    return fact\nnode = make()"
    assert reach(define(source)["node"]).digest == reach(define(source)["node"]).digest


@pytest.mark.parametrize("value", [len, "a".join, int, print, ModuleType("made"), type("T", (), {"k": 1})], ids=str)
def test_anything_callable_has_a_digest(value: Any) -> None:
    assert known(code_digest(value))


def test_four_threads_find_the_same() -> None:
    space = define(SOURCE)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(reach(space["node"]).digest)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


# -- kinds of class and object that libraries make -------------------------------------------------------------------

KINDS = {
    "pydantic": "from pydantic import BaseModel\nclass M(BaseModel):\n    a: int = {K}\n",
    "attrs": "import attrs\n@attrs.define\nclass M:\n    a: int = attrs.field(default={K})\n",
    "sklearn": "from sklearn.base import BaseEstimator\nclass M(BaseEstimator):\n    def fit(self, X): return {K}\n",
    "NamedTuple": "from typing import NamedTuple\nclass M(NamedTuple):\n    a: int = {K}\n",
    "namedtuple": "from collections import namedtuple\nM = namedtuple('M', 'a', defaults=[{K}])\n",
    "TypedDict": "from typing import TypedDict\nclass M(TypedDict):\n    a{K}: int\n",
    "Protocol": "from typing import Protocol\nclass M(Protocol):\n    def f(self): return {K}\n",
    "ABC": "import abc\nclass M(abc.ABC):\n    @abc.abstractmethod\n    def f(self): return {K}\n",
    "Flag": "import enum\nclass M(enum.Flag):\n    A = {K}\n    B = 4\n",
    "Generic": "import typing\nT = typing.TypeVar('T')\nclass M(typing.Generic[T]):\n    def f(self): return {K}\n",
    "slots": "class M:\n    __slots__ = ('a',)\n    def f(self): return {K}\n",
    "cached property": "import functools\nclass M:\n    @functools.cached_property\n    def f(self): return {K}\n",
    "dataclass": "from dataclasses import *\n@dataclass\nclass M:\n    a: int = field(default_factory=lambda: {K})\n",
    "logger": "import logging\nM = logging.getLogger('dagbook.test'), {K}\n",
    "generator of numbers": "import numpy\nM = numpy.random.default_rng({K})\n",
    "vectorised function": "import numpy\nM = numpy.vectorize(lambda x: x + {K})\n",
    "method of a text": "M = '-{K}'.join\n",
}  # fmt: skip


@pytest.mark.parametrize("source", KINDS.values(), ids=KINDS)
def test_each_kind_is_known_the_same_when_made_again_and_seen_when_edited(source: str) -> None:
    for library in {"pydantic", "attrs", "sklearn", "numpy"} & set(source.replace(".", " ").split()):
        pytest.importorskip(library)
    made = [define(source.format(K=k) + "def node(): return M")["node"] for k in (1, 1, 2)]
    first, again, edited = map(reach, made)
    assert known(first.digest)
    assert reach(made[0]) is first
    assert again.digest == first.digest
    assert edited.digest != first.digest


# -- the same in every process ---------------------------------------------------------------------------------------


STABLE = (
    SOURCE
    + """
import functools, enum, dataclasses, math
class Color(enum.Enum):
    RED = "r"
    BLUE = {"a", "b", "c"}
@dataclasses.dataclass(frozen=True)
class P:
    n: int = 1
    def go(self): return {"x", "y", "z"}
FUNCTIONS = {f, g, len, math.sin}
WORDS = {"alpha", "beta", "gamma", ("a", 1)}
def table(raw): return [h(raw) for h in FUNCTIONS], WORDS, Color.BLUE, P(), raw in {"a", "b", "c", None, 1.5}
def all_of(raw): return node(raw), table(raw), functools.reduce(f, raw), undefined
"""
)


def test_the_digest_is_equal_in_processes_with_other_hash_seeds() -> None:
    script = (
        f"from dagbook.fingerprint.code import reach\nexec(compile({STABLE!r}, '<c>', 'exec'))\n"
        "print(reach(all_of).digest.hex())"
    )
    found = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", script]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 32


# -- what keeps being true ------------------------------------------------------------------------------------------


def test_what_reaches_nothing_but_itself_is_fixed() -> None:
    space = define(
        "K = 1\n"
        "def alone(x, n=2, m='a'): return [x + n, m]\n"
        "def keyword(x, *, m='a'): return [x, m]\n"
        "def reads(x): return x + K\n"
        "def calls(x): return len(x)\n"
        "def keeps(x, seen=[]): return seen\n"
        "def make(k):\n    def captures(x): return x * k\n    return captures\n"
        "captures = make(3)\n"
        "def marked(x): return x\n"
        "marked.mark = 1\n"
    )
    names = ("alone", "keyword", "reads", "calls", "keeps", "captures", "marked")
    fixed = {name for name in names if reach(space[name]).fixed}
    assert fixed == {"alone"}


@pytest.mark.parametrize("name", ["__code__", "__defaults__", "__kwdefaults__", "__dict__"])
def test_a_function_is_read_again_when_any_part_of_it_is_replaced(name: str) -> None:
    one, two = (
        define(f"def node(x, n={n}, *, m={n}): return x + {n}\nnode.mark = {n}")["node"] for n in (1, 2)
    )
    old = reach(one)
    assert reach(one) is old
    setattr(one, name, getattr(two, name))
    assert reach(one).digest != old.digest


def test_a_partial_is_remembered_and_seen_again_when_it_changes() -> None:
    import functools

    space = define("K = 1\ndef f(x, y, n=0): return x + y + n + K\ndef g(x, y, n=0): return x")
    node = functools.partial(space["f"], 1, n=2)
    old = reach(node)
    assert reach(node) is old
    node.keywords["n"] = 3
    assert reach(node).digest != old.digest
    node.keywords["n"] = 2
    assert reach(node).digest == old.digest
    node.__setstate__((space["f"], (2,), {"n": 2}, {}))
    assert reach(node).digest != old.digest
    node.__setstate__((space["g"], (1,), {"n": 2}, {}))
    assert reach(node).digest != old.digest
    node.__setstate__((space["f"], (1,), {"n": 2}, {}))
    assert reach(node).digest == old.digest
    space["K"] = 2
    assert reach(node).digest != old.digest


def test_a_partial_that_is_gone_is_forgotten() -> None:
    import functools
    import gc
    import weakref

    space = define("class App: pass\ndef f(app): return app")
    app = space["App"]()
    app.node = functools.partial(space["f"], app)
    reach(app.node)
    alive = weakref.ref(app.node)
    del app
    gc.collect()
    assert alive() is None


def test_code_that_says_the_same_is_told_apart_by_the_types_of_its_constants() -> None:
    bodies = ("1", "1.0", "True", "'1'", "0.0", "-0.0", "(1, 0)", "(1, False)", "frozenset", "min", "{1}", "{1.0}")
    assert len({reach(define(f"def node(x): return x, {body}")["node"]).digest for body in bodies}) == len(bodies)
