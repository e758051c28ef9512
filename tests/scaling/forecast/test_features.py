"""What a forecast is made from is known when it is made."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cloudmgr.scaling.forecast.features import last_windows, outlook, renewals
from cloudmgr.scaling.forecast.learned import LEAST_STEPS, learn, library
from tests.scaling.forecast.histories import daily, demand

UTC = ZoneInfo("UTC")


@pytest.mark.parametrize("startup", [0, 1, 3, 60])
@pytest.mark.parametrize("windows", [(), ((60, 66), (108, 114), (110, 118), (300, 306))])
def test_no_feature_of_a_step_knows_of_that_step_or_a_later_one(
    startup: int, windows: tuple[tuple[int, int], ...]
) -> None:
    was = daily(8)
    for cut in (5, 49, 112, 303):
        other = was.values.copy()
        other[cut:] = 7 * other[cut:][::-1] + 3
        seen = outlook(was, startup, 0.1, UTC, windows)
        changed = outlook(demand(other, minutes=30), startup, 0.1, UTC, windows)
        np.testing.assert_array_equal(seen.seen[: cut + 1], changed.seen[: cut + 1])
        shapes = last_windows(seen, 3), last_windows(changed, 3)
        np.testing.assert_array_equal(shapes[0][: cut + 1], shapes[1][: cut + 1])


def test_a_window_is_expected_to_go_as_the_last_ones_did_at_its_distance() -> None:
    values = np.ones(200)
    values[40:44] = [5, 9, 7, 6]
    values[90:94] = [4, 3, 8, 2]
    seen = outlook(demand(values, minutes=30), 0, 0.1, UTC, [(40, 44), (90, 94), (150, 154)])
    assert last_windows(seen, 1)[40:44].tolist() == [0] * 4, "there was none before the first"
    assert last_windows(seen, 1)[150:154].tolist() == [4, 3, 8, 2]
    assert last_windows(seen, 2)[150:154].tolist() == [5, 9, 8, 6]
    assert last_windows(seen, 2, 0.5)[150:154].tolist() == [4.5, 6, 7.5, 4]
    assert last_windows(seen, 2)[120] == 0


def test_it_learns_anew_a_day_after_a_window_and_else_with_half_as_much_again() -> None:
    assert renewals(100, 400, 10, ()) == [100, 150, 225, 337]
    assert renewals(100, 400, 10, [(190, 200), (204, 206)]) == [100, 150, 200, 210, 315]
    assert renewals(100, 105, 10, ()) == [100]


def test_too_little_history_teaches_nothing() -> None:
    seen = outlook(daily(10), 2, 0.1, UTC)
    assert learn(seen, LEAST_STEPS + 1) is None


@pytest.mark.skipif(library() is None, reason="needs LightGBM and libgomp1: make test-deps")
def test_a_peak_of_every_day_is_seen_coming_and_nothing_later_is_known() -> None:
    startup = 2
    was = daily(30)
    seen = outlook(was, startup, 0.1, UTC)
    told = learn(seen, 15 * 48)
    assert told is not None
    assert np.isnan(told.middle[: 15 * 48]).all()
    # At half past eight, half an hour and an hour before it comes.
    for day in range(20, 30):
        at = day * 48 + 17
        middle = seen.raised(told.middle)[at]
        assert was.values[at - 1] < 11
        assert middle == pytest.approx(100, rel=0.15)
    below = seen.rise[15 * 48 :] <= told.high[15 * 48 :]
    assert 0.85 < below.mean() <= 1

    other = was.values.copy()
    other[25 * 48 :] *= 3
    changed = learn(outlook(demand(other, minutes=30), startup, 0.1, UTC), 15 * 48)
    assert changed is not None
    np.testing.assert_array_equal(told.high[: 25 * 48 + 1], changed.high[: 25 * 48 + 1])
