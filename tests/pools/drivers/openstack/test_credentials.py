"""Tokens that end before their time, users that somebody meddles with, and a credential renewed."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.driver import SecretValue
from tests.pools.drivers.openstack.cloud import gone, servers
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudmgr.pools.drivers.openstack.driver import OpenStackDriver
    from tests.pools.openstack_ground import OpenStackGround

pytestmark = pytest.mark.openstack


def test_tokens_that_are_revoked_while_it_works_are_asked_for_anew(
    ground: OpenStackGround,
) -> None:
    ground.driver.apply(workload(ground.web()))
    settled(ground.driver, 1)
    revoked = revoke(ground)
    assert len(revoked) == 2, "the pool's, and that of the environment's user"
    unknown(ground, ("nova", "GET", "/servers/detail"), ("neutron", "POST", "/ports"))
    ground.driver.apply(workload(ground.web(replicas=2)))
    settled(ground.driver, 2)
    assert not revoked & set(tokens(ground.driver).values())
    assert len(servers(ground)) == 2
    until(lambda: observed(ground.driver).problems == (), what="no problem any more")


@pytest.mark.parametrize("meddled", ["password", "disabled", "grant", "deleted"])
def test_a_user_that_somebody_meddled_with_is_made_whole(
    ground: OpenStackGround, meddled: str
) -> None:
    """Even where nothing is left to do as this user but to clear away what it stood on."""
    ground.driver.apply(workload(ground.web(replicas=0)))
    until(lambda: tokens(ground.driver).keys() - {""}, what="work done as the environment's user")
    until(lambda: laid(ground), what="the ground")
    lab = ground.lab
    identity = lab.api("identity")
    (user,) = lab.find("identity", "users", name=f"{ground.prefix}-env_exam")
    path = f"/users/{user['id']}"
    match meddled:
        case "password":
            identity.patch(path, json={"user": {"password": "another"}}).raise_for_status()
        case "disabled":
            identity.patch(path, json={"user": {"enabled": False}}).raise_for_status()
        case "grant":
            (role,) = lab.find("identity", "roles", name="member")
            mine = laid(ground)["id"]
            identity.delete(f"/projects/{mine}{path}/roles/{role['id']}").raise_for_status()
        case "deleted":
            identity.delete(path).raise_for_status()
    unknown(ground, ("nova", "GET", "/os-server-groups"))
    if meddled == "password":
        gone(ground)
        return
    ground.driver.apply(workload(ground.web(port=8081)))
    settled(ground.driver, 1)


@pytest.fixture
def clouds(ground: OpenStackGround, tmp_path: Path) -> Iterator[Path]:
    """A file of the driver's own for the length of a test."""
    path = tmp_path / "clouds.yaml"
    shutil.copy(ground.lab.account("renewed", ("cloudmgr", "reader")), path)
    ground.driver.close()
    ground.driver = ground.make(clouds_file=str(path))
    ground.driver.start(ground.changes.append)
    yield path
    ground.driver.close()


def test_a_new_credential_in_the_file_is_taken_without_a_restart(
    ground: OpenStackGround, clouds: Path
) -> None:
    wanted = workload(ground.web(secrets={"KEY": SecretValue("1", "s3cret")}))
    ground.driver.apply(wanted)
    (replica,) = settled(ground.driver, 1)
    quiet = workload(ground.web(replicas=0), id="env_quiet")
    ground.driver.apply(quiet)
    until(lambda: laid(ground, "env_quiet"), what="the ground of a quiet one")

    forget_credential(ground, clouds)
    said = until(lambda: refused(ground.driver), what="the news of it")
    assert "does not know our credentials" in said.message
    assert said.hint
    assert "clouds.yaml" in said.hint
    assert ground.get(replica)[0] == 200

    shutil.copy(ground.lab.account("renewed", ("cloudmgr", "reader")), clouds)
    until(lambda: refused(ground.driver) is None, what="its return")
    assert observed(ground.driver).digest == "", "its secrets were sealed with the old one"
    ground.driver.remove("env_quiet")
    wanted = workload(ground.web(replicas=2, secrets={"KEY": SecretValue("1", "s3cret")}))
    ground.driver.apply(wanted)
    assert replica.id in {r.id for r in settled(ground.driver, 2)}
    assert observed(ground.driver).digest == wanted.digest
    assert ground.driver.log("env_exam", "web", 1, 5)
    until(lambda: ground.driver.observe("env_quiet") is None, what="its end")
    gone(ground)


def tokens(driver: OpenStackDriver) -> dict[str, str]:
    """Those that the driver has, by project; the pool's own under an empty name."""
    cloud = driver._cloud
    session = cloud._connected().session
    found = {"": session.get_token()}
    for project_id, (_, auth) in list(cloud._tenants.items()):
        if auth.auth_ref is not None:
            found[project_id] = auth.auth_ref.auth_token
    return {key: token for key, token in found.items() if token}


def revoke(ground: OpenStackGround) -> set[str]:
    """Keystone knows none of them any more."""
    found = set(tokens(ground.driver).values())
    identity = ground.lab.api("identity")
    for token in found:
        asked = {"X-Subject-Token": token}
        identity.delete("/auth/tokens", headers=asked).raise_for_status()
    return found


def unknown(ground: OpenStackGround, *requests: tuple[str, str, str]) -> None:
    """Services do not know the token of these either: they keep what keystone said for a while."""
    for service, method, path in requests:
        ground.lab.fault(service, method=method, path=path, status=401, times=1)


def laid(ground: OpenStackGround, environment_id: str = "env_exam") -> dict[str, Any]:
    """Its project, once all stands there."""
    name = f"{ground.prefix}-{environment_id}"
    found = ground.lab.find("identity", "projects", name=name)
    return found[0] if found and found[0].get("cloudmgr_ground") else {}


def forget_credential(ground: OpenStackGround, clouds: Path) -> None:
    auth = yaml.safe_load(clouds.read_text())["clouds"]["lab"]["auth"]
    (user,) = ground.lab.find("identity", "users", name="renewed")
    path = f"/users/{user['id']}/application_credentials/{auth['application_credential_id']}"
    ground.lab.api("identity").delete(path).raise_for_status()


def refused(driver: OpenStackDriver) -> Temporary | None:
    """What it says instead of what there is."""
    try:
        driver.observe("env_exam")
    except Temporary as error:
        return error
    return None
