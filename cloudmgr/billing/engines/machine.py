"""Rating by DuckDB on this machine, from Parquet to Parquet, in bounded memory."""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import duckdb

from cloudmgr.billing.digits import plain
from cloudmgr.billing.engines.definition import (
    CUT,
    NUMERATOR_DIGITS,
    QUANTITY_SCALE,
    STATES,
    UNPRICED,
    definition,
)
from cloudmgr.billing.engines.inputs import BEGINNING, END, relations
from cloudmgr.billing.engines.totals import LINE_COLUMNS, SUMS, line_of, moment, totals
from cloudmgr.billing.rating import Category, Missing
from cloudmgr.errors import Invalid, Unpriced
from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.billing.engines.definition import Definition
    from cloudmgr.billing.engines.inputs import AccountSpan
    from cloudmgr.billing.engines.totals import Line, Totals
    from cloudmgr.billing.prices import Tariff

_TEXT = "VARCHAR"
_MOMENT = "TIMESTAMP WITH TIME ZONE"
# The ledger's columns that rating reads, and how they must be kept.
_COLUMNS: Mapping[str, str] = {
    "id": _TEXT,
    "environment_id": _TEXT,
    "system_id": _TEXT,
    "department_id": _TEXT,
    "zone": _TEXT,
    "pool_id": _TEXT,
    "component": _TEXT,
    "meter": _TEXT,
    "start": _MOMENT,
    "end": _MOMENT,
    "quantity": "DECIMAL",
    "month": _TEXT,
}
_DECIMAL = re.compile(r"DECIMAL\([0-9]+,([0-9]+)\)")
MEMORY = "1GB"
_FILE_SIZE = "512MB"


class RatingMachine:
    """One ledger, one price list. To be closed, or used in a ``with``.

    :param ledger: Parquet files, paths or addresses that DuckDB reads.
    :param accounts: who pays for departments; None: each pays for itself, under its own id.
    :param zone: the city's: its months are the billing periods.
    :param memory: what DuckDB may use before it goes to ``scratch``.
    :raises Invalid: ``no-ledger``, ``unreadable-ledger``, ``bad-ledger`` (its columns);
        ``price-too-fine``, ``price-too-high``, ``two-accounts``; ``bad-memory``. Whatever is asked
        of it later: ``too-little-memory``, ``too-much`` (a sum has more digits than are kept).
    """

    def __init__(
        self,
        ledger: Sequence[str],
        tariff: Tariff,
        zone: ZoneInfo,
        *,
        accounts: Sequence[AccountSpan] | None = None,
        category: Category = Category.USAGE,
        memory: str = MEMORY,
        scratch: Path | None = None,
    ) -> None:
        if not ledger:
            raise Invalid("there is no Parquet file to rate", code="no-ledger", path="ledger")
        self.tariff = tariff
        self._files = tuple(ledger)
        self._definition: Definition = definition(category)
        self._database = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "preserve_insertion_order": "false",
                "temp_directory": str(scratch or tempfile.gettempdir()),
            }
        )
        try:
            self._limit(memory)
            self._run("SET TimeZone = 'UTC'")
            self._open()
            self._bring(tariff, accounts, zone)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # ------------------------------------------------------------------------------------- asking

    def survey(self) -> Mapping[str, int]:
        """How many records there are of each state; see the definition.

        :raises Invalid: ``bad-usage`` when a record is at fault, with the rows as its problems.
        """
        found = {str(state): int(n) for state, n in self._all(self._definition.survey)}
        if set(found) & set(STATES):
            self._refuse(found)
        return found

    def missing(self) -> tuple[Missing, ...]:
        """The usage that has no price, by meter and zone."""
        query = (
            'SELECT meter, zone, EPOCH_US("start"), EPOCH_US("end"), records'
            f" FROM ({self._definition.unpriced}) ORDER BY meter, zone"
        )
        return tuple(
            Missing(meter, zone, Interval(moment(start), moment(end)), records)
            for meter, zone, start, end, records in self._all(query)
        )

    def totals(self) -> Totals:
        """What it all comes to, without writing anything. :raises Invalid: ``bad-usage``."""
        found = self.survey()
        missing = self.missing() if UNPRICED in found else ()
        self._charges_as(self._rated(found))
        return self._totals(found, missing, self._definition.lines)

    def lines(self) -> Iterator[Line]:
        """What the charges come to by line, in no order, without writing anything.

        Usage that has no price is in none of them. :raises Invalid: ``bad-usage``.
        """
        self._charges_as(self._rated(self.survey()))
        told = self._run(f"SELECT {LINE_COLUMNS} FROM ({self._definition.lines})")
        while rows := told.fetchmany(10_000):
            yield from map(line_of, rows)

    # ------------------------------------------------------------------------------------ writing

    def write(self, out: Path, *, charges: bool = True) -> Totals:
        """Charges and lines as Parquet: ``out/charges/*/*.parquet`` and ``out/lines.parquet``.

        ``out`` is there with all of it, or not at all.

        :param charges: whether each charge is written, or only the lines that they come to: an id
            for each charge is most of the work.

        :raises Invalid: ``bad-usage``; ``there-already`` when ``out`` holds something;
            ``unwritable-directory``. :raises Unpriced: with all that has no price.
        """
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Invalid(f"{out} is there already and not empty", code="there-already", path="out")
        found = self.survey()
        if UNPRICED in found:
            missing = self.missing()
            raise Unpriced(
                missing[0].sentence,
                hint="add the prices, valid from then or earlier; nothing was written",
                problems=tuple((f"{m.meter}/{m.zone}", m.sentence) for m in missing),
            )
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        except OSError as error:
            raise Invalid(
                f"{out} cannot be made: {error.strerror}", code="unwritable-directory", path="out"
            ) from None
        try:
            written = self._write(made, found, charges=charges)
            if out.exists():
                out.rmdir()
            made.chmod(0o755)
            made.rename(out)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return written

    def _write(self, made: Path, found: Mapping[str, int], *, charges: bool) -> Totals:
        if charges:
            directory = made / "charges"
            directory.mkdir()
            self._copy(self._definition.whole, directory / "whole")
            if CUT in found:
                self._copy(self._definition.cut, directory / "cut")
            # As they are read again: what is summed up is what was written.
            files = ", ".join(_quoted(file) for file in sorted(directory.glob("*/*.parquet")))
            self._charges_as(f"SELECT * FROM read_parquet([{files}])")
        else:
            self._charges_as(self._rated(found))
        self._run(f"CREATE OR REPLACE TEMP TABLE summed AS {self._definition.lines}")
        self._run(
            f"COPY (SELECT * FROM summed ORDER BY ALL) TO {_quoted(made / 'lines.parquet')}"
            " (FORMAT parquet, COMPRESSION zstd)"
        )
        return self._totals(found, (), "SELECT * FROM summed")

    def _totals(self, found: Mapping[str, int], missing: tuple[Missing, ...], lines: str) -> Totals:
        return totals(found, missing, self._all(SUMS.format(lines=lines)), self.tariff)

    def _rated(self, found: Mapping[str, int]) -> str:
        """All charges; without what is cut where nothing is, since that reads the ledger again."""
        whole, cut = self._definition.whole, self._definition.cut
        return f"({whole}) UNION ALL ({cut})" if CUT in found else whole

    def _charges_as(self, query: str) -> None:
        self._run(f"CREATE OR REPLACE TEMP VIEW charges AS {query}")

    def _copy(self, query: str, directory: Path) -> None:
        self._run(
            f"COPY ({query}) TO {_quoted(directory)} (FORMAT parquet, PARQUET_VERSION v2,"
            f" COMPRESSION snappy, FILE_SIZE_BYTES '{_FILE_SIZE}', WRITE_BLOOM_FILTER false)"
        )

    # -------------------------------------------------------------------------------------- parts

    def _limit(self, memory: str) -> None:
        try:
            self._database.execute(f"SET memory_limit = {_quoted(memory)}")
        except duckdb.Error as error:
            raise Invalid(
                f"{memory} is no amount of memory",
                code="bad-memory",
                hint="such as 512MB or 8GB",
            ) from error

    def _open(self) -> None:
        files = "[" + ", ".join(_quoted(name) for name in self._files) + "]"
        self._source = f"read_parquet({files}, hive_types_autocast = false)"
        kinds = {
            str(name): str(kind) for name, kind, *_ in self._all(f"DESCRIBE FROM {self._source}")
        }
        for name, wanted in _COLUMNS.items():
            kind = kinds.get(name)
            if kind is None:
                raise Invalid(
                    f"{self._files[0]} has no column {name}", code="bad-ledger", path=name
                )
            found = _DECIMAL.fullmatch(kind)
            if not kind.startswith(wanted) or (found and int(found[1]) > QUANTITY_SCALE):
                raise Invalid(
                    f"column {name} of {self._files[0]} is {kind}, not {wanted}",
                    code="bad-ledger",
                    path=name,
                    hint="quantities are decimals of at most 18 places, and moments have a zone"
                    if wanted != _TEXT
                    else "",
                )
        columns = ", ".join(
            f"CAST(quantity AS DECIMAL(38, {QUANTITY_SCALE})) AS quantity"
            if name == "quantity"
            else f'"{name}"'
            for name in _COLUMNS
        )
        self._run(f"CREATE TEMP VIEW ledger AS SELECT {columns} FROM {self._source}")

    def _bring(
        self, tariff: Tariff, accounts: Sequence[AccountSpan] | None, zone: ZoneInfo
    ) -> None:
        [(first, last)] = self._all(
            'SELECT EPOCH_US(MIN("start")), EPOCH_US(MAX("start")) FROM ledger'
        )
        # What lies outside is at fault, and needs no month.
        low = max(BEGINNING, moment(first)) if first is not None else BEGINNING
        high = min(END, moment(last)) if last is not None else low
        span = Interval(low, max(low, high) + timedelta(days=40))
        for relation in relations(tariff, accounts, span, zone):
            self._run(f"CREATE TEMP TABLE {relation.name} AS {relation.query}")

    def _refuse(self, found: Mapping[str, int]) -> NoReturn:
        wrong = sum(n for state, n in found.items() if state in STATES)
        problems = []
        for usage_id, state in self._all(self._definition.faults):
            where = self._place(usage_id)
            problems.append((where, f"{where}: {STATES[state]}"))
        more = f" (and {wrong - len(problems):,} more)" if wrong > len(problems) else ""
        raise Invalid(
            f"{wrong:,} usage records cannot be rated: {problems[0][1]}{more}",
            code="bad-usage",
            hint="nothing was written; no charge is made of any record until these are mended",
            problems=tuple(problems),
        )

    def _place(self, usage_id: str | None) -> str:
        """The file and row of a record, counted from 0 as Parquet does."""
        which = "id IS NULL" if usage_id is None else f"id = {_quoted(usage_id)}"
        places = self._all(
            "SELECT filename, file_row_number FROM "
            f"{self._source.removesuffix(')')}, filename = true, file_row_number = true)"
            f" WHERE {which} LIMIT 1"
        )
        [(name, row)] = places or [(self._files[0], "?")]
        return f"{name}, row {row}, id {usage_id}"

    def _too_much(self) -> str:
        # Nearly is near enough to tell which it is.
        try:
            worst = self._database.execute(
                "SELECT environment_id, meter, month, SUM(CAST(quantity AS DOUBLE)) AS much,"
                " unit_price FROM charges GROUP BY environment_id, meter, month, unit_price"
                " ORDER BY much * CAST(unit_price AS DOUBLE) DESC LIMIT 1"
            ).fetchone()
        except duckdb.Error:
            worst = None
        if worst is None:
            return "a sum has too many digits"
        environment, meter, month, much, price = worst
        return (
            f"{meter} of {environment} in {month} comes to some {much:,.0f} at {plain(price)}:"
            f" more than {NUMERATOR_DIGITS} digits"
        )

    def _all(self, query: str) -> list[tuple[Any, ...]]:
        return self._run(query).fetchall()

    def _run(self, query: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._database.execute(query)
        except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            # Of one record that is looked at before; so it is what records come to together.
            raise Invalid(self._too_much(), code="too-much") from error
        except duckdb.OutOfMemoryException as error:
            raise Invalid(
                _first_line(error), code="too-little-memory", hint="give it more memory"
            ) from error
        except duckdb.Error as error:
            writing = "write" in str(error).lower()
            raise Invalid(
                _first_line(error),
                code="unwritable-directory" if writing else "unreadable-ledger",
                path="out" if writing else "ledger",
            ) from error


def _quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:400]
