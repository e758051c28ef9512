"""The ground of these tests is an OpenStack pool, not one of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pools.openstack_ground import OpenStackGround


@pytest.fixture
def ground(openstack: OpenStackGround) -> OpenStackGround:
    return openstack
