"""What cannot go to a process of its own, or come back, is refused with the node, the thing and the way out."""

import importlib
import sys

import pytest

from dagbook.errors import GraphError, UnstorableError, UsageError
from dagbook.graph.node import NodeOptions

OUT = "take process=True out."


def failed(lab, name):
    run = lab.run()
    assert list(run.errors) == [name]
    return run.errors[name]


def test_a_parameter(lab):
    lab.cell("import threading\ndef lock(): return threading.Lock()\n@node(process=True)\ndef train(lock): return 1")
    error = failed(lab, "train")
    assert isinstance(error, UnstorableError)
    assert "train cannot run in a process of its own, for its parameter 'lock' cannot be sent there" in str(error)
    assert str(error).endswith(OUT)


def test_a_global(lab):
    lab.cell("import sqlite3\n_db = sqlite3.connect(':memory:')\n@node(process=True)\ndef train(): return _db")
    assert "the global '_db' that it uses cannot be sent there: a sqlite3.Connection" in str(failed(lab, "train"))


def test_a_result(lab):
    lab.cell("@node(process=True)\ndef rows(): return {'r': (n for n in 'ab')}")
    text = str(failed(lab, "rows"))
    assert text.startswith("the result of rows cannot be sent back from its process: a dict cannot be sent back: ['r']")
    assert "generator" in text
    assert text.endswith(OUT)


def test_a_parameter_whose_pickling_raises(lab):
    lab.cell("class _Odd:\n    def __reduce__(self): raise ValueError('never')\n"
             "def odd(): return _Odd()\n@node(process=True)\ndef train(odd): return 1")
    assert "its parameter 'odd' cannot be sent there: a _Odd" in str(failed(lab, "train"))


def test_pyplot(lab):
    lab.cell("import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\n"
             "@node(process=True)\ndef picture(): plt.plot([1]); return 1\ndef other(): return 2")
    error = failed(lab, "picture")
    assert isinstance(error, UsageError)
    assert "picture uses pyplot" in str(error)
    assert lab["other"] == 2


@pytest.mark.parametrize("options", [{"process": 1}, {"process": "yes"}, {"process": True, "main": True}])
def test_options_that_cannot_be(options):
    with pytest.raises(GraphError, match="process"):
        NodeOptions.of(**options)


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """A module of the project, and how to edit it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "steps_of_this_test.py"

    def edit(text):
        path.write_text(text)
        importlib.invalidate_caches()

    edit("LIMIT = 1\ndef double(x): return 2 * x + LIMIT")
    yield edit
    sys.modules.pop("steps_of_this_test", None)


NODE = "import steps_of_this_test as steps\n@node(process=True)\ndef a(): return steps.double(10)"


def test_a_module_that_was_loaded_again_is_loaded_again_there(lab, steps):
    lab.cell(NODE)
    lab.ran()
    assert lab["a"] == 21
    steps("LIMIT = 1\ndef double(x): return 3 * x + LIMIT")
    importlib.reload(sys.modules["steps_of_this_test"])
    assert lab.ran() == ["a"]
    assert lab["a"] == 31


def test_a_module_that_was_edited_but_not_loaded_again_is_refused(lab, steps):
    lab.cell(NODE)
    assert lab.namespace["steps"].double(10) == 21
    steps("LIMIT = 1\ndef double(x): return 3 * x + LIMIT")
    error = failed(lab, "a")
    assert isinstance(error, UsageError)
    assert "steps_of_this_test.double is not here what it is in a fresh process" in str(error)
    assert "importlib.reload" in str(error)


def test_a_module_in_which_something_was_set_is_refused(lab, steps):
    lab.cell(NODE)
    lab.namespace["steps"].LIMIT = 5
    assert "steps_of_this_test.LIMIT is not here" in str(failed(lab, "a"))


def test_a_function_of_a_module_counts_too(steps):
    from dagbook import DAG, DAGExecutor

    function = importlib.import_module("steps_of_this_test").double
    dag = DAG()
    dag.add_node("x")
    dag.add_node("y", process=True)
    dag.add_edge("x", "y")
    tasks = {"x": lambda: 10, "y": function}
    assert DAGExecutor(dag).execute(tasks).node_results["y"].result == 21
    steps("LIMIT = 2\ndef double(x): return 3 * x + LIMIT")
    result = DAGExecutor(dag).execute(tasks).node_results["y"].result
    assert result in (21, None)  # what was loaded, or nothing; never what the file says now


def test_a_result_that_cannot_be_loaded(lab):
    odd = "class _Odd:\n    def __reduce__(self): return int, ('x',)\n"
    lab.cell(f"{odd}@node(process=True)\ndef train(): return _Odd()")
    error = failed(lab, "train")
    assert isinstance(error, UnstorableError)
    assert "the result of train came back from its process, and cannot be loaded here (ValueError: " in str(error)
