"""Each promise is kept by what keeps it and broken by what breaks it."""

from __future__ import annotations

from cloudmgr.cli.demo.figures import Sample, Span, Wake, Window
from cloudmgr.cli.demo.load.schedule import Act, Outcome
from cloudmgr.cli.demo.promises import (
    Killed,
    in_time,
    no_failure,
    on_schedule,
    peak_as_quick,
    wakes_quickly,
)

WINDOW = Window("gaokao", "a match", Span(100, 200, 360), 5)


def outcome(due: float, latency: float = 0.1, status: int = 200, late: float = 0.0) -> Outcome:
    return Outcome(due, due + late, due + latency, "gaokao", Act.PAGE, status, 0, "")


def ready(at: float, count: int) -> Sample:
    return Sample(at, "gaokao", 5, count, count)


def test_a_5xx_or_no_answer_breaks_the_first_promise_and_a_404_does_not() -> None:
    assert no_failure([outcome(1, status=404), outcome(2, status=409)], []).kept
    assert not no_failure([outcome(1), outcome(2, status=502)], []).kept
    assert not no_failure([outcome(1), outcome(2, status=0)], []).kept
    assert not no_failure([], []).kept


def test_only_what_was_in_flight_on_a_killed_replica_may_fail() -> None:
    failed = outcome(10, latency=0.5, status=502)
    assert no_failure([failed], [Killed("gaokao", 10.2, 10.2)]).kept
    assert not no_failure([failed], [Killed("gaokao", 10.6, 10.6)]).kept
    assert not no_failure([failed], [Killed("gaokao", 9.9, 9.95)]).kept
    assert not no_failure([failed], [Killed("income-tax", 10.2, 10.2)]).kept


def test_what_is_sent_to_a_replica_while_it_ends_was_in_flight_on_it() -> None:
    failed = outcome(10, latency=0.005, status=502)
    assert no_failure([failed], [Killed("gaokao", 9.998, 10.002)]).kept
    assert not no_failure([failed], [Killed("gaokao", 9.998, 9.999)]).kept


def test_capacity_is_in_time_only_if_it_is_ready_before_and_stays_so() -> None:
    kept = in_time(WINDOW, [ready(80, 1), ready(95, 5), ready(99, 5), ready(101, 3)])
    assert kept.kept
    assert kept.evidence == "Ready 30 minutes ahead"
    assert not in_time(WINDOW, [ready(95, 5), ready(99, 4), ready(101, 5)]).kept
    assert not in_time(WINDOW, []).kept


def test_the_peak_is_compared_with_the_quiet_hours() -> None:
    quiet = [outcome(i) for i in range(50)]
    assert peak_as_quick([*quiet, *(outcome(100 + i, 0.29) for i in range(50))], [WINDOW]).kept
    assert not peak_as_quick([*quiet, *(outcome(100 + i, 0.31) for i in range(50))], [WINDOW]).kept
    assert not peak_as_quick(quiet, [WINDOW]).kept


def test_a_late_sender_does_not_flatter_the_system() -> None:
    assert outcome(1, latency=0.5, late=0.4).latency == 0.5
    assert not on_schedule([outcome(1, late=0.2)]).kept
    assert on_schedule([outcome(1, late=0.01)]).kept


def test_waking_is_held_against_the_start_up_of_the_application_alone() -> None:
    wake = Wake("gaokao", 10, 1.9, person=False)
    assert wakes_quickly([wake], {"gaokao": 0.5}).kept
    assert not wakes_quickly([wake], {"gaokao": 0.3}).kept
    assert not wakes_quickly([], {}).kept
