"""What a test looks up in the cloud itself, past the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.pools.grounds import observed
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import Allocation
    from tests.labs.openstack.cloud import Cloud
    from tests.pools.openstack_ground import OpenStackGround

# Of a control plane that only looks on: a sign of life, and tokens.
_SIGNS = ("-lease", "/auth/tokens")


def project(ground: OpenStackGround, environment_id: str = "env_exam") -> str:
    """The id of an environment's project."""
    name = f"{ground.prefix}-{environment_id}"
    (found,) = ground.lab.find("identity", "projects", name=name)
    return str(found["id"])


def servers(ground: OpenStackGround, environment_id: str = "env_exam") -> list[dict[str, Any]]:
    return all_servers(ground.lab, project_id=project(ground, environment_id))


def all_servers(lab: Cloud, **query: str) -> list[dict[str, Any]]:
    answer = lab.api("compute").get("/servers/detail", params={"all_tenants": "1", **query})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["servers"]
    return found


def volumes(lab: Cloud) -> list[dict[str, Any]]:
    """Those of all projects."""
    answer = lab.api("block-storage").get("/volumes/detail", params={"all_tenants": "1"})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["volumes"]
    return found


def runs_of(ground: OpenStackGround) -> list[Allocation]:
    """What servers held and hold of hosts."""
    return [a for a in ground.driver.allocations() if a.size.cpu_millis]


def writes(lab: Cloud, since: int) -> list[str]:
    """What cloudmgr has changed, after so many requests; signs of life are not counted."""
    leases = {n["id"] for n in lab.find("network", "networks") if n["name"].endswith("-lease")}
    return [
        f"{r['method']} {r['path']}"
        for r in lab.requests()[since:]
        if r["agent"].startswith("cloudmgr")
        and r["method"] != "GET"
        and not r["path"].endswith(_SIGNS)
        and r["path"].rpartition("/")[2] not in leases
    ]


def looks(lab: Cloud, since: int) -> int:
    """How often cloudmgr has asked for all servers, after so many requests."""
    paths = [r["path"] for r in lab.requests()[since:] if r["agent"].startswith("cloudmgr")]
    return sum(path.endswith("/servers/detail") for path in paths)


def inventory(lab: Cloud) -> dict[str, list[str]]:
    """The ids of all that there is in the six services, but for images that are public."""
    taken: list[str] = []
    placement = lab.api("placement")
    for provider in lab.find("placement", "resource_providers"):
        path = f"/resource_providers/{provider['uuid']}/allocations"
        taken += placement.get(path).raise_for_status().json()["allocations"]
    found = {
        "servers": [s["id"] for s in all_servers(lab)],
        "server groups": [
            g["id"] for g in lab.find("compute", "os-server-groups", all_projects=True)
        ],
        "allocations": taken,
        "images": [i["id"] for i in lab.find("image", "images")],
        "volumes": [v["id"] for v in volumes(lab)],
    }
    for kind in ("ports", "networks", "subnets", "security-groups", "routers"):
        found[kind] = [
            item["id"]
            for item in lab.find("network", kind)
            if not str(item.get("name", "")).endswith("-lease")
        ]
    for kind in ("projects", "users"):
        found[kind] = [item["id"] for item in lab.find("identity", kind)]
    return {kind: sorted(ids) for kind, ids in found.items()}


def problems(ground: OpenStackGround) -> str:
    """All that the driver says of the environment, in one."""
    return "; ".join(observed(ground.driver).problems)


def gone(ground: OpenStackGround, environment_id: str = "env_exam") -> None:
    ground.driver.remove(environment_id)
    until(lambda: ground.driver.observe(environment_id) is None, seconds=60, what="its end")
