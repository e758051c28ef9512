from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError

from cloudmgr.db.engine import Database
from cloudmgr.db.types import ExactDecimal, UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Iterator

# A catalogue of its own: these tables are no part of the product's.
rows = Table(
    "rows",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("number", ExactDecimal),
    Column("moment", UtcDateTime),
)

one_database_for_all_examples = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def kept(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    rows.create(database.engine)
    yield database
    database.close()


def _round_trip(database: Database, **values: object) -> tuple[Decimal | None, datetime | None]:
    with database.write() as tx:
        (key,) = tx.execute(insert(rows).values(**values).returning(rows.c.id)).one()
    with database.read() as tx:
        number, moment = tx.execute(
            select(rows.c.number, rows.c.moment).where(rows.c.id == key)
        ).one()
    return number, moment


@one_database_for_all_examples
@given(
    digits=st.integers(-(10**38) + 1, 10**38 - 1),
    exponent=st.integers(-30, 10),
)
def test_a_number_of_38_digits_comes_back_as_it_went(
    kept: Database, digits: int, exponent: int
) -> None:
    number = Context(prec=80).scaleb(Decimal(digits), exponent)
    assert _round_trip(kept, number=number)[0] == number


@one_database_for_all_examples
@given(
    since=st.timedeltas(timedelta(0), timedelta(days=365 * 3000)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_comes_back_in_utc_to_the_microsecond(
    kept: Database, since: timedelta, offset: int
) -> None:
    zone = timezone(timedelta(minutes=offset))
    moment = (datetime(900, 1, 1, tzinfo=UTC) + since).astimezone(zone)
    back = _round_trip(kept, moment=moment)[1]
    assert back == moment
    assert back is not None
    assert back.tzinfo is UTC


def test_instants_sort_as_time_does(kept: Database) -> None:
    west = timezone(timedelta(hours=-8))
    times = [
        datetime(2026, 6, 1, 0, 0, 0, 0, tzinfo=west),
        datetime(2026, 6, 1, 7, 59, 59, 999_999, tzinfo=UTC),
        datetime(999, 1, 1, tzinfo=UTC),
        datetime(2026, 6, 1, 8, 0, 0, 1, tzinfo=UTC),
    ]
    with kept.write() as tx:
        tx.execute(insert(rows), [{"moment": moment} for moment in times])
    with kept.read() as tx:
        assert list(tx.scalars(select(rows.c.moment).order_by(rows.c.moment))) == sorted(times)
        not_before = select(rows.c.moment).where(rows.c.moment >= times[0])
        assert set(tx.scalars(not_before)) == {times[0], times[3]}


def test_nothing_comes_back_as_nothing(kept: Database) -> None:
    assert _round_trip(kept, number=None, moment=None) == (None, None)


@pytest.mark.parametrize(
    ("values", "cause", "sentence"),
    [
        ({"number": 0.1}, TypeError, "not float"),
        ({"number": 1}, TypeError, "not int"),
        ({"number": Decimal("NaN")}, ValueError, "finite"),
        ({"number": Decimal("-Infinity")}, ValueError, "finite"),
        ({"moment": datetime(2026, 6, 1)}, ValueError, "without a zone"),  # noqa: DTZ001 - on purpose
    ],
)
def test_what_could_lose_something_is_refused_and_nothing_is_stored(
    kept: Database, values: dict[str, object], cause: type[Exception], sentence: str
) -> None:
    with pytest.raises(StatementError, match=sentence) as caught:
        _round_trip(kept, **values)
    assert isinstance(caught.value.orig, cause)
    with kept.read() as tx:
        assert tx.execute(select(rows)).all() == []


def test_a_float_is_refused_in_a_condition_too(kept: Database) -> None:
    with pytest.raises(StatementError, match="not float"), kept.read() as tx:
        tx.execute(select(rows).where(rows.c.number == 0.1))
