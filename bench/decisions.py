"""The next decision of every environment of a city, with all of its peaks: pure computing.

What is measured is one look at each: from the windows, the hours of its class and what the gateway
saw to how many replicas ought to run, why, and when to look again. What reading all that from the
database costs, ``bench.reconcile`` tells.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bench import city
from bench.table import machine, show, verdict
from cloudmgr.clock import SystemClock
from cloudmgr.hosting.environments import Environment, Purpose
from cloudmgr.interval import Interval
from cloudmgr.policy.default import packaged_policies
from cloudmgr.policy.holder import PolicyHolder
from cloudmgr.pools.capacity import Resources, Room
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.activity import Activity, Sample, ZoneTraffic
from cloudmgr.scaling.assessment import ScalingState, Scene, assess
from cloudmgr.scaling.hours import standing
from cloudmgr.scaling.windows import PeakWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudmgr.policy.scaling_class import ScalingClass

ENVIRONMENTS, EACH = 10_000, 5
NOW = datetime(2027, 6, 1, 2, tzinfo=UTC)
GOAL = 5.0
_ZONE = ZoneInfo("Asia/Shanghai")
_ROOM = Room(Resources(10**9, 10**9, 10**9))


def main() -> None:
    busy = machine()
    clock = SystemClock()
    policy = PolicyHolder(packaged_policies()).current
    classes = sorted(policy.scaling_classes.values(), key=lambda one: one.name)
    scenes = _scenes(classes)
    began = clock.monotonic()
    looks = []
    for scene in scenes:
        hours = standing(scene.scaling_class, NOW, _ZONE, policy.holidays.is_workday)
        looks.append(assess(replace(scene, hours=hours), NOW, lambda: _ROOM))
    took = clock.monotonic() - began
    awake = sum(not look.rest.asleep for look in looks)
    show(
        "The next decision of every environment",
        ["environments × windows", "seconds", "goal", "", "awake", "for a window"],
        [
            [
                f"{len(scenes):,} × {EACH}",
                f"{took:.2f}",
                f"{GOAL:g}",
                verdict(held=took < GOAL),
                f"{awake:,}",
                f"{sum(bool(look.floors) for look in looks):,}",
            ]
        ],
        "one core; each is assessed once, with its reasons in two languages",
        busy,
    )


def _scenes(classes: Sequence[ScalingClass]) -> list[Scene]:
    """A third is asked for now; some peaks count now, the others lie ahead within the year."""
    chance = random.Random(1)  # noqa: S311 - the same city each time
    traffic = ZoneTraffic("extranet", "1", NOW, NOW - timedelta(days=1))
    found = []
    for number in range(ENVIRONMENTS):
        key = f"env_{number}"
        awake = chance.random() < 0.5
        sample = Sample(NOW - timedelta(seconds=30), chance.uniform(0.1, 40))
        found.append(
            Scene(
                _environment(key, classes[number % len(classes)].name, replicas=int(awake)),
                classes[number % len(classes)],
                ScalingState(key, generation=1, awake_since=NOW - timedelta(hours=3)),
                windows=tuple(_window(key, nth, chance) for nth in range(EACH)),
                activity=Activity(
                    key,
                    10,
                    10.0,
                    NOW - timedelta(minutes=chance.randrange(600)),
                    (sample,) if number % 3 == 0 else (),
                ),
                traffic=traffic,
            )
        )
    return found


def _window(key: str, nth: int, chance: random.Random) -> PeakWindow:
    start = NOW + timedelta(hours=chance.uniform(-12, 200) + 1500 * nth)
    end = max(start + timedelta(hours=chance.uniform(2, 72)), NOW + timedelta(minutes=1))
    return PeakWindow(
        id=f"win_{key}_{nth}",
        environment_id=key,
        component=city.COMPONENT.name,
        interval=Interval(start, end),
        replicas=chance.randint(2, 8),
        expected_rps=None,
        note="",
        created_by="usr",
        created_at=city.CREATED,
    )


def _environment(key: str, scaling_class: str, *, replicas: int) -> Environment:
    return Environment(
        id=key,
        system_id=f"sys_{key}",
        department_id="dep",
        name="production",
        host=f"{key}.extranet.localhost",
        zone=Zone.EXTRANET,
        pool_id="pool_local-extranet",
        purpose=Purpose.PRODUCTION,
        scaling_class=scaling_class,
        components=(city.COMPONENT,),
        target={city.COMPONENT.name: replicas},
        created_at=city.CREATED,
    )


if __name__ == "__main__":
    main()
