"""A department with its people on a running control plane, and what it asked for."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.identity.user import Scope
from cloudmgr.wiring.stores import Stores
from tests.end_to_end.plane import APP
from tests.waiting import until

if TYPE_CHECKING:
    from tests.end_to_end.plane import Api, Place, Plane

PEOPLE = {
    "officer": ["department-officer"],
    "approver": ["approver"],
    "operator": ["operator"],
    "finance": ["finance"],
}


class Town:
    """Tokens by what their owner does, and the ids of what was made.

    :param code: of the department, whose only system is in ``zone``.
    """

    def __init__(
        self, place: Place, plane: Plane, code: str = "exam", zone: str = "extranet"
    ) -> None:
        self.place = place
        self.code = code
        root = plane.api()
        account = root.post("/billing-accounts", {"name_zh": "考试院", "name_en": "Exams"})
        self.department = root.post(
            "/departments",
            {
                "code": code,
                "name_zh": "教育考试院",
                "name_en": "Examination Authority",
                "billing_account_id": account["id"],
            },
        )["id"]
        for login, roles in PEOPLE.items():
            own = {"department_id": self.department} if login in {"officer", "approver"} else {}
            root.post("/users", {"login": f"{login}-{code}", "name": login, "roles": roles, **own})
        self.tokens = self._tokens()
        self.system = plane.api(self.tokens["officer"]).post(
            "/systems",
            {
                "department_id": self.department,
                "code": code,
                "name_zh": "高考志愿填报",
                "name_en": "Enrolment",
                "zone": zone,
                "protection_level": 2,
                "criticality": 2,
                "purpose": "志愿填报",
            },
        )["id"]

    def _tokens(self) -> dict[str, str]:
        url = self.place.environment["CLOUDMGR_DATABASE_URL"]
        database = Database(url or f"sqlite:///{self.place.state / 'cloudmgr.db'}")
        stores = Stores()
        authenticator = Authenticator(stores.users, stores.tokens, SystemClock())
        with database.write() as tx:
            found = {
                login: authenticator.issue(
                    tx,
                    stores.users.by_login(tx, f"{login}-{self.code}"),
                    "test",
                    frozenset({Scope.READ, Scope.WRITE, Scope.BILLING, Scope.ADMIN}),
                    timedelta(days=1),
                )[1]
                for login in PEOPLE
            }
        database.close()
        return found

    def request(self, name: str, purpose: str = "production", **more: Any) -> dict[str, Any]:
        component = {
            "name": "web",
            "command": [sys.executable, "-c", APP],
            "cpu_millis": 100,
            "memory_mib": 128,
            "min_replicas": 1,
            "max_replicas": 6,
            "port": 8000,
            "storage_gib": 1,
            **more,
        }
        return {
            "kind": "new",
            "system_id": self.system,
            "reason": "替代自有服务器",
            "environment": {"name": name, "purpose": purpose, "components": [component]},
        }

    def hosted(self, plane: Plane, name: str = "prod", **more: Any) -> dict[str, Any]:
        """An environment that was asked for, signed for, and is Ready."""
        request = self.signed(plane, self.request(name, **more))
        assert request["state"] == "fulfilled", request
        return self.ready(plane.api(self.tokens["operator"]), request["environment_id"])

    def retire(self, plane: Plane, environment_id: str) -> None:
        self.signed(
            plane,
            {
                "kind": "retire",
                "system_id": self.system,
                "environment_id": environment_id,
                "reason": "系统下线",
            },
        )

    def signed(self, plane: Plane, body: dict[str, Any]) -> dict[str, Any]:
        """What was asked for, once all have signed who must."""
        request: dict[str, Any] = plane.api(self.tokens["officer"]).post("/requests", body)
        while request["state"] == "awaiting-approval":
            signer = plane.api(self.tokens[request["pending"][0]["role"]])
            request = signer.act(f"/requests/{request['id']}", "approve", {"reason": "同意"})
        return request

    @staticmethod
    def ready(api: Api, environment_id: str, count: int | None = None) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            seen: dict[str, Any] = api.get(f"/environments/{environment_id}")
            enough = count is None or seen["status"]["ready"].get("web") == count
            return seen if seen["state"] == "ready" and enough else None

        found: dict[str, Any] = until(look, seconds=90, what=f"{environment_id} Ready")
        return found
