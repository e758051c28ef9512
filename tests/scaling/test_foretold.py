"""What is told of the demand that comes, while it counts."""

from __future__ import annotations

from datetime import timedelta

from cloudmgr.scaling.activity import Sample
from cloudmgr.scaling.demand import STEP
from cloudmgr.scaling.foretold import Foretold
from tests.scaling.rig import MINUTE, NOW

BEFORE = NOW - STEP
TOLD = Foretold("env", "forecast", NOW + 2 * STEP, (Sample(BEFORE, 9.0), Sample(NOW, 4.0)))
HOLD = 10 * MINUTE


def test_what_was_told_before_is_held_for_as_long_as_demand_is() -> None:
    assert TOLD.in_flight(NOW, HOLD) == 9.0
    assert TOLD.in_flight(BEFORE + HOLD, HOLD) == 4.0
    assert TOLD.moments(NOW, HOLD) == [TOLD.until, BEFORE + HOLD]


def test_what_was_told_last_counts_until_it_is_out_of_date_however_short_the_hold() -> None:
    short = STEP
    for moment in (NOW, NOW + STEP, TOLD.until - timedelta(seconds=1)):
        assert TOLD.in_flight(moment, short) == 4.0
    assert TOLD.in_flight(TOLD.until, short) is None
    assert TOLD.moments(TOLD.until, short) == []
