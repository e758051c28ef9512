"""What is said of an environment, given what its pool holds."""

from __future__ import annotations

from cloudmgr.conditions import Status
from cloudmgr.hosting.workload import status
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
