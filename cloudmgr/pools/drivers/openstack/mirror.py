"""What a cloud holds, as it was last told: by looks at it and by the answers to our requests."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.openstack import names as words
from cloudmgr.pools.drivers.openstack import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cloudmgr.pools.drivers.driver import Allocation
    from cloudmgr.pools.drivers.openstack.names import Owner
    from cloudmgr.pools.drivers.openstack.runs import Run
    from cloudmgr.pools.drivers.openstack.seen import Project, Server

_GONE = 10_000


class Mirror:
    """Any thread may read and write.

    :param changed: called with the environment of whatever moved, under no lock.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._servers: dict[str, Server] = {}
        self._projects: dict[str, Project] = {}
        self._touched: dict[str, int] = {}
        self._number = 0
        self._ended: dict[str, Allocation] = {}
        # Nothing can be written to a server that sleeps: what it held last is forgotten here alone.
        self._forgotten: set[str] = set()
        self._gone: dict[str, None] = {}

    # --------------------------------------------------------------------------------- writing

    def begin(self) -> int:
        """A look at the cloud begins: what is written from now on is newer than what it finds."""
        with self._lock:
            return self._number

    def missing(self, found: Iterable[Server], began: int) -> list[Server]:
        """Those that a look did not find any more: when they went is to be asked."""
        listed = {server.id for server in found}
        with self._lock:
            return [
                server
                for server in self._servers.values()
                if server.id not in listed and self._touched.get(server.id, -1) <= began
            ]

    def see_servers(
        self, found: Iterable[Server], began: int, gone: Mapping[str, tuple[Server, Run | None]]
    ) -> None:
        """All that there are; ``gone`` are those that are not any more, and what each held last."""
        moved: set[str] = set()
        with self._lock:
            for server in found:
                if self._touched.get(server.id, -1) > began:
                    continue
                self._touched.pop(server.id, None)
                if self._servers.get(server.id) != server:
                    self._servers[server.id] = server
                    moved.add(server.environment_id)
            for server_id, (server, last) in gone.items():
                moved.add(server.environment_id)
                self._end(server_id, server, last)
        self._tell(moved)

    def _end(self, server_id: str, server: Server, last: Run | None) -> None:
        known = self._servers.pop(server_id, None)
        self._touched.pop(server_id, None)
        self._gone[server_id] = None
        while len(self._gone) > _GONE:
            del self._gone[next(iter(self._gone))]
        kept = runs.allocations(known) if known else []
        self._ended |= {one.id: one for one in kept if one.ended_at is not None}
        self._ended |= {one.id: one for one in runs.addresses(server)}
        over = runs.deleted(server, last)
        if over is not None:
            made = runs.allocation(server, over)
            self._ended[made.id] = made

    def see_projects(self, found: Iterable[Project], began: int) -> None:
        listed = {project.environment_id: project for project in found}
        moved: set[str] = set()
        with self._lock:
            for name in {*listed, *self._projects}:
                if self._touched.get(f"project {name}", -1) > began:
                    continue
                new = listed.get(name)
                if new == self._projects.get(name):
                    continue
                moved.add(name)
                if new is None:
                    del self._projects[name]
                else:
                    self._projects[name] = new
        self._tell(moved)

    def put_project(self, environment_id: str, project: Project) -> None:
        """What an answer to a request of ours says."""
        with self._lock:
            self._number += 1
            self._touched[f"project {environment_id}"] = self._number
            self._projects[environment_id] = project
        self._tell({environment_id})

    def forget_project(self, gone: Project) -> None:
        """It is gone. Another one of the same environment may have been made since: that stays."""
        name = gone.environment_id
        with self._lock:
            known = self._projects.get(name)
            if known is not None and known.id != gone.id:
                return
            self._number += 1
            self._touched[f"project {name}"] = self._number
            self._projects.pop(name, None)
        self._tell({name})

    def put_server(self, server: Server) -> None:
        """One that we have just made."""
        with self._lock:
            self._number += 1
            self._touched[server.id] = self._number
            self._servers.setdefault(server.id, server)
        self._tell({server.environment_id})

    def asked(self, server_id: str, said: Mapping[str, str | None] | None = None) -> None:
        """Something was asked of it: nothing more is until a later look; ``said`` was noted."""
        self._change(server_id, said or {}, words.ASKED)

    def rests(self, server_id: str, owner: Owner) -> None:
        """When it gave its room back has been noted."""
        with self._lock:
            self._number += 1
            self._touched[server_id] = self._number
            known = self._servers.get(server_id)
            if known is None:
                return
            self._servers[server_id] = replace(known, owner=owner)
        self._tell({known.environment_id})

    def noted(self, server_id: str, said: Mapping[str, str | None]) -> None:
        self._change(server_id, said, None)

    def _change(self, server_id: str, said: Mapping[str, str | None], busy: str | None) -> None:
        with self._lock:
            self._number += 1
            self._touched[server_id] = self._number
            known = self._servers.get(server_id)
            if known is None:
                return
            merged = {**known.metadata, **said}
            metadata = {key: value for key, value in merged.items() if value}
            self._servers[server_id] = replace(
                known, metadata=metadata, busy=known.busy if busy is None else busy
            )
        self._tell({known.environment_id})

    def forget(self, allocation_ids: Iterable[str]) -> list[tuple[Server, str]]:
        """What of them stands in the metadata of servers is to be taken away there."""
        wanted = set(allocation_ids)
        found: list[tuple[Server, str]] = []
        with self._lock:
            for one in wanted:
                self._ended.pop(one, None)
            told = {
                one.id
                for server in self._servers.values()
                for one in runs.allocations(server)
                if one.ended_at is not None
            }
            self._forgotten = (self._forgotten | wanted) & told
            for server in self._servers.values():
                for key, text in server.metadata.items():
                    over = runs.run(text) if key.startswith(words.RUN_OVER) else None
                    if over and runs.allocation_id(server.id, over.number) in wanted:
                        found.append((server, key))
        return found

    # --------------------------------------------------------------------------------- reading

    def environments(self) -> list[str]:
        with self._lock:
            alive = {server.environment_id for server in self._servers.values()}
            return sorted({*self._projects, *alive})

    def project(self, environment_id: str) -> Project | None:
        with self._lock:
            return self._projects.get(environment_id)

    def projects(self) -> list[Project]:
        with self._lock:
            return list(self._projects.values())

    def servers(self, environment_id: str | None = None) -> list[Server]:
        """Of one environment or of all, oldest first."""
        with self._lock:
            found = [
                server
                for server in self._servers.values()
                if environment_id is None or server.environment_id == environment_id
            ]
        return sorted(found, key=lambda s: (s.created, s.id))

    def gone(self) -> list[str]:
        """The ids of those that went last: a host may not have been told of yet as free of them."""
        with self._lock:
            return list(self._gone)

    def allocations(self) -> list[Allocation]:
        with self._lock:
            servers, over = list(self._servers.values()), list(self._ended.values())
        held = [one for server in servers for one in runs.allocations(server)]
        found = {one.id: one for one in (*held, *over)}
        told = [one for one in found.values() if one.id not in self._forgotten]
        return sorted(told, key=lambda one: (one.started_at, one.id))

    def _tell(self, environment_ids: Iterable[str]) -> None:
        for environment_id in environment_ids:
            self._changed(environment_id)
