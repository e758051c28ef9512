"""A ground of each kind of pool to test its driver on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.clock import SystemClock
from tests.pools.grounds import LocalGround

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.labs.kubernetes.controlplane import ControlPlane
    from tests.labs.openstack.cloud import Cloud
    from tests.pools.grounds import Ground
    from tests.pools.kubernetes_ground import KubernetesGround
    from tests.pools.openstack_ground import OpenStackGround


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalGround]:
    ground = LocalGround(tmp_path / "pool", SystemClock())
    yield ground
    ground.close()


@pytest.fixture
def kubernetes(kubernetes_lab: ControlPlane, kubernetes_rights: Path) -> Iterator[KubernetesGround]:
    from tests.pools.kubernetes_ground import KubernetesGround  # noqa: PLC0415 - takes its time

    ground = KubernetesGround(kubernetes_lab, kubernetes_rights, SystemClock())
    yield ground
    ground.close()


@pytest.fixture(scope="session")
def openstack_pool(openstack_lab: Cloud, openstack_rights: Path) -> Iterator[OpenStackGround]:
    from tests.pools.openstack_ground import OpenStackGround  # noqa: PLC0415 - takes its time

    ground = OpenStackGround(openstack_lab, openstack_rights, SystemClock())
    yield ground
    ground.close()


@pytest.fixture
def openstack(openstack_pool: OpenStackGround) -> Iterator[OpenStackGround]:
    yield openstack_pool
    openstack_pool.empty()


_LOCAL = "local"
_KUBERNETES = pytest.param("kubernetes", marks=pytest.mark.kubernetes)
_OPENSTACK = pytest.param("openstack", marks=pytest.mark.openstack)


@pytest.fixture(params=[_LOCAL, _KUBERNETES, _OPENSTACK])
def ground(request: pytest.FixtureRequest) -> Ground:
    """Every kind of pool that there is a driver for."""
    found: Ground = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[_LOCAL, _KUBERNETES, _OPENSTACK])
def storing(request: pytest.FixtureRequest) -> Ground:
    """Those that keep storage."""
    found: Ground = request.getfixturevalue(request.param)
    return found
