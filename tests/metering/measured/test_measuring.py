from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.interval import Interval
from cloudmgr.metering.measured.measuring import (
    Hour,
    Reason,
    Series,
    charge_of,
    measure,
    micros,
)
from cloudmgr.metering.usage import holdings
from cloudmgr.money import exact_sum
from tests.builders import an_allocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudmgr.metering.measured.measuring import Found, Gap
    from cloudmgr.metering.usage import Holding, UsageRecord

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
GIB = 2**30


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def hour(start: float = 0) -> Hour:
    return Hour("measured/pool_a", Interval(at(start), at(start + 60)))


def held(start: float = -60, end: float | None = None, pod: str = "a") -> tuple[Holding, ...]:
    """Half a core and 768 MiB."""
    allocation = an_allocation(
        id=pod, started_at=at(start), ended_at=None if end is None else at(end)
    )
    return holdings(allocation, "pool/pool_a", "extranet", "pool_a")


def counter(
    minutes: Sequence[float],
    pod: str = "a",
    run: str = "1",
    *,
    started: float | None = None,
    cores: Callable[[float], float] = lambda minute: (minute + 60) * 60 * 0.25,
) -> Series:
    """A quarter of a core since nine o'clock, unless ``cores`` says how much until a minute."""
    samples = [(micros(at(m)), Decimal(str(cores(m)))) for m in minutes]
    return Series(pod, run, None if started is None else micros(at(started)), samples)


def minutes(start: float, end: float, step: float = 0.5) -> list[float]:
    return [start + step * i for i in range(int((end - start) / step) + 1)]


def of(found: Found, meter: str = "vcpu-used") -> tuple[list[UsageRecord], list[Gap]]:
    return (
        sorted((r for r in found.records if r.meter == meter), key=lambda r: r.interval),
        sorted((g for g in found.gaps if g.meter == meter), key=lambda g: g.interval),
    )


def vcpu(*series: Series) -> dict[str, Sequence[Series]]:
    return {"vcpu-used": series, "memory-used": ()}


def test_a_counter_is_shared_by_the_time_between_samples() -> None:
    # Not a sample lies on the hour's ends.
    found = measure(hour(), held(), vcpu(counter(minutes(-4.9, 64.9, 0.7))))
    [record], gaps = of(found)

    assert record.quantity == 900
    assert record.interval == hour().cell
    assert (record.resource, record.component, record.environment_id) == ("a", "web", "env_exam")
    assert gaps == []


def test_what_is_used_before_the_first_sample_counts_from_the_containers_start() -> None:
    seen = counter(minutes(10.4, 64.9), started=10, cores=lambda m: 30 + (m - 10.4) * 60 * 0.5)
    [record], gaps = of(measure(hour(), held(9.9), vcpu(seen)))

    assert record.quantity == 30 + Decimal("49.6") * 60 / 2
    assert record.interval.start == at(9.9)
    assert gaps == []


def test_a_container_that_began_unseen_long_ago_is_counted_from_its_first_sample() -> None:
    seen = counter(minutes(30, 64.9), started=-60)
    [record], [gap] = of(measure(hour(), held(), vcpu(seen)))

    assert record.quantity == 450
    assert (record.interval, gap.interval) == (Interval(at(30), at(60)), Interval(at(0), at(30)))


def test_a_restart_loses_nothing_that_was_sampled() -> None:
    first = counter(minutes(-5, 20), run="1")
    second = counter(minutes(20.5, 65), run="2", started=20.2, cores=lambda m: (m - 20.2) * 60)
    [record], gaps = of(measure(hour(), held(), vcpu(first, second)))

    assert record.quantity == 300 + Decimal("39.8") * 60
    assert gaps == []


def test_a_counter_that_falls_has_begun_anew() -> None:
    seen = counter(minutes(-5, 65, 1), cores=lambda m: m + 5 if m < 30 else m - 29)
    [record], _ = of(measure(hour(), held(), vcpu(seen)))

    assert record.quantity == 60


def test_a_container_that_two_jobs_scrape_is_counted_once_and_its_cpus_all() -> None:
    twice = counter(minutes(-5, 65)), counter(minutes(-4.7, 64.7))
    cpus = [counter(minutes(-5, 65), run=cpu) for cpu in ("cpu00", "cpu01")]

    assert of(measure(hour(), held(), vcpu(*twice)))[0][0].quantity == 900
    assert of(measure(hour(), held(), vcpu(*cpus)))[0][0].quantity == 1800


def test_memory_is_weighted_by_time() -> None:
    steps = [(-5.0, GIB), (10, GIB), (10.5, 3 * GIB), (12, 3 * GIB)]
    rest = [(m, 3 * GIB) for m in minutes(16, 65, 1)]
    between = [(m, GIB) for m in minutes(-4, 9, 1)]
    samples = [(micros(at(m)), Decimal(v)) for m, v in sorted((*steps, *rest, *between))]
    found = measure(
        hour(), held(), {"vcpu-used": (), "memory-used": [Series("a", "1", None, samples)]}
    )
    [record], gaps = of(found, "memory-used")

    assert record.quantity == 600 + 30 * 2 + Decimal("49.5") * 60 * 3
    assert gaps == []
    assert [gap.reason for gap in found.gaps] == [Reason.SILENT]  # of the CPU nobody told


def test_where_nothing_of_the_pool_is_sampled_the_gap_is_its_own_and_no_zero() -> None:
    seen = [counter([*minutes(-5, 20), *minutes(40, 65)], pod=pod) for pod in "ab"]
    records, [gap] = of(measure(hour(), held(), vcpu(*seen)))

    assert [r.interval for r in records] == [Interval(at(0), at(20)), Interval(at(40), at(60))]
    assert [r.quantity for r in records] == [300, 300]
    assert (gap.interval, gap.reason) == (Interval(at(20), at(40)), Reason.SILENT)
    assert gap.held == 600  # half a core for twenty minutes


def test_a_replica_that_alone_has_no_samples_is_said_to_be_unseen() -> None:
    _, [gap] = of(
        measure(hour(), (*held(), *held(pod="b")), vcpu(counter(minutes(-5, 65), pod="b")))
    )

    assert (gap.resource, gap.interval, gap.reason) == ("a", hour().cell, Reason.UNSEEN)


def test_without_an_answer_all_that_was_held_is_a_gap_and_what_was_not_is_none() -> None:
    found = measure(hour(), (*held(10, 20), *held(pod="b", start=70)), None)

    assert {(g.meter, g.interval, g.reason) for g in found.gaps} == {
        (meter, Interval(at(10), at(20)), Reason.UNANSWERED)
        for meter in ("vcpu-used", "memory-used")
    }
    assert found.records == ()


def test_one_who_sleeps_has_no_gap() -> None:
    assert measure(hour(), held(-60, -1), vcpu()).gaps == ()
    assert measure(hour(), (), None).gaps == ()


def test_a_short_life_without_a_sample_is_a_gap_all_the_same() -> None:
    _, [gap] = of(measure(hour(), held(10, 12), vcpu(counter(minutes(-5, 65), pod="b"))))

    assert (gap.interval, gap.reason) == (Interval(at(10), at(12)), Reason.UNSEEN)


def test_a_gap_over_the_turn_of_the_hour_is_found_from_both_sides() -> None:
    seen = vcpu(counter([*minutes(-5, 57), *minutes(63, 125)]))

    assert of(measure(hour(), held(), seen))[1][0].interval == Interval(at(57), at(60))
    assert of(measure(hour(60), held(), seen))[1][0].interval == Interval(at(60), at(63))


def test_what_cannot_be_is_a_gap() -> None:
    seen = counter(minutes(-5, 65), cores=lambda m: 1e13 * (m + 5))
    records, [gap] = of(measure(hour(), held(), vcpu(seen)))

    assert (records, gap.reason) == ([], Reason.REFUSED)


def test_a_gap_may_be_charged_as_what_was_held() -> None:
    [_, [gap]] = of(measure(hour(), held(10, 20), vcpu()))
    record = charge_of(gap)

    assert record.quantity == 300
    assert (record.resource, record.meter) == ("a#gap", "vcpu-used")


@given(
    life=st.tuples(st.integers(-70, 130), st.integers(1, 100)),
    seen=st.lists(st.tuples(st.integers(-6, 125), st.integers(0, 30)), max_size=4),
    step=st.sampled_from([0.25, 1, 4]),
)
def test_each_moment_of_what_was_held_is_either_measured_or_a_gap(
    life: tuple[int, int], seen: list[tuple[int, int]], step: float
) -> None:
    start, end = life[0], life[0] + life[1]
    told = sorted({m for begin, span in seen for m in minutes(begin, begin + span, step)})
    total = Decimal(0)
    for begin in (0, 60):
        own = hour(begin)
        found = measure(own, held(start, end), vcpu(counter(told)))
        records, gaps = of(found)
        spans = sorted([r.interval for r in records] + [g.interval for g in gaps])
        alive = Interval(at(start), at(end)).intersect(own.cell)

        assert exact_sum([s.seconds for s in spans]) == (alive.seconds if alive else 0)
        assert not any(a.overlaps(b) for a, b in pairwise(spans))
        total += exact_sum([r.quantity for r in records])
    # A quarter of a core, and only where it was sampled.
    assert total <= Decimal(15) * (end - start)


@given(
    grown=st.lists(st.integers(0, 10_000), min_size=60, max_size=60),
    steps=st.lists(st.integers(1, 299), min_size=60, max_size=60),
)
def test_hours_sum_to_what_the_counter_grew_by(grown: list[int], steps: list[int]) -> None:
    samples = [(micros(at(0)), Decimal(0))]
    for step, more in zip(steps, grown, strict=True):
        moment, value = samples[-1]
        samples.append((moment + step * 1_000_000, value + more))
    last = (samples[-1][0] - samples[0][0]) / 60e6
    told = vcpu(Series("a", "1", None, samples))
    hours = [hour(60 * i) for i in range(int(last // 60) + 1)]
    records = [r for h in hours for r in of(measure(h, held(0, last), told))[0]]

    # Each hour is rounded to a millionth.
    assert abs(exact_sum([r.quantity for r in records]) - sum(grown)) <= Decimal("0.00001")
