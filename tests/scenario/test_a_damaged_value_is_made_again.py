"""Damaged bytes in the store are noticed before they are decoded: one warning, the value is made again, never wrong."""

import random
import warnings

import pytest

SOURCE = """
def a(): return list(range(50))
def b(a): return sum(a)
"""


def blobs(lab):
    """The files that hold values."""
    known = ("journal", "store.json", ".gitignore")
    return sorted(p for p in lab.directory.rglob("*") if p.is_file() and not p.name.startswith(known))


def damage(path, at=None):
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    at = random.randrange(len(data)) if at is None else at
    data[at] ^= 0x41
    path.write_bytes(data)


@pytest.mark.parametrize("at", [0, -1, None])
def test_a_flipped_byte_is_noticed_and_the_node_runs_again(lab, at):
    lab.cell(SOURCE)
    lab.ran()
    for path in blobs(lab):
        damage(path, at)
    lab.restart()
    lab.cell(SOURCE.replace("sum(a)", "sum(a) + 1"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert lab.ran() == ["a", "b"]
    (warning,) = [str(w.message) for w in caught]
    assert "is damaged" in warning
    assert lab["a"] == list(range(50))
    assert lab["b"] == 1226
    lab.restart()
    assert lab.ran() == []
    assert lab["a"] == list(range(50))


def test_a_damaged_value_that_is_asked_for_says_what_to_do(lab):
    lab.cell(SOURCE)
    lab.ran()
    for path in blobs(lab):
        damage(path)
    lab.restart()
    with pytest.raises(Exception, match="%dag run a"):
        lab["a"]
    lab.ran("a")
    assert lab["a"] == list(range(50))


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: (p.chmod(0o600), p.write_bytes(b""))])
def test_a_lost_or_cut_file_is_made_again(lab, damage):
    lab.cell(SOURCE)
    lab.ran()
    for path in blobs(lab):
        damage(path)
    lab.restart()
    lab.ran()
    assert lab["a"] == list(range(50))
    assert lab["b"] == 1225


def test_one_child_that_is_damaged_is_made_again_alone(lab):
    source = "def xs(): return ['p', 'q']\n@node(each={'x': 'xs'})\ndef a(x): return [x] * 40\ndef n(a): return len(a)"
    lab.cell(source)
    lab.ran()
    victim = lab.session.result("a").children[1].record.blob.digest
    for path in blobs(lab):
        if victim[2:] in path.name or victim in path.name:
            damage(path)
    lab.restart()
    lab.cell(source.replace("len(a)", "len(a) + sum(map(len, a))"))
    with pytest.warns(RuntimeWarning, match=r'a\["q"\] is damaged'):
        lab.run().raise_for_status()
    assert lab["a"] == [["p"] * 40, ["q"] * 40]
    assert lab["n"] == 82
