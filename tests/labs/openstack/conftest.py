"""Fixtures of the lab's own tests."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.labs.openstack.room import Room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.labs.openstack.cloud import Cloud
    from tests.labs.openstack.room import Server


@pytest.fixture(scope="module")
def room(openstack_lab: Cloud) -> Room:
    name = f"t-{secrets.token_hex(3)}"
    network = openstack_lab.make("network", "network", {"name": name})["id"]
    (pool,) = openstack_lab.find("network", "subnetpools", name="lab")
    subnet = {"network_id": network, "ip_version": 4, "subnetpool_id": pool["id"]}
    openstack_lab.make("network", "subnet", {**subnet, "enable_dhcp": False})

    def flavor(vcpus: int) -> str:
        body = {"name": f"{name}-{vcpus}", "vcpus": vcpus, "ram": 512 * vcpus, "disk": 1}
        return str(openstack_lab.make("compute", "flavor", body)["id"])

    return Room(openstack_lab, network, flavor(1), flavor(2))


@pytest.fixture
def web(room: Room) -> Iterator[Server]:
    server = room.boot()
    yield server
    server.delete()
