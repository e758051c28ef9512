"""The definition, run by Spark, comes to what the reference does."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.billing.digits import plain
from cloudmgr.billing.engines.dialects import Dialect
from cloudmgr.billing.rating import rate_all
from cloudmgr.metering.meters import METERS
from cloudmgr.policy.prices import Price
from tests.billing.engines.cases import (
    EVER,
    NEW_YORK,
    SHANGHAI,
    a_tariff,
    at_random,
    edges,
    near_overflow,
)
from tests.billing.engines.engines import account_of, by_engine, by_reference, ledger
from tests.billing.engines.faults import FAULTY, too_much_in_all
from tests.billing.engines.test_machine import machine, parquet
from tests.conftest import absent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from pyspark.sql import SparkSession

    from cloudmgr.metering.usage import UsageRecord

pytestmark = [
    pytest.mark.spark,
    # Py4J leaves the sockets to the Java that it started to be closed as that ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass
class Spark:
    session: SparkSession
    dialect: Dialect = Dialect.SPARK

    def run(self, query: str) -> None:
        self.session.sql(query)

    def all(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(query).collect()]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    if shutil.which("java") is None:
        absent("Java (default-jre-headless)")
    if find_spec("pyspark") is None:
        pytest.fail("pyspark is not installed: run `make test-spark`")
    from pyspark.sql import SparkSession  # noqa: PLC0415 - it need not be there

    home = tmp_path_factory.mktemp("spark")
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.local.dir", str(home))
        .config("spark.sql.warehouse.dir", str(home / "warehouse"))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield Spark(session)
    session.stop()


@pytest.mark.parametrize("zone", [SHANGHAI, NEW_YORK], ids=str)
def test_every_corner_comes_to_the_same_as_the_reference(spark: Spark, zone: ZoneInfo) -> None:
    records, tariff = edges()

    assert by_engine(spark, records, tariff, zone) == by_reference(records, tariff, zone)


def test_numbers_as_large_as_are_taken_keep_every_digit(spark: Spark) -> None:
    records, tariff = near_overflow()

    assert by_engine(spark, records, tariff, SHANGHAI) == by_reference(records, tariff, SHANGHAI)


def test_three_months_of_usage_come_to_the_same_as_the_reference(spark: Spark) -> None:
    records, tariff = at_random(seed=2, count=400)
    expected = by_reference(records, tariff, SHANGHAI)

    assert len(expected.charges) > len(records)
    assert {charge["meter"] for charge in expected.charges.values()} == set(METERS)
    assert by_engine(spark, records, tariff, SHANGHAI) == expected


@pytest.mark.parametrize(("record", "price", "fault"), FAULTY)
def test_what_could_overflow_or_has_no_payer_is_named_and_not_rated(
    spark: Spark, record: UsageRecord, price: Decimal, fault: str | None
) -> None:
    said = by_engine(spark, [record], a_tariff(Price(record.meter, None, EVER, price)), SHANGHAI)

    assert said.faults == ({fault: 1} if fault else {})


def test_a_sum_with_too_many_digits_is_an_error_and_not_another_sum(spark: Spark) -> None:
    from pyspark.errors import ArithmeticException  # noqa: PLC0415 - it need not be there

    records, tariff = too_much_in_all()
    with pytest.raises(ArithmeticException):
        by_engine(spark, records, tariff, SHANGHAI)


def test_spark_reads_the_charges_that_this_machine_wrote(spark: Spark, tmp_path: Path) -> None:
    records, tariff = at_random(seed=1, count=200)
    file = parquet(tmp_path / "u.parquet", ledger(records, SHANGHAI))
    with machine([file], tariff) as rating:
        written = rating.write(tmp_path / "out")

    charges = spark.session.read.parquet(str(tmp_path / "out" / "charges" / "*"))
    found = {
        (row.id, plain(row.quantity), plain(row.numerator), row.unit_price, row.meter)
        for row in charges.collect()
    }
    expected = rate_all(records, tariff, account_of).complete()
    assert len(found) == written.charges
    assert found == {
        (c.id, plain(c.quantity), plain(c.numerator), c.unit_price, c.meter) for c in expected
    }
