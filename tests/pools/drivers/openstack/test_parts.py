"""The pure parts of the OpenStack driver, without a cloud."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cloudmgr.errors import Invalid, Permanent
from cloudmgr.pools.capacity import Resources, Sizes
from cloudmgr.pools.drivers.driver import (
    ComponentWorkload,
    ReplicaState,
    SecretValue,
    SharedService,
    Workload,
)
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import plan, reading, runs, sealed, seen
from cloudmgr.pools.drivers.openstack.actions import (
    Action,
    AskWhen,
    AskWhy,
    Create,
    Delete,
    Do,
    Note,
)
from cloudmgr.pools.drivers.openstack.flavors import Flavor, smallest, usable
from cloudmgr.pools.drivers.openstack.plan import Wish
from cloudmgr.pools.drivers.openstack.reading import Health, Provider
from cloudmgr.pools.drivers.openstack.resizing import shape
from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings, Timing
from cloudmgr.pools.drivers.openstack.userdata import require_small, user_data

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LAUNCHED = "2026-11-26T11:00:00.250000"
WELL = Health(checked=True)
TIMING = Timing()
WEB = ComponentWorkload(
    "web", replicas=2, cpu_millis=1000, memory_mib=512, image="web:1", port=80, ceiling=4
)
# A replica of WEB has the first of them.
SIZES = Sizes((Resources(1000, 512), Resources(2000, 1024)))


def wanted(*components: ComponentWorkload) -> Workload:
    return Workload("env_exam", "exam", "dep_exam", "sys_exam", "extranet", components)


def server(slot: int = 0, **changes: Any) -> seen.Server:
    """One that is Ready, as nova tells of it; ``metadata`` is added to what it has."""
    component = changes.pop("component", WEB)
    item: dict[str, Any] = {
        "id": f"s{slot}",
        "name": words.server_of("web", slot, plan.template(component)),
        "description": "cloudmgr city env_exam dep_exam sys_exam",
        "tenant_id": "p",
        "status": "ACTIVE",
        "OS-EXT-STS:task_state": None,
        "created": "2026-11-26T10:59:00Z",
        "updated": "2026-11-26T11:00:00Z",
        "OS-SRV-USG:launched_at": LAUNCHED,
        "OS-SRV-USG:terminated_at": None,
        "addresses": {"n": [{"addr": "10.0.0.4"}]},
        "flavor": {"vcpus": 1, "ram": 512},
        "host_status": "UP",
    }
    run = f"1 {seen.instant(LAUNCHED).isoformat()} 1000 512"
    metadata = {
        words.TEMPLATE: plan.template(component),
        words.SHAPE: shape(component),
        words.OF: LAUNCHED,
        words.READY: "2026-11-26T11:00:05+00:00",
        words.RUN: run,
    }
    item["metadata"] = {**metadata, **changes.pop("metadata", {})}
    item.update(changes)
    found = seen.server(item, "city")
    assert found is not None
    return found


def planned(
    *servers: seen.Server,
    component: ComponentWorkload | None = WEB,
    health: Health = WELL,
    now: datetime = NOW,
    removed: bool = False,
) -> list[Action]:
    workload = None if removed else wanted(*([component] if component else []))
    wish = Wish(workload, servers, {s.id: health for s in servers}, sizes=SIZES)
    return plan.plan(wish, now, TIMING)


# ------------------------------------------------------------------------------------------- plan


def test_what_lacks_is_made_and_what_is_there_is_let_alone() -> None:
    assert planned() == [Create("web", 0), Create("web", 1)]
    assert planned(server(0)) == [Create("web", 1)]
    assert planned(server(0), server(1)) == []


def test_fewer_drains_the_newest_and_then_stops_and_deletes_it() -> None:
    one = replace(WEB, replicas=1)
    (note,) = planned(server(0), server(1), component=one)
    assert isinstance(note, Note)
    assert (note.server.slot, note.said[words.DRAINS]) == (1, NOW.isoformat())
    draining = {words.DRAINS: NOW.isoformat()}
    soon, later = NOW + timedelta(seconds=1), NOW + timedelta(seconds=6)
    going = server(1, metadata=draining)
    assert planned(server(0), going, component=one, now=soon) == []
    assert planned(server(0), going, component=one, now=later) == [Do(going, "os-stop")]
    off = server(1, metadata=draining, status="SHUTOFF")
    assert planned(server(0), off, component=one, now=later) == [Delete(off)]


def test_none_at_all_is_sleep_and_more_again_wakes() -> None:
    none = replace(WEB, replicas=0)
    (note,) = planned(server(0), component=none)
    assert isinstance(note, Note)
    assert note.said[words.SLEEPS] == "yes"
    tired = server(0, metadata={words.DRAINS: NOW.isoformat(), words.SLEEPS: "yes"})
    later = NOW + timedelta(seconds=6)
    assert planned(tired, component=none, now=later) == [Do(tired, "shelve")]
    awake_again = planned(tired, component=replace(WEB, replicas=1), now=later)
    assert awake_again == [Note(tired, {words.DRAINS: None, words.SLEEPS: None})]
    asleep = server(
        0,
        status="SHELVED_OFFLOADED",
        description="cloudmgr city env_exam dep_exam sys_exam 1@2026-11-26T12:00:00+00:00",
    )
    assert planned(asleep, component=none) == []
    assert planned(asleep, component=replace(WEB, replicas=1)) == [Do(asleep, "unshelve")]
    unknown = replace(asleep, owner=replace(asleep.owner, rest=""))
    assert planned(unknown, component=none) == [AskWhen(unknown)]


def test_another_template_is_made_beside_the_old_one_which_goes_when_it_serves() -> None:
    new = replace(WEB, image="web:2")
    old = [server(0), server(1)]
    assert planned(*old, component=new) == [Create("web", 0)], "one at a time"
    coming = server(0, component=new, id="new", metadata={words.READY: ""})
    found = planned(*old, coming, component=new, health=Health())
    assert found == [], "the old one serves until the new one does"
    (note,) = [
        a for a in planned(*old, server(0, component=new, id="new"), component=new)
        if isinstance(a, Note)
    ]  # fmt: skip
    assert note.server.id == "s0"
    assert words.DRAINS in note.said


def test_of_two_in_one_slot_the_older_one_stays() -> None:
    twice = server(0, id="again", created="2026-11-26T10:59:30Z")
    (note,) = planned(server(0), twice, component=replace(WEB, replicas=1))
    assert isinstance(note, Note)
    assert note.server.id == "again"


@pytest.mark.parametrize(
    ("changes", "health", "why"),
    [
        ({"status": "SHUTOFF"}, WELL, "shut down by itself"),
        ({"metadata": {words.READY: ""}}, Health("503", 9, checked=True), "was not healthy within"),
        ({}, Health("503", 6, checked=True), "failed 6 health checks"),
    ],
)
def test_what_fails_is_noted_with_the_reason(
    changes: dict[str, Any], health: Health, why: str
) -> None:
    (asked,) = planned(server(0, **changes), component=replace(WEB, replicas=1), health=health)
    assert isinstance(asked, AskWhy)
    assert why in asked.fault


def test_after_its_rest_it_is_started_again_or_made_anew() -> None:
    failed = {words.FAILED: NOW.isoformat(), words.READY: "", words.RESTARTS: "2"}
    one, rested = replace(WEB, replicas=1), NOW + timedelta(seconds=20)
    off = server(0, metadata=failed, status="SHUTOFF")
    assert planned(off, component=one, now=NOW + timedelta(seconds=19)) == []
    (start,) = planned(off, component=one, now=rested)
    assert isinstance(start, Do)
    assert start.action == "os-start"
    wrong = server(0, status="ERROR", updated=NOW.isoformat(), fault={"message": "No valid host"})
    assert planned(wrong, component=one, now=NOW + timedelta(seconds=9)) == []
    assert planned(wrong, component=one, now=rested) == [Delete(wrong)]
    message = reading.replica(wrong, WELL, one, 2).message
    assert message.startswith("no host of the pool takes it at the moment")
    assert message.endswith("; No valid host")


@pytest.mark.parametrize("task", ["rebooting_hard", "powering-off", "shelving", "deleting"])
def test_what_nova_asked_of_a_lost_host_is_not_waited_for(task: str) -> None:
    one, later = replace(WEB, replicas=1), NOW + timedelta(seconds=10)
    about: dict[str, Any] = {"OS-EXT-STS:task_state": task, "updated": NOW.isoformat()}
    stranded = server(0, **about, host_status="UNKNOWN")
    assert Delete(stranded) not in planned(stranded, component=one)
    assert Delete(stranded) in planned(stranded, component=one, now=later)
    at_work = server(0, **about, host_status="UP")
    assert Delete(at_work) not in planned(at_work, component=one, now=later)
    just_asked = replace(stranded, busy=words.ASKED)
    assert planned(just_asked, component=one, now=later) == []


def test_an_environment_that_goes_takes_its_servers_with_it() -> None:
    asleep = server(1, status="SHELVED_OFFLOADED")
    found = planned(server(0), asleep, removed=True)
    assert {type(a) for a in found} <= {Note, Delete, AskWhen}
    busy = server(0, **{"OS-EXT-STS:task_state": "deleting"})
    assert planned(busy, removed=True) == []


# -------------------------------------------------------------------------------------------- runs


def test_a_sleep_ends_one_allocation_and_the_waking_begins_another() -> None:
    awake = server()
    held, kept = runs.allocations(awake)
    assert (kept.id, kept.addresses, kept.size) == ("s0.address", 1, Resources())
    assert (kept.started_at, kept.ended_at) == (awake.created, None)
    assert (held.id, held.started_at) == ("s0", seen.instant(LAUNCHED))
    assert (held.ended_at, held.size) == (None, Resources(1000, 512))
    end = "2026-11-26T12:00:00+00:00"
    slept = f"cloudmgr city env_exam dep_exam sys_exam 1@{end}"
    asleep = server(status="SHELVED_OFFLOADED", description=slept)
    over, still = runs.allocations(asleep)
    assert (over, still) == (replace(held, ended_at=NOW), kept)
    again = server(0, description=slept, **{"OS-SRV-USG:launched_at": "2026-11-26T13:00:00"})
    said = runs.news(again)
    noted = replace(again, metadata={**again.metadata, **said})
    assert runs.news(noted) == {}
    first, second, _ = runs.allocations(noted)
    assert first == over
    assert (second.id, second.ended_at) == ("s0.2", None)
    assert words.READY not in again.metadata, "what was said of the run before does not hold"


def test_a_deletion_ends_what_is_held_and_nothing_that_slept() -> None:
    last = runs.known(server())
    gone: dict[str, Any] = {"status": "DELETED", "OS-SRV-USG:terminated_at": "2026-11-26T12:30:00"}
    over = runs.deleted(server(**gone, metadata={}), last)
    assert over is not None
    assert (over.number, over.end) == (1, NOW + timedelta(minutes=30))
    slept = "cloudmgr city env_exam dep_exam sys_exam 1@2026-11-26T12:00:00+00:00"
    assert runs.deleted(server(**gone, description=slept), last) is None

    (listed, _) = runs.allocations(server(**gone))
    assert (listed.id, listed.ended_at) == ("s0", over.end), "nova lists it for a moment yet"

    # Whoever begins after it went has its description alone.
    bare = server(**gone, metadata={})
    assert runs.deleted(bare, runs.past(bare)) == over
    asleep = server(**gone, metadata={}, description=slept)
    assert runs.deleted(asleep, runs.past(asleep)) is None
    woken = server(
        0,
        **{**gone, "OS-SRV-USG:launched_at": "2026-11-26T12:15:00"},
        metadata={},
        description=slept,
    )
    second = runs.deleted(woken, runs.past(woken))
    assert second is not None
    assert (second.number, second.end) == (2, over.end)


# ------------------------------------------------------------------------------------ what is told


def test_a_server_is_told_what_its_component_is_told() -> None:
    component = replace(
        WEB,
        variables={"NAME": 'a "b" $c', "PORT": "1"},
        files={"app.ini": "x=1", "/etc/motd": "您好"},
        secrets={"KEY": SecretValue("r1", "s3cret")},
        services=(SharedService("city-sso", 443, "sso.example"),),
    )
    text = base64.b64decode(user_data(component)).decode()
    header, cloud, document = text.split("\n", 2)
    assert (header, cloud) == ("## template: jinja", "#cloud-config")
    files = {f["path"]: f for f in json.loads(document)["write_files"]}
    told = base64.b64decode(files["/etc/cloudmgr/environment"]["content"]).decode()
    assert 'NAME="a \\"b\\" \\$c"' in told.splitlines()
    assert {'KEY="s3cret"', 'PORT="80"', 'CITY_SSO_PORT="443"'} <= set(told.splitlines())
    assert files["/etc/cloudmgr/environment"]["permissions"] == "0600"
    assert "/etc/cloudmgr/config/app.ini" in files
    assert "/etc/motd" in files


def test_more_text_than_a_cloud_keeps_is_refused() -> None:
    large = wanted(replace(WEB, files={"a": "x" * 50_000}))
    for text in ("", "x" * 70_000):
        with pytest.raises(Permanent) as refused:
            require_small(large, text)
        assert refused.value.code == "unsupported"


def test_secrets_are_opened_by_the_same_credential_alone() -> None:
    workload = wanted(replace(WEB, secrets={"KEY": SecretValue("r1", "s3cret")}))
    closed = sealed.seal(workload, "ours")
    assert "s3cret" not in closed
    bare = wanted(replace(WEB, secrets={"KEY": SecretValue("r1")}))
    found = sealed.opened(bare, closed, "ours")
    assert found is not None
    assert found.components[0].secrets["KEY"].value == "s3cret"
    assert sealed.opened(bare, closed, "another's") is None
    newer = wanted(replace(WEB, secrets={"KEY": SecretValue("r2")}))
    assert sealed.opened(newer, closed, "ours") is None


# ----------------------------------------------------------------------------------- hosts, flavors


def test_the_smallest_flavor_that_holds_it_is_taken() -> None:
    def flavor(name: str, vcpus: int, memory: int, **extra: str) -> Flavor:
        return Flavor(name, name, vcpus, memory, 10, extra)

    plain = [flavor("l", 4, 8192), flavor("s", 1, 1024), flavor("m", 2, 2048)]
    special = flavor("gpu", 1, 512, **{"trait:HW_GPU": "required"})
    found = usable([*plain, special], (), ())
    assert [f.name for f in found] == ["s", "m", "l"]
    assert smallest(found, Resources(1000, 1500)) == plain[2]
    assert smallest(found, Resources(4001, 1)) is None
    assert usable([*plain, special], (), ("HW_GPU",)) == [special]
    assert [f.name for f in usable(plain, ("l",), ())] == ["l"]


def test_a_host_has_what_others_leave_of_it() -> None:
    room = reading.amounts({
        "VCPU": {"total": 16, "reserved": 1, "allocation_ratio": 2.0},
        "MEMORY_MB": {"total": 8192, "reserved": 512, "allocation_ratio": 1.0},
    })  # fmt: skip
    assert room == Resources(30_000, 7680)
    taken = {"ours": Resources(2000, 1024), "theirs": Resources(4000, 2048)}
    hosts = [
        Provider("1", "a", 1, room, taken),
        Provider("2", "b", 1, room, up=False),
    ]
    capacity = reading.capacity(hosts, {"ours"}, 0)
    assert capacity.allocatable == Resources(26_000, 5632)
    assert not hosts[0].is_old(1, Resources(6000, 3072))
    assert hosts[0].is_old(2, Resources(6000, 3072))
    assert hosts[0].is_old(1, Resources(2000, 1024)), "nothing counts what is given back"
    assert hosts[0].is_old(1, None)
    assert capacity.problems == ("host b is lost: its compute service does not answer",)


def test_a_replica_turns_ill_only_after_some_failed_checks() -> None:
    def state(health: Health, **changes: Any) -> ReplicaState:
        return reading.state(server(**changes), health, 80, 2)

    assert state(WELL) is ReplicaState.READY
    assert state(Health("503", 1, checked=True)) is ReplicaState.READY
    assert state(Health("503", 2, checked=True)) is ReplicaState.UNHEALTHY
    assert state(Health("503", 1, checked=True), host_status="DOWN") is ReplicaState.UNHEALTHY
    assert state(WELL, status="BUILD", metadata={words.READY: ""}) is ReplicaState.STARTING
    assert state(WELL, metadata={words.DRAINS: NOW.isoformat()}) is ReplicaState.DRAINING


def test_settings_that_are_wrong_are_named() -> None:
    with pytest.raises(Invalid) as refused:
        OpenStackSettings.parse({"prefix": "A", "gateway_cidrs": ["10.0.0.1/8"], "parallel": 0})
    said = {path for path, _ in refused.value.problems}
    assert said == {"clouds_file", "cloud", "subnet_pool", "prefix", "gateway_cidrs", "parallel"}


def test_a_department_without_environments_is_known_by_its_project() -> None:
    items: list[dict[str, Any]] = [
        {"id": "a", "name": "city-department-dep_a", "parent_id": "top"},
        {"id": "b", "name": "city-department-none", "parent_id": "top"},
        {"id": "c", "name": "city-env_1", "parent_id": "a"},
    ]
    assert seen.childless(items, "city") == {"b"}
    assert seen.childless(items, "other") == set()
