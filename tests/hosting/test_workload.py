"""What is said of an environment, given what its pool holds."""

from __future__ import annotations

import pytest

from cloudmgr.conditions import Condition, Status
from cloudmgr.errors import CloudmgrError, Permanent, Temporary
from cloudmgr.hosting.workload import failed, status
from cloudmgr.pools.drivers.driver import ObservedWorkload
from tests.builders import CREATED, an_environment


def test_what_a_pool_does_not_enforce_is_told_and_is_no_trouble() -> None:
    environment = an_environment()
    observed = ObservedWorkload(
        environment.id, "", limitations=("CPU limits are not enforced here",)
    )
    conditions = {c.type: c for c in status(environment, observed, CREATED).conditions}
    assert conditions["Healthy"].status is Status.TRUE
    assert conditions["Healthy"].message == "CPU limits are not enforced here"


def applied(error: CloudmgrError) -> Condition:
    said = failed(an_environment(), error, CREATED).conditions
    return next(c for c in said if c.type == "Applied")


@pytest.mark.parametrize(
    "code", ["pool-busy", "still-ending", "disk-full", "pool-forbidden", "pool-credentials"]
)
def test_a_pool_that_answers_that_it_cannot_now_is_not_said_to_be_out_of_reach(code: str) -> None:
    said = applied(Temporary("the quota is used up", code=code, hint="wait"))
    assert (said.status, said.reason) == (Status.UNKNOWN, "NotNow")
    assert said.message == "the quota is used up. wait."


def test_what_nobody_answers_is_out_of_reach() -> None:
    said = applied(Temporary("the cluster cannot be reached", code="pool-unreachable"))
    assert (said.status, said.reason) == (Status.UNKNOWN, "PoolUnreachable")


@pytest.mark.parametrize(
    ("code", "reason"), [("no-driver", "NoDriver"), ("pool-refuses", "Refused")]
)
def test_what_will_never_be_is_refused_and_said_why(code: str, reason: str) -> None:
    said = applied(Permanent("it cannot be", code=code))
    assert (said.status, said.reason) == (Status.FALSE, reason)
