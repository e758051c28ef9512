"""What people filed, in SQLite. Replicas of an environment may share a file: WAL allows it."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cloudmgr.cli.demo.apps.catalogue import Service

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    filed_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    limited TEXT NOT NULL,
    answers TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS record_limited ON record (limited);
CREATE TABLE IF NOT EXISTS replica (
    pid INTEGER NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL
);
"""


class Records:
    """The filings of one service, in ``directory``.

    One connection, used by one thread: a row is written in well under a millisecond, so the event
    loop is not worth leaving.
    """

    def __init__(self, directory: Path, service: Service) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._service = service
        # isolation_level=None: transactions are opened by hand, below.
        self._rows = sqlite3.connect(directory / "records.db", timeout=5, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode=WAL")
        self._rows.execute("PRAGMA synchronous=NORMAL")
        self._rows.executescript(_SCHEMA)

    def close(self) -> None:
        self._rows.close()

    def begin(self, pid: int, at: float) -> None:
        """Note that a replica runs, since ``at`` (seconds since the epoch)."""
        self._rows.execute("INSERT INTO replica (pid, started_at) VALUES (?, ?)", (pid, at))

    def end(self, pid: int, at: float) -> None:
        """Note that it ends. One that is killed leaves no such note."""
        self._rows.execute(
            "UPDATE replica SET ended_at = ? WHERE pid = ? AND ended_at IS NULL", (at, pid)
        )

    def add(self, answers: Mapping[str, str]) -> str | None:
        """Keep ``answers``; the reference to look them up by, or None when no place is left."""
        service = self._service
        limited = answers.get(service.limited, "")
        self._rows.execute("BEGIN IMMEDIATE")  # between the count and the row nobody else books
        try:
            if service.limited:
                query = "SELECT count(*) FROM record WHERE limited = ?"
                (taken,) = self._rows.execute(query, (limited,)).fetchone()
                if taken >= service.places:
                    self._rows.execute("ROLLBACK")
                    return None
            number = self._rows.execute(
                "INSERT INTO record (limited, answers) VALUES (?, ?)",
                (limited, json.dumps(dict(answers), ensure_ascii=False)),
            ).lastrowid
            self._rows.execute("COMMIT")
        except BaseException:
            self._rows.execute("ROLLBACK")
            raise
        return f"{service.prefix}{number:08d}"

    def find(self, reference: str) -> dict[str, str] | None:
        """What was filed under ``reference``, with ``filed_at``; None if nothing was."""
        prefix = self._service.prefix
        digits = reference.removeprefix(prefix)
        if digits == reference or not (digits.isascii() and digits.isdigit() and len(digits) < 16):
            return None
        row = self._rows.execute(
            "SELECT filed_at, answers FROM record WHERE number = ?", (int(digits),)
        ).fetchone()
        if row is None:
            return None
        return {"reference": f"{prefix}{int(digits):08d}", "filed_at": row[0], **json.loads(row[1])}

    def count(self) -> int:
        # Rows are never deleted, so the last number is the count, and costs nothing to find.
        (count,) = self._rows.execute("SELECT coalesce(max(number), 0) FROM record").fetchone()
        return int(count)

    def taken(self) -> dict[str, int]:
        """How many chose each limited answer."""
        query = "SELECT limited, count(*) FROM record WHERE limited <> '' GROUP BY limited"
        return {str(value): int(count) for value, count in self._rows.execute(query)}
