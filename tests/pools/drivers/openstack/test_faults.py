"""What goes wrong in a cloud: it ends in the right state, and says meanwhile what the matter is."""

from __future__ import annotations

from contextlib import suppress
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.driver import ReplicaState
from tests.pools.drivers.openstack.cloud import gone, problems, project, runs_of, servers
from tests.pools.grounds import in_state, observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    import httpx

    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_service_that_refuses_now_and_then_is_asked_again(
    ground: OpenStackGround, status: int
) -> None:
    for service, method, path in (
        ("keystone", "POST", "/users"),
        ("neutron", "POST", "/subnets"),
        ("neutron", "POST", "/ports"),
        ("nova", "POST", "/servers$"),
        ("nova", "POST", "/metadata"),
        ("nova", "GET", "/servers/detail"),
    ):
        ground.lab.fault(service, method=method, path=path, status=status, times=1)
    ground.driver.apply(workload(ground.web()))
    until(lambda: len(ready(ground)) == 1, seconds=60, what="a replica")
    assert len(servers(ground)) == 1
    until(lambda: observed(ground.driver).problems == (), what="no problem any more")
    gone(ground)


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("nova", "POST", "/servers$"),
        ("neutron", "POST", "/ports"),
        ("neutron", "POST", "/networks"),
        ("keystone", "POST", "/projects"),
    ],
)
def test_what_was_made_though_its_answer_was_lost_is_not_made_twice(
    ground: OpenStackGround, service: str, method: str, path: str
) -> None:
    ground.lab.fault(service, method=method, path=path, lose_answer=True, times=1)
    wanted = workload(ground.web(replicas=2))

    def told() -> bool:
        try:
            ground.driver.apply(wanted)
        except Temporary:
            return False
        return True

    until(told)
    until(lambda: len(ready(ground)) == 2, seconds=60, what="two replicas")
    # Where it was nova that missed the answer, it gave that server up: it is replaced, and goes.
    until(lambda: len(servers(ground)) == 2, what="nothing but the two")
    mine = project(ground)
    assert len(ground.lab.find("network", "ports", project_id=mine)) == 2
    assert len(ground.lab.find("network", "networks", project_id=mine)) == 1


def test_a_connection_that_breaks_while_something_is_read_is_nobodys_problem(
    ground: OpenStackGround,
) -> None:
    for service, path in (
        ("nova", "/servers/detail"),
        ("neutron", "/networks"),
        ("glance", "/images"),
        ("placement", "/resource_providers"),
        ("keystone", "/projects"),
    ):
        ground.lab.fault(service, method="GET", path=path, lose_answer=True, times=1)
    ground.driver.apply(workload(ground.web()))
    said: set[str] = set()

    def serves() -> bool:
        said.update(observed(ground.driver).problems)
        return len(ready(ground)) == 1

    until(serves, seconds=60, what="a replica")
    assert not said


def test_a_cloud_without_keystone_is_said_to_be_away_and_what_runs_goes_on(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web()))
    (replica,) = settled(ground.driver, 1)
    ground.lab.end("keystone")
    try:
        until(lambda: away(ground), seconds=60, what="the news of it")
        assert ground.get(replica)[0] == 200
    finally:
        ground.lab.run("keystone")
        ground.lab.wait("keystone")
    until(lambda: not away(ground), seconds=60, what="its return")


def test_without_placement_what_runs_is_cared_for_and_nothing_new_is_placed(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web()))
    (replica,) = settled(ground.driver, 1)
    ground.lab.end("placement")
    try:
        ground.driver.apply(workload(ground.web(replicas=2)))
        until(
            lambda: "not known what room" in "".join(observed(ground.driver).problems),
            what="the refusal",
        )
        with suppress(RemoteDisconnected):
            ground.get(replica, "/exit?1")
        until(lambda: observed(ground.driver).replicas[0].restarts == 1, what="the failure")
        (again,) = settled(ground.driver, 1)
        assert again.id == replica.id, "it was started again"
    finally:
        ground.lab.run("placement")
        ground.lab.wait("placement")
    settled(ground.driver, 2)
    ground.driver.apply(workload(ground.web(replicas=2)))
    until(lambda: len(ready(ground)) == 2, seconds=60, what="two replicas")


def test_a_quota_that_somebody_made_too_small_is_told_and_waited_for(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web()))
    settled(ground.driver, 1)
    path = f"/os-quota-sets/{project(ground)}"
    compute = ground.lab.api("compute")
    compute.put(path, json={"quota_set": {"instances": 1}}).raise_for_status()
    ground.driver.apply(workload(ground.web(replicas=2)))
    until(lambda: "Quota exceeded for instances" in problems(ground), what="the problem")
    compute.put(path, json={"quota_set": {"instances": 7}}).raise_for_status()
    until(lambda: len(ready(ground)) == 2, seconds=60, what="two replicas")
    until(lambda: observed(ground.driver).problems == (), what="no problem any more")


def test_a_server_that_nova_cannot_make_is_told_and_tried_again(ground: OpenStackGround) -> None:
    ground.lab.upload("faulty-web:1", lab_boot_fault="error")
    ground.driver.apply(workload(ground.web(image="faulty-web:1")))
    failed = in_state(ground.driver, ReplicaState.BACKOFF)
    assert failed.message
    again = in_state(ground.driver, ReplicaState.BACKOFF, lambda r: r.restarts >= 2)
    assert again.id != failed.id

    ground.driver.apply(workload(ground.web()))
    until(lambda: len(ready(ground)) == 1, seconds=60, what="a replica of the image that works")
    until(lambda: len(servers(ground)) == 1, what="no other server")


def test_an_image_that_is_not_there_is_named(ground: OpenStackGround) -> None:
    ground.driver.apply(workload(ground.web(image="no-such-image:7")))
    until(lambda: "no image no-such-image:7" in problems(ground), what="the problem")
    ground.lab.upload("no-such-image:7", lab_program="web")
    gone(ground)


def test_a_server_that_somebody_deleted_comes_back_and_its_end_is_known(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web(replicas=2)))
    first, second = settled(ground.driver, 2)
    ground.lab.api("compute").delete(f"/servers/{first.id}").raise_for_status()
    until(
        lambda: len(ready(ground)) == 2 and first.id not in {r.id for r in ready(ground)},
        seconds=60,
        what="another one in its place",
    )
    assert second.id in {r.id for r in ready(ground)}
    (over,) = [a for a in runs_of(ground) if a.ended_at]
    assert over.id == first.id


def test_a_server_that_somebody_made_is_let_alone_and_goes_with_the_environment(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web()))
    (ours,) = settled(ground.driver, 1)
    with member(ground) as (compute, _):
        # One that needs to be told nothing to go on running.
        (image,) = [i for i in ground.lab.find("image", "images") if i["name"] == "lab-sleep:1"]
        (flavor,) = [f for f in ground.lab.find("compute", "flavors") if f["name"] == "lab-1"]
        (network,) = ground.lab.find("network", "networks", project_id=project(ground))
        body = {
            "name": "strange",
            "imageRef": image["id"],
            "flavorRef": flavor["id"],
            "networks": [{"uuid": network["id"]}],
            "availability_zone": "contract",
        }
        compute.post("/servers", json={"server": body}).raise_for_status()
    until(lambda: {s["status"] for s in servers(ground)} == {"ACTIVE"}, what="the stranger")
    assert [r.id for r in settled(ground.driver, 1)] == [ours.id]
    gone(ground)


def test_components_that_are_called_otherwise_leave_nothing_of_their_old_names(
    ground: OpenStackGround,
) -> None:
    for name in ("first", "second", "third"):
        ground.driver.apply(workload(ground.worker(name=name)))
        until(lambda n=name: [r.component for r in ready(ground)] == [n], seconds=60)  # type: ignore[misc]
        until(lambda: len(servers(ground)) == 1, what="no other server")
    groups = ground.lab.find("network", "security-groups", project_id=project(ground))
    assert {g["name"] for g in groups} <= {"default", "second", "third"}
    hints = ground.lab.find("compute", "os-server-groups", all_projects=True)
    assert [g["name"] for g in hints if g["project_id"] == project(ground)] == ["third"]


def test_a_port_of_somebody_else_keeps_a_network_and_is_named(ground: OpenStackGround) -> None:
    ground.driver.apply(workload(ground.web()))
    settled(ground.driver, 1)
    (network,) = ground.lab.find("network", "networks", project_id=project(ground))
    foreign = ground.lab.make("network", "port", {"network_id": network["id"]})
    ground.driver.remove("env_exam")
    problem = until(lambda: observed(ground.driver).problems, seconds=60, what="the problem")[0]
    assert foreign["id"] in problem
    assert "somebody else has a port" in problem
    ground.lab.api("network").delete(f"/ports/{foreign['id']}").raise_for_status()
    until(lambda: ground.driver.observe("env_exam") is None, seconds=60, what="its end")


def test_a_member_of_one_environment_reaches_nothing_of_another(ground: OpenStackGround) -> None:
    ground.driver.apply(workload(ground.web()))
    ground.driver.apply(workload(ground.worker(), id="env_other"))
    settled(ground.driver, 1)
    (theirs,) = settled(ground.driver, 1, "env_other")
    other = project(ground, "env_other")
    (network,) = ground.lab.find("network", "networks", project_id=other)
    (port, *_) = ground.lab.find("network", "ports", project_id=other)
    (group, *_) = ground.lab.find("network", "security-groups", project_id=other)
    with member(ground) as (compute, neutron):
        assert [s["name"][:3] for s in compute.get("/servers").json()["servers"]] == ["web"]
        assert compute.get("/servers?all_tenants=1").status_code == 403
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/action")):
            body = {"reboot": {"type": "HARD"}} if path else None
            answer = compute.request(method, f"/servers/{theirs.id}{path}", json=body)
            assert answer.status_code == 404, path
        quota = {"quota_set": {"cores": 99}}
        for whose in (project(ground), other):
            assert compute.put(f"/os-quota-sets/{whose}", json=quota).status_code == 403
            answer = neutron.put(f"/quotas/{whose}", json={"quota": {"port": 99}})
            assert answer.status_code in {403, 404}
        for kind, thing in (("networks", network), ("ports", port), ("security-groups", group)):
            assert neutron.get(f"/{kind}/{thing['id']}").status_code == 404
            assert neutron.delete(f"/{kind}/{thing['id']}").status_code == 404
        made = neutron.post("/ports", json={"port": {"network_id": network["id"]}})
        assert made.status_code in {403, 404}
    assert [r.id for r in settled(ground.driver, 1, "env_other")] == [theirs.id]


class member:  # noqa: N801 - reads as a word
    """A person with the role ``member`` in the environment's project: nova and neutron, as them."""

    def __init__(self, ground: OpenStackGround) -> None:
        self._ground = ground

    def __enter__(self) -> tuple[httpx.Client, httpx.Client]:
        lab, mine = self._ground.lab, project(self._ground)
        domain = lab.find("identity", "projects", name=f"{self._ground.prefix}-env_exam")[0]
        name = f"officer-{self._ground.prefix}"
        body: dict[str, Any] = {"name": name, "password": "of the officer"}
        user = lab.make("identity", "user", {**body, "domain_id": domain["domain_id"]})
        (role,) = lab.find("identity", "roles", name="member")
        path = f"/projects/{mine}/users/{user['id']}/roles/{role['id']}"
        lab.api("identity").put(path).raise_for_status()
        self._user = user["id"]
        token, _ = lab.authenticate({
            "identity": {
                "methods": ["password"],
                "password": {"user": {"id": user["id"], "password": "of the officer"}},
            },
            "scope": {"project": {"id": mine}},
        })  # fmt: skip
        self._clients = lab._speaking("compute", token), lab._speaking("network", token)
        return self._clients

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self._ground.lab.api("identity").delete(f"/users/{self._user}")


def ready(ground: OpenStackGround) -> list[Any]:
    found = observed(ground.driver).replicas
    return [r for r in found if r.state is ReplicaState.READY]


def away(ground: OpenStackGround) -> bool:
    try:
        ground.driver.observe("env_exam")
    except Temporary as error:
        assert error.code == "pool-unreachable"  # noqa: PT017 - what it says is the test
        return True
    return False
