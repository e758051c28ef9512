"""The second reckoning finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import yaml

from cloudmgr.cli.demo import money
from cloudmgr.policy.default import packaged_policies

PRICES = """
currency: CNY
time_zone: Asia/Shanghai
generations:
  - valid_from: 2026-01-01
    rates:
      - {meter: vcpu, zone: extranet, unit_price: "0.12"}
      - {meter: vcpu, unit_price: "0.10"}
      - {meter: requests, unit_price: "0.002"}
  - valid_from: 2026-06-02
    rates:
      - {meter: vcpu, zone: extranet, unit_price: "0.36"}
"""
KNOWN = money.rates(yaml.safe_load(PRICES))


def usage(
    identity: str = "u1", meter: str = "vcpu", quantity: str = "3600", hour: int = 1, **more: str
) -> dict[str, str]:
    return {
        "id": identity,
        "source": "pool/x",
        "resource": "r1",
        "environment_id": "env_1",
        "zone": "extranet",
        "meter": meter,
        "quantity": quantity,
        "starts_at": f"2026-06-01T{hour:02}:00:00Z",
        "ends_at": f"2026-06-01T{hour + 1:02}:00:00Z",
        **more,
    }


def charge(row: dict[str, str], unit_price: str = "0.12") -> dict[str, str]:
    return {
        "usage_id": row["id"],
        "account_id": "acc_1",
        "environment_id": row["environment_id"],
        "meter": row["meter"],
        "quantity": row["quantity"],
        "unit_price": unit_price,
        "priced_per": "3600" if row["meter"] == "vcpu" else "1000",
    }


def invoice(quantity: str, amount: str, total: str, rounding: str = "0.00") -> dict[str, Any]:
    return {
        "number": "2026-06-0001",
        "account_id": "acc_1",
        "rounding": rounding,
        "total": total,
        "lines": [{
            "number": 1,
            "environment_id": "env_1",
            "meter": "vcpu",
            "quantity": quantity,
            "unit_price": "0.12",
            "priced_per": 3600,
            "amount": amount,
        }],
    }  # fmt: skip


def test_a_price_begins_at_midnight_in_the_city_and_one_for_the_zone_goes_first() -> None:
    eve = datetime(2026, 6, 1, 15, 59, tzinfo=UTC)
    midnight = datetime(2026, 6, 1, 16, tzinfo=UTC)
    assert money.price(KNOWN, "vcpu", "extranet", eve) == Fraction("0.12")
    assert money.price(KNOWN, "vcpu", "extranet", midnight) == Fraction("0.36")
    assert money.price(KNOWN, "vcpu", "intranet", midnight) == Fraction("0.10")
    with pytest.raises(ValueError, match="no price"):
        money.price(KNOWN, "memory", "extranet", midnight)


def test_the_price_list_of_the_city_prices_every_meter_in_both_zones() -> None:
    text = (packaged_policies() / "prices.yaml").read_text("utf-8")
    known = money.rates(yaml.safe_load(text))
    at = datetime(2026, 6, 29, tzinfo=UTC)
    for zone in ("extranet", "intranet"):
        for meter in ("vcpu", "memory", "storage", "requests"):
            assert money.price(known, meter, zone, at) > 0


def test_cents_are_rounded_half_up() -> None:
    assert money.cents(Fraction("0.005")) == Decimal("0.01")
    assert money.cents(Fraction("0.004999999999999999999")) == Decimal("0.00")
    assert money.cents(Fraction(1, 3)) == Decimal("0.33")


def test_charges_are_usage_times_price_to_the_last_digit() -> None:
    row = usage(quantity="0.000000000000000000000001")
    assert money.charged([row], [charge(row)], KNOWN, closed=True).kept
    other = charge(row) | {"quantity": "0.000000000000000000000002"}
    assert not money.charged([row], [other], KNOWN, closed=True).kept
    assert not money.charged([row], [charge(row, "0.36")], KNOWN, closed=True).kept


def test_usage_without_a_charge_or_charged_twice_is_found() -> None:
    row = usage()
    assert not money.charged([row], [], KNOWN, closed=True).kept
    assert not money.charged([row], [charge(row), charge(row)], KNOWN, closed=True).kept
    assert not money.charged([], [], KNOWN, closed=True).kept


def test_only_a_closed_month_may_not_charge_what_the_ledger_does_not_have_yet() -> None:
    row, later = usage(), usage("u2")
    both = [charge(row), charge(later)]
    assert money.charged([row], both, KNOWN, closed=False).kept
    assert not money.charged([row], both, KNOWN, closed=True).kept


def test_an_invoice_sums_to_its_charges() -> None:
    charges = [charge(usage("a", quantity="1800")), charge(usage("b", quantity="1800.5"))]
    assert money.invoiced([invoice("3600.5", "0.12", "0.12")], charges).kept
    for wrong in (
        invoice("3600.6", "0.12", "0.12"),
        invoice("3600.5", "0.13", "0.13"),
        invoice("3600.5", "0.12", "0.13"),
        invoice("3600.5", "0.12", "0.13", rounding="0.01"),
    ):
        assert not money.invoiced([wrong], charges).kept
    assert not money.invoiced([], charges).kept


def test_a_gap_or_an_overlap_in_the_ledger_is_found() -> None:
    whole = [usage("a", hour=1), usage("b", hour=2), usage("c", meter="requests", hour=9)]
    assert money.counted_once(whole).kept
    assert not money.counted_once([usage("a", hour=1), usage("b", hour=3)]).kept
    twice = usage("b", hour=1, ends_at="2026-06-01T03:00:00Z")
    assert not money.counted_once([usage("a", hour=1), twice]).kept
    assert money.counted_once([usage("a", hour=1), usage("b", hour=3, resource="r2")]).kept


def test_the_ledger_is_held_against_what_the_applications_say() -> None:
    assert money.as_applications_say({"tax": 100.0}, {"tax": 104.0}).kept
    assert not money.as_applications_say({"tax": 100.0}, {"tax": 94.0}).kept
    assert not money.as_applications_say({"tax": 100.0}, {}).kept
    assert not money.as_applications_say({}, {}).kept
    # One whose end nobody saw is held until somebody looks, and no longer.
    assert money.as_applications_say({"tax": 100.0}, {"tax": 124.0}, {"tax": 20.0}).kept
    assert not money.as_applications_say({"tax": 100.0}, {"tax": 126.0}, {"tax": 20.0}).kept
    assert not money.as_applications_say({"tax": 100.0}, {"tax": 94.0}, {"tax": 20.0}).kept


def test_requests_are_counted_once_but_for_those_of_the_last_seconds() -> None:
    times = [10.0, 20.0, 99.0]
    for metered, kept in ((1, False), (2, True), (3, True), (4, False)):
        found = money.visits_counted({"tax": times}, {"tax": float(metered)}, 100.0, 0)
        assert found.kept is kept
    assert money.visits_counted({"tax": times}, {"tax": 4.0}, 100.0, 1).kept


def test_rows_of_a_csv_file_with_a_mark_are_read() -> None:
    assert money.rows_of("\ufeffid,名称\r\n1,账单\r\n".encode()) == [{"id": "1", "名称": "账单"}]
