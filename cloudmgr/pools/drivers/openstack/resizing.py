"""How a server gets another size in its place: nova resizes it, we confirm or revert. Pure.

It keeps its address and its disk, and is down while it moves, so that it is done only where other
replicas serve meanwhile. Nova lets nobody write metadata until a resize is confirmed or reverted:
what came of it is told by the server's size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import reading, runs
from cloudmgr.pools.drivers.openstack.actions import Do, Note, Resize
from cloudmgr.pools.drivers.openstack.seen import instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cloudmgr.pools.capacity import Resources
    from cloudmgr.pools.drivers.driver import ComponentWorkload
    from cloudmgr.pools.drivers.openstack.actions import OnServer
    from cloudmgr.pools.drivers.openstack.reading import Health
    from cloudmgr.pools.drivers.openstack.seen import Server
    from cloudmgr.pools.drivers.openstack.settings import Timing

_UNDER_WAY = {"RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE"}


def shape(component: ComponentWorkload) -> str:
    """Names all of a template but its size."""
    return replace(component, cpu_millis=0, memory_mib=0).template_digest[:16]


def under_way(server: Server) -> bool:
    return server.status in _UNDER_WAY or words.RESIZES in server.metadata


def unfit(server: Server) -> tuple[str, str, str]:
    """The template whose size it could not have, since when, and why; empty for none."""
    template, _, said = server.metadata.get(words.UNFIT, "").partition(" ")
    at, _, why = said.partition(" ")
    return template, at, why


@dataclass(frozen=True, slots=True)
class Resizing:
    """One server that has all of a template but its size.

    :param size: that of the flavor that it is to have.
    """

    server: Server
    component: ComponentWorkload
    template: str
    size: Resources
    health: Health
    now: datetime
    timing: Timing

    def steps(self, *, may_begin: bool) -> Iterator[OnServer]:
        """What is next; nothing while nova is at it, or while it has to wait.

        :param may_begin: whether the others serve while it is down.
        """
        server = self.server
        if server.busy:
            return
        if server.status == "VERIFY_RESIZE":
            yield from self._verify()
        elif server.status == "ACTIVE" and server.size == self.size:
            # It has it, or never needed another: two sizes may have one flavor.
            yield Note(server, self._done())
        elif server.status == "ACTIVE" and words.RESIZES in server.metadata:
            yield from self._go_on()
        elif server.status == "ACTIVE" and may_begin and not self.failed:
            said = {words.RESIZES: self.template, words.DRAINS: self.now.isoformat()}
            yield Note(server, {**said, **runs.news(server)})

    @property
    def failed(self) -> bool:
        """Whether just this has been tried, and the next try has to wait."""
        template, at, _ = unfit(self.server)
        if template != self.template:
            return False
        pause = timedelta(seconds=self.timing.longest_backoff)
        return self.now < instant(at) + pause

    def _verify(self) -> Iterator[OnServer]:
        """It runs with another size: is it well there?"""
        server, port = self.server, self.component.port
        if server.size != self.size:
            yield Do(server, "revertResize")  # it is not wanted any more
        elif port is None or (self.health.checked and not self.health.fault):
            yield Do(server, "confirmResize")
        else:
            begun = server.launched or server.updated
            patience = timedelta(seconds=self.component.startup_seconds)
            if begun + patience <= self.now and self.health.fault:
                yield Do(server, "revertResize")

    def _go_on(self) -> Iterator[OnServer]:
        server = self.server
        drains = server.since(words.DRAINS)
        if drains is None:
            # Another run has begun with the size that it had: it was reverted.
            said = "it did not become healthy with it"
            yield Note(server, self._over(said))
        elif words.MOVES in server.metadata:
            said = "nova found no host for it"
            yield Note(server, {**self._over(said), words.DRAINS: None})
        elif self.now >= drains + timedelta(seconds=self.timing.settle):
            yield Resize(server, {words.MOVES: self.now.isoformat()})

    def _over(self, why: str) -> dict[str, str | None]:
        return {
            words.RESIZES: None,
            words.MOVES: None,
            words.UNFIT: f"{self.template} {self.now.isoformat()} {why}",
            **runs.news(self.server),
        }

    def _done(self) -> dict[str, str | None]:
        said: dict[str, str | None] = {
            words.TEMPLATE: self.template,
            words.RESIZES: None,
            words.MOVES: None,
            words.UNFIT: None,
            words.DRAINS: None,
            **runs.news(self.server),
        }
        well = reading.is_well(self.server, self.health, self.component.port)
        return {**said, words.READY: self.now.isoformat()} if well else said
