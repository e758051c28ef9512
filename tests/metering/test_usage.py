from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.interval import Interval, hours_between
from cloudmgr.metering.usage import (
    UsageRecord,
    cell_of,
    holdings,
    hourly,
    metered,
    month_starts,
    records,
    share_by_time,
    usage_id,
)
from cloudmgr.money import exact_sum
from cloudmgr.pools.capacity import Resources
from tests.builders import a_record, an_allocation

START = datetime(2026, 6, 1, 10, 15, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # five hours and 45 minutes ahead

moments = st.integers(0, 40 * 86_400_000_000).map(lambda us: START + timedelta(microseconds=us))
intervals = (
    st.tuples(moments, moments)
    .filter(lambda ends: ends[0] != ends[1])
    .map(lambda ends: Interval(min(ends), max(ends)))
)
quantities = st.decimals(0, 10_000, places=9)


def test_an_allocation_is_metered_as_rate_times_exact_seconds() -> None:
    held = holdings(an_allocation(size=Resources(250, 100, 3)), "pool/p", "extranet", "p")

    rates = {holding.meter: holding.rate for holding in held}
    assert rates == {
        "vcpu": Decimal("0.25"),
        "memory": Decimal("0.09765625"),
        "storage": Decimal(3),
    }


def test_what_an_allocation_holds_nothing_of_is_not_metered() -> None:
    held = holdings(an_allocation(size=Resources(storage_gib=5)), "pool/p", "extranet", "p")

    assert [holding.meter for holding in held] == ["storage"]


def test_usage_is_cut_at_every_full_hour() -> None:
    [cpu, _] = holdings(an_allocation(), "pool/p", "extranet", "p")

    lines = records(cpu, START + timedelta(hours=2), hourly(SHANGHAI))

    assert [
        (f"{x.interval.start:%H:%M}", f"{x.interval.end:%H:%M}", x.quantity) for x in lines
    ] == [
        ("10:15", "11:00", Decimal(1350)),
        ("11:00", "12:00", Decimal(1800)),
        ("12:00", "12:15", Decimal(450)),
    ]


def test_what_is_metered_already_makes_no_record() -> None:
    [cpu, _] = holdings(an_allocation(), "pool/p", "extranet", "p")

    assert records(metered(cpu, START + timedelta(hours=1)), START, hourly(SHANGHAI)) == ()


def test_usage_is_cut_where_a_month_begins_though_that_is_no_full_hour() -> None:
    month_end = datetime(2026, 6, 30, 18, 15, tzinfo=UTC)  # midnight in Kathmandu
    around = Interval(month_end - timedelta(minutes=30), month_end + timedelta(minutes=10))

    assert sorted(hourly(KATHMANDU)(around)) == [
        datetime(2026, 6, 30, 18, tzinfo=UTC),
        month_end,
    ]
    assert cell_of(month_end, KATHMANDU) == Interval(month_end, month_end + timedelta(minutes=45))
    assert cell_of(month_end - timedelta(seconds=1), KATHMANDU).end == month_end


@given(intervals, st.sampled_from(["Asia/Shanghai", "Asia/Kathmandu", "America/New_York", "UTC"]))
def test_every_piece_of_the_grid_is_a_cell_of_it(interval: Interval, zone: str) -> None:
    grid = hourly(ZoneInfo(zone))
    pieces = list(interval.split(grid(interval)))

    for piece in pieces:
        cell = cell_of(piece.start, ZoneInfo(zone))
        assert cell.start <= piece.start
        assert piece.end <= cell.end
    assert {p.start for p in pieces[1:]} >= set(hours_between(interval))
    assert {p.start for p in pieces} >= {
        start for start in month_starts(interval, ZoneInfo(zone)) if start != interval.start
    }


@given(intervals, st.lists(moments, max_size=5), st.integers(1, 64_000), st.integers(1, 10**6))
def test_splitting_usage_anywhere_conserves_it_to_the_last_digit(
    interval: Interval, cuts: list[datetime], cpu: int, memory: int
) -> None:
    for holding in holdings(
        an_allocation(size=Resources(cpu, memory), started_at=interval.start), "p", "extranet", "p"
    ):
        whole = holding.quantity(interval)
        parts = share_by_time(whole, interval, cuts)

        assert exact_sum([quantity for _, quantity in parts]) == whole
        # Each part is what would have been metered over it: rate × seconds, not about that.
        assert all(quantity == holding.quantity(piece) for piece, quantity in parts)


@given(intervals, st.lists(moments, max_size=5), quantities)
def test_splitting_a_quantity_that_no_rate_made_conserves_it_too(
    interval: Interval, cuts: list[datetime], quantity: Decimal
) -> None:
    parts = share_by_time(quantity, interval, cuts)

    assert exact_sum([part for _, part in parts]) == quantity
    assert [piece for piece, _ in parts] == list(interval.split(cuts))
    for piece, part in parts:
        ideal = Fraction(quantity) * Fraction(piece.seconds) / Fraction(interval.seconds)
        assert abs(Fraction(part) - ideal) < Fraction(len(parts), 10**17)


@given(st.integers(1, 4_000), st.lists(st.integers(0, 2 * 86_400 * 10**6), max_size=6), moments)
def test_metering_in_any_steps_gives_the_same_sum(
    cpu: int, steps: list[int], started_at: datetime
) -> None:
    [holding] = holdings(
        an_allocation(size=Resources(cpu), started_at=started_at), "p", "extranet", "p"
    )
    end = started_at + timedelta(days=2)
    lines: list[UsageRecord] = []
    for step in [*sorted(steps), 2 * 86_400 * 10**6]:
        until = started_at + timedelta(microseconds=step)
        lines += records(holding, until, hourly(SHANGHAI))
        holding = metered(holding, until)

    assert exact_sum([line.quantity for line in lines]) == holding.quantity(
        Interval(started_at, end)
    )
    assert len({line.id for line in lines}) == len(lines)


def test_requests_are_never_split() -> None:
    record = a_record(meter="requests", quantity=Decimal(7))

    cut = record.interval.start + timedelta(minutes=7)
    assert record.parts([cut]) == ((record.interval, Decimal(7)),)


def test_names_that_run_into_each_other_do_not_make_one_id() -> None:
    assert usage_id("a|b", "c", "vcpu", START) != usage_id("a", "b|c", "vcpu", START)
    assert usage_id("a", "b", "vcpu", START) == usage_id("a", "b", "vcpu", START)


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        (Decimal(-1), "negative-quantity"),
        (Decimal("1e40"), "absurd-quantity"),
        (Decimal("NaN"), "not-a-number"),
        (Decimal("Infinity"), "not-a-number"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused(quantity: Decimal, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_record(quantity=quantity)
    assert refused.value.code == code


def test_an_unknown_meter_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        a_record(meter="love")
    assert refused.value.code == "no-such-meter"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"size": Resources(-1)}, "negative-quantity"),
        ({"size": Resources(10**30)}, "absurd-quantity"),
        ({"ended_at": START - timedelta(hours=1)}, "empty-interval"),
        ({"started_at": START.replace(tzinfo=None)}, "naive-time"),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        holdings(replace(an_allocation(), **changes), "p", "extranet", "p")  # type: ignore[arg-type]
    assert refused.value.code == code


def test_an_allocation_may_end_in_the_instant_it_starts() -> None:
    held = holdings(an_allocation(ended_at=START), "p", "extranet", "p")

    assert all(holding.settled for holding in held)
