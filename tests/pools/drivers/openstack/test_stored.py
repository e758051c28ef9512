"""Storage on a real cinder: kept, grown, handed from one server to the next, and gone with all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.pools.drivers.openstack.cloud import gone, inventory, looks, project, volumes
from tests.pools.grounds import observed, settled, workload
from tests.pools.openstack_ground import QUICK
from tests.pools.test_storage import stored
from tests.waiting import until

if TYPE_CHECKING:
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack


def test_every_slot_keeps_its_own_over_growth_sleep_and_fewer_replicas(
    ground: OpenStackGround,
) -> None:
    before = inventory(ground.lab)
    driver = ground.driver
    driver.apply(workload(ground.web(storage_gib=1, replicas=2)))
    for replica in settled(driver, 2):
        assert ground.get(replica, f"/put?slot{replica.slot}")[0] == 200

    driver.apply(workload(ground.web(storage_gib=3, replicas=2)))
    until(lambda: [a.size.storage_gib for a in stored(driver)[0]] == [3, 3], seconds=90)
    larger = until(lambda: [r for r in settled(driver, 2) if r.ready_at], seconds=90)
    assert sorted(v["size"] for v in volumes(ground.lab)) == [3, 3]
    for replica in larger:
        assert ground.get(replica, "/get") == (200, f"slot{replica.slot}")
    assert [a.size.storage_gib for a in stored(driver)[1]] == [1, 1]
    another = ground.another()
    until(
        lambda: set(another.allocations()) == set(driver.allocations()),
        what=f"the same account of both, {sorted(a.id for a in driver.allocations())}",
    )

    driver.apply(workload(ground.web(storage_gib=3, replicas=0)))
    until(lambda: not observed(driver).replicas, seconds=60, what="sleep")
    said = "asleep: 6 GiB of storage are kept"
    until(lambda: said in observed(driver).limitations, what="what sleep keeps")
    assert len(stored(driver)[0]) == 2
    driver.apply(workload(ground.web(storage_gib=3, replicas=1)))
    settled(driver, 1)
    driver.apply(workload(ground.web(storage_gib=3, replicas=2)))
    again = settled(driver, 2)
    assert [ground.get(replica, "/get") for replica in again] == [(200, "slot0"), (200, "slot1")]

    gone(ground)
    until(lambda: inventory(ground.lab) == before, what="nothing of it in any service")
    assert stored(driver)[0] == []


def test_quotas_are_what_was_approved_and_what_is_kept(ground: OpenStackGround) -> None:
    ground.driver.apply(workload(ground.web(storage_gib=2, ceiling=3)))
    settled(ground.driver, 1)
    cinder = ground.lab.api("block-storage")

    def quota() -> tuple[int, int, int]:
        answer = cinder.get(f"/os-quota-sets/{project(ground)}").raise_for_status()
        found = answer.json()["quota_set"]
        return found["volumes"], found["gigabytes"], found["snapshots"]

    assert quota() == (3, 6, 0)
    ground.driver.apply(workload(ground.web(name="other", storage_gib=1, ceiling=1)))
    until(lambda: quota() == (2, 3, 0), what="the old one's volume beside the new one's")
    (replica,) = until(lambda: [r for r in settled(ground.driver, 1) if r.component == "other"])
    assert ground.get(replica)[0] == 200


def test_a_volume_that_somebody_took_away_is_made_anew_and_its_end_is_known(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web(storage_gib=1)))
    settled(ground.driver, 1)
    ground.driver.apply(workload(ground.web(name="other")))
    until(lambda: [r.component for r in settled(ground.driver, 1)] == ["other"], seconds=60)
    (one,) = volumes(ground.lab)
    until(lambda: volumes(ground.lab)[0]["status"] == "available", what="a volume that is free")
    ground.lab.api("block-storage").delete(f"/volumes/{one['id']}").raise_for_status()
    until(lambda: stored(ground.driver)[0] == [], what="the news of it")
    ((over,)) = stored(ground.driver)[1]
    assert over.id == f"{one['id']}.storage"


def test_a_volume_whose_answer_was_lost_is_not_made_twice(ground: OpenStackGround) -> None:
    ground.lab.fault("cinder", method="POST", path="/volumes$", lose_answer=True, times=1)
    ground.driver.apply(workload(ground.web(storage_gib=1)))
    settled(ground.driver, 1)
    assert len(volumes(ground.lab)) == 1


@pytest.mark.parametrize("how", ["ended", "frozen"])
def test_without_cinder_what_runs_is_cared_for_and_so_is_what_has_no_storage(
    ground: OpenStackGround, how: str
) -> None:
    ground.driver.apply(workload(ground.web(storage_gib=1)))
    ground.driver.apply(workload(ground.worker(), id="env_other"))
    (replica,) = settled(ground.driver, 1)
    settled(ground.driver, 1, "env_other")
    if how == "ended":
        ground.lab.end("cinder")
    else:
        ground.lab.freeze("cinder")
    try:
        said = until(lambda: observed(ground.driver).problems, seconds=60, what="the news of it")
        assert "cannot be reached" in said[0]
        assert ground.get(replica)[0] == 200
        ground.driver.apply(workload(ground.worker(replicas=2), id="env_other"))
        settled(ground.driver, 2, "env_other")
        assert observed(ground.driver, "env_other").problems == ()
    finally:
        if how == "ended":
            ground.lab.run("cinder")
            ground.lab.wait("cinder")
        else:
            ground.lab.thaw("cinder")
    until(lambda: observed(ground.driver).problems == (), seconds=60, what="its return")


def test_rights_that_lack_are_told_and_end_no_storage(ground: OpenStackGround) -> None:
    """Cinder refuses nothing then: it answers with less."""
    ground.driver.apply(workload(ground.web(storage_gib=1)))
    settled(ground.driver, 1)
    path = ground.lab.policy("cinder")
    whole = path.read_text()
    path.write_text('"context_is_admin": "role:admin"\n')
    try:
        said = until(lambda: observed(ground.driver).problems, seconds=60, what="the news of it")
        assert "answers 403" in said[0]
        assert len(stored(ground.driver)[0]) == 1
        assert stored(ground.driver)[1] == []
    finally:
        path.write_text(whole)
    until(lambda: observed(ground.driver).problems == (), seconds=60, what="its end")


def test_while_nothing_moves_cinder_is_asked_no_oftener_than_hosts_are(
    ground: OpenStackGround,
) -> None:
    ground.driver.close()
    ground.driver = ground.make(replace(QUICK, hosts=3600.0))
    ground.driver.start(ground.changes.append)
    ground.driver.apply(workload(ground.web(storage_gib=1)))
    settled(ground.driver, 1)

    def left_alone() -> bool:
        before = len(ground.lab.requests())
        until(lambda: looks(ground.lab, before) >= 3, what="three more looks at the cloud")
        return not [e for e in ground.lab.requests()[before:] if e["service"] == "cinder"]

    until(left_alone, seconds=60, what="a cinder that is left alone")
    assert len(stored(ground.driver)[0]) == 1
    gone(ground)
