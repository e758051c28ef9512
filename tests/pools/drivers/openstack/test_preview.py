"""What an operator is told that an apply would change, before it does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloudmgr.pools.drivers.besides import Previewing
from tests.pools.drivers.openstack.cloud import looks, writes
from tests.pools.grounds import settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.pools.drivers.besides import Change
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack


def said(changes: Sequence[Change]) -> dict[tuple[str, str], tuple[str, str]]:
    return {(c.what, c.path): (c.before, c.after) for c in changes}


def test_a_preview_tells_what_would_change_and_writes_nothing(ground: OpenStackGround) -> None:
    assert isinstance(ground.driver, Previewing)
    # A department's project goes a look after its last environment's, of a test before this one.
    tag = f"cloudmgr-{ground.prefix}"
    until(lambda: not ground.lab.find("identity", "projects", tags=tag), what="an empty cloud")
    before = len(ground.lab.requests())
    first = said(ground.driver.preview(workload(ground.web())))
    until(lambda: looks(ground.lab, before) >= 1, what="another look at the cloud")
    assert writes(ground.lab, before) == []
    assert first["servers web", ""][0] == "", "it is not there yet"
    assert json.loads(first["servers web", ""][1])["flavor"] == "lab-1"
    assert json.loads(first["quota of nova", ""][1])["instances"] == 7

    ground.driver.apply(workload(ground.web()))
    settled(ground.driver, 1)
    assert ground.driver.preview(workload(ground.web())) == []
    more = replace(ground.web(), replicas=3, cpu_millis=1500, port=8081, ceiling=8, storage_gib=2)
    found = said(ground.driver.preview(workload(more)))
    assert found["servers web", "count"] == ("1", "3")
    assert found["servers web", "flavor"] == ('"lab-1"', '"lab-2"')
    assert found["servers web", "port"] == ("8080", "8081")
    assert found["servers web", "storage_gib"] == ("0", "2")
    assert found["quota of nova", "instances"] == ("7", "9")
    assert found["quota of cinder", "gigabytes"] == ("0", "16")
    assert "8081" in found["security group web", "rules"][1]
    assert found.keys() == {
        *(("servers web", field) for field in ("count", "flavor", "port", "storage_gib")),
        *(("quota of nova", f) for f in ("cores", "instances", "ram", "server_group_members")),
        ("quota of neutron", "port"),
        *(("quota of cinder", field) for field in ("gigabytes", "volumes")),
        ("security group web", "rules"),
    }
