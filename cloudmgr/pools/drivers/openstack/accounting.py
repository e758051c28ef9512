"""What nova itself counts of a pool's servers: its ``os-simple-tenant-usage``.

It counts a server from its last launch to its deletion. Each unshelving, resize, migration and
rescue is another launch, and what ran before is not counted any more; a server that sleeps is. It
knows what is deleted until its database is archived, and nothing of whose a server was.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from cloudmgr.pools.drivers.besides import Account
from cloudmgr.pools.drivers.openstack import runs, seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from cloudmgr.pools.drivers.openstack.cloud import Cloud

_PAGE = 1000


def accounts(
    cloud: Cloud, prefix: str, places: Mapping[str, str], since: datetime, page: int = _PAGE
) -> list[Account]:
    """What it has counted after ``since`` of the pool with this ``prefix``.

    :param places: the environment of each project that is there now. A project that is not there
        any more is not needed: the description of a deleted server says whose it was.
    """
    usages = list(_usages(cloud, since, page))
    marked = _marked(cloud, prefix, since)
    found: list[Account] = []
    for usage in usages:
        server = marked.get(usage["instance_id"])
        place = places.get(usage["tenant_id"], "")
        if server is None and not place:
            continue
        found.append(
            Account(
                server_id=usage["instance_id"],
                environment_id=server.environment_id if server else place,
                name=usage["name"],
                size=None if server and _moves(server, usage) else _size(usage),
                started_at=seen.instant(usage["started_at"]),
                ended_at=seen.instant(usage["ended_at"]) if usage["ended_at"] else None,
                state=usage["state"],
                ours=server is not None,
                idle_from=runs.idle_from(server) if server else None,
            )
        )
    return found


def _size(usage: Mapping[str, Any]) -> Resources:
    return Resources(1000 * int(usage["vcpus"]), int(usage["memory_mb"]))


def _moves(server: seen.Server, usage: Mapping[str, Any]) -> bool:
    """A resize gives a server its flavor some time before it is another launch."""
    return bool(server.busy) or server.launched != seen.instant(usage["started_at"])


def _usages(cloud: Cloud, since: datetime, page: int) -> Iterator[dict[str, Any]]:
    """Of all servers of the cloud; until now, since no end is said."""
    start = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    query: dict[str, Any] = {"detailed": 1, "start": start, "limit": page}
    # The last server of the last project need not be the last of a page, where a cloud has several
    # cells: where the next one begins nova says.
    for tenant in cloud.list("compute", "/os-simple-tenant-usage", "tenant_usages", **query):
        yield from tenant["server_usages"]


def _marked(cloud: Cloud, prefix: str, since: datetime) -> dict[str, seen.Server]:
    """The pool's servers that there are, and those deleted after ``since``."""
    changed = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found: dict[str, seen.Server] = {}
    # Deleted ones last: what goes in between is in one list of the two.
    which: tuple[dict[str, Any], ...] = ({}, {"deleted": "true", "changes-since": changed})
    for query in which:
        for item in cloud.servers(**query):
            server = seen.server(item, prefix)
            if server is not None:
                found[server.id] = server
    return found
