"""What Traefik is told: one document for a zone, made of the routes to its environments. Pure.

What the document relies on was tried with Traefik 3.7, because its manual does not say it:

- A ``failover`` service whose main service has no *active* health check is refused, and its router
  answers 404. With ``errors`` it replays what a replica has executed already, keeps every body in
  memory and answers 413 to a large one. So there is no failover service: the waker is one more
  server of each environment's load balancer, with a weight so small that it gets one request in a
  million, until the passive health check has taken out every other server.
- The passive health check counts consecutive failed attempts, a refused connection or a 5xx alike,
  and takes the server out for a moment. ``_STRIKES`` keeps an application with some errors in.
- ``retry`` repeats an attempt only if not one byte of the request was written to a server, a POST
  too: nothing is executed twice. It must outlast the strikes of several dead replicas.
- A POST that is answered within microseconds, while Traefik still looks for the end of its body,
  may be cut off in its answer: two in ten thousand on a busy machine, none if the application takes
  two milliseconds. A body that is read before it is passed on has no such end. ``retry`` reads one
  if it may have to repeat the request for a status, so it is told one that no answer can have. It
  takes memory of the size allowed for every POST, so that bodies above 64 KiB go unread.
- Metrics of *services* count every attempt, those of *routers* every request, once. The router of
  an environment is therefore what is counted, and health probes and what policy does not count
  have a router of their own. The first is never taken away while the environment exists, so that
  its counters go on through hibernation.
- Of several routers whose rules hold, that with the longest rule serves: the second's begins as
  that of the environment and goes on.
- An empty document deletes every route, a document with an unknown field is refused as a whole.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Invalid
from cloudmgr.policy.not_counted import NotCounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WEB = "web"
ADMIN = "admin"
HEALTH = "-health"
MARKER = "applied"

_STRIKES = 8
_OUT_FOR = "1s"
_OWN_WEIGHT = 1_000_000
_BODY_FIRST = {
    "status": ["199"],  # informational: never an answer
    "retryNonIdempotentMethod": True,
    "maxRequestBodyBytes": 64 * 1024,
}
# Retries follow each other after 20 to 40 ms: 64 outlast the strikes of seven dead replicas.
_RETRY = {"attempts": 64, "initialInterval": "20ms", **_BODY_FIRST}
# Nobody but the waker serves a sleeping environment: 10 to 20 s, so that it may be restarted.
_PATIENT = {"attempts": 100, "initialInterval": "100ms", **_BODY_FIRST}
_TRANSPORT = {
    "maxIdleConnsPerHost": 64,
    "forwardingTimeouts": {
        "dialTimeout": "2s",
        # Shorter than any server keeps an idle connection, so that it is never the server that
        # closes one in the moment in which a request is written to it.
        "idleConnTimeout": "1s",
    },
}

_READING = "(Method(`GET`) || Method(`HEAD`))"
_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,62}")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_ADDRESS = re.compile(r"[0-9A-Za-z.:-]{1,253}")
_URL = re.compile(r"http://[0-9A-Za-z.:\[\]-]+:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Route:
    """One environment as the gateway knows it.

    :param servers: address and port of each Ready replica; none while it sleeps.
    :raises Invalid: ``invalid-route`` for what cannot be said in a rule of Traefik's.
    """

    environment_id: str
    host: str
    health_path: str
    servers: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.environment_id):
            raise _invalid("environment_id", f"{self.environment_id[:80]!r} cannot name a route")
        if not _HOST.fullmatch(self.host):
            raise _invalid("host", f"{self.host[:80]!r} is not the name of a host")
        for address, port in self.servers:
            if not _ADDRESS.fullmatch(address) or not 1 <= port <= 65_535:
                raise _invalid("servers", f"{address[:80]!r}, {port} is not where a server can be")


def probe_path(health_path: str) -> str | None:
    """The path by which a health probe is told from a visit; None if it cannot be.

    A probe of ``/`` looks like a visit to the front page, so it counts as one, and wakes.
    """
    path = health_path.partition("?")[0]
    return path if path != "/" and _PATH.fullmatch(path) else None


def document(
    routes: Iterable[Route],
    waker_urls: Sequence[str],
    not_counted: NotCounted = NotCounted(),  # noqa: B008 - it is frozen
) -> dict[str, Any]:
    """The whole dynamic configuration of a zone's gateway.

    It is never empty, and it names itself: the router ``applied`` answers on the admin port at
    ``/applied/{digest}`` once, and only while, Traefik works by this very document.

    :param waker_urls: ``http://address:port`` of the waker of each control plane; at least one.
    :param not_counted: requests that are led as all others are and counted apart.
    :raises Invalid: ``invalid-route`` for a waker that is none, two routes of one id or one host.
    """
    if not waker_urls:
        raise _invalid("waker_urls", "a gateway needs a waker to turn to")
    for url in waker_urls:
        if not _URL.fullmatch(url):
            raise _invalid("waker_urls", f"{url[:80]!r} is not http://address:port")
    wakers = [{"url": url, "weight": 1} for url in sorted(set(waker_urls))]
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {}
    hosts: set[str] = set()
    apart = _apart(not_counted)
    for route in routes:
        name = route.environment_id
        if name in services or route.host in hosts:
            raise _invalid("routes", f"{name} ({route.host}) has a route already")
        hosts.add(route.host)
        routers.update(_routers(route, apart))
        services[name] = {"loadBalancer": _balancer(route, wakers)}
    routers["ping"] = {"entryPoints": [ADMIN], "rule": "Path(`/ping`)", "service": "ping@internal"}
    http: dict[str, Any] = {
        "routers": routers,
        "middlewares": {"retry": {"retry": _RETRY}, "patient": {"retry": _PATIENT}},
        "serversTransports": {"replicas": _TRANSPORT},
    }
    if services:  # an empty mapping is an error to Traefik
        http["services"] = services
    digest = hashlib.sha256(json.dumps(http, sort_keys=True).encode()).hexdigest()[:32]
    routers[MARKER] = {
        "entryPoints": [ADMIN],
        "rule": f"Path(`/applied/{digest}`)",
        "service": "ping@internal",
    }
    return {"http": http}


def digest(document: Mapping[str, Any]) -> str:
    """How ``document`` names itself.

    :raises Invalid: ``invalid-document`` for what :func:`document` did not make, or what was
        changed since. Only such a document ever reaches Traefik.
    """
    try:
        http = dict(document["http"])
        routers = dict(http["routers"])
        said = str(routers.pop(MARKER)["rule"]).removeprefix("Path(`/applied/").removesuffix("`)")
        http["routers"] = routers
        found = hashlib.sha256(
            json.dumps(http, sort_keys=True, allow_nan=False).encode()
        ).hexdigest()[:32]
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign() from error
    if said != found or set(document) != {"http"}:
        raise _foreign()
    return said


def _apart(not_counted: NotCounted) -> list[str]:
    """What may hold for a request that is not counted, in rules of Traefik's.

    :raises Invalid: ``invalid-route`` for what cannot be said in one.
    """
    alternatives = []
    if not_counted.user_agents:
        names = "|".join(re.escape(name) for name in sorted(not_counted.user_agents))
        if "`" in names:
            raise _invalid("not_counted", f"{names[:80]!r} cannot be said in a rule")
        alternatives.append(f"HeaderRegexp(`User-Agent`, `(?i){names}`)")
    if not_counted.paths:
        for path in not_counted.paths:
            if not _PATH.fullmatch(path):
                raise _invalid("not_counted", f"{path[:80]!r} cannot be said in a rule")
        paths = " || ".join(f"Path(`{path}`)" for path in sorted(not_counted.paths))
        alternatives.append(f"({paths}) && {_READING}")
    return alternatives


def _routers(route: Route, apart: Sequence[str]) -> dict[str, Any]:
    retry = "retry" if route.servers else "patient"
    rule = f"Host(`{route.host}`)"
    common = {"entryPoints": [WEB], "service": route.environment_id, "middlewares": [retry]}
    made: dict[str, Any] = {route.environment_id: {"rule": rule, **common}}
    path = probe_path(route.health_path)
    probe = [f"Path(`{path}`) && {_READING}"] if path is not None else []
    if probe or apart:
        # One for both: what a document takes to apply grows with the number of routers.
        either = probe[0] if not apart else " || ".join(f"({one})" for one in [*probe, *apart])
        beside = f"{rule} && {either}" if not apart else f"{rule} && ({either})"
        made[f"{route.environment_id}{HEALTH}"] = {"rule": beside, **common}
    return made


def _balancer(route: Route, wakers: Sequence[Mapping[str, object]]) -> dict[str, Any]:
    own = [
        {"url": f"http://{_bracketed(address)}:{port}", "weight": _OWN_WEIGHT}
        for address, port in sorted(set(route.servers))
    ]
    balancer: dict[str, Any] = {
        "servers": [*own, *wakers],
        "passHostHeader": True,
        "serversTransport": "replicas",
    }
    if own:
        # Not on a sleeping environment: there the waker is all there is, and must not be taken out.
        balancer["passiveHealthCheck"] = {
            "failureWindow": _OUT_FOR,
            "maxFailedAttempts": _STRIKES,
        }
    return balancer


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _invalid(path: str, sentence: str) -> Invalid:
    return Invalid(sentence, code="invalid-route", path=path)


def _foreign() -> Invalid:
    return Invalid(
        "this is not a document that a gateway may be given",
        code="invalid-document",
        hint="make it with routes.document and do not change it",
    )
