"""Environments that are not Ready for long, and are again: told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.conditions import Status
from cloudmgr.hosting.assessment import Draft
from cloudmgr.hosting.requests import RequestKind, RequestState
from cloudmgr.notices.notice import Kind
from cloudmgr.wiring.lookout import LONG
from tests.wiring.watched import MINUTE, Watched

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def office(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "office")


def test_what_is_not_ready_for_long_is_told_and_when_it_is_again(office: Watched) -> None:
    environment = office.host()
    office.condition(environment, Status.FALSE, office.now - LONG + MINUTE)
    office.lookout.environments()
    assert office.told() == []
    office.condition(environment, Status.FALSE, office.now - LONG - MINUTE)
    office.lookout.environments()
    office.lookout.environments()
    assert office.kinds() == [Kind.NOT_READY]
    office.condition(environment, Status.TRUE, office.now)
    office.lookout.environments()
    office.lookout.environments()
    office.condition(environment, Status.UNKNOWN, office.now - LONG - MINUTE)
    office.lookout.environments()
    assert office.kinds() == [Kind.NOT_READY, Kind.READY, Kind.NOT_READY]


def test_a_new_one_is_told_to_be_ready_once_and_an_old_one_is_not(office: Watched) -> None:
    old = office.host()
    new = office.host(
        id="env_new", host="new.extranet.localhost", name="new", created_at=office.now
    )
    for environment in (old, new):
        office.condition(environment, Status.TRUE, office.now)
    office.lookout.environments()
    office.lookout.environments()
    assert [(notice.kind, notice.about_id) for notice in office.told()] == [(Kind.READY, "env_new")]


def test_what_sleeps_or_goes_is_not_waited_for(office: Watched) -> None:
    asleep = office.host(target={"web": 0})
    going = office.host(id="env_go", host="go.extranet.localhost", name="go", retiring=True)
    for environment in (asleep, going):
        office.condition(environment, Status.FALSE, office.now - 2 * LONG)
    office.lookout.environments()
    assert office.told() == []


def test_every_look_is_a_duty_of_the_control_plane(office: Watched) -> None:
    duties = {duty.name for duty in office.plane.duties}
    assert {duty.name for duty in office.lookout.duties} <= duties
    request = office.submit(Draft(RequestKind.NEW, "sys_exam", ask=office.ask().ask, reason="x"))
    assert request.state is not RequestState.DENIED
