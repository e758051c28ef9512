"""What the OpenStack lab promises to the tests that stand on it, seen."""

from __future__ import annotations

import secrets
import signal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from tests.labs.openstack.api import identity
from tests.labs.openstack.room import PORT
from tests.pools.grounds import fetch
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.labs.openstack.cloud import Cloud
    from tests.labs.openstack.room import Room, Server

pytestmark = pytest.mark.openstack


def test_a_server_answers_at_its_address_with_the_variables_and_files_that_it_was_told(
    web: Server,
) -> None:
    variables = web.variables()
    assert variables["HOST"] == web.address
    assert variables["GREETING"] == '"100 $" \\ `x`'
    assert "and more" in web.get().split("\n")
    assert web.get("/read?motto") == "少"
    assert set(variables) <= {
        "PATH", "HOST", "PORT", "GREETING", "CONFIG_DIR", "LAB_GUEST", "LC_CTYPE", "pid",
    }  # fmt: skip


def test_a_server_whose_program_ends_is_shut_off_and_can_be_started_again(web: Server) -> None:
    before = web.variables()
    web.leave(7)
    web.until("SHUTOFF")
    web.act("os-start")
    web.until("ACTIVE")
    after = web.variables()
    assert before.pop("pid") != after.pop("pid")
    assert before == after
    assert web.console() == "listening\nprogram ended with 7\nlistening\n"


def test_a_program_that_ends_while_its_server_is_built_is_seen(room: Room) -> None:
    broken = room.boot("lab-broken:1", wait="SHUTOFF")
    assert broken.console() == "no luck\nno luck\nprogram ended with 3\n"
    broken.delete()


def test_a_stopped_server_was_asked_to_end(web: Server) -> None:
    web.get()
    web.act("os-stop")
    web.until("SHUTOFF")
    assert web.silent()
    assert web.console() == "listening\nprogram ended with 0\n"


def test_a_shelved_server_holds_no_host_and_comes_back_with_its_disk(web: Server) -> None:
    address = web.address
    web.get()
    web.act("shelve")
    web.until("SHELVED_OFFLOADED")
    assert web.silent()
    # Nova says so a moment before it gives the host back.
    until(lambda: web.look()["OS-EXT-SRV-ATTR:host"] is None, what="no host")
    until(lambda: _allocations(web) == {}, what="no allocation")
    (image,) = web.lab.find("image", "images", name="eq:lab-web-shelved")
    assert (image["status"], image["lab_program"]) == ("active", "web")
    web.act("unshelve")
    web.until("ACTIVE")
    assert web.address == address
    assert web.get("/read?motto") == "少"
    assert _allocations(web)


@pytest.mark.parametrize("then", ["confirmResize", "revertResize"])
def test_a_resized_server_runs_on_another_host_with_its_disk(
    room: Room, web: Server, then: str
) -> None:
    before = web.look()["OS-EXT-SRV-ATTR:host"]
    pid = web.variables()["pid"]
    web.act("resize", flavorRef=room.large)
    assert web.until("VERIFY_RESIZE")["OS-EXT-SRV-ATTR:host"] != before
    assert web.variables()["pid"] != pid
    web.act(then)
    found = web.until("ACTIVE")
    confirmed = then == "confirmResize"
    assert found["flavor"]["vcpus"] == (2 if confirmed else 1)
    assert (found["OS-EXT-SRV-ATTR:host"] == before) is not confirmed
    assert web.get("/read?motto") == "少"


def test_a_deleted_server_leaves_nothing_behind(room: Room) -> None:
    server = room.boot()
    server.get()
    address = server.address
    ports = {"network_id": room.network, "device_id": server.number}
    assert _allocations(server)
    assert len(room.lab.find("network", "ports", **ports)) == 1
    server.delete()
    until(lambda: _allocations(server) == {}, what="no allocation")
    until(lambda: room.lab.find("network", "ports", **ports) == [], what="no port")
    with pytest.raises(ConnectionRefusedError):
        fetch(address, PORT, "/")


def test_an_image_that_is_to_fail_puts_its_server_in_error(room: Room) -> None:
    room.lab.upload("lab-web:bad", lab_boot_fault="error")
    server = room.boot("lab-web:bad", wait="ERROR")
    assert server.look()["fault"]["code"] == 500
    server.delete()


def test_a_host_that_is_lost_is_down_with_its_guests_and_comes_back(
    room: Room, web: Server
) -> None:
    web.get()
    host = web.look()["OS-EXT-SRV-ATTR:host"]
    room.lab.lose_host(host)
    assert web.silent()
    assert web.look()["status"] == "ACTIVE"  # nobody has told nova
    room.lab.host_back(host)
    web.until("SHUTOFF")
    web.act("os-start")
    web.until("ACTIVE")
    assert web.get("/read?motto") == "少"


def test_an_added_host_has_its_size_and_its_ratios(openstack_lab: Cloud) -> None:
    openstack_lab.add_host("spare", 4, 4096, vcpu_ratio=2.5)
    (provider,) = openstack_lab.find("placement", "resource_providers", name="spare")
    path = f"/resource_providers/{provider['uuid']}/inventories"
    found = openstack_lab.api("placement").get(path).json()["inventories"]
    assert (found["VCPU"]["total"], found["VCPU"]["allocation_ratio"]) == (4, 2.5)
    assert (found["MEMORY_MB"]["total"], found["MEMORY_MB"]["reserved"]) == (4096, 0)
    openstack_lab.remove_host("spare")
    assert not openstack_lab.find("placement", "resource_providers", name="spare")


def test_guests_outlive_nova_and_are_found_again(web: Server) -> None:
    pid = web.variables()["pid"]
    address = web.address
    web.lab.end("nova", signal.SIGKILL)
    assert f"pid={pid}" in fetch(address, PORT, "/")[1]
    web.lab.run("nova")
    web.lab.wait("nova")
    assert web.until("ACTIVE")
    assert web.variables()["pid"] == pid
    web.leave(7)
    web.until("SHUTOFF")


def test_a_fault_hits_whom_it_is_for_so_often_and_no_more(openstack_lab: Cloud) -> None:
    api = openstack_lab.api("network")
    mine = {"User-Agent": "cloudmgr/1 test"}
    openstack_lab.fault("neutron", method="GET", path=r"/networks\?name=a", status=503, times=2)

    def statuses(headers: dict[str, str]) -> list[int]:
        asked = [api.get("/networks?name=a", headers=headers) for _ in range(3)]
        return [answer.status_code for answer in asked]

    assert statuses({}) == [200, 200, 200]
    assert api.get("/networks?name=b", headers=mine).status_code == 200
    assert statuses(mine) == [503, 503, 200]
    openstack_lab.fault("neutron", status=500)
    assert statuses(mine) == [500, 500, 500]
    openstack_lab.no_faults()
    assert statuses(mine) == [200, 200, 200]


def test_what_is_done_although_its_answer_is_lost_is_done(openstack_lab: Cloud) -> None:
    api = openstack_lab.api("network")
    name = f"lost-{secrets.token_hex(3)}"
    openstack_lab.fault("neutron", method="POST", lose_answer=True, times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        api.post("/networks", json={"network": {"name": name}}, headers={"User-Agent": "cloudmgr"})
    (made,) = openstack_lab.find("network", "networks", name=name)
    api.delete(f"/networks/{made['id']}").raise_for_status()
    openstack_lab.no_faults()


def test_every_request_is_in_the_log(openstack_lab: Cloud) -> None:
    agent = f"cloudmgr/{secrets.token_hex(3)}"
    api = openstack_lab.api("network")
    api.get("/networks/nothing", params={"fields": "id"}, headers={"User-Agent": agent})
    (entry,) = (each for each in openstack_lab.requests() if each["agent"] == agent)
    assert entry.pop("time") > 0
    assert entry == {
        "service": "neutron",
        "method": "GET",
        "path": "/v2.0/networks/nothing",
        "query": "fields=id",
        "agent": agent,
        "status": 404,
    }


def test_a_part_that_is_frozen_answers_nothing_until_it_is_thawed(openstack_lab: Cloud) -> None:
    api = openstack_lab.api("image")
    openstack_lab.freeze("glance")
    with pytest.raises(httpx.ReadTimeout):
        api.get("/images", timeout=1)
    openstack_lab.thaw("glance")
    assert api.get("/images").status_code == 200


def test_a_client_that_keeps_its_connection_may_upload_by_chunks(openstack_lab: Cloud) -> None:
    api = openstack_lab.api("image")
    about = {"name": "chunks", "disk_format": "raw", "container_format": "bare"}
    octets = {"Content-Type": "application/octet-stream"}
    with httpx.Client(base_url=api.base_url, headers=api.headers, trust_env=False) as keeping:
        for _ in range(5):
            path = f"/images/{keeping.post('/images', json=about).json()['id']}"
            chunks = iter([b"one", b"two"])
            assert keeping.put(f"{path}/file", content=chunks, headers=octets).status_code == 204
            assert keeping.get(path).json()["size"] == 6
            keeping.delete(path).raise_for_status()


def test_an_account_logs_in_by_a_file_of_its_own(openstack_lab: Cloud) -> None:
    path: Path = openstack_lab.account("someone", roles=("member", "reader"))
    assert path.stat().st_mode & 0o777 == 0o600
    (entry,) = yaml.safe_load(path.read_text())["clouds"].values()
    _, said = openstack_lab.authenticate(identity(entry))
    assert (said["user"]["name"], said["project"]["name"]) == ("someone", "cloudmgr")
    assert {role["name"] for role in said["roles"]} == {"member", "reader"}
    assert said["application_credential"]["restricted"]


def _allocations(server: Server) -> Any:
    path = f"/allocations/{server.number}"
    return server.lab.api("placement").get(path).raise_for_status().json()["allocations"]
