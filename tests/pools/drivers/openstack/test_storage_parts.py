"""What is to be done about the storage of slots, and what of it is metered, without a cloud."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Permanent
from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan, seen, volumes
from cloudmgr.pools.drivers.openstack.actions import Create, Enlarge, Note, Store
from cloudmgr.pools.drivers.openstack.plan import Wish
from cloudmgr.pools.drivers.openstack.shelf import Shelf
from cloudmgr.pools.drivers.openstack.told import limitations, require_no_less
from cloudmgr.pools.drivers.openstack.userdata import device_of, user_data
from tests.pools.drivers.openstack.test_parts import (
    NOW,
    SIZES,
    TIMING,
    WEB,
    WELL,
    server,
    wanted,
)

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.openstack.volumes import Volume

STORE = replace(WEB, replicas=1, storage_gib=2)
CREATED = NOW - timedelta(hours=3)


def volume(slot: int = 0, **changes: Any) -> Volume:
    item = {
        "id": f"9d2f4c1e-7a36-4b0f-8c55-00000000000{slot}",
        "name": f"web-{slot}",
        "description": "cloudmgr city env_exam dep_exam sys_exam",
        "os-vol-tenant-attr:tenant_id": "p",
        "status": "available",
        "created_at": CREATED.replace(tzinfo=None).isoformat(),
        "size": 2,
        "metadata": {words.GIB: "2"},
        **changes,
    }
    found = volumes.volume(item, "city")
    assert found is not None
    return found


def planned(*there: Volume, servers: tuple[seen.Server, ...] = (), component: Any = STORE) -> Any:
    wish = Wish(
        wanted(component), servers, {s.id: WELL for s in servers}, sizes=SIZES, volumes=there
    )
    return plan.plan(wish, NOW, TIMING)


def test_a_server_begins_once_its_storage_is_there_and_nobody_has_it() -> None:
    assert planned() == [Store("web", 0)]
    assert planned(volume(status="creating")) == []
    assert planned(volume(status="in-use")) == []
    assert planned(volume()) == [Create("web", 0, volume=volume().id)]


def test_storage_that_is_too_small_grows_first_and_that_is_noted() -> None:
    larger = replace(STORE, storage_gib=5)
    assert planned(volume(), component=larger) == [Enlarge(volume(), 5)]
    assert planned(volume(status="extending"), component=larger) == []
    grown = volume(size=5)
    assert planned(grown, component=larger) == [Enlarge(grown, 5)]
    noted = volume(size=5, metadata=volumes.grown(grown, 5, NOW))
    assert planned(noted, component=larger) == [Create("web", 0, volume=noted.id)]


def test_the_old_server_ends_before_the_new_one_begins() -> None:
    old = server(0, component=replace(STORE, image="web:0"))
    (note,) = planned(volume(status="in-use"), servers=(old,))
    assert isinstance(note, Note)
    assert words.DRAINS in note.said
    going = server(0, component=replace(STORE, image="web:0"), metadata=note.said)
    assert planned(volume(), servers=(going,)) == [], "it is there yet, whatever cinder says"
    assert planned(volume()) == [Create("web", 0, volume=volume().id)]


def test_one_is_replaced_at_a_time_and_not_before_the_last_is_ready() -> None:
    two = replace(STORE, replicas=2)
    old = [server(slot, component=replace(two, image="web:0")) for slot in (0, 1)]
    taken = [volume(slot, status="in-use") for slot in (0, 1)]
    (first,) = planned(*taken, servers=tuple(old), component=two)
    assert first.server.slot == 0
    assert planned(volume(0), taken[1], servers=(old[1],), component=two) == [
        Create("web", 0, volume=volume(0).id)
    ]
    coming = server(0, component=two, metadata={words.READY: ""})
    said = planned(*taken, servers=(coming, old[1]), component=two)
    assert [action.server.slot for action in said] == [0], "what lacks is that it is Ready"
    ready = server(0, component=two)
    (second,) = planned(*taken, servers=(ready, old[1]), component=two)
    assert second.server.slot == 1


def test_what_is_not_at_rest_is_looked_at_again_soon() -> None:
    wish = Wish(wanted(STORE), (), {}, volumes=[volume(status="creating")])
    assert not plan.settled(wish, [])
    assert plan.settled(replace(wish, volumes=[volume()]), [])


def test_each_size_is_held_until_the_next_and_the_last_until_it_is_to_go() -> None:
    first = volume()
    (held,) = volumes.allocations(first)
    assert (held.size, held.started_at, held.ended_at) == (Resources(storage_gib=2), CREATED, None)
    again = volume(size=5, metadata=volumes.grown(first, 5, NOW - timedelta(hours=1)))
    outgrown, larger = volumes.allocations(again)
    assert outgrown == replace(held, ended_at=NOW - timedelta(hours=1))
    assert larger.id != held.id
    assert (larger.size, larger.started_at, larger.ended_at) == (
        Resources(storage_gib=5),
        outgrown.ended_at,
        None,
    )
    going = replace(again, metadata={**again.metadata, words.ENDS: NOW.isoformat()})
    assert volumes.allocations(going) == [outgrown, replace(larger, ended_at=NOW)]
    assert volumes.allocations(replace(again, gone_at=NOW))[-1].ended_at == NOW


def test_what_has_grown_is_metered_so_once_it_is_noted() -> None:
    assert volumes.allocations(volume(size=9))[0].size == Resources(storage_gib=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"description": ""},
        {"description": "cloudmgr other env_exam dep_exam sys_exam"},
        {"name": "mine"},
        {"name": None},
    ],
)
def test_a_volume_of_somebody_else_is_none_of_ours(changes: dict[str, Any]) -> None:
    item = {"id": "v", "name": "web-0", "description": "cloudmgr city a b c", **changes}
    assert volumes.volume(item, "city") is None


def test_what_has_gone_is_told_until_it_is_forgotten() -> None:
    moved: list[str] = []
    shelf = Shelf(moved.append)
    shelf.see([volume()], shelf.begin(), [], NOW)
    assert moved == ["env_exam"]
    gone = shelf.missing([], shelf.begin())
    assert [one.id for one in gone] == [volume().id]
    shelf.see([], shelf.begin(), gone, NOW)
    (over,) = shelf.allocations()
    assert over.ended_at == NOW
    shelf.forget([over.id])
    assert shelf.allocations() == []
    assert shelf.of("env_exam") == []


def test_what_was_written_meanwhile_is_newer_than_a_look() -> None:
    shelf = Shelf(lambda _: None)
    began = shelf.begin()
    shelf.put(volume())
    assert shelf.missing([], began) == []
    shelf.see([volume(status="creating")], began, [], NOW)
    assert [one.status for one in shelf.of("env_exam")] == ["available"]


def test_a_size_that_was_outgrown_is_told_until_it_is_forgotten() -> None:
    shelf = Shelf(lambda _: None)
    shelf.put(volume(size=5, metadata=volumes.grown(volume(), 5, NOW)))
    outgrown, larger = shelf.allocations()
    shelf.forget([outgrown.id, larger.id])
    assert shelf.allocations() == [larger], "what is held stays"


def test_a_server_is_told_where_its_storage_is() -> None:
    number = volume().id
    told = base64.b64decode(user_data(STORE, number)).decode().removeprefix("## template: jinja\n")
    document = json.loads(told.removeprefix("#cloud-config\n"))
    assert document["mounts"] == [
        [device_of(number), "/data", "ext4", "defaults,x-systemd.growfs", "0", "2"]
    ]
    assert document["fs_setup"][0]["overwrite"] is False
    (file, *_) = document["write_files"]
    assert 'DATA_DIR="/data"' in base64.b64decode(file["content"]).decode()
    plain = base64.b64decode(user_data(WEB)).decode()
    assert "mounts" not in plain
    assert "DATA_DIR" not in plain


def test_storage_does_not_shrink() -> None:
    require_no_less(wanted(STORE), [volume()])
    require_no_less(wanted(WEB), [volume()])
    with pytest.raises(Permanent) as refused:
        require_no_less(wanted(replace(STORE, storage_gib=1)), [volume()])
    assert refused.value.path == "components[0].storage_gib"


def test_what_sleep_keeps_of_storage_is_told() -> None:
    asleep = server(0, status="SHELVED_OFFLOADED")
    said = limitations([STORE], [asleep], SIZES, [volume(0), volume(1)])
    assert "asleep: 4 GiB of storage are kept" in said
