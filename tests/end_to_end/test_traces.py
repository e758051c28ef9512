"""Demand that was, as real traffic: a match announced, the same unannounced, and ten that sleep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.evening import PROMISED
from tests.end_to_end.plane import Place
from tests.end_to_end.replay import set_up
from tests.end_to_end.seen import through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.seen import Evening

pytestmark = [pytest.mark.evening, pytest.mark.xdist_group("end-to-end")]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    place = Place(tmp_path_factory.mktemp("traces"))
    try:
        yield set_up(place).play()
    finally:
        place.down()


def test_an_announced_peak_is_met_before_it_starts_and_given_back_after_it(seen: Evening) -> None:
    system = seen.announced
    assert system.planned > 500, "the evening was replayed"
    assert {outcome.status for outcome in system.outcomes} == {200}
    assert system.dropped == 0
    assert system.ready(seen.opens) >= PROMISED, "by what the control plane tells"
    assert system.serving(seen.opens) >= PROMISED, "by the replicas' own account"
    during = through(system.samples, seen.opens, seen.closes)
    assert during
    assert min(sample.target for sample in during) >= PROMISED, "kept through the match"
    assert system.samples[0].ready < PROMISED, "not kept all evening"
    assert system.samples[-1].ready < PROMISED, "not kept after it"
    called = next(d for d in system.decisions if d["after"] >= PROMISED)
    assert f"window {PROMISED}" in called["en"], called


def test_with_reaction_alone_what_was_promised_there_is_not_there_when_the_crowd_comes(
    seen: Evening,
) -> None:
    system = seen.reacting
    assert {outcome.status for outcome in system.outcomes} == {200}, "it is late, but drops nobody"
    assert system.dropped == 0
    assert system.planned == seen.announced.planned, "the same crowd"
    assert system.ready(seen.opens) < seen.announced.ready(seen.opens)
    assert system.serving(seen.opens) < seen.announced.serving(seen.opens)
    risen = system.first_ready(PROMISED)
    assert risen is None or risen > seen.opens
    assert not any("window" in decision["en"] for decision in system.decisions)


def test_ten_small_systems_sleep_between_their_requests_and_answer_every_one(seen: Evening) -> None:
    assert len(seen.small) == 10
    for system in seen.small:
        assert {outcome.status for outcome in system.outcomes} == {200}, system.name
        assert system.dropped == 0, system.name
        assert system.asleep > 0, system.name
        woken = [d for d in system.decisions if d["before"] == 0 and d["actor"] == "waker"]
        assert woken, f"{system.name} was woken by who came"
        assert len(woken) <= len(system.outcomes)
