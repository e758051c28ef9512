"""What is known of a cluster, in whatever order its news come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.drivers.kubernetes import seen
from cloudmgr.pools.drivers.kubernetes.kinds import Kind
from cloudmgr.pools.drivers.kubernetes.mirror import Mirror
from tests.fakes import ManualClock
from tests.pools.drivers.kubernetes.objects import pod, read

if TYPE_CHECKING:
    from collections.abc import Callable


def told(version: int, **more: Any) -> seen.SeenPod:
    return read(pod(version=version, **more))


def mirror() -> tuple[Mirror, list[str]]:
    changes: list[str] = []
    return Mirror(ManualClock(), changes.append), changes


def test_old_news_are_not_taken() -> None:
    found, _ = mirror()
    found.put(Kind.POD, told(7))
    found.put(Kind.POD, told(5, podIP="10.9.9.9"))
    assert [p.address for p in found.pods("env_a1")] == ["10.1.0.7"]


def test_what_is_gone_does_not_come_back_with_a_late_answer() -> None:
    found, _ = mirror()
    found.put(Kind.POD, told(5))
    found.drop(Kind.POD, told(8))
    found.put(Kind.POD, told(6))
    assert found.pods("env_a1") == []


def test_a_list_takes_away_what_is_not_in_it_and_tells_so() -> None:
    found, changes = mirror()
    found.put(Kind.POD, told(5))
    changes.clear()
    found.replace(Kind.POD, [], 9)
    assert found.pods("env_a1") == []
    assert changes == ["env_a1"]


def test_a_list_does_not_take_away_what_was_made_after_it() -> None:
    found, _ = mirror()
    found.put(Kind.POD, told(12))
    found.replace(Kind.POD, [], 9)
    assert [p.version for p in found.pods("env_a1")] == [12]


def test_what_stopped_to_be_ours_may_become_ours_again() -> None:
    found, _ = mirror()
    found.put(Kind.POD, told(5))
    found.lose(Kind.POD, "uid-web-1", 7)
    assert found.pods("env_a1") == []
    found.put(Kind.POD, told(6))
    assert found.pods("env_a1") == [], "an answer that comes late"
    found.put(Kind.POD, told(8))
    assert [p.version for p in found.pods("env_a1")] == [8]


def test_a_pod_holds_from_its_node_to_its_end_and_is_listed_until_it_is_forgotten() -> None:
    found, _ = mirror()
    found.put(Kind.POD, told(5))
    (held,) = found.allocations()
    assert held.started_at == datetime(2026, 6, 30, 8, 0, 2, tzinfo=UTC)
    assert held.ended_at is None

    draining = {"deletionTimestamp": "2026-06-30T09:00:30Z", "deletionGracePeriodSeconds": 30}
    found.put(Kind.POD, told(6, meta=draining))
    assert found.allocations() == [held]

    ended = {
        "phase": "Succeeded",
        "containerStatuses": [
            {"state": {"terminated": {"exitCode": 0, "finishedAt": "2026-06-30T09:00:07Z"}}}
        ],
    }
    found.put(Kind.POD, told(7, meta=draining, **ended))
    found.drop(Kind.POD, told(8, meta=draining, **ended))
    (over,) = found.allocations()
    assert over.id == held.id
    assert over.ended_at == datetime(2026, 6, 30, 9, 0, 7, tzinfo=UTC)
    assert found.allocations() == [over]
    found.forget([over.id])
    assert found.allocations() == []


def test_two_that_watch_tell_the_same_end() -> None:
    one, two = mirror()[0], mirror()[0]
    last = told(
        8, meta={"deletionTimestamp": "2026-06-30T09:00:30Z", "deletionGracePeriodSeconds": 0}
    )
    one.put(Kind.POD, told(5))
    for each in (one, two):
        each.drop(Kind.POD, last)
    assert one.allocations() == two.allocations()


def test_what_was_never_given_a_node_held_nothing() -> None:
    found, _ = mirror()
    waiting = told(5, node="", conditions=[])
    found.put(Kind.POD, waiting)
    found.drop(Kind.POD, waiting)
    assert found.allocations() == []


def test_when_it_was_ready_first_is_kept_while_it_is_ill() -> None:
    def ready(version: int, *, holds: bool, since: str) -> seen.SeenPod:
        return told(
            version,
            conditions=[
                {
                    "type": "PodScheduled",
                    "status": "True",
                    "lastTransitionTime": "2026-06-30T08:00:02Z",
                },
                {"type": "Ready", "status": str(holds), "lastTransitionTime": since},
            ],
        )

    found, _ = mirror()
    found.put(Kind.POD, ready(5, holds=True, since="2026-06-30T08:00:05Z"))
    found.put(Kind.POD, ready(6, holds=False, since="2026-06-30T08:10:00Z"))
    found.put(Kind.POD, ready(7, holds=True, since="2026-06-30T08:12:00Z"))
    (pod_seen,) = found.pods("env_a1")
    assert pod_seen.ready_since == datetime(2026, 6, 30, 8, 0, 5, tzinfo=UTC)


def test_capacity_follows_nodes_and_what_is_not_ours_alone() -> None:
    found, _ = mirror()

    def moved(step: Callable[[], None]) -> bool:
        before = found.moves
        step()
        return found.moves > before

    node = seen.node({"metadata": {"name": "n1", "uid": "n1", "resourceVersion": "1"}}, {})
    assert moved(lambda: found.put(Kind.NODE, node))
    assert not moved(lambda: found.put(Kind.NODE, node)), "nothing new"
    assert moved(lambda: found.drop(Kind.NODE, node))

    assert not moved(lambda: found.put(Kind.POD, told(5)))
    assert moved(lambda: found.put(Kind.POD, told(6, labels={}))), "it has stopped to be ours"
    assert moved(lambda: found.put(Kind.POD, told(7))), "and is ours again"
    assert moved(lambda: found.put(Kind.POD, told(8, labels={})))
    assert moved(lambda: found.drop(Kind.POD, told(9, labels={})))
