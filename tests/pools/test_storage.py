"""Storage that is asked for in another size, on pools of every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Permanent
from cloudmgr.pools.capacity import Resources
from tests.pools.grounds import applied, observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import Allocation, Driver
    from tests.pools.grounds import Ground
    from tests.pools.kubernetes_ground import KubernetesGround
    from tests.pools.openstack_ground import OpenStackGround


def stored(driver: Driver) -> tuple[list[Allocation], list[Allocation]]:
    """What storage is held, and what was."""
    found = [a for a in driver.allocations() if a.size.storage_gib]
    return [a for a in found if a.ended_at is None], [a for a in found if a.ended_at is not None]


def test_it_grows_with_what_is_in_it(storing: Ground) -> None:
    storing.driver.apply(workload(storing.web(storage_gib=1)))
    (replica,) = settled(storing.driver, 1)
    storing.get(replica, "/put?kept")
    (before,), _ = stored(storing.driver)

    larger = workload(storing.web(storage_gib=3))
    applied(storing.driver, larger)
    assert observed(storing.driver).digest == larger.digest
    until(lambda: [a.size for a in stored(storing.driver)[0]] == [Resources(storage_gib=3)])
    (after,), (outgrown,) = stored(storing.driver)
    assert outgrown == replace(before, ended_at=after.started_at)
    assert after.id != before.id
    (replica,) = until(lambda: [r for r in settled(storing.driver, 1) if r.ready_at])
    assert storing.get(replica, "/get") == (200, "kept")


@pytest.mark.kubernetes
def test_a_claim_that_grows_is_told_by_everybody_alike(kubernetes: KubernetesGround) -> None:
    driver = kubernetes.driver
    driver.apply(workload(kubernetes.web(storage_gib=1, replicas=2)))
    before = settled(driver, 2)
    applied(driver, workload(kubernetes.web(storage_gib=2, replicas=2)))
    applied(driver, workload(kubernetes.web(storage_gib=4, replicas=3)))
    after = settled(driver, 3)
    assert {r.id for r in before} < {r.id for r in after}, "nobody was started again"
    held, outgrown = stored(driver)
    assert [a.size.storage_gib for a in held] == [4, 4, 4]
    assert sorted(a.size.storage_gib for a in outgrown) == [1, 1, 2, 2]
    assert list(kubernetes.another().allocations()) == list(driver.allocations())


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("kubernetes", marks=pytest.mark.kubernetes),
        pytest.param("openstack", marks=pytest.mark.openstack),
    ],
)
def test_a_volume_cannot_shrink(request: pytest.FixtureRequest, kind: str) -> None:
    ground: Ground = request.getfixturevalue(kind)
    there = workload(ground.web(storage_gib=2))
    ground.driver.apply(there)
    settled(ground.driver, 1)
    with pytest.raises(Permanent) as refused:
        ground.driver.apply(workload(ground.web(storage_gib=1, variables={"A": "b"})))
    assert (refused.value.code, refused.value.path) == ("unsupported", "components[0].storage_gib")
    assert refused.value.message == "the storage of web cannot shrink: it is 2 GiB"
    assert observed(ground.driver).digest == there.digest, "nothing was written"


@pytest.mark.openstack
def test_a_pool_without_storage_refuses_it(openstack: OpenStackGround) -> None:
    openstack.driver.close()
    openstack.driver = openstack.make(storage_gib=0)
    openstack.driver.start(openstack.changes.append)
    with pytest.raises(Permanent) as refused:
        openstack.driver.apply(workload(openstack.web(storage_gib=1)))
    assert refused.value.code == "does-not-fit"
    assert openstack.driver.observe("env_exam") is None
