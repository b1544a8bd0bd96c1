"""A node in a process of its own gives, shows and records what it would on a thread; and is reused like any other."""

import asyncio
import os

import pytest

from dagbook.engine.events import Kind
from dagbook.fingerprint.value import fingerprint
from dagbook.graph.node import Node, NodeOptions
from dagbook.notebook.outputs import Sink, collecting

VALUES = """
import array, collections, datetime, decimal, enum, fractions, pathlib, uuid
from dataclasses import dataclass
from typing import NamedTuple
import numpy as np, pandas as pd, polars as pl, pyarrow as pa

@dataclass
class Point:
    x: int
    y: object = None

class Pair(NamedTuple):
    a: int
    b: str

class Colour(enum.Enum):
    RED = 1

def _helper(x): return x + 1
"""
EXPRESSIONS = [
    "None",
    "(1, True, 1.0, 1j, 'é', b'\\0')",
    "[{1: {2, 3}}, frozenset('ab')]",
    "float('nan'), -0.0, 10 ** 40",
    "datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)",
    "decimal.Decimal('1.10'), fractions.Fraction(1, 3), uuid.UUID(int=5), pathlib.PurePosixPath('a/b')",
    "collections.OrderedDict(b=1, a=2), collections.Counter('abca'), collections.deque([1, 2], 3)",
    "array.array('d', [1.0, 2.0]), bytearray(b'ab'), range(3), slice(1, 2)",
    "np.arange(12).reshape(3, 4)[:, ::2]",
    "np.zeros((0, 3), 'f4'), np.float32(1.5), np.datetime64('2020-01-01')",
    "np.asfortranarray(np.arange(6.0).reshape(2, 3))",
    "np.array([(1, 2.0)], dtype=[('a', 'i4'), ('b', 'f8')])",
    "np.array(['a', None, [1]], dtype=object)",
    "pd.DataFrame({'a': [1, None], 'b': ['x', 'y'], 'c': pd.Categorical(['u', 'v'])})",
    "pd.date_range('2020', periods=3, tz='UTC').to_series()",
    "pl.DataFrame({'a': [1, 2], 'b': ['x', None]})",
    "pa.table({'a': [1, 2, None]})",
    "[Point(1, Point(2)), Pair(1, 'b'), Colour.RED]",
    "{'deep': [[[[[np.ones(3)]]]]]}",
    "_helper",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_travel_both_ways_as_they_are(make_lab, expression):
    lab = make_lab(None)
    lab.cell(VALUES + f"""
def there(): return {expression}
@node(process=True)
def back(there): return there
@node(process=True)
def made(): return {expression}
""")
    lab.run().raise_for_status()
    value = lab["there"]
    assert type(lab["back"]) is type(value)
    assert fingerprint(lab["back"]) == fingerprint(value)
    assert fingerprint(lab["made"]) == fingerprint(value)


def test_arrays_that_come_back_can_be_written_to(make_lab):
    lab = make_lab(None)
    lab.cell("import numpy as np\n@node(process=True)\ndef a(): return np.zeros(1000)")
    lab.run()
    assert lab["a"].flags.writeable


CHAIN = """
@node(process=True)
def a(): return 3
@node(process=True)
def b(a): return a % 2
@node(process=True)
def c(b): return b + 1
"""


def test_nothing_is_called_again_and_an_equal_value_cuts_off(lab):
    lab.cell(CHAIN)
    assert lab.ran() == ["a", "b", "c"]
    assert lab.ran() == []
    lab.cell(CHAIN.replace("return 3", "return 5"))
    assert lab.ran() == ["a", "b"]
    lab.restart()
    assert lab.ran() == []
    assert lab["c"] == 2


def test_where_a_node_is_called_is_not_part_of_its_key(lab):
    lab.cell(CHAIN)
    lab.ran()
    lab.cell(CHAIN.replace("@node(process=True)", "@node"))
    assert lab.ran() == []


def test_an_input_that_is_changed_in_place_is_only_its_own_copy(lab):
    lab.cell("def a(): return [1]\n@node(process=True)\ndef b(a): a.append(2); return a\ndef c(a, b): return a, b")
    assert lab.ran() == ["a", "b", "c"]
    assert lab["c"] == ([1], [1, 2])


def test_a_mapped_node_has_its_children_in_processes(lab):
    lab.cell("import os\ndef xs(): return [1, 2, 3]\n"
             "@node(each={'x': 'xs'}, process=True)\ndef y(x): return x * 2, os.getpid()")
    lab.run().raise_for_status()
    assert [value for value, _ in lab["y"]] == [2, 4, 6]
    assert os.getpid() not in {pid for _, pid in lab["y"]}


def test_a_coroutine_function_is_awaited_there(lab):
    async def there():
        await asyncio.sleep(0)
        return os.getpid()

    lab.dag.define([Node.of(there, options=NodeOptions.of(process=True))])
    lab.run().raise_for_status()
    assert lab["there"] != os.getpid()


def test_a_coroutine_function_of_a_plain_run_is_awaited_there():
    from dagbook import DAG, AsyncDAGExecutor

    async def there():
        await asyncio.sleep(0)
        return os.getpid()

    dag = DAG()
    dag.add_node("there", process=True)
    result = asyncio.run(AsyncDAGExecutor(dag).execute({"there": there}))
    assert result.node_results["there"].result != os.getpid()


PRINTS = """
import sys, warnings
{mark}
def talks():
    print("one", flush=True)
    print("two", end="")
    print("oops", file=sys.stderr)
    print("three", "\\u2713")
    warnings.warn("careful")
    sys.stdout.writelines(["four\\n", "five"])
    return 1
"""


def test_what_is_printed_is_printed_here_in_order(make_lab, capsys):
    lab = make_lab(None)
    lab.cell(PRINTS.format(mark="@node(process=True)"))
    with pytest.warns(UserWarning, match="careful"):
        lab.run().raise_for_status()
    out, err = capsys.readouterr()
    assert out == "one\ntwothree ✓\nfour\nfive"
    assert err == "oops\n"


def test_what_is_printed_is_kept_as_on_a_thread(make_lab, monkeypatch):
    import sys

    from dagbook.notebook.outputs import Router

    kept = []
    for mark in ("@node", "@node(process=True)"):
        monkeypatch.setattr(sys, "stdout", Router("stdout", sys.__stdout__))
        monkeypatch.setattr(sys, "stderr", Router("stderr", sys.__stderr__))
        monkeypatch.setattr("warnings.showwarning", lambda message, *rest, **more: sys.stderr.write(f"W: {message}\n"))
        lab = make_lab(None)
        lab.session._capture = lambda name: collecting(Sink(lambda output: None))
        lab.cell(PRINTS.format(mark=mark))
        run = lab.session.run()
        monkeypatch.undo()
        kept.append(run.stories["talks"].record.shown)
    assert kept[0] == kept[1]
    assert "".join(each["text"] for each in kept[0]) == "one\ntwooops\nthree ✓\nW: careful\nfour\nfive"


DRAWS = """
import random
import numpy as np
{mark}
def draws(): return random.random(), np.random.rand(3)
"""


def test_what_is_drawn_is_drawn_from_the_same_seed(make_lab):
    drawn = []
    for mark in ("@node", "@node(process=True)", "@node(process=True)"):
        lab = make_lab(None)
        lab.cell(DRAWS.format(mark=mark))
        lab.run(force=["draws"]).raise_for_status()
        drawn.append(fingerprint(lab["draws"]))
    assert len(set(drawn)) == 1


def test_files_that_are_read_there_count(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("1")
    lab.cell("@node(process=True)\ndef a():\n    with open('data.txt') as file: return int(file.read())")
    assert lab.ran() == ["a"]
    assert [path for path, _ in lab.session.result("a").record.files] == ["data.txt"]
    assert lab.ran() == []
    (tmp_path / "data.txt").write_text("22")
    assert lab.ran() == ["a"]
    assert lab["a"] == 22


def test_the_working_folder_and_the_environment_are_those_of_now(lab, tmp_path, monkeypatch):
    lab.cell("import os\n@node(process=True)\ndef a():\n"
             "    os.environ['WORD'] += '!'\n    return os.getcwd(), os.environ['WORD']")
    for word in ("one", "two"):
        folder = tmp_path / word
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("WORD", word)
        lab.run(force=["a"]).raise_for_status()
        assert lab["a"] == (str(folder), word + "!")


def test_children_that_are_forked_there_do_not_mix_up_what_is_sent(make_lab, capfd):
    lab = make_lab(None)
    lab.cell("""
import os
@node(process=True)
def a():
    for n in range(5):
        if os.fork() == 0:
            print("child", n, "x" * 10_000)
            os._exit(0)
        print("parent", n)
    while True:
        try: os.wait()
        except ChildProcessError: return "fine"
""")
    lab.run().raise_for_status()
    assert lab["a"] == "fine"
    out = capfd.readouterr().out
    assert out.splitlines() == [f"parent {n}" for n in range(5)]


def test_a_node_that_is_tried_again_has_all_its_attempts(lab, tmp_path):
    lab.namespace["PATH"] = str(tmp_path / "count")
    lab.cell("@node(process=True, retries=3)\ndef a():\n    with open(PATH, 'a') as file: file.write('x')\n"
             "    with open(PATH) as file: n = len(file.read())\n    if n < 3: raise OSError('not yet')\n    return n")
    run = lab.run()
    assert run.named(Kind.NODE_RAN) == ["a"]
    assert lab["a"] == 3
