"""The projects of departments, above those of their environments."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Conflict, NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.openstack import names as words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.pools.drivers.openstack.cloud import Cloud

Object = dict[str, Any]


class Departments:
    """Any thread may call. One goes with the last project below it, and comes with the first.

    In this process no two of that happen at once: a project whose parent goes while it is made lets
    nobody in. What another process does at that moment, keystone's database refuses.
    """

    def __init__(self, cloud: Cloud, prefix: str) -> None:
        self._cloud = cloud
        self._prefix = prefix
        self._lock = threading.Lock()

    @contextmanager
    def above(self, department_id: str) -> Iterator[str]:
        """The id of its project, which stays while one below it is made."""
        with self._lock:
            yield self._project(department_id)

    def clear(self, project_id: str) -> None:
        """Take it away if nothing is below it."""
        if not project_id or project_id == self._cloud.self().project_id:
            return
        query: Object = {"parent_id": project_id}
        with self._lock:
            if self._cloud.list("identity", "/projects", "projects", **query):
                return
            # Another process may just have made one below it.
            with suppress(NotFound, Conflict, Permanent, Temporary):
                self._cloud.send("identity", "DELETE", f"/projects/{project_id}")

    def _project(self, department_id: str) -> str:
        me = self._cloud.self()
        name = words.department_of(self._prefix, department_id)
        query: Object = {"name": name, "domain_id": me.domain_id}
        found = self._cloud.list("identity", "/projects", "projects", **query)
        if found:
            return str(found[0]["id"])
        body = {
            "name": name,
            "domain_id": me.domain_id,
            "parent_id": me.project_id,
            "tags": [words.tag(self._prefix)],
        }
        try:
            answer = self._cloud.send("identity", "POST", "/projects", {"project": body}) or {}
        except Conflict:
            found = self._cloud.list("identity", "/projects", "projects", **query)
            if not found:
                raise
            return str(found[0]["id"])
        return str(answer["project"]["id"])
