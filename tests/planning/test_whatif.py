"""Systems that share a pool of which hosts fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloudmgr.interval import Interval
from cloudmgr.planning.hosts import Failure
from cloudmgr.planning.whatif import Estate, Tenant, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2027, 6, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)


def tenant(
    name: str, asked: Sequence[int], announced: Sequence[int] = (), *, startup: int = 0
) -> Tenant:
    """It is asked for exactly what its replicas carry, ten each."""
    count = np.array(asked, dtype=np.int64)
    declared = np.array(announced or [0] * len(asked), dtype=np.int64)
    return Tenant(name, 10 * count.astype(np.float64), count, declared, 10.0, startup)


def away(first: float, end: float, hosts: int = 1) -> Failure:
    return Failure(Interval(START + first * STEP, START + end * STEP), hosts)


def test_what_fits_is_served_whole_and_tells_how_many_hosts_it_takes() -> None:
    found = replay([tenant("a", [1, 5, 2]), tenant("b", [2, 3, 9])], Estate(4, 3), START, STEP)
    assert found.fits
    assert (found.most, found.most_at) == (11, START + 2 * STEP)
    assert found.hosts_needed == 5, "four for eleven replicas, and a spare one"
    assert (found.unmet, found.unmet_for_room, found.spells) == (0, 0, ())


def test_hosts_that_fail_leave_the_pool_with_too_little_while_they_are_away() -> None:
    systems = [tenant("a", [4, 4, 4, 4]), tenant("b", [2, 2, 2, 2])]
    found = replay(systems, Estate(3, 2, failures=(away(1, 2.5),)), START, STEP)
    assert (found.short, found.steps) == (2, 4)
    (spell,) = found.spells
    assert spell.interval == Interval(START + STEP, START + 3 * STEP)
    assert (spell.missing, spell.tenants) == (2, (("a", 1), ("b", 1)))
    assert found.unmet == found.unmet_for_room == pytest.approx(4 / 24)


def test_what_was_announced_comes_first() -> None:
    def lost(announced: int) -> dict[str, int]:
        systems = [tenant("loud", [9]), tenant("exam", [4], [announced])]
        (spell,) = replay(systems, Estate(1, 8), START, STEP).spells
        return dict(spell.tenants)

    assert lost(0) == {"loud": 3, "exam": 2}
    assert lost(3) == {"loud": 4, "exam": 1}
    assert lost(4) == {"loud": 5}


def test_a_replica_that_gets_its_room_back_starts_anew() -> None:
    estate = Estate(2, 1, failures=(away(1, 2),))
    at_once = replay([tenant("a", [2] * 6)], estate, START, STEP)
    slow = replay([tenant("a", [2] * 6, startup=2)], estate, START, STEP)
    assert at_once.unmet == pytest.approx(1 / 12)
    assert slow.unmet == pytest.approx(3 / 12)


def test_what_an_endless_pool_would_not_have_served_is_not_for_want_of_room() -> None:
    blind = Tenant(
        "a", np.array([50.0, 50]), np.array([2, 2]), np.zeros(2, dtype=np.int64), 10.0, 0
    )
    found = replay([blind], Estate(1, 2), START, STEP)
    assert found.unmet == pytest.approx(0.6)
    assert found.unmet_for_room == 0


counts = some.lists(some.integers(0, 20), min_size=4, max_size=4)


@given(some.lists(some.tuples(counts, counts), min_size=1, max_size=5), some.integers(0, 6))
def test_all_room_is_given_and_nobody_gets_more_than_is_asked_for(
    systems: list[tuple[list[int], list[int]]], hosts: int
) -> None:
    tenants = [tenant(f"s{n}", asked, told) for n, (asked, told) in enumerate(systems)]
    found = replay(tenants, Estate(hosts, 3), START, STEP)
    wanted = np.array([asked for asked, _ in systems]).sum(axis=0)
    lacking = np.maximum(wanted - 3 * hosts, 0)
    assert found.short == (lacking > 0).sum()
    assert max((spell.missing for spell in found.spells), default=0) == lacking.max()
    if wanted.sum():
        assert found.unmet_for_room == pytest.approx(lacking.sum() / wanted.sum())
