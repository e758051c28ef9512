"""Around a peak people's changes wait; a shared service that moves is followed all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.builders import a_window
from tests.hosting.test_shared_services import OTHERS, SMS, Town, town

if TYPE_CHECKING:
    from cloudmgr.hosting.environments import Environment
    from tests.hosting.office import Office

__all__ = ["town"]
HOUR = timedelta(hours=1)


def peaked(office: Office, environment: Environment, *, begins_in: timedelta = HOUR) -> None:
    now = office.plane.clock.now()
    start = now + begins_in
    window = a_window(start, start + HOUR, environment_id=environment.id)
    with office.plane.database.write() as tx:
        office.plane.stores.scaling.windows.add(tx, window)


def test_a_service_that_moves_is_followed_in_a_freeze(town: Town) -> None:
    """Whoever is led to an address that is gone would fail in the middle of the peak."""
    environment = town.bound("gov-sms")
    town.plane.bindings.follow()
    peaked(town, environment)
    with town.plane.database.read() as tx:
        assert town.plane.freezing.frozen(tx, town.environment("gaokao-prod")) is not None
    town.services(SMS.replace("8443", "9443"), OTHERS)
    assert town.plane.bindings.follow() == [environment.id]
    assert [one.port for one in town.environment("gaokao-prod").services] == [9443]
    town.services(OTHERS)
    assert town.plane.bindings.follow() == [environment.id]
    assert town.environment("gaokao-prod").services == ()
