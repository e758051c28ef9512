"""Keeps each zone's gateway running, and its routes equal to what is Ready."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from cloudmgr.errors import Invalid, NotFound, Temporary
from cloudmgr.hosting.store.environments import environments
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.reconcile.loop import Result
from cloudmgr.scaling.gateway.routes import Route, document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.pools.pool import Zone
    from cloudmgr.reconcile.loop import Fence
    from cloudmgr.scaling.gateway.traefik import Gateway

log = logging.getLogger(__name__)

# How often to look without having been woken: another control plane may have changed something.
# Meanwhile clients lack nothing: the waker passes on, and servers that leave drain for longer.
_CHECK = 1.0
_APPLYING = 0.03
# Ten thousand routes take Traefik four seconds.
_PATIENCE = 30.0
# A revision may, once in a blue moon, be the same after two changes that outweigh each other.
_MISTRUST = 60.0
# Reading fewer rows than this one by one is cheaper than reading all.
_FEW = 200


class GatewayReconciler:
    """Key: the zone.

    When nothing changed, a step costs two aggregates over the zone's rows and a few stats. While
    Traefik still applies a document no further one is written, so that a burst becomes one.

    :param waker_urls: the wakers of all control planes, ``http://address:port`` each.
    :param not_counted: the requests that policy does not count.
    """

    name = "gateway"

    def __init__(
        self,
        database: Database,
        environments: EnvironmentStore,
        gateways: Mapping[Zone, Gateway],
        waker_urls: Callable[[], Sequence[str]],
        clock: Clock,
        *,
        not_counted: Callable[[], NotCounted] = NotCounted,
    ) -> None:
        self._database = database
        self._environments = environments
        self._clock = clock
        self._waker_urls = waker_urls
        self._not_counted = not_counted
        self._zones = {
            zone.value: _ZoneRoutes(environments, zone, gateway)
            for zone, gateway in gateways.items()
        }

    def keys(self) -> Iterable[str]:
        return list(self._zones)

    def reconcile(self, key: str, fence: Fence) -> Result:
        """:raises Permanent: ``port-taken``, ``no-traefik``.

        :raises Temporary: the gateway cannot be started or does not apply what it is given.
        """
        zone = self._zones.get(key)
        if zone is None:
            raise NotFound(f"there is no gateway for the zone {key}", code="no-such-gateway")
        if zone.awaited is not None and not self._arrived(zone):
            waited = self._clock.monotonic() - zone.since
            return Result(max(_APPLYING, waited / 8))
        with self._database.read() as tx:
            means = _Means(tuple(self._waker_urls()), self._not_counted())
            changed = zone.follow(tx, means, self._clock.monotonic())
            if changed:
                fence.check(tx)
        # First the routes, then the process: it must not begin with those of last week.
        digest = zone.publish()
        zone.gateway.ensure()
        if digest != zone.applied:
            zone.awaited, zone.since = digest, self._clock.monotonic()
            return Result(_APPLYING)
        return Result(_CHECK)

    def _arrived(self, zone: _ZoneRoutes) -> bool:
        """Whether the gateway works by what it was given last."""
        digest = zone.awaited
        assert digest is not None  # noqa: S101 - for mypy
        try:
            if zone.gateway.applied(digest):
                zone.applied, zone.awaited = digest, None
                return True
        except Temporary:
            zone.gateway.ensure()  # it has died meanwhile
            return False
        if self._clock.monotonic() - zone.since > _PATIENCE:
            zone.awaited = None
            raise Temporary(
                f"the gateway {zone.gateway.zone} does not apply its routes: "
                f"{zone.gateway.last_words()}",
                code="gateway-behind",
            )
        return False


@dataclass(frozen=True, slots=True)
class _Means:
    """What routes are made with beside the rows."""

    wakers: tuple[str, ...] = ()
    not_counted: NotCounted = field(default_factory=NotCounted)


class _ZoneRoutes:
    """What is known of one zone: each environment's version and, if it has one, its route."""

    def __init__(self, store: EnvironmentStore, zone: Zone, gateway: Gateway) -> None:
        self.gateway = gateway
        self.applied = ""
        self.awaited: str | None = None
        self.since = 0.0
        self._store = store
        self._zone = zone
        self._revision = ""
        self._compared = -_MISTRUST
        self._versions: dict[str, int] = {}
        self._routes: dict[str, Route] = {}
        self._means = _Means()
        self._document: dict[str, object] = {}
        self._digest = ""

    def follow(self, tx: Connection, means: _Means, now: float) -> bool:
        """Read what changed since the last time; whether that changes the document."""
        revision = self._store.revision(tx, self._zone)
        trusted = now - self._compared < _MISTRUST
        if trusted and revision == self._revision and means == self._means:
            return False
        self._compared = now
        rows = tx.execute(
            select(environments.c.id, environments.c.version)
            .where(environments.c.zone == self._zone.value)
            .order_by(environments.c.id)
        )
        versions = {row.id: row.version for row in rows}
        stale = [key for key, version in versions.items() if self._versions.get(key) != version]
        routes = {key: route for key, route in self._routes.items() if key in versions}
        for environment in self._read(tx, stale):
            route = route_of(environment)
            if route is None:
                routes.pop(environment.id, None)
            else:
                routes[environment.id] = route
        changed = routes != self._routes or means != self._means or not self._document
        if changed:
            made = document(
                (routes[key] for key in sorted(routes)), means.wakers, means.not_counted
            )
            self._document, self._digest = made, ""
        self._routes, self._means = routes, means
        self._versions, self._revision = versions, revision
        return changed

    def publish(self) -> str:
        if not (self._digest and self.gateway.holds(self._digest)):
            self._digest = self.gateway.publish(self._document)
        return self._digest

    def _read(self, tx: Connection, ids: Sequence[str]) -> Iterable[Environment]:
        if len(ids) <= _FEW:
            return [self._store.get(tx, key) for key in ids]
        wanted = set(ids)
        return [e for e in self._store.list(tx, zone=self._zone) if e.id in wanted]


def route_of(environment: Environment) -> Route | None:
    """How the gateway leads to ``environment``; None if it retires or has nothing to lead to."""
    web = environment.web
    if web is None or environment.retiring:
        return None
    try:
        return Route(
            environment_id=environment.id,
            host=environment.host,
            health_path=web.health_path,
            servers=tuple(
                sorted(
                    (endpoint.address, endpoint.port)
                    for endpoint in environment.status.endpoints
                    if endpoint.component == web.name
                )
            ),
        )
    except Invalid as error:
        # One that cannot be led to must not keep all others from being led to.
        log.warning("environment %s gets no route: %s", environment.id, error)
        return None
