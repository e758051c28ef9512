"""What the things on a page are called, each looked up once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.departments.department import Department
    from cloudmgr.hosting.environments import Environment, System
    from cloudmgr.portal.view import View


class Names:
    """Names for one page, in its language, read in ``tx``. An id that is gone names itself."""

    def __init__(self, view: View, tx: Connection) -> None:
        self._view = view
        self._tx = tx
        self._departments: dict[str, Department | None] = {}
        self._systems: dict[str, System | None] = {}
        self._environments: dict[str, Environment | None] = {}
        self._users: dict[str, str] = {}
        self._pools: dict[str, str] | None = None

    def department(self, department_id: str | None) -> str:
        if department_id is None:
            return self._view._("The city")
        if department_id not in self._departments:
            found = self._view.services.departments.by_ids(self._tx, [department_id])
            self._departments[department_id] = found.get(department_id)
        return self.of_department(self._departments[department_id]) or department_id

    def of_department(self, department: Department | None) -> str:
        """The name in force now, else the last one."""
        if department is None:
            return ""
        version = department.in_force(self._view.formats.now) or department.versions[-1]
        return self._view.pick(version.name_zh, version.name_en)

    def system(self, system_id: str) -> str:
        if system_id not in self._systems:
            found = self._view.services.systems.by_ids(self._tx, [system_id])
            self._systems[system_id] = found.get(system_id)
        system = self._systems[system_id]
        return self._view.pick(system.name_zh, system.name_en) if system else system_id

    def environment(self, environment_id: str | None) -> str:
        """The system's name and the environment's."""
        if environment_id is None:
            return ""
        if environment_id not in self._environments:
            try:
                found = self._view.services.environments.get(self._tx, environment_id)
            except NotFound:
                found = None
            self._environments[environment_id] = found
        environment = self._environments[environment_id]
        if environment is None:
            return environment_id
        return f"{self.system(environment.system_id)} · {environment.name}"

    def user(self, user_id: str | None) -> str:
        """The person's name, or the word for a part of the program."""
        if user_id is None:
            return ""
        if user_id not in self._users:
            try:
                self._users[user_id] = self._view.services.users.get(self._tx, user_id).name
            except NotFound:
                from cloudmgr.portal.words import ACTORS  # noqa: PLC0415 - only here

                self._users[user_id] = self._view.word(ACTORS, user_id)
        return self._users[user_id]

    def pool(self, pool_id: str | None) -> str:
        if self._pools is None:
            self._pools = {p.id: p.name for p in self._view.services.pools.list(self._tx)}
        return self._pools.get(pool_id or "", pool_id or "")
