"""The one file that speaks Delta Lake.

What it relies on was tried with deltalake 1.6:

- A transaction number of an application is written with a commit and never hinders a second commit
  with the same: whoever writes looks at the number in the very version that the commit builds on,
  and looks again if another commit came in between.
- A commit is one file that appears at once or not at all. Data files of one that never came lie
  there unread until they are swept.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from arro3.core import Array, DataType, Schema, Table
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from cloudmgr.errors import Permanent, Temporary
from cloudmgr.metering.lake.shape import (
    BATCH,
    MOMENTS,
    MONTH,
    QUANTITY,
    SCALE,
    TEXTS,
    DataFile,
    checked,
    month_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from cloudmgr.metering.lake.shape import Line

_APPLICATION = "cloudmgr"
_NAME = "usage"
# How long data files that are replaced stay, for who reads an older version.
KEPT = timedelta(days=7)
_CHUNK = 1 << 20
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_TEXT, _MOMENT = DataType.string(), DataType.timestamp("us", tz="UTC")
_DECIMAL, _NUMBER = DataType.decimal128(38, SCALE), DataType.int64()


class LedgerTable:
    """Append-only. It is made when the first lines are written.

    :param directory: where it lies; shared by all control planes of a city.
    :param zone: the city's: files are parted by its months.
    """

    def __init__(self, directory: Path, zone: tzinfo) -> None:
        self.directory = directory
        self._zone = zone

    @property
    def id(self) -> str:
        """Of this very table, given when it was made; empty while there is none.

        :raises Temporary: ``ledger-unreadable``.
        """
        table = self._open()
        return "" if table is None else str(table.metadata().id)

    def make(self) -> str:
        """Make it if it is not there; its id.

        :raises Temporary: ``ledger-unwritable``.
        """
        if self._open() is None:
            with _written(self.directory):
                self.directory.mkdir(parents=True, exist_ok=True)
                # Another control plane may be as fast: then theirs is there, and is taken.
                DeltaTable.create(
                    str(self.directory), _schema(), mode="ignore", partition_by=[MONTH], name=_NAME
                )
        return self.id

    def append(self, batch: int, lines: Sequence[Line]) -> bool:
        """Write a batch; False if it is there already.

        :param batch: one more than the last that was written.
        :raises Permanent: ``ledger-digits``, ``ledger-behind``.
        :raises Temporary: ``ledger-unwritable``, a full disk for one; ``ledger-unreadable``.
        """
        data = _columns(batch, checked(lines), self._zone)
        while True:
            table = self._needed()
            have = table.transaction_version(_APPLICATION) or 0
            if have >= batch:
                return False
            if have < batch - 1:
                raise Permanent(
                    f"the ledger at {self.directory} ends with batch {have}, and {batch} is next",
                    code="ledger-behind",
                    hint="it is an older copy: bring back one that was made later",
                )
            with _written(self.directory):
                try:
                    write_deltalake(
                        table,
                        data,
                        mode="append",
                        writer_properties=WriterProperties(compression="ZSTD"),
                        commit_properties=CommitProperties(
                            max_commit_retries=0,
                            app_transactions=[Transaction(_APPLICATION, batch)],
                        ),
                    )
                except CommitFailedError:
                    # Somebody else has written. Whether this very batch, the next look tells.
                    continue
            return True

    def files(self) -> tuple[DataFile, ...]:
        """All that the ledger is made of now, by path.

        :raises Temporary: ``ledger-unreadable``.
        """
        table = self._open()
        if table is None:
            return ()
        found = cast("Any", table.get_add_actions(flatten=True))
        columns = [
            found.column(name).to_pylist()
            for name in ("path", f"partition.{MONTH}", "size_bytes", "num_records")
        ]
        return tuple(sorted((DataFile(*row) for row in zip(*columns, strict=True)), key=_path))

    def paths(self, month: str | None = None) -> list[str]:
        """Where the files of all months, or of one, lie: what engines are given to read."""
        return [
            str(self.directory / file.path)
            for file in self.files()
            if month is None or file.month == month
        ]

    def fingerprint(self, file: DataFile) -> str | None:
        """sha256 of a file, in hexadecimal digits; None if it is not there.

        :raises Temporary: ``ledger-unreadable``.
        """
        digest = hashlib.sha256()
        try:
            with (self.directory / file.path).open("rb") as data:
                while chunk := data.read(_CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self.directory, error) from error
        return digest.hexdigest()

    def compact(self, month: str) -> int:
        """Write the small files of a month together; how many were replaced.

        The same lines in fewer files. Those that are replaced stay for :data:`KEPT`.

        :raises Temporary: ``ledger-unwritable``.
        """
        table = self._needed()
        with _written(self.directory):
            done = table.optimize.compact(
                partition_filters=[(MONTH, "=", month)],
                writer_properties=WriterProperties(compression="ZSTD"),
            )
        return int(done["numFilesRemoved"])

    def sweep(self) -> int:
        """Remove files that were replaced or given up longer than :data:`KEPT` ago; how many."""
        table = self._needed()
        with _written(self.directory):
            hours = int(KEPT / timedelta(hours=1))
            gone = table.vacuum(retention_hours=hours, dry_run=False)
        return len(gone)

    def _needed(self) -> DeltaTable:
        table = self._open()
        if table is None:
            raise Permanent(
                f"there is no ledger at {self.directory}",
                code="no-ledger",
                hint="see that it is the directory that was meant, and that it is mounted",
            )
        return table

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(str(self.directory))
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise _unreadable(self.directory, error) from error


def data_files(directory: Path) -> list[str]:
    """Where the files lie that the newest version of the table in ``directory`` is made of.

    :raises Temporary: ``ledger-unreadable``.
    """
    try:
        return sorted(DeltaTable(str(directory)).file_uris())
    except (DeltaError, OSError) as error:
        raise _unreadable(directory, error) from error


def _path(file: DataFile) -> str:
    return file.path


def _schema() -> Schema:
    return _columns(0, (), None).schema


def _columns(batch: int, lines: Sequence[Line], zone: tzinfo | None) -> Table:
    """:param zone: not needed without lines."""
    records = [line.record for line in lines]

    def moments(values: Sequence[datetime]) -> Array:
        # A float of seconds would lose the last digit.
        micros = [(moment - _EPOCH) // _MICROSECOND for moment in values]
        return Array(micros, type=_NUMBER).cast(_MOMENT)

    columns = {name: Array([getattr(r, name) for r in records], type=_TEXT) for name in TEXTS}
    start, end, recorded_at = MOMENTS
    columns[start] = moments([r.interval.start for r in records])
    columns[end] = moments([r.interval.end for r in records])
    columns[QUANTITY] = Array([f"{r.quantity:f}" for r in records], type=_TEXT).cast(_DECIMAL)
    columns[recorded_at] = moments([line.recorded_at for line in lines])
    columns[BATCH] = Array([batch] * len(lines), type=_NUMBER)
    months = [month_of(r.interval.start, zone) for r in records] if zone is not None else []
    columns[MONTH] = Array(months, type=_TEXT)
    return Table.from_arrays(list(columns.values()), names=list(columns))


@contextmanager
def _written(directory: Path) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError) as error:
        raise Temporary(
            f"the ledger at {directory} cannot be written: {_first_line(error)}",
            code="ledger-unwritable",
            hint="nothing is lost: it is written as soon as it can be; see disk space and rights",
        ) from error


def _unreadable(directory: Path, error: Exception) -> Temporary:
    return Temporary(
        f"the ledger at {directory} cannot be read: {_first_line(error)}",
        code="ledger-unreadable",
        hint="see that it is mounted, and its rights",
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
