"""The rights of ``deploy/openstack`` are those that the driver needs: with one less it is refused,
and says so.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from cloudmgr.errors import Temporary
from tests.labs.openstack.configuration import POLICIES
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.pools.openstack_ground import OpenStackGround

    Without = Callable[[], AbstractContextManager[None]]

pytestmark = pytest.mark.openstack


def rules() -> list[tuple[str, str]]:
    """Each that says what the role may do: its service and its name."""
    return [
        (path.stem, rule)
        for path in sorted(POLICIES.glob("*.yaml"))
        for rule in yaml.safe_load(path.read_text())
        if rule != "cloudmgr"
    ]


def looking(ground: OpenStackGround, without: Without) -> str:
    """What every look at the cloud asks."""
    with without():
        ground.driver.start(ground.changes.append)
        said = until(lambda: refused(ground), what="the news of it")
    until(lambda: not refused(ground), what="its end")
    return said


def looking_at_servers(ground: OpenStackGround, without: Without) -> str:
    """What shows only where there are servers, since nova does not refuse it but tells less."""
    ground.driver.start(ground.changes.append)
    ground.driver.apply(workload(ground.worker()))
    settled(ground.driver, 1)
    ground.driver.close()
    ground.driver = ground.make()
    return looking(ground, without)


def making(ground: OpenStackGround, without: Without) -> str:
    ground.driver.start(ground.changes.append)
    with without(), pytest.raises(Temporary) as found:
        ground.driver.apply(workload(ground.web(replicas=0)))
    return found.value.message


def changing(ground: OpenStackGround, without: Without) -> str:
    laid(ground)
    with without(), pytest.raises(Temporary) as found:
        ground.driver.apply(workload(ground.web(replicas=0, variables={"VERSION": "2"})))
    return found.value.message


def laying(ground: OpenStackGround, without: Without) -> str:
    """What an environment's ground needs, before any replica."""
    ground.driver.start(ground.changes.append)
    with without():
        ground.driver.apply(workload(ground.web(replicas=0)))
        said = problem(ground)
    laid(ground)
    return said


def clearing(ground: OpenStackGround, without: Without) -> str:
    laid(ground)
    with without():
        ground.driver.remove("env_exam")
        said = problem(ground)
    until(lambda: ground.driver.observe("env_exam") is None, what="its end")
    return said


def renewing(ground: OpenStackGround, without: Without) -> str:
    """Somebody has given the environment's user another password."""
    laid(ground)
    (user,) = ground.lab.find("identity", "users", name=f"{ground.prefix}-env_exam")
    body = {"user": {"password": "another"}}
    ground.lab.api("identity").patch(f"/users/{user['id']}", json=body).raise_for_status()
    with without():
        ground.lab.fault("nova", path="/os-server-groups", status=401, times=1)
        ground.driver.apply(workload(ground.web(replicas=0, port=8081)))
        said = problem(ground)
    laid(ground)
    return said


def accounting(ground: OpenStackGround, without: Without) -> str:
    ground.driver.start(ground.changes.append)
    with without(), pytest.raises(Temporary) as found:
        ground.driver.accounts(ground.clock.now())
    return found.value.message


# How each is come across; what is not here is asked in every look.
COME_ACROSS: dict[str, Callable[[OpenStackGround, Without], str]] = {
    "identity:create_project": making,
    "identity:update_project": changing,
    "identity:list_roles": laying,
    "identity:list_users": laying,
    "identity:create_user": laying,
    "identity:create_grant": laying,
    "identity:update_user": renewing,
    "identity:delete_user": clearing,
    "identity:delete_project": clearing,
    "os_compute_api:os-quota-sets:update": laying,
    "os_compute_api:os-quota-sets:delete": clearing,
    "os_compute_api:os-simple-tenant-usage:list": accounting,
    "os_compute_api:servers:allow_all_filters": looking_at_servers,
    "os_compute_api:servers:show:host_status": looking_at_servers,
}


@pytest.mark.parametrize(("service", "rule"), rules())
def test_one_rule_less_is_too_little(ground: OpenStackGround, service: str, rule: str) -> None:
    ground.driver.close()
    # One that has not asked for anything yet, and remembers nothing.
    ground.driver = ground.make()

    @contextmanager
    def without() -> Iterator[None]:
        path = ground.lab.policy(service)
        whole = path.read_text()
        said = yaml.safe_load(whole)
        said[rule], given, _ = said[rule].partition(" or ")
        assert given, "it gives our role something"
        path.write_text(yaml.safe_dump(said))
        try:
            yield
        finally:
            path.write_text(whole)

    across = laying if service == "cinder" else COME_ACROSS.get(rule, looking)
    message = across(ground, without)
    assert "answers 403" in message
    assert f"{SAID.get(service, service)} service" in message


# What the catalogue calls them.
SAID = {
    "keystone": "identity",
    "nova": "compute",
    "neutron": "network",
    "cinder": "block_storage",
}


def laid(ground: OpenStackGround) -> None:
    """An environment without replicas stands, and nothing is in its way."""
    if not ground.driver.started:
        ground.driver.start(ground.changes.append)
        ground.driver.apply(workload(ground.web(replicas=0)))

    def stands() -> bool:
        (found,) = ground.lab.find("identity", "projects", name=f"{ground.prefix}-env_exam")
        return bool(found.get("cloudmgr_ground")) and not observed(ground.driver).problems

    until(stands, what="the ground")


def problem(ground: OpenStackGround) -> str:
    """The one that is told of."""

    def told() -> str:
        return next((p for p in observed(ground.driver).problems if "403" in p), "")

    return until(told, what="the problem")


def refused(ground: OpenStackGround) -> str:
    """What is said instead of what there is."""
    try:
        ground.driver.capacity()
    except Temporary as error:
        return error.message
    return ""
