"""``cloudmgr billing rate`` and ``rating-sql``, which need no control plane."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pytest

from cloudmgr.billing.prices import Tariff
from cloudmgr.billing.rating import exact_cost, rate_all
from cloudmgr.cli.main import run
from cloudmgr.money import to_cents
from cloudmgr.policy.loading import price_list_in
from tests.billing.engines.cases import SHANGHAI, edges
from tests.billing.engines.engines import account_of, ledger
from tests.billing.engines.test_machine import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.metering.usage import UsageRecord

PRICES = """
currency: CNY
time_zone: Asia/Shanghai
generations:
  - valid_from: 2020-01-01
    rates:
      - {meter: vcpu, unit_price: "0.12"}
      - {meter: vcpu, zone: intranet, unit_price: "0.138"}
      - {meter: memory, unit_price: "0.045"}
      - {meter: storage, unit_price: "0.00082"}
      - {meter: requests, unit_price: "5"}
  - valid_from: 2026-06-10
    rates:
      - {meter: vcpu, unit_price: "0.11"}
      - {meter: vcpu, zone: intranet, unit_price: "0.129"}
"""
ACCOUNTS = """\
department_id,account_id,valid_from
dep_exam,acc_edu,
dep_x,acc_x,2020-01-01T00:00:00+08:00
dep_x,acc_y,2026-06-16T00:00:00+08:00
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "our prices.yaml"
    path.write_text(PRICES)
    return path


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.csv"
    path.write_text(ACCOUNTS)
    return path


@pytest.fixture
def records(tmp_path: Path) -> list[UsageRecord]:
    """Every corner, in the directory ``ledger``, and what was written beside and is not of it."""
    records, _ = edges()
    (tmp_path / "ledger" / "_delta").mkdir(parents=True)
    parquet(tmp_path / "ledger" / "1.parquet", ledger(records, SHANGHAI))
    (tmp_path / "ledger" / "_delta" / "old.parquet").write_text("none")
    return records


def command(*words: object) -> int:
    return run(["billing", "rate", *map(str, words)])


def test_a_dry_run_tells_the_totals_and_writes_nothing(
    tmp_path: Path,
    prices: Path,
    accounts: Path,
    records: list[UsageRecord],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--ledger", tmp_path / "ledger", "--prices", prices, "--accounts", accounts]
    assert command(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)

    expected = rate_all(records, Tariff(price_list_in(prices)), account_of).complete()
    assert (found["records"], found["charges"]) == (len(records), len(expected))
    assert found["skipped"] == len([r for r in records if r.meter in {"address", "vcpu-used"}])
    assert found["accounts"] == [
        {"account_id": name, "amount": str(to_cents(exact_cost(charges)))}
        for name in ("acc_edu", "acc_x", "acc_y")
        for charges in ([c for c in expected if c.account_id == name],)
    ]
    assert found["total"] == str(to_cents(exact_cost(expected)))
    assert command(*words) == 0
    said = capsys.readouterr().out
    assert f"total {found['total']} CNY\nnothing was written\n" in said


def test_charges_and_lines_are_written(
    tmp_path: Path, prices: Path, records: list[UsageRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "ledger" / "1.parquet", tmp_path / "out"
    assert command("--ledger", file, "--prices", prices, "--out", out) == 0
    assert capsys.readouterr().out.endswith(f"written: {out}\n")
    assert records
    assert (out / "lines.parquet").exists()
    assert command("--ledger", file, "--prices", prices, "--out", out) == 2
    assert capsys.readouterr().err == f"cloudmgr: {out} is there already and not empty\n"


def test_what_has_no_price_is_listed_and_nothing_is_written(
    tmp_path: Path, prices: Path, records: list[UsageRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    prices.write_text(PRICES.replace("valid_from: 2020-01-01", "valid_from: 2026-06-08"))
    words = ["--ledger", tmp_path / "ledger", "--prices", prices]
    missing = rate_all(records, Tariff(price_list_in(prices)), account_of).missing
    assert len(missing) > 1

    assert command(*words) == 1
    said = capsys.readouterr().out
    assert all(one.sentence in said for one in missing)
    assert command(*words, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert all(one.sentence in said for one in missing)
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_with_a_price_list_is_told_with_its_line(
    tmp_path: Path, prices: Path, records: list[UsageRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    assert records
    prices.write_text(PRICES.replace('"0.045"', "0.045"))
    assert command("--ledger", tmp_path / "ledger", "--prices", prices) == 2
    assert f"cloudmgr: {prices}:9: " in capsys.readouterr().err


def test_what_is_wrong_with_a_file_is_one_line_with_its_row(
    tmp_path: Path,
    prices: Path,
    accounts: Path,
    records: list[UsageRecord],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--ledger", tmp_path / "ledger", "--prices", prices, "--accounts", accounts]
    assert records
    for text, sentence in (
        ("department_id\ndep_x\n", "row 1: it has no column account_id"),
        ("department_id,account_id\ndep_x,\n", "row 2, column account_id: it is empty"),
        (ACCOUNTS + "dep_y,acc_y,June\n", "row 5, column valid_from: 'June' is no moment"),
        (ACCOUNTS + "dep_y,acc_y,2026-06-01\n", "row 5, column valid_from: '2026-06-01' is no"),
    ):
        accounts.write_text(text)
        assert command(*words) == 2
        assert f"cloudmgr: {accounts}: {sentence}" in capsys.readouterr().err
    accounts.write_text(ACCOUNTS.replace("dep_exam", "dep_gone"))
    assert command(*words) == 2
    said = capsys.readouterr().err
    assert "1.parquet, row " in said
    assert "no account pays for its department then" in said
    for ledger_place in (tmp_path / "none", tmp_path / "ledger" / "_delta" / "old.parquet"):
        assert command("--ledger", ledger_place, "--prices", prices) == 2
        assert str(ledger_place) in capsys.readouterr().err
    assert command("--ledger", tmp_path, "--prices", tmp_path / "none.yaml") == 2
    assert "none.yaml cannot be read" in capsys.readouterr().err


def test_the_sql_for_an_engine_rates_as_the_command_does(
    tmp_path: Path, prices: Path, records: list[UsageRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["billing", "rating-sql", "--engine", "duckdb", "--prices", str(prices)]) == 0
    statements = capsys.readouterr().out.split(";\n\n")
    with duckdb.connect() as database:
        database.execute(
            "CREATE VIEW ledger AS FROM read_parquet('" + f"{tmp_path}/ledger/1.parquet')"
        )
        for statement in statements:
            database.execute(statement)
        found = database.execute("SELECT id FROM charges").fetchall()
    expected = rate_all(records, Tariff(price_list_in(prices)), account_of).complete()
    assert sorted(row[0] for row in found) == sorted(charge.id for charge in expected)

    assert run(["billing", "rating-sql", "--engine", "mysql", "--prices", str(prices)]) == 2
    assert "one of duckdb, postgresql, spark" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["postgresql", "spark"])
def test_the_sql_of_other_engines_is_whole(
    prices: Path, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["billing", "rating-sql", "--engine", engine, "--prices", str(prices)]) == 0
    script = capsys.readouterr().out
    assert script.count("CREATE TEMPORARY") == 5
    assert "EPOCH_US" not in script
