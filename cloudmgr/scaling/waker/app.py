"""The ASGI application: sorts what comes in, and holds, shows, answers or passes on.

============================  ==================================================================
a health probe                answered at once with the state; wakes nothing
what policy does not count    answered 503 at once; wakes nothing
a page, asked by a browser    the waiting page at once, and the system is woken
anything else                 held until the system is up, then passed to it and answered by it
a WebSocket                   held likewise, then joined to the replica: :mod:`.tunnel`
============================  ==================================================================

Whatever is asked of a system with a Ready replica is passed on, so that nobody sees a waiting page
between the moment in which it is up and that in which the gateway has heard of it.
"""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import httpx
from starlette.datastructures import Headers

from cloudmgr.scaling.gateway.routes import probe_path
from cloudmgr.scaling.waker.answers import Refusal, not_woken, probe_answer
from cloudmgr.scaling.waker.forward import Forwarder, GoneError, Inbound, Unreachable
from cloudmgr.scaling.waker.page import WAITING_HEADER, waiting_page
from cloudmgr.scaling.waker.rousing import Rousing, unavailable
from cloudmgr.scaling.waker.sleepers import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from cloudmgr.clock import Clock
    from cloudmgr.scaling.waker.answers import Endpoint
    from cloudmgr.scaling.waker.sleepers import Sleeper, Sleepers

log = logging.getLogger(__name__)

# The address of a replica may be older than its death; what follows it comes soon.
_AFTER_A_MISS = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the waker takes on.

    At most ``held`` requests at once, ``per_environment`` of them for one, waiting or being passed
    on; further ones are answered 503. Each may keep some 130 KiB and two open files. ``margin`` is
    what may pass, in elapsed seconds, beyond ``startup_seconds`` before the answer is 504.
    """

    held: int = 2_000
    per_environment: int = 1_000
    margin: float = 15.0


class Kind(Enum):
    """What a request is to the waker."""

    PROBE = "probe"
    PAGE = "page"
    CALL = "call"
    NOT_COUNTED = "not-counted"


def waker(sleepers: Sleepers, clock: Clock, limits: Limits | None = None) -> Waker:
    """The application; serve it with :func:`cloudmgr.scaling.waker.server.config`."""
    return Waker(sleepers, clock, limits or Limits())


class Waker:
    """Belongs to one event loop once it has served a request."""

    def __init__(self, sleepers: Sleepers, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._rousing = Rousing(sleepers, clock, limits.margin)
        self._forwarder = Forwarder()
        self._held: Counter[str] = Counter()

    def changed(self, environment_id: str) -> None:
        """That environment may be up: look at once. From any thread; a hint, not needed."""
        self._rousing.changed(environment_id)

    @property
    def held(self) -> int:
        """Requests that wait or are being passed on now."""
        return self._held.total()

    async def close(self) -> None:
        await self._rousing.close()
        await self._forwarder.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._unless_gone(scope, receive, send)
        else:  # a WebSocket, by a server that was not configured as `server.config` does
            await send({"type": "websocket.close", "code": 1011, "reason": "not supported here"})

    # -------------------------------------------------------------------- shared with the tunnel

    async def find(self, host: str) -> Sleeper:
        """:raises Refusal: ``no-such-system``, or the control plane cannot say now."""
        sleeper = await self._rousing.find(host)
        if sleeper is None:
            raise Refusal(
                404,
                "no-such-system",
                f"no system is hosted here as {host[:253]!r}",
                hint="check the address",
            )
        return sleeper

    async def endpoint(self, sleeper: Sleeper) -> Endpoint | None:
        return await self._rousing.endpoint(sleeper.environment_id)

    async def up(self, host: str, sleeper: Sleeper, why: str, deadline: float) -> Endpoint:
        """:raises Refusal: it does not come up, or not by ``deadline``."""
        if sleeper.state is State.UNAVAILABLE:
            raise unavailable(sleeper)
        left = max(deadline - self._clock.monotonic(), 0.0)
        return await self._rousing.up(host, sleeper, why, left)

    def deadline(self, sleeper: Sleeper) -> float:
        return self._clock.monotonic() + self._rousing.limit(sleeper)

    @contextmanager
    def room(self, sleeper: Sleeper) -> Iterator[None]:
        """:raises Refusal: ``too-many-waiting``."""
        key = sleeper.environment_id
        if self.held >= self._limits.held or self._held[key] >= self._limits.per_environment:
            raise Refusal(
                503,
                "too-many-waiting",
                f"too many requests wait for {sleeper.name_en} already",
                hint="try again in a few seconds",
                retry_after=3,
            )
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]

    # ---------------------------------------------------------------------------------- inside

    async def _unless_gone(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let go of everything as soon as the client is gone."""
        inbound = Inbound(receive)
        pump = asyncio.create_task(inbound.pump())
        work = asyncio.create_task(self._answer(scope, inbound, send))
        gone = asyncio.create_task(inbound.gone.wait())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, gone, work):
                if not task.done():
                    task.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        with suppress(asyncio.CancelledError, GoneError):
            await work

    async def _answer(self, scope: Scope, inbound: Inbound, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            response = await self._sort(scope, headers, inbound, send)
        except Refusal as refusal:
            response = refusal.response()
        except httpx.HTTPError as error:
            # Its answer has begun: to break off is the only way to say that it is not whole.
            log.warning("%s broke off in its answer: %r", headers.get("host", ""), error)
            return
        if response is not None:
            await response(scope, _no_more, send)

    async def _sort(
        self, scope: Scope, headers: Headers, inbound: Inbound, send: Send
    ) -> Response | None:
        """What to answer, or None if a replica has answered. :raises Refusal: with why not."""
        host = host_of(headers.get("host", ""))
        sleeper = await self.find(host)
        deadline = self.deadline(sleeper)
        kind = kind_of(scope["method"], scope["path"], headers, sleeper)
        endpoint = await self.endpoint(sleeper)
        if endpoint is not None or kind is Kind.CALL:
            with self.room(sleeper):
                while True:
                    if endpoint is not None:
                        try:
                            await self._forwarder.forward(scope, inbound, endpoint, send)
                        except Unreachable:
                            await asyncio.sleep(_AFTER_A_MISS)
                            sleeper = _missed(await self.find(host))
                        else:
                            return None
                    if kind is not Kind.CALL:
                        break
                    endpoint = await self.up(host, sleeper, why_of(scope), deadline)
        return self._unserved(scope, headers, sleeper, kind)

    def _unserved(self, scope: Scope, headers: Headers, sleeper: Sleeper, kind: Kind) -> Response:
        """What to answer in the place of a system. :raises Refusal: with why it is not woken."""
        if kind is Kind.PROBE:
            return probe_answer(sleeper)
        if kind is Kind.NOT_COUNTED:
            raise not_woken(sleeper)
        if sleeper.state is not State.UNAVAILABLE:
            host = host_of(headers.get("host", ""))
            failure = self._rousing.begin(host, sleeper, why_of(scope))
            # One that is known to wait is not at fault: its call is kept.
            if failure is not None and sleeper.waits is None:
                sleeper = replace(sleeper, state=State.UNAVAILABLE)
        return waiting_page(sleeper, headers.get("accept-language", ""))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _missed(sleeper: Sleeper) -> Sleeper:
    """As it was found, but for what is known to be out of date: its replica does not listen."""
    return replace(sleeper, state=State.STARTING) if sleeper.state is State.SERVING else sleeper


def kind_of(method: str, path: str, headers: Headers, sleeper: Sleeper) -> Kind:
    """What is asked, and by whom, as far as a request tells.

    A browser says ``Sec-Fetch-Mode: navigate`` when a person goes somewhere, but to trustworthy
    (TLS or local) addresses only; elsewhere it is known by asking for ``text/html`` by name, as no
    script or program does unless told to.
    """
    reading = method in {"GET", "HEAD"}
    if reading and (path == probe_path(sleeper.health_path) or headers.get(WAITING_HEADER)):
        return Kind.PROBE
    if sleeper.not_counted.covers(method, path, headers.get("user-agent", "")):
        return Kind.NOT_COUNTED
    if not reading:
        return Kind.CALL
    mode = headers.get("sec-fetch-mode")
    if mode is not None:
        return Kind.PAGE if mode == "navigate" else Kind.CALL
    if "x-requested-with" in headers:
        return Kind.CALL
    return Kind.PAGE if "text/html" in headers.get("accept", "").lower() else Kind.CALL


def host_of(header: str) -> str:
    """The name in a ``Host`` header: lower case, without port."""
    name = header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


def why_of(scope: Scope) -> str:
    """Why it is woken: the request, without its query, which may hold what concerns nobody else."""
    text = f"first request: {scope['method']} {scope['path']}"
    return "".join(c for c in text if unicodedata.category(c) != "Cc")[:200].strip()


async def _no_more() -> dict[str, str]:
    return {"type": "http.disconnect"}
