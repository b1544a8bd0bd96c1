"""What a journal knows of runs that have not ended: whose they are, whether those live, and calls with effects."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from dagbook.engine.ports import Intent
from dagbook.fingerprint.parts import Digest
from dagbook.storage.owner import alive, this_process, title
from dagbook.storage.rows import readable

INTERRUPTED = "interrupted"
"""How a run stands whose process died before its end."""

TABLES = """
    CREATE TABLE IF NOT EXISTS owners (run INTEGER PRIMARY KEY, owner TEXT NOT NULL, beat REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS intents (
        run INTEGER NOT NULL, node TEXT NOT NULL, key BLOB NOT NULL, time REAL NOT NULL, PRIMARY KEY (run, node)
    ) WITHOUT ROWID;
"""

_RELATED = """
    SELECT intents.run, node, key, time, owner, beat,
           (SELECT dag FROM runs WHERE id = intents.run) = (SELECT dag FROM runs WHERE id = :run) AND node = :node
    FROM intents LEFT JOIN owners USING (run)
    WHERE node = :node OR (key = :key AND intents.run != :run) ORDER BY time DESC
"""


def begin(db: sqlite3.Connection, dag: str, started: float) -> int:
    """A new run of this process; its number."""
    row = (readable(dag), "running", float(started))
    number = db.execute("INSERT INTO runs (dag, status, started) VALUES (?, ?, ?)", row).lastrowid or 0
    db.execute("INSERT INTO owners VALUES (?, ?, ?)", (number, json.dumps(this_process()), float(started)))
    return number


def beat(db: sqlite3.Connection, run: int, now: float) -> None:
    """A sign of life of a run's process."""
    db.execute("UPDATE owners SET beat = ? WHERE run = ?", (now, run))


def finish(db: sqlite3.Connection, run: int, status: str, finished: float) -> None:
    """The run has ended: nobody owns it any more."""
    db.execute("UPDATE runs SET status = ?, finished = ? WHERE id = ?", (status, finished, run))
    db.execute("DELETE FROM owners WHERE run = ?", (run,))


def owner_of(db: sqlite3.Connection, run: int) -> str:
    """What to call the process whose run goes on; "" when it has ended."""
    row = db.execute("SELECT owner FROM owners WHERE run = ?", (run,)).fetchone()
    return title(json.loads(row[0])) if row is not None else ""


def orphans(db: sqlite3.Connection, now: float) -> Sequence[tuple[int, float]]:
    """The runs that say that they go on, and whose processes are dead; and when each was last heard of."""
    rows = db.execute("SELECT run, owner, beat FROM owners").fetchall()
    return [(run, beat) for run, owner, beat in rows if not alive(json.loads(owner), now - beat)]


def bury(db: sqlite3.Connection, orphans: Sequence[tuple[int, float]]) -> None:
    """Have it stand in the journal that these runs were interrupted, after their last sign of life."""
    for run, beat in orphans:
        finish(db, run, INTERRUPTED, beat)


def standing(db: sqlite3.Connection, run: int, node: str, key: Digest, now: float) -> Intent | None:
    """See :meth:`dagbook.engine.ports.Journal.standing`."""
    for intent, same_node, same_key in _related(db, run, node, key, now):
        if same_key or (same_node and not intent.owner):  # what lives may well do the same with other inputs
            return intent
    return None


def intend(db: sqlite3.Connection, run: int, node: str, key: Digest, now: float) -> None:
    """A call is about to be made. What stood against it was decided on: this intent takes its place."""
    for intent, same_node, _ in _related(db, run, node, key, now):
        if same_node and not intent.owner:
            settle(db, intent.run, intent.node)
    db.execute("INSERT OR REPLACE INTO intents VALUES (?, ?, ?, ?)", (run, readable(node), key, now))


def _related(
    db: sqlite3.Connection, run: int, node: str, key: Digest, now: float
) -> Sequence[tuple[Intent, bool, bool]]:
    """Intents that may speak against a call, the newest first; whether it is the same node of the same DAG, or key."""
    found = []
    rows = db.execute(_RELATED, {"run": run, "node": readable(node), "key": key}).fetchall()
    for other, name, its_key, time, owner, beat, same_node in rows:
        there = owner is not None and alive(json.loads(owner), now - beat)
        intent = Intent(name, other, time, title(json.loads(owner)) if there else "")
        found.append((intent, bool(same_node), its_key == key and (other != run or name == readable(node))))
    return found


def settle(db: sqlite3.Connection, run: int, node: str) -> None:
    """It is known what came of the call."""
    db.execute("DELETE FROM intents WHERE run = ? AND node = ?", (run, readable(node)))
