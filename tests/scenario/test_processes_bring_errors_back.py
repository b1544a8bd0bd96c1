"""An error comes back as itself, or as something like it, however nasty it is: on each of the three kinds of lane."""

import traceback

import pytest

from dagbook.engine.events import Kind

CLASSES = """
import json, threading, asyncio

class _Plain(Exception): pass
class _TwoArguments(Exception):
    def __init__(self, a, b): super().__init__(f"{a} and {b}")
class _Holds(ValueError):
    def __init__(self, text): super().__init__(text); self.lock = threading.Lock()
class _StrRaises(Exception):
    def __str__(self): raise RuntimeError("no text")
class _StrRaisesAndHolds(_Holds):
    def __str__(self): raise RuntimeError("no text")
class _ReprRaises(Exception):
    def __repr__(self): raise RuntimeError("no repr")
class _ReduceRaises(KeyError):
    def __reduce__(self): raise RuntimeError("no pickle")
class _ReduceLies(Exception):
    def __reduce__(self): return str, ("not an exception",)
class _LoadRaises(Exception):
    def __reduce__(self): return int, ("not a number",)
class _NoBool(Exception):
    def __bool__(self): raise RuntimeError("no bool")
class _Base(BaseException): pass
class _BaseHolds(BaseException):
    def __init__(self): self.lock = threading.Lock()
class _ByKeyword(Exception):
    def __init__(self, *, code): super().__init__(f"code {code}")
class _DecodeHolds(UnicodeDecodeError):
    lock = None
    def __reduce__(self): raise RuntimeError("no pickle")

def _chained():
    try:
        try: 1 / 0
        except ZeroDivisionError as error: raise _Holds("second") from error
    except _Holds: raise KeyError("third")

def _deep(n):
    return _deep(n - 1) if n else json.loads("{")
"""
NASTY = {
    "raise _Plain('plain')": ("_Plain", "plain"),
    "raise _TwoArguments(1, 2)": ("_TwoArguments", "1 and 2"),
    "raise _Holds('held')": ("_Holds", "held"),
    "raise _StrRaises()": ("_StrRaises", "(its message could not be shown)"),
    "raise _StrRaisesAndHolds('x')": ("_StrRaisesAndHolds", "(its message could not be shown)"),
    "raise _ReprRaises('r')": ("_ReprRaises", "r"),
    "raise _ReduceRaises('k')": ("_ReduceRaises", "'k'"),
    "raise _ReduceLies('l')": ("_ReduceLies", "l"),
    "raise _LoadRaises('m')": ("_LoadRaises", "m"),
    "raise _NoBool('b')": ("_NoBool", "b"),
    "raise _Base('base')": ("_Base", "base"),
    "raise _BaseHolds()": ("_BaseHolds", ""),
    "raise _ByKeyword(code=7)": ("_ByKeyword", "code 7"),
    "raise _DecodeHolds('utf-8', b'x', 0, 1, 'bad')": ("_DecodeHolds", "can't decode"),
    "raise ValueError('x' * 50_000_000)": ("ValueError", "xxxx"),
    "_chained()": ("KeyError", "third"),
    "raise ExceptionGroup('some', [_Holds('1'), ExceptionGroup('in', [KeyError('2')])])": ("ExceptionGroup", "some"),
    "_deep(300)": ("JSONDecodeError", "Expecting"),
    "raise OSError(2, 'No such file', 'a.csv')": ("FileNotFoundError", "a.csv"),
    "raise asyncio.CancelledError('c')": ("CancelledError", "c"),
}
LANES = {"caller": (1, ""), "thread": (2, ""), "process": (2, "process=True")}

pytestmark = pytest.mark.slow


def test_there_are_twenty():
    assert len(NASTY) == 20


def fail(make_lab, how, lane="process"):
    workers, options = LANES[lane]
    lab = make_lab(None, workers=workers)
    nodes = f"@node({options})\ndef broken():\n    {how}\ndef below(broken): return 1\ndef other(): return 2"
    lab.cell(f"{CLASSES}\n{nodes}")
    run = lab.run()
    return lab, run, run.errors["broken"]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("how", NASTY)
def test_the_node_has_failed_with_it_and_the_rest_goes_on(make_lab, how, lane):
    lab, run, error = fail(make_lab, how, lane)
    name, text = NASTY[how]
    assert run.named(Kind.NODE_FAILED) == ["broken"]
    assert run.named(Kind.NODE_SKIPPED) == ["below"]
    assert lab["other"] == 2
    assert type(error).__name__ == name
    described = run.stories["broken"].error
    assert described["type"] == name
    assert text in described["message"]
    assert len(described["message"]) <= 64_000


def test_what_can_be_pickled_is_itself(make_lab):
    error = fail(make_lab, "raise FileNotFoundError(2, 'No such file', 'a.csv')")[2]
    assert type(error) is FileNotFoundError
    assert error.filename == "a.csv"


def test_what_cannot_keeps_its_built_in_base_and_says_where_it_was_raised(make_lab):
    error = fail(make_lab, "raise _Holds('held')")[2]
    assert isinstance(error, ValueError)
    assert str(error) == "held"
    assert "in broken" in error.__notes__[0]
    assert "raise _Holds" in error.__notes__[0] or "_Holds: held" in error.__notes__[0]


def test_a_long_message_is_cut(make_lab):
    error = fail(make_lab, "raise ValueError('x' * 50_000_000)")[2]
    assert len(str(error)) < 65_000
    assert str(error).endswith("(50,000,000 characters)")
    assert sum(map(len, error.__notes__)) < 66_000


def test_what_led_to_it_comes_along(make_lab):
    error = fail(make_lab, "_chained()")[2]
    second = error.__context__
    assert type(second).__name__ == "_Holds"
    assert isinstance(second.__cause__, ZeroDivisionError)
    assert second.__suppress_context__


def test_groups_stay_groups(make_lab):
    how = "raise ExceptionGroup('some', [_Holds('1'), ExceptionGroup('in', [KeyError('2')])])"
    error = fail(make_lab, how)[2]
    assert isinstance(error, ExceptionGroup)
    assert error.split(KeyError)[0] is not None
    assert str(error.exceptions[0]) == "1"


def test_the_traceback_shows_the_lines_of_the_node(make_lab):
    error = fail(make_lab, "_deep(2)")[2]
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[names.index("broken") :][:4] == ["broken", "_deep", "_deep", "_deep"]
    assert names[-1] == "raw_decode"
    assert "dagbook.worker" not in "".join(traceback.format_exception(error))
