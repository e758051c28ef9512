"""What is read from the objects that an apiserver tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import ReplicaState
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes import reading, seen
from cloudmgr.pools.drivers.kubernetes.kinds import Kind
from tests.pools.drivers.kubernetes.objects import pod, read


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("2", "2"),
        ("1.5", "1.5"),
        ("1Gi", "1073741824"),
        ("128Mi", "134217728"),
        ("1e3", "1000"),
        ("5G", "5000000000"),
        ("100n", "0.0000001"),
    ],
)
def test_a_quantity_is_read_exactly(text: str, number: str) -> None:
    assert seen.quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "many", "1Qi", "-", "1 Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        seen.quantity(text)


def state(**status: Any) -> tuple[ReplicaState, str]:
    (replica,) = reading.replicas([read(pod(**status))], lambda _uid: "")
    return replica.state, replica.message


def container(**fields: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "web", **fields}]}


def ready(*, holds: bool) -> dict[str, Any]:
    when = "2026-06-30T08:00:02Z"
    return {
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": when},
            {"type": "Ready", "status": str(holds), "lastTransitionTime": when},
        ]
    }


def test_a_pod_starts_until_it_is_ready() -> None:
    assert state(**container(state={"running": {}}, started=False))[0] is ReplicaState.STARTING
    assert state(**ready(holds=True))[0] is ReplicaState.READY


def test_a_pod_that_was_started_and_is_not_ready_is_ill() -> None:
    ill = container(state={"running": {}}, started=True) | ready(holds=False)
    assert state(**ill)[0] is ReplicaState.UNHEALTHY


def test_a_pod_that_is_being_deleted_drains_even_while_it_is_ready() -> None:
    gone = pod(meta={"deletionTimestamp": "2026-06-30T09:00:00Z"}, **ready(holds=True))
    (replica,) = reading.replicas([read(gone)], lambda _uid: "")
    assert replica.state is ReplicaState.DRAINING


def test_what_waits_to_be_started_again_says_why() -> None:
    found, message = state(
        **container(
            restartCount=3,
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            lastState={"terminated": {"exitCode": 7, "finishedAt": "2026-06-30T08:01:00Z"}},
        )
    )
    assert found is ReplicaState.BACKOFF
    assert message == (
        "it ended with exit status 7, and was started again 3 times; "
        "it is started again by itself, each time later (CrashLoopBackOff: back-off 10s)"
    )


def test_what_took_too_much_memory_is_told_so() -> None:
    killed = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-06-30T08:01:00Z"}
    _, message = state(**container(restartCount=1, state={"terminated": killed}))
    assert message == (
        "it took more memory than was approved for it and was ended, and was started again 1 time"
    )


def test_an_image_that_cannot_be_pulled_is_named() -> None:
    waits = {"reason": "ErrImagePull", "message": "manifest unknown"}
    found, message = state(**container(image="registry.city/web:9", state={"waiting": waits}))
    assert found is ReplicaState.BACKOFF
    assert message == (
        "its image registry.city/web:9 cannot be pulled: see that there is one of that name and "
        "that the cluster may pull it (ErrImagePull: manifest unknown)"
    )


def test_a_container_that_cannot_be_made_says_why() -> None:
    waits = {"reason": "CreateContainerConfigError", "message": "image will run as root"}
    _, message = state(**container(state={"waiting": waits}))
    assert message == (
        "its container cannot be started (CreateContainerConfigError: image will run as root)"
    )


def thing(kind: Kind) -> seen.Owned:
    """What makes the one replica of ``web``."""
    return seen.Owned(
        kind, "city-env-a1", "web", "uid-web", 1, "env_a1", "", deleting=False, replicas=1
    )


REFUSED = (
    'pods "web-1" is forbidden: exceeded quota: cloudmgr, requested: limits.cpu=250m,pods=1, '
    "used: limits.cpu=2,pods=8, limited: limits.cpu=2,pods=8"
)


def test_a_quota_that_is_full_is_told_in_words() -> None:
    there = replace(thing(Kind.DEPLOYMENT), trouble=REFUSED)
    owned = {(there.kind, there.name): there}
    found = reading.observed("env_a1", "", [], owned, warning=lambda _uid: "")
    (problem,) = found.problems
    assert problem == (
        "web: the cluster makes no more replicas: the quota cloudmgr of its namespace is full: "
        "2 of 2 limits.cpu are taken, 250m more are needed, "
        f"8 of 8 pods are taken, 1 more are needed ({REFUSED})"
    )


def test_what_a_stateful_set_cannot_make_is_told_while_it_lacks_it() -> None:
    there = thing(Kind.STATEFUL)

    def problems(*pods: seen.SeenPod) -> tuple[str, ...]:
        found = {(there.kind, there.name): there}
        return reading.observed("env_a1", "", pods, found, warning=lambda _uid: "no").problems

    assert problems() == ("web: the cluster makes no more replicas: no",)
    assert problems(read(pod("web-0"))) == (), "an event outlives what it tells of"


def test_a_pod_without_a_node_is_no_replica_yet() -> None:
    waiting = read(
        pod(
            node="",
            conditions=[
                {"type": "PodScheduled", "status": "False", "message": "Insufficient cpu."}
            ],
        )
    )
    assert reading.replicas([waiting], lambda _uid: "") == ()
    observed = reading.observed("env_a1", "", [waiting], {}, warning=lambda _uid: "")
    (problem,) = observed.problems
    assert problem == (
        "web: finds no room for 1 replica with 0.25 CPU and 512 MiB; they start by themselves once "
        "there is some (Insufficient cpu.)"
    )


def test_slots_of_a_deployment_are_counted_by_age() -> None:
    pods = [
        read(pod("web-b", version=5, made="2026-06-30T08:00:00Z")),
        read(pod("web-a", version=9, made="2026-06-30T08:05:00Z")),
    ]
    replicas = reading.replicas(pods, lambda _uid: "")
    assert [(r.id, r.slot) for r in replicas] == [("uid-web-b", 0), ("uid-web-a", 1)]
    assert [p.name for p in reading.victims(pods, "web", keep=1)] == ["web-a"]


def test_a_pod_that_was_told_to_go_first_need_not_be_told_again() -> None:
    assert read(pod(meta={"annotations": {words.COST: words.FIRST_TO_GO}})).chosen
    assert not read(pod()).chosen


@pytest.mark.parametrize(("name", "slot"), [("web-3", 3), ("web-7f9c-x2", None), ("web-b", None)])
def test_the_slot_of_a_stateful_pod_is_in_its_name(name: str, slot: int | None) -> None:
    assert reading.slot_of(read(pod(name))) == slot


def test_room_is_what_the_nodes_have_beyond_what_others_run_there() -> None:
    def node(name: str, **more: Any) -> seen.SeenNode:
        raw = {
            "metadata": {
                "name": name,
                "uid": name,
                "resourceVersion": "1",
                "labels": {"pool": "a" if name != "n3" else "b"},
            },
            "spec": more,
            "status": {
                "allocatable": {"cpu": "4", "memory": "8Gi"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        return seen.node(raw, {"pool": "a"})

    stranger = read(pod("dns-1", labels={}))
    found = reading.capacity(
        [node("n1"), node("n2", unschedulable=True), node("n3")], [stranger], 100
    )
    assert found.allocatable == Resources(3750, 8192 - 512, 100)
    assert found.has_host_for(Resources(3750, 100, 100))
    assert found.has_host_for(Resources(4000)), "the one that is closed may be opened again"
    assert not found.has_host_for(Resources(4001))


def test_a_pod_gives_its_room_back_when_its_last_container_has_ended() -> None:
    ended = pod(
        phase="Succeeded",
        containerStatuses=[
            {"state": {"terminated": {"exitCode": 0, "finishedAt": "2026-06-30T09:00:07Z"}}}
        ],
        meta={"deletionTimestamp": "2026-06-30T09:00:30Z", "deletionGracePeriodSeconds": 30},
    )
    found = read(ended)
    assert found.over
    assert found.ended_at == datetime(2026, 6, 30, 9, 0, 7, tzinfo=UTC)


def test_a_pod_that_waited_to_be_started_again_held_its_room_until_it_was_told_to_go() -> None:
    ended = pod(
        phase="Failed",
        containerStatuses=[
            {"state": {"terminated": {"exitCode": 3, "finishedAt": "2026-06-30T08:30:00Z"}}}
        ],
        meta={"deletionTimestamp": "2026-06-30T09:00:30Z", "deletionGracePeriodSeconds": 30},
    )
    assert read(ended).ended_at == datetime(2026, 6, 30, 9, 0, 0, tzinfo=UTC)
