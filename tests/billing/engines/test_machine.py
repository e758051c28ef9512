"""Rating by DuckDB on one machine, from Parquet files to Parquet files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cloudmgr.billing.digits import plain
from cloudmgr.billing.engines.inputs import AccountSpan, Relation
from cloudmgr.billing.engines.machine import RatingMachine
from cloudmgr.billing.rating import charge_fields, exact_cost, rate_all
from cloudmgr.errors import Invalid, Unpriced
from cloudmgr.policy.prices import Price
from tests.billing.engines.cases import EVER, MIDNIGHT, SHANGHAI, a_tariff, at_random, edges
from tests.billing.engines.engines import (
    ACCOUNTS,
    LEDGER,
    account_of,
    by_reference,
    ledger,
    sums_of,
)
from tests.billing.engines.faults import HIGHEST, too_much_in_all
from tests.builders import a_record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudmgr.billing.prices import Tariff

HOUR = timedelta(hours=1)
_LINES = '* REPLACE (epoch_us("start") AS "start", epoch_us("end") AS "end")'


def parquet(path: Path, relation: Relation, columns: str = "*") -> str:
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY (SELECT {columns} FROM ({relation.query})) TO $1", [str(path)])
    return str(path)


def read(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute(f"SELECT {columns} FROM read_parquet($1)", [str(path)]).fetchall()


def machine(
    files: Sequence[str], tariff: Tariff, accounts: Sequence[AccountSpan] | None = ACCOUNTS
) -> RatingMachine:
    return RatingMachine(files, tariff, SHANGHAI, accounts=accounts)


def test_charges_are_written_as_the_reference_makes_them(tmp_path: Path) -> None:
    records, tariff = at_random(seed=3, count=400)
    half = len(records) // 2
    files = [
        parquet(tmp_path / "1.parquet", ledger(records[:half], SHANGHAI)),
        parquet(tmp_path / "it's.parquet", ledger(records[half:], SHANGHAI)),
    ]
    out = tmp_path / "new" / "out"
    with machine(files, tariff) as rating:
        asked = rating.totals()
        written = rating.write(out)

    expected = rate_all(records, tariff, account_of).complete()
    fields = [charge_fields(charge) for charge in expected]
    found = read(
        out / "charges" / "*" / "*.parquet",
        "id, usage_id, account_id, quantity, unit_price, numerator, price_zone, unit, priced_per",
    )
    assert {(*row[:3], *map(plain, row[3:6]), *row[6:]) for row in found} == {
        tuple(f[name] for name in (
            "id", "usage_id", "account_id", "quantity", "unit_price", "numerator", "price_zone",
            "unit", "priced_per",
        ))
        for f in fields
    }  # fmt: skip
    assert written == asked
    assert written.charges == len(expected) == len(found)
    assert written.accounts == {
        account: exact_cost([c for c in expected if c.account_id == account])
        for account in ("acc_x", "acc_y")
    }
    [(lines, charges)] = read(out / "lines.parquet", "count(*), sum(charges)")
    assert 0 < lines < charges == len(expected)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_lines_are_asked_for_without_writing_anything(tmp_path: Path) -> None:
    records, tariff = edges()
    file = parquet(tmp_path / "u.parquet", ledger(records, SHANGHAI))
    with machine([file], tariff) as rating:
        found = list(rating.lines())

    expected = by_reference(records, tariff, SHANGHAI).lines
    assert sums_of(found) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["u.parquet"]


def test_an_account_may_owe_more_than_one_number_keeps(tmp_path: Path) -> None:
    records, tariff = too_much_in_all()
    apart = [replace(r, environment_id=f"env_{n}") for n, r in enumerate(records)]
    file = parquet(tmp_path / "u.parquet", ledger(apart, SHANGHAI))
    with machine([file], tariff) as rating:
        assert rating.totals().accounts == {"acc_edu": Fraction(HIGHEST) * 2 * 99 / 3600}


def test_lines_without_charges_are_the_same_lines(tmp_path: Path) -> None:
    records, tariff = at_random(seed=4, count=200)
    file = parquet(tmp_path / "u.parquet", ledger(records, SHANGHAI))
    with machine([file], tariff) as rating:
        both = rating.write(tmp_path / "both")
        lines = rating.write(tmp_path / "lines", charges=False)

    assert both == lines
    assert [path.name for path in (tmp_path / "lines").iterdir()] == ["lines.parquet"]
    assert read(tmp_path / "both" / "lines.parquet", _LINES) == read(
        tmp_path / "lines" / "lines.parquet", _LINES
    )


def test_a_sum_with_too_many_digits_is_an_error_and_not_another_sum(tmp_path: Path) -> None:
    records, tariff = too_much_in_all()
    file = parquet(tmp_path / "u.parquet", ledger(records, SHANGHAI))
    with machine([file], tariff) as rating:
        for ask in (rating.totals, partial(rating.write, tmp_path / "out")):
            with pytest.raises(Invalid) as refused:
                ask()
            assert refused.value.code == "too-much"
            assert "storage of env_exam in 2026-06 comes to some 198 at" in str(refused.value)

    assert [path.name for path in tmp_path.iterdir()] == ["u.parquet"]


def test_moments_of_charges_have_a_zone_and_every_digit_is_kept(tmp_path: Path) -> None:
    record = a_record()
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal("0.12")))
    with machine([parquet(tmp_path / "u.parquet", ledger([record], SHANGHAI))], tariff) as rating:
        rating.write(tmp_path / "out")

    kinds = dict(
        read(
            tmp_path / "out" / "charges" / "*" / "*.parquet",
            """UNNEST(['start', 'end', 'price_valid_from', 'quantity', 'numerator']), UNNEST([
            typeof("start"), typeof("end"), typeof(price_valid_from), typeof(quantity),
            typeof(numerator)])""",
        )
    )
    assert kinds == {
        "start": "TIMESTAMP WITH TIME ZONE",
        "end": "TIMESTAMP WITH TIME ZONE",
        "price_valid_from": "TIMESTAMP WITH TIME ZONE",
        "quantity": "DECIMAL(38,18)",
        "numerator": "DECIMAL(38,26)",
    }


def test_a_missing_price_is_listed_and_nothing_is_written(tmp_path: Path) -> None:
    records, tariff = edges()
    expected = rate_all(records, tariff, account_of)
    with machine([parquet(tmp_path / "u.parquet", ledger(records, SHANGHAI))], tariff) as rating:
        totals = rating.totals()
        with pytest.raises(Unpriced) as refused:
            rating.write(tmp_path / "out")

    assert totals.missing == expected.missing
    assert totals.charges == len(expected.charges)
    assert sum(totals.accounts.values()) == exact_cost(expected.charges)
    assert [path for path, _ in refused.value.problems] == ["memory/extranet", "memory/intranet"]
    assert [path.name for path in tmp_path.iterdir()] == ["u.parquet"]


def test_without_accounts_each_department_pays_for_itself(tmp_path: Path) -> None:
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal("0.36")))
    files = [parquet(tmp_path / "u.parquet", ledger([a_record()], SHANGHAI))]
    with machine(files, tariff, None) as rating:
        assert rating.totals().accounts == {"dep_exam": Fraction(36, 100)}


def test_the_month_may_stand_in_the_names_of_directories(tmp_path: Path) -> None:
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal(1)))
    directory = tmp_path / "month=2026-06"
    directory.mkdir()
    relation = ledger([a_record()], SHANGHAI)
    file = parquet(directory / "part.parquet", relation, "* EXCLUDE (month)")
    with machine([file], tariff) as rating:
        assert rating.totals().charges == 1


def _changed(**changes: object) -> Relation:
    """One good record, and one with ``changes``, in columns of their names."""
    good = ledger([a_record(resource="good"), a_record()], SHANGHAI)
    names = [name.strip('"') for name in LEDGER]
    bad = tuple(changes.get(name, cell) for name, cell in zip(names, good.rows[1], strict=True))
    return Relation("ledger", LEDGER, (good.rows[0], bad))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"quantity": Decimal(-1)}, "its quantity is negative"),
        ({"quantity": Decimal(10) ** 14}, "its quantity has more than 14 digits before the point"),
        ({"quantity": None}, "one of its columns is empty"),
        ({"meter": "gpu"}, "there is no such meter"),
        ({"month": "2026-07"}, "its month is not the one that it starts in"),
        ({"month": "June"}, "its month is not the one that it starts in"),
        ({"end": MIDNIGHT - 300 * 24 * HOUR}, "it ends no later than it starts"),
        ({"end": MIDNIGHT + 300 * 24 * HOUR}, "it is longer than 32 days"),
        ({"start": datetime(1969, 12, 31, tzinfo=UTC)}, "it lies outside the years 1970 to 9998"),
        ({"end": datetime(9999, 1, 1, tzinfo=UTC)}, "it lies outside the years 1970 to 9998"),
        ({"department_id": "dep_gone"}, "no account pays for its department then"),
        ({"id": "short"}, "its id is not 64 characters without quotes or backslashes"),
        ({"id": '"' * 64}, "its id is not 64 characters without quotes or backslashes"),
    ],
)
def test_a_record_at_fault_is_named_with_its_file_and_row(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal(1)))
    file = parquet(tmp_path / "u.parquet", _changed(**changes))
    usage_id = changes.get("id", a_record().id)
    with machine([file], tariff) as rating, pytest.raises(Invalid) as refused:
        rating.write(tmp_path / "out")

    assert refused.value.code == "bad-usage"
    assert refused.value.problems == (
        (f"{file}, row 1, id {usage_id}", f"{file}, row 1, id {usage_id}: {sentence}"),
    )
    assert not (tmp_path / "out").exists()


def test_quantities_as_floats_and_moments_without_a_zone_are_refused(tmp_path: Path) -> None:
    relation = ledger([a_record()], SHANGHAI)
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal(1)))
    for columns, path in (
        ("* REPLACE (CAST(quantity AS DOUBLE) AS quantity)", "quantity"),
        ("* REPLACE (CAST(quantity AS DECIMAL(38, 19)) AS quantity)", "quantity"),
        ('* REPLACE (CAST("start" AS TIMESTAMP) AS "start")', "start"),
        ("* EXCLUDE (pool_id)", "pool_id"),
    ):
        file = parquet(tmp_path / "u.parquet", relation, columns)
        with pytest.raises(Invalid) as refused:
            machine([file], tariff)
        assert (refused.value.code, refused.value.path) == ("bad-ledger", path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal(1)))
    file = tmp_path / "u.parquet"
    parquet(file, ledger([a_record()], SHANGHAI))
    file.write_bytes(file.read_bytes()[:-20])
    for files in ([str(file)], [str(tmp_path / "none.parquet")]):
        with pytest.raises(Invalid, match=files[0]) as refused:
            machine(files, tariff)
        assert refused.value.code in {"bad-ledger", "unreadable-ledger"}


def test_what_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    tariff = a_tariff(Price("vcpu", None, EVER, Decimal(1)))
    file = parquet(tmp_path / "u.parquet", ledger([a_record()], SHANGHAI))
    (tmp_path / "empty").mkdir()
    with machine([file], tariff) as rating:
        rating.write(tmp_path / "empty")
        for there in (tmp_path / "empty", tmp_path, tmp_path / "u.parquet"):
            with pytest.raises(Invalid) as refused:
                rating.write(there)
            assert refused.value.code == "there-already"


@pytest.mark.parametrize(
    ("price", "code"),
    [(Decimal("0.000000001"), "price-too-fine"), (Decimal(10) ** 9, "price-too-high")],
)
def test_a_price_that_engines_would_not_multiply_exactly_is_refused(
    tmp_path: Path, price: Decimal, code: str
) -> None:
    file = parquet(tmp_path / "u.parquet", ledger([a_record()], SHANGHAI))
    with pytest.raises(Invalid) as refused:
        machine([file], a_tariff(Price("vcpu", "intranet", EVER, price)))
    assert refused.value.code == code


def test_two_accounts_from_the_same_moment_are_refused(tmp_path: Path) -> None:
    file = parquet(tmp_path / "u.parquet", ledger([a_record()], SHANGHAI))
    twice = [AccountSpan("dep_exam", EVER, name) for name in ("acc_a", "acc_b")]
    with pytest.raises(Invalid, match="two accounts"):
        machine([file], a_tariff(Price("vcpu", None, EVER, Decimal(1))), twice)


@pytest.mark.parametrize(("memory", "code"), [("much", "bad-memory"), ("1MB", "too-little-memory")])
def test_memory_that_is_none_or_too_little_is_said(tmp_path: Path, memory: str, code: str) -> None:
    records, tariff = at_random(seed=3, count=300)
    file = parquet(tmp_path / "u.parquet", ledger(records, SHANGHAI))
    with (
        pytest.raises(Invalid) as refused,
        RatingMachine([file], tariff, SHANGHAI, accounts=ACCOUNTS, memory=memory) as rating,
    ):
        rating.write(tmp_path / "out")
    assert refused.value.code == code
    assert not (tmp_path / "out").exists()
