"""Around a peak: what policy changes of shared services waits, and what it takes is taken."""

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


def lifted(office: Office, environment: Environment) -> None:
    with office.plane.database.write() as tx:
        office.plane.freezing.lift(tx, environment, actor="usr_bob", why="必须立即扩容")


def test_another_address_of_a_service_is_followed_once_the_freeze_is_lifted(town: Town) -> None:
    environment = town.bound("gov-sms")
    town.plane.bindings.follow()
    peaked(town, environment)
    town.services(SMS.replace("8443", "9443"), OTHERS)
    assert town.plane.bindings.follow() == []
    waiting = town.environment("gaokao-prod")
    assert [one.port for one in waiting.services] == [8443]
    with town.plane.database.read() as tx:
        assert town.plane.bindings.waits(tx, waiting)
    lifted(town, environment)
    assert town.plane.bindings.follow() == [environment.id]
    after = town.environment("gaokao-prod")
    assert [one.port for one in after.services] == [9443]
    with town.plane.database.read() as tx:
        assert not town.plane.bindings.waits(tx, after)


def test_what_policy_forbids_is_taken_away_at_once_and_all_else_stays(town: Town) -> None:
    environment = town.bound("gov-sms")
    peaked(town, environment)
    town.services(OTHERS)
    assert environment.id in town.plane.bindings.follow()
    assert town.environment("gaokao-prod").services == ()


def test_a_service_that_is_merely_not_there_is_left_until_the_peak_is_over(town: Town) -> None:
    town.sign_on()
    environment = town.bound("sso")
    town.plane.bindings.follow()
    before = town.environment("gaokao-prod").services
    peaked(town, environment)
    with town.plane.database.write() as tx:
        stores = town.plane.stores
        stores.environments.set_retiring(
            tx, stores.environments.get(tx, town.environment("sso-prod").id, lock=True)
        )
    town.plane.bindings.follow()
    assert town.environment("gaokao-prod").services == before
