"""The definition, run by DuckDB and by PostgreSQL, comes to what the reference does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.exc import DataError

from cloudmgr.billing.engines.dialects import Dialect
from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import Category
from cloudmgr.interval import Interval
from cloudmgr.policy.prices import Price
from tests.billing.engines.cases import (
    CHATHAM,
    EVER,
    JULY,
    NEW_YORK,
    SHANGHAI,
    a_tariff,
    any_usage,
    at_random,
    edges,
    near_overflow,
    sparse_price_lists,
)
from tests.billing.engines.engines import by_engine, by_reference
from tests.billing.engines.faults import FAULTY, HIGHEST, too_much_in_all
from tests.billing.worlds import price_lists, usage
from tests.builders import a_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from cloudmgr.metering.usage import UsageRecord
    from cloudmgr.policy.prices import PriceList
    from tests.billing.engines.engines import Engine

DAY = timedelta(days=1)


@dataclass
class Duck:
    database: duckdb.DuckDBPyConnection
    dialect: Dialect = Dialect.DUCKDB

    def run(self, query: str) -> None:
        self.database.execute(query)

    def all(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()


@dataclass
class Postgres:
    connection: Connection
    dialect: Dialect = Dialect.POSTGRESQL

    def run(self, query: str) -> None:
        self.connection.exec_driver_sql(query.replace("%", "%%"))

    def all(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(r) for r in self.connection.exec_driver_sql(query.replace("%", "%%"))]


@pytest.fixture(scope="module", params=[Dialect.DUCKDB, Dialect.POSTGRESQL])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param is Dialect.DUCKDB:
        with closing(duckdb.connect()) as database:
            database.execute("SET TimeZone = 'UTC'")
            yield Duck(database)
        return
    server = create_engine(request.getfixturevalue("postgres_url"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        connection.exec_driver_sql("SET client_min_messages = 'warning'")
        yield Postgres(connection)
    server.dispose()


@pytest.mark.parametrize("zone", [SHANGHAI, NEW_YORK, CHATHAM], ids=str)
def test_every_corner_comes_to_the_same_as_the_reference(engine: Engine, zone: ZoneInfo) -> None:
    records, tariff = edges()
    expected = by_reference(records, tariff, zone)

    assert len(expected.charges) > len(records)
    assert {m.meter for m in expected.missing} == {"memory"}
    assert by_engine(engine, records, tariff, zone) == expected


def test_numbers_as_large_as_are_taken_keep_every_digit(engine: Engine) -> None:
    records, tariff = near_overflow()

    assert by_engine(engine, records, tariff, SHANGHAI) == by_reference(records, tariff, SHANGHAI)


def test_three_months_of_usage_come_to_the_same_as_the_reference(engine: Engine) -> None:
    records, tariff = at_random(seed=1, count=150)
    expected = by_reference(records, tariff, SHANGHAI, Category.ADJUSTMENT)

    assert len(expected.charges) > len(records)
    assert by_engine(engine, records, tariff, SHANGHAI, Category.ADJUSTMENT) == expected


def test_nothing_comes_of_nothing(engine: Engine) -> None:
    nothing = by_reference([], a_tariff(), SHANGHAI)

    assert by_engine(engine, [], a_tariff(), SHANGHAI) == nothing


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(usage() | any_usage(), min_size=1, max_size=6, unique_by=lambda r: r.id),
    price_lists() | sparse_price_lists(),
)
def test_whatever_comes_it_comes_to_the_same_as_the_reference(
    engine: Engine, records: list[UsageRecord], prices: PriceList
) -> None:
    tariff = Tariff(prices)

    assert by_engine(engine, records, tariff, SHANGHAI) == by_reference(records, tariff, SHANGHAI)


@pytest.mark.parametrize(("record", "price", "fault"), FAULTY)
def test_what_could_overflow_or_has_no_payer_is_named_and_not_rated(
    engine: Engine, record: UsageRecord, price: Decimal, fault: str | None
) -> None:
    tariff = a_tariff(Price(record.meter, None, EVER, price))
    said = by_engine(engine, [record], tariff, SHANGHAI)

    assert said.faults == ({fault: 1} if fault else {})
    assert len(said.charges) == (0 if fault else 1)


def test_what_is_too_much_only_at_a_later_price_is_named_too(engine: Engine) -> None:
    record = a_record(meter="storage", quantity=Decimal(200))
    later = record.interval.start + timedelta(minutes=1)
    prices = (Price("storage", None, EVER, Decimal(1)), Price("storage", None, later, HIGHEST))

    assert by_engine(engine, [record], a_tariff(*prices), SHANGHAI).faults == {"too-much": 1}
    earlier = a_record(
        meter="storage", quantity=Decimal(200), interval=Interval(JULY - 60 * DAY, JULY - 59 * DAY)
    )
    said = by_engine(engine, [earlier], a_tariff(*prices), SHANGHAI)
    assert (said.faults, len(said.charges)) == ({}, 1)


def test_a_sum_with_too_many_digits_is_an_error_and_not_another_sum(engine: Engine) -> None:
    records, tariff = too_much_in_all()
    with pytest.raises((duckdb.ConversionException, DataError)):
        by_engine(engine, records, tariff, SHANGHAI)
