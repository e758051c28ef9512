"""Turns readings of the gateways into activity, one pass for all environments of a zone.

What a reading costs grows with the environments that had traffic since the last one; those that
sleep are one comparison of two numbers each, in memory.
"""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict
from cloudmgr.interval import Interval
from cloudmgr.scaling.activity import Activity, ZoneTraffic, follow
from cloudmgr.scaling.demand import EPOCH, Slot, gathered, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.pools.pool import Zone
    from cloudmgr.scaling.gateway.metrics import GatewayReading
    from cloudmgr.scaling.scaler import Classes
    from cloudmgr.scaling.store import ActivityStore, DemandStore

log = logging.getLogger(__name__)

# Two readings closer together than this (elapsed seconds) are one: another control plane took it.
_CLOSEST = 0.2


class TrafficObserver:
    """One for each control plane; any of them may observe any zone, at the same time too."""

    def __init__(
        self,
        database: Database,
        activities: ActivityStore,
        demand: DemandStore,
        policy: Callable[[], Classes],
        clock: Clock,
    ) -> None:
        self._database = database
        self._activities = activities
        self._demand = demand
        self._policy = policy
        self._clock = clock
        # What the database holds as of a version of the zone's row, so that it is not read anew.
        self._known: dict[str, tuple[int, dict[str, Activity]]] = {}
        self._lock = threading.Lock()

    def observe(self, readings: Mapping[Zone, GatewayReading]) -> frozenset[str]:
        """Take one reading of each zone's gateway, read just now.

        A zone whose gateway could not be read is left out of ``readings``: nothing is concluded.

        :returns: environments with more in flight than at any recent reading: look at them now.
        :raises Temporary: ``database-unavailable``; the reading is lost, the next one makes it up.
        """
        louder: set[str] = set()
        with self._lock:
            for zone, reading in readings.items():
                try:
                    louder |= self._take(zone.value, reading)
                except Conflict:
                    # Another control plane was quicker with a reading of the same moment.
                    self._known.pop(zone.value, None)
        return frozenset(louder)

    def _take(self, zone: str, reading: GatewayReading) -> set[str]:
        now = self._clock.now()
        with self._database.write() as tx:
            before = self._activities.zone(tx, zone)
            elapsed: float | None = None
            if before is not None and before.epoch == reading.epoch:
                elapsed = self._clock.elapsed(now - before.at)
                if 0 <= elapsed < _CLOSEST:
                    return set()
            known = self._load(tx, zone, before)
            if before is None or elapsed is None:
                # A run of the gateway that was not seen before: its counters began at zero, and
                # what came in between the two runs nobody knows.
                version = before.version + 1 if before else 1
                after = ZoneTraffic(zone, reading.epoch, now, now, version)
                self._activities.reset(tx, zone)
                known = {key: replace(a, requests=0, seconds=0.0) for key, a in known.items()}
                unseen = before.at if before else EPOCH
                if unseen < now:
                    self._demand.miss(tx, zone, Interval(unseen, now))
            else:
                after = replace(
                    before, at=now, since=min(before.since, now), version=before.version + 1
                )
            if not self._activities.set_zone(tx, before, after):
                raise Conflict("another reading came first", code="stale-version")
            changed = self._changed(known, reading, after, elapsed)
            new = self._activities.known(tx, [key for key in changed if key not in known])
            self._activities.add(tx, zone, [a for key, a in changed.items() if key in new])
            self._activities.put(tx, [a for key, a in changed.items() if key in known])
            if before is not None and elapsed is not None and elapsed > 0 and before.at < now:
                over = Interval(before.at, now)
                came = [
                    slot
                    for key, a in changed.items()
                    if key in known or key in new
                    for slot in _came(known.get(key) or Activity(key), a, over, elapsed)
                ]
                self._demand.add(tx, gathered(came))
        changed = {key: a for key, a in changed.items() if key in known or key in new}
        louder = {
            key
            for key, a in changed.items()
            if _peak(a) > (_peak(known[key]) if key in known else 0.0)
        }
        self._known[zone] = (after.version, known | changed)
        return louder

    def _load(self, tx: Connection, zone: str, before: ZoneTraffic | None) -> dict[str, Activity]:
        version, known = self._known.get(zone, (0, {}))
        if before is not None and before.version == version:
            return known
        return self._activities.of_zone(tx, zone)

    def _changed(
        self,
        known: Mapping[str, Activity],
        reading: GatewayReading,
        zone: ZoneTraffic,
        elapsed: float | None,
    ) -> dict[str, Activity]:
        keep = max(
            (c.scale_down_after for c in self._policy().scaling_classes.values()),
            default=timedelta(0),
        )
        changed: dict[str, Activity] = {}
        for key, counters in reading.counters.items():
            before = known.get(key)
            requests, seconds = counters.requests, counters.seconds
            if before is not None and (before.requests, before.seconds) == (requests, seconds):
                continue
            if requests < 0 or seconds < 0 or not math.isfinite(seconds):
                log.warning("the gateway of %s counts nonsense: %s %s", zone.zone, key, counters)
                continue
            # Seen for the first time: since when it has been counted so far is not known.
            span = elapsed if before is not None else None
            before = before or Activity(key)
            after = follow(before, requests, seconds, zone.at, elapsed=span, keep=keep)
            if after is not before:
                changed[key] = after
        return changed


def _came(before: Activity, after: Activity, over: Interval, elapsed: float) -> list[Slot]:
    """What was asked between two readings, ``elapsed`` seconds apart as requests live them."""
    requests, seconds = after.requests - before.requests, after.seconds - before.seconds
    if requests < 0 or seconds < 0:
        # It counts from zero again since a moment between the two.
        requests, seconds = after.requests, after.seconds
    latest = after.recent[-1] if after.recent else None
    highest = latest.in_flight if latest is not None and latest.at == over.end else 0.0
    return spread(after.environment_id, over, requests, seconds / elapsed, highest)


def _peak(activity: Activity) -> float:
    return activity.recent[0].in_flight if activity.recent else 0.0
