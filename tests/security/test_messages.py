"""What a page may do to the kernel, and what of the user's data it may see: a closed table, and no values."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from dagbook.graph.node import Node, NodeOptions
from dagbook.notebook.control import LARGEST, Command, parse
from dagbook.notebook.line import line
from dagbook.notebook.picture import Picture
from dagbook.notebook.view import View
from dagbook.session import Session

SECRET = "tiger-7c1f-swordfish"
SCRATCH = {"key": SECRET}


class Recorder:
    """A widget that keeps all that it was given, as text."""

    kind = "graph"

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.told.append(json.dumps(message, ensure_ascii=False))
        self.told.extend(repr(b) for b in buffers)

    def keep(self, picture: Picture) -> int:
        text, status, times = picture.saved()
        self.told.append(text + repr((status, times)))
        return 1


def small() -> tuple[Session, View, Recorder, list[Any]]:
    def first() -> int:
        return 1

    def second(first: int) -> int:
        return first

    session = Session(workers=1)
    session.dag.define([Node.of(first), Node.of(second)], "cell")
    asked: list[Any] = []
    view, recorder = View(session, run=lambda *a: asked.append(a)), Recorder()
    view.refresh()
    view.attach(recorder)
    return session, view, recorder, asked


@pytest.mark.parametrize(
    ("content", "command"),
    [
        ({"t": "hello"}, Command("hello")),
        ({"t": "resync", "seq": 4}, Command("resync")),
        ({"t": "cancel"}, Command("cancel")),
        ({"t": "select", "node": "a"}, Command("select", ("a",))),
        ({"t": "run", "targets": ["a", "b"], "force": True}, Command("run", ("a", "b"), True)),
    ],
)
def test_each_entry_of_the_table_is_understood(content: Any, command: Command) -> None:
    assert parse(content) == command


@pytest.mark.parametrize(
    "content",
    [
        None,
        "cancel",
        ["cancel"],
        {},
        {"t": None},
        {"t": ["cancel"]},
        {"t": "exec", "code": "1"},
        {"t": "cancel", "node": "a"},
        {"t": "resync"},
        {"t": "resync", "seq": "4"},
        {"t": "resync", "seq": True},
        {"t": "select", "node": ["a"]},
        {"t": "select", "node": "x" * LARGEST},
        {"t": "run", "targets": "ab", "force": False},
        {"t": "run", "targets": [["a"]], "force": False},
        {"t": "run", "targets": ["a"], "force": 1},
        {"t": "run", "targets": ["a"] * LARGEST, "force": False},
    ],
)
def test_what_is_not_exactly_in_the_table_is_nothing(content: Any) -> None:
    assert parse(content) is None


def test_buffers_are_never_taken() -> None:
    assert parse({"t": "cancel"}, [b"x"]) is None


def _anything(chance: random.Random, depth: int = 0) -> Any:
    kinds = [
        lambda: None,
        lambda: chance.random() < 0.5,
        lambda: chance.randrange(-(2**70), 2**70),
        lambda: float("nan"),
        lambda: "".join(chr(chance.randrange(0x11000)) for _ in range(chance.randrange(20))),
        lambda: chance.choice(["__class__", "../../etc/passwd", "first' OR 1=1", "{0.__init__}", "<script>", "\0"]),
        lambda: b"bytes",
        lambda: [_anything(chance, depth + 1) for _ in range(chance.randrange(4))],
        lambda: {str(_anything(chance, depth + 1)): _anything(chance, depth + 1) for _ in range(chance.randrange(4))},
    ]
    return chance.choice(kinds[: 7 if depth > 3 else 9])()


def _hostile(chance: random.Random) -> Any:
    """Something that is like a message, and is none."""
    words = ["hello", "resync", "cancel", "pause", "resume", "select", "run", "eval", "update", ""]
    message = {"t": chance.choice(words)}
    for field in chance.sample(["seq", "node", "targets", "force", "x", "__proto__"], k=chance.randrange(1, 4)):
        message[field] = _anything(chance)
    return chance.choice([message, message, message, _anything(chance)])


def test_five_thousand_hostile_messages_have_no_effect() -> None:
    seed = int(os.environ.get("DAGBOOK_SEED") or random.randrange(10**6))
    print(f"DAGBOOK_SEED={seed}")
    chance = random.Random(seed)
    session, view, recorder, asked = small()
    session.run()
    view.finish()
    before = (json.dumps(view.picture.snapshot()[0]), session.dag.topology(), len(session.runs), len(recorder.told))
    replies: list[Any] = []
    count = 0
    while count < 5_000:
        message = _hostile(chance)
        if parse(message) is not None and message["t"] in ("resync", "run", "hello", "cancel", "pause", "resume"):
            continue  # good by chance
        view.control.receive(message, [], lambda *a: replies.append(a))
        count += 1
    assert replies == []
    assert asked == []
    assert view.control.ignored == 5_000
    assert before == (
        json.dumps(view.picture.snapshot()[0]),
        session.dag.topology(),
        len(session.runs),
        len(recorder.told),
    )


def test_a_command_that_fails_does_not_reach_the_kernel() -> None:
    _, view, _, _ = small()

    def broken(*_: Any) -> None:
        raise OSError("closed")

    view.control.receive({"t": "hello"}, [], broken)
    assert view.control.ignored == 1


def test_no_value_reaches_a_page() -> None:
    """A secret is returned, passed on, held in a dict, a constant, a default, a parameter and the environment."""
    os.environ["DAGBOOK_TEST_SECRET"] = SECRET

    def token() -> str:
        return SECRET

    def wrapped(token: str) -> dict[str, str]:
        return {"token": token, "again": os.environ["DAGBOOK_TEST_SECRET"]}

    def mapped(entry: Any) -> Any:
        return [entry, SCRATCH["key"]]

    def entries(token: str) -> list[tuple[int, str]]:
        return [(1, token), (2, token)]

    def given(password: str, wrapped: dict[str, str]) -> str:
        return password + wrapped["token"]

    def fails(given: str) -> None:
        local = given
        raise ValueError("it did not work", len(local))

    try:
        session = Session(workers=2)
        plain = [Node.of(fn) for fn in (token, wrapped, entries, given, fails)]
        session.dag.define([*plain, Node.of(mapped, options=NodeOptions.of(each={"entry": "entries"}))], "cell")
        session.dag.set(password="before-" + SECRET[:8])
        view, recorder = View(session), Recorder()
        view.refresh()
        view.attach(recorder)
        for password in (SECRET, SECRET[::-1]):
            session.dag.set(password=password)
            view.refresh()
            for name in view.picture.index:
                view.answer_detail(name, recorder.tell)
            session.run()
            view.finish()
            for name in view.picture.index:
                view.answer_detail(name, recorder.tell)
        recorder.told.append(json.dumps(line(view.picture, list(session.dag))))
    finally:
        del os.environ["DAGBOOK_TEST_SECRET"]
    everything = "\n".join(recorder.told)
    assert "given" in everything
    assert "parameter password" in everything
    for text in (SECRET, SECRET[::-1], SECRET[:8]):
        assert text not in everything


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (2, 3, "from 2 to 3"),
        (False, True, "from False to True"),
        (SECRET, SECRET[::-1], "PASSWORD"),
        ("1", "2", "PASSWORD"),
    ],
)
def test_of_a_constant_only_numbers_and_truth_values_are_told(old: Any, new: Any, told: str) -> None:
    namespace = {"PASSWORD": old}
    exec("def login():\n    return repr(PASSWORD)\n", namespace)
    session = Session(workers=1)
    session.dag.define([Node.of(namespace["login"])], "cell")
    view, recorder = View(session), Recorder()
    view.refresh()
    view.attach(recorder)
    session.run()
    view.finish()
    namespace["PASSWORD"] = new
    view.refresh()
    recorder.told.append(json.dumps(line(view.picture, ["login"])))
    session.run()
    view.finish()
    recorder.told.append(json.dumps(line(view.picture, ["login"])))
    everything = "".join(recorder.told)
    assert told in everything
    if isinstance(old, str):
        assert repr(old) not in everything
        assert repr(new) not in everything
