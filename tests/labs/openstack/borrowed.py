"""A cloud that somebody else runs, and that tests may spoil: DevStack, for instance.

``OS_CLOUD`` names it in a clouds.yaml (``OS_CLIENT_CONFIG_FILE``, the working directory, or
``~/.config/openstack``), with an administrator's credentials: a password, or an application
credential that is not restricted. The project that they are for says that the cloud is disposable:

    openstack project set --tag cloudmgr-disposable admin

The images ``lab-…:1`` are to be there (``tests/labs/images.py`` says what each runs), a subnet
pool ``lab`` from which this machine reaches servers, the rules of ``deploy/openstack/policy`` in
its services, and a host without servers, which gets an availability zone of its own. A test that
asks for what only the lab has is skipped, and says for what: faults, the log of requests, parts
that can be ended, hosts that come and go.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import yaml

from tests.labs.openstack.api import OpenStack

if TYPE_CHECKING:
    from collections.abc import Iterator

DISPOSABLE = "cloudmgr-disposable"
_PARTS = "its parts are not ours to stop"
_HOSTS = "its hosts are not ours"
# What only the lab can do, and why.
_LACKING = {
    **dict.fromkeys(("requests", "listening"), "the log of its requests is not ours to read"),
    "upload": "what its images run is not ours to say",
    "policy": "its rules are not ours to change",
    "block": "its addresses are not ours to say",
    "fault": "nothing of ours stands before its services",
    **dict.fromkeys(("run", "wait", "end", "freeze", "thaw"), _PARTS),
    **dict.fromkeys(("add_host", "lose_host", "host_back", "remove_host"), _HOSTS),
}


class Borrowed(OpenStack):
    """See above."""

    def no_faults(self) -> None:
        """There are none."""

    def spare_host(self, name: str, vcpus: int, memory_mib: int) -> str:
        """One that runs, has no servers and as much as is asked for; it keeps its own name.

        :param name: what the lab would call it.
        """
        path, asked = "/os-hypervisors/detail", {"with_servers": "true"}
        answer = self.api("compute").get(path, params=asked).raise_for_status()
        for one in answer.json()["hypervisors"]:
            host = str(one["service"]["host"])
            if one["state"] != "up" or one.get("servers"):
                continue
            size = self.size_of(one["hypervisor_hostname"])
            if size[0] >= vcpus and size[1] >= memory_mib:
                return host
        pytest.exit(f"the cloud has no host for {name} that is free", returncode=4)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _LACKING:
            pytest.skip(f"needs the lab (OS_CLOUD is set): {_LACKING[name]}")
        raise AttributeError(name)


def borrow(directory: Path) -> Borrowed | None:
    """The cloud that ``OS_CLOUD`` names; a failure if it does not say that it is disposable."""
    named = os.environ.get("OS_CLOUD")
    if not named:
        return None
    cloud = Borrowed(directory, _entry(named))
    api = cloud.api("identity")
    project = api.get(f"/projects/{cloud.project_id}").raise_for_status().json()["project"]
    if DISPOSABLE not in project["tags"]:
        cloud.close()
        pytest.exit(
            f"OS_CLOUD names {cloud.keystone}, and these tests delete things: unset it for the "
            f"lab, or say that it is disposable: "
            f"openstack project set --tag {DISPOSABLE} {project['name']}",
            returncode=4,
        )
    return cloud


def _entry(named: str) -> dict[str, object]:
    for path in _files():
        if path.exists():
            clouds = yaml.safe_load(path.read_text())["clouds"]
            if named in clouds:
                found: dict[str, object] = clouds[named]
                return found
    pytest.exit(f"no clouds.yaml has the cloud {named} that OS_CLOUD names", returncode=4)


def _files() -> Iterator[Path]:
    if said := os.environ.get("OS_CLIENT_CONFIG_FILE"):
        yield Path(said)
    yield Path("clouds.yaml")
    yield Path.home() / ".config" / "openstack" / "clouds.yaml"
