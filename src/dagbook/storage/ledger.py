"""The ledger of a journal: the runs that can be taken up again, with the value that each node had in each of them.

A run may take several attempts (it was paused, or its process died); each is a run of the journal. The first one's
number is the name of the whole.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dagbook.engine.events import Kind
from dagbook.errors import RefusedError
from dagbook.fingerprint.parts import Digest
from dagbook.storage import running
from dagbook.storage.journal import DiskJournal
from dagbook.storage.rows import readable, to_json

Outcome = tuple[str, Digest, Digest]
"""A node, the key that it had, and the fingerprint of its value."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS attempts (
        run INTEGER PRIMARY KEY, id INTEGER NOT NULL, note TEXT NOT NULL, seal BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS attempts_by_id ON attempts (id);
    CREATE TABLE IF NOT EXISTS outcomes (
        run INTEGER NOT NULL, node TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (run, node)
    ) WITHOUT ROWID;
    CREATE VIEW IF NOT EXISTS nodes AS
        WITH ends AS (
            SELECT attempts.id AS run, node AS label, kinds.name AS what, runs.started + time AS time, detail,
                   runs.status = 'running' AS live
            FROM events JOIN attempts USING (run) JOIN runs ON runs.id = events.run JOIN kinds USING (kind)
            WHERE node IS NOT NULL ORDER BY events.run, seq
        )
        SELECT run, label,
               coalesce(max(CASE what WHEN 'node_ran' THEN 'completed' END),
                        max(CASE what WHEN 'node_reused' THEN 'reused' WHEN 'node_cut_off' THEN 'reused' END),
                        max(CASE what WHEN 'node_failed' THEN 'failed' WHEN 'node_timed_out' THEN 'timed out' END),
                        max(CASE what WHEN 'node_skipped' THEN 'skipped' WHEN 'node_cancelled' THEN 'cancelled' END),
                        CASE WHEN max(live) THEN 'running' ELSE 'interrupted' END) AS status,
               max(json_extract(detail, '$.error.message')) AS error,
               sum(what = 'node_started') AS attempts,
               min(CASE what WHEN 'node_started' THEN time END) AS started,
               max(CASE WHEN what NOT IN ('node_started', 'node_queued') THEN time END) AS finished
        FROM ends GROUP BY run, label;
    CREATE VIEW IF NOT EXISTS edges AS
        SELECT DISTINCT attempts.id AS run, json_extract(edge.value, '$[0]') AS upstream,
               json_extract(edge.value, '$[1]') AS downstream
        FROM attempts JOIN json_each(attempts.note, '$.edges') AS edge
        JOIN outcomes ON outcomes.run = attempts.run AND outcomes.node = json_extract(edge.value, '$[0]')
        JOIN events ON events.run = attempts.run AND events.node = json_extract(edge.value, '$[1]')
             AND events.kind IN ({NODE_STARTED}, {NODE_REUSED}, {NODE_CUT_OFF});
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that can be taken up again: its name, how it stands, and what was noted when its last attempt began.

    ``owner`` is the process that it goes on in, "" when it has ended.
    """

    id: int
    status: str
    note: Mapping[str, Any]
    owner: str = ""


class Ledger:
    """What a journal knows of runs that can be taken up again. Its tables are made in the journal when first needed."""

    def __init__(self, journal: DiskJournal) -> None:
        self._journal = journal
        with journal.connection() as db:
            there = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone()
            if not there:
                kinds = {kind.name: int(kind) for kind in Kind}
                db.executescript(f"BEGIN IMMEDIATE; {_TABLES.format(**kinds)} COMMIT")

    def open(self, dag: str, started: float, note: Mapping[str, Any]) -> int:
        """Begin a run; its name."""
        self._journal.bury()
        with self._journal.transaction() as db:
            number = running.begin(db, dag, started)
            self._add(db, number, number, note)
        return number

    def again(self, id: int, dag: str, started: float, change: Callable[[Entry], Mapping[str, Any]]) -> int:
        """Begin a further attempt of a run; its number in the journal.

        ``change`` makes its note of what is known now, or raises; nobody else can begin one meanwhile.
        """
        self._journal.bury()
        with self._journal.transaction() as db:
            entry = self._entry(db, id)
            note = change(entry) if entry is not None else {}
            number = running.begin(db, dag, started)
            self._add(db, number, id, note)
        return number

    def entry(self, id: int) -> Entry | None:
        """A run by its name. Raises RefusedError when somebody else has written its note."""
        with self._journal.connection() as db:
            return self._entry(db, id)

    def outcomes(self, id: int) -> dict[str, tuple[Digest, Digest]]:
        """Key and value of each node that has succeeded in any attempt of a run, the newest of each."""
        query = "SELECT node, key, value FROM outcomes JOIN attempts USING (run) WHERE id = ? ORDER BY run"
        with self._journal.connection() as db:
            return {node: (key, value) for node, key, value in db.execute(query, (id,))}

    @staticmethod
    def keep(db: sqlite3.Connection, run: int, outcomes: Iterable[Outcome]) -> None:
        """Note what nodes came to, in a transaction of the journal."""
        rows = ((run, readable(name), key, value) for name, key, value in outcomes)
        db.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?)", rows)

    def _entry(self, db: sqlite3.Connection, id: int) -> Entry | None:
        query = """SELECT run, attempts.id, note, seal, status FROM attempts JOIN runs ON runs.id = run
                   WHERE attempts.id = ? ORDER BY run DESC LIMIT 1"""
        row = db.execute(query, (id,)).fetchone()
        if row is None:
            return None
        *signed, seal, status = row
        if not self._journal.signed(seal, b"attempt", signed):
            raise RefusedError(f"run {id} in {self._journal.path} was not written with your key. Begin a new run.")
        return Entry(id, status, json.loads(signed[2]), running.owner_of(db, signed[0]))

    def _add(self, db: sqlite3.Connection, number: int, id: int, note: Mapping[str, Any]) -> None:
        row = (number, id, to_json(note))
        db.execute("INSERT INTO attempts VALUES (?, ?, ?, ?)", (*row, self._journal.sign(b"attempt", row)))
