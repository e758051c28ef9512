"""The ground of these tests is an OpenStack pool, not one of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pools.drivers.openstack.cloud import all_servers
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pools.openstack_ground import OpenStackGround

SECOND = "contract2"


@pytest.fixture
def ground(openstack: OpenStackGround) -> OpenStackGround:
    return openstack


@pytest.fixture
def two_hosts(ground: OpenStackGround) -> Iterator[OpenStackGround]:
    """The pool has a second host for the length of a test."""
    lab = ground.lab
    (aggregate,) = lab.find("compute", "os-aggregates")

    def follow(what: str) -> None:
        path = f"/os-aggregates/{aggregate['id']}/action"
        lab.api("compute").post(path, json={what: {"host": SECOND}}).raise_for_status()

    def is_empty() -> bool:
        return not any(s["OS-EXT-SRV-ATTR:host"] == SECOND for s in all_servers(lab))

    lab.add_host(SECOND, 8, 8192)
    follow("add_host")
    try:
        until(lambda: len(ground.driver.capacity().hosts) == 2, what="two hosts")
        yield ground
        for each in list(ground.driver.observe_all()):
            ground.driver.remove(each.environment_id)
        until(is_empty, seconds=60, what="a host without servers")
    finally:
        follow("remove_host")
        lab.remove_host(SECOND)
