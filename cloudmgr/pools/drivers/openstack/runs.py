"""When a server held what: from nova's own times, exact to the change. Pure.

Nova dates a run anew at each unshelve and resize, so that its start is always known; the end of the
last run is that of a deletion, an offload, or the beginning of the next. What is over is kept in
the server's metadata until it has been recorded, and in the answer to a list of deleted servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.driver import Allocation
from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack.seen import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudmgr.pools.drivers.openstack.seen import Server


@dataclass(frozen=True, slots=True)
class Run:
    """From ``start`` to ``end`` a server held ``size``; the first has the number 1.

    One that stands in metadata as that in which a server is has no end there.
    """

    number: int
    start: datetime
    size: Resources
    end: datetime | None = None

    def __str__(self) -> str:
        said = f"{self.number} {self.start.isoformat()} {self.size.cpu_millis} "
        said += str(self.size.memory_mib)
        return said if self.end is None else f"{said} {self.end.isoformat()}"


def run(text: str) -> Run | None:
    """None for what :class:`Run` did not write."""
    parts = text.split(" ")
    try:
        number, start, cpu, memory = parts[:4]
        end = instant(parts[4]) if len(parts) > 4 else None
        return Run(int(number), instant(start), Resources(int(cpu), int(memory)), end)
    except ValueError:
        return None


def known(server: Server) -> Run | None:
    """The run that stands in its metadata: the last that it was seen in."""
    return run(server.metadata.get(words.RUN, ""))


def holds(server: Server) -> bool:
    """Whether it takes room on a host."""
    return server.launched is not None and server.status not in {"SHELVED_OFFLOADED", "DELETED"}


def current(server: Server) -> Run | None:
    """The run that it is in; None while it holds nothing."""
    last = known(server)
    if not holds(server) or server.launched is None:
        return None
    if last is not None and last.start == server.launched:
        return last
    return Run(1 if last is None else last.number + 1, server.launched, server.size)


def news(server: Server) -> dict[str, str]:
    """The metadata that must be written for nothing to be forgotten."""
    last, now = known(server), current(server)
    if now is None or last == now or server.terminated is not None:
        return {}
    said = {words.RUN: str(now)}
    if last is not None:
        # It slept, or it was resized: then one run begins where the other ends.
        end = rested(server, last) or now.start
        over = Run(last.number, last.start, last.size, max(last.start, min(end, now.start)))
        said[f"{words.RUN_OVER}{over.number}"] = str(over)
    return said


def rest(number: int, end: datetime) -> str:
    """What the description of a sleeping server says: which run is over, and since when."""
    return f"{number}@{end.isoformat()}"


def rested(server: Server, last: Run) -> datetime | None:
    """When it gave back what it held in its run ``last``; None while that is not known."""
    number, _, end = server.owner.rest.partition("@")
    try:
        return instant(end) if number == str(last.number) else None
    except ValueError:
        return None


def allocations(server: Server) -> list[Allocation]:
    """What it holds, and what it held and has not been forgotten."""
    # Where nova lets us write nothing yet, what is over is told as it will be written.
    found = [
        over
        for key, text in {**news(server), **server.metadata}.items()
        if key.startswith(words.RUN_OVER) and (over := run(text)) is not None
    ]
    last, now = known(server), current(server)
    if now is None and server.terminated is None and last is not None:
        # Where it is not written yet when it gave its room back, it is told as held.
        now = Run(last.number, last.start, last.size, rested(server, last))
    if now is not None:
        found.append(now)
    kept = [allocation(server, one) for one in sorted(found, key=lambda r: r.number)]
    return [*kept, *addresses(server)]


def addresses(server: Server) -> list[Allocation]:
    """Its address: its port is there from its creation to its deletion, however it sleeps."""
    if server.launched is None:
        return []
    end = server.terminated
    return [
        Allocation(
            f"{server.id}.address",
            server.environment_id,
            server.owner.department_id,
            server.owner.system_id,
            server.component,
            Resources(),
            server.created,
            None if end is None else max(server.created, end),
            addresses=1,
        )
    ]


def deleted(server: Server, last: Run | None) -> Run | None:
    """The run that the deletion of ``server`` ended; None if it held nothing by then.

    :param last: what it was known to be in, or had been in before it slept.
    """
    if server.launched is None or server.terminated is None:
        return None
    if last is not None and last.start == server.launched:
        if last.end is not None or rested(server, last) is not None:
            return None
        number = last.number
    else:
        number = 1 if last is None else last.number + 1
    return Run(number, server.launched, server.size, max(server.launched, server.terminated))


def offloaded(actions: Iterable[Mapping[str, Any]]) -> datetime | None:
    """When a server that sleeps gave back what it held: the end of the last action that did so."""
    ends = [a.get("updated_at") for a in actions if a["action"] in {"shelve", "shelveOffload"}]
    return max((instant(end) for end in ends if end), default=None)


def past(server: Server) -> Run | None:
    """What a deleted server was last in, where nobody saw it before: the run after its last sleep.

    Metadata goes with a server; its description stays.
    """
    if server.launched is None:
        return None
    number, _, end = server.owner.rest.partition("@")
    try:
        slept = instant(end)
        if slept > server.launched:
            return Run(int(number), server.launched, server.size, slept)
        return Run(int(number) + 1, server.launched, server.size)
    except ValueError:
        return Run(1, server.launched, server.size)


def allocation_id(server_id: str, number: int) -> str:
    """The first has the id of the replica."""
    return server_id if number == 1 else f"{server_id}.{number}"


def server_id(allocation: str) -> str:
    """Of what has this :func:`allocation_id`."""
    return allocation.partition(".")[0]


def idle_from(server: Server) -> datetime | None:
    """Since when it has held nothing though nova counts it, as it does until the next launch."""
    if server.launched is None:
        return None
    try:
        slept = instant(server.owner.rest.partition("@")[2])
    except ValueError:
        return None
    return slept if slept >= server.launched else None


def allocation(server: Server, one: Run) -> Allocation:
    return Allocation(
        allocation_id(server.id, one.number),
        server.environment_id,
        server.owner.department_id,
        server.owner.system_id,
        server.component,
        one.size,
        one.start,
        one.end,
    )
