"""Who may hold our hours against a pool's, for when, and what is said where that cannot be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from tests.fakes import AccountedPool, InstantPool
from tests.metering.counted import HOUR, a_counted_pool, read

if TYPE_CHECKING:
    from httpx import Response

    from tests.api.city import City

DAY = timedelta(days=1)


def counted(city: City) -> AccountedPool:
    city.clock.advance(2 * DAY)
    pool, pool_id = a_counted_pool(city.clock), city.ours["pool_id"]
    city.services.drivers[pool_id] = pool  # type: ignore[index]
    read(city.database, city.services.metering, city.clock, pool_id, pool)
    return pool


def ask(city: City, login: str = "operator", **query: Any) -> Response:
    path = f"/api/v1/pools/{city.ours['pool_id']}/reconciliation"
    answer: Response = city.client(login).get(path, params=query)
    return answer


def refused(answer: Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def test_every_server_stands_there_with_why_the_two_differ(city: City) -> None:
    counted(city)
    found = ask(city).json()
    assert found["explained"]
    assert found["until"] == found["read_at"]
    (environment,) = found["environments"]
    assert environment["environment_id"] == "env_exam"
    first, second = environment["servers"]
    assert (first["server_id"], first["name"], first["component"]) == (
        "one",
        "web-0-abcdef01",
        "web",
    )
    assert [(d["kind"], d["seconds"]) for d in first["differences"]] == [("relaunched", "-3600")]
    assert [(d["kind"], d["seconds"]) for d in second["differences"]] == [("asleep", "7200")]
    assert (found["our_seconds"], found["their_seconds"], found["difference_seconds"]) == (
        "36000",
        "39600",
        "3600",
    )


def test_what_nothing_explains_is_said_of_all_that_it_is_in(city: City) -> None:
    counted(city).kept.clear()
    found = ask(city).json()
    assert not found["explained"]
    (environment,) = found["environments"]
    assert not environment["explained"]
    assert {s["server_id"]: s["explained"] for s in environment["servers"]} == {
        "one": False,
        "two": True,
    }


def test_it_is_cut_at_the_moments_that_are_asked_for(city: City) -> None:
    counted(city)
    now = city.clock.now()
    hours = ask(city, since=(now - 5 * HOUR).isoformat(), until=(now - HOUR).isoformat()).json()
    assert (hours["our_seconds"], hours["their_seconds"]) == ("10800", "14400")
    late = ask(city, since=(now - HOUR).isoformat(), until=(now + DAY).isoformat()).json()
    assert late["until"] == late["read_at"], "what was not read is not known"


@pytest.mark.parametrize("login", ["operator", "finance", "auditor", "root"])
def test_who_sees_the_usage_of_all_may_see_it(city: City, login: str) -> None:
    counted(city)
    assert ask(city, login).status_code == 200


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_who_sees_one_department_alone_may_not(city: City, login: str) -> None:
    counted(city)
    assert refused(ask(city, login)) == (403, "role-missing")


def test_a_pool_that_keeps_no_accounts_says_so(city: City) -> None:
    city.services.drivers[city.ours["pool_id"]] = InstantPool()  # type: ignore[index]
    answer = ask(city)
    assert refused(answer) == (409, "no-accounts")
    assert "openstack" in answer.json()["hint"]


def test_a_pool_without_a_driver_or_none_at_all_is_not_found(city: City) -> None:
    assert refused(ask(city)) == (404, "no-driver")
    answer = city.client("operator").get("/api/v1/pools/pool_none/reconciliation")
    assert refused(answer)[0] == 404


def test_a_time_that_cannot_be_is_refused(city: City) -> None:
    counted(city)
    now = city.clock.now()
    same = {"since": now.isoformat(), "until": now.isoformat()}
    assert refused(ask(city, **same)) == (422, "empty-interval")
    assert refused(ask(city, since="yesterday")) == (422, "invalid")
    assert refused(ask(city, since=(now + DAY).isoformat())) == (409, "not-metered-yet")


def test_a_pool_that_was_never_read_has_nothing_to_hold_against(city: City) -> None:
    city.services.drivers[city.ours["pool_id"]] = AccountedPool()  # type: ignore[index]
    assert refused(ask(city)) == (409, "not-metered-yet")


def test_a_pool_that_cannot_be_reached_now_says_so(city: City) -> None:
    counted(city).failing = Temporary("the cloud does not answer", code="pool-unreachable")
    answer = ask(city)
    assert refused(answer) == (503, "pool-unreachable")
    assert answer.headers["Retry-After"]
