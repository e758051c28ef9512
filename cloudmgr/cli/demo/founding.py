"""The city is set up as people would: over the API, each with a token of their own, four eyes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.cli.demo import city
from cloudmgr.cli.demo.traces import read_matches
from cloudmgr.cli.remote import Json, Remote
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.errors import Permanent
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.identity.user import Scope
from cloudmgr.wiring.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cloudmgr.cli.demo.city import Person, Plan

_READY_WITHIN = 60.0
ENVIRONMENT = "prod"
COMPONENT = "web"


@dataclass(frozen=True, slots=True)
class Hosted:
    """A system that has its environment."""

    plan: Plan
    system_id: str
    environment_id: str
    host: str


@dataclass(slots=True)
class City:
    """What was founded: who signs in with which token, departments and systems by their codes."""

    address: str
    tokens: dict[str, str]
    departments: dict[str, str] = field(default_factory=dict)
    hosted: dict[str, Hosted] = field(default_factory=dict)

    def remote(self, person: Person) -> Remote:
        return Remote(self.address, self.tokens[person.login])


def people(admin: Remote, password: str, database: str, address: str) -> City:
    """Accounts, departments and their people; a token for each.

    :param password: what all of them sign in to the portal with.
    :param database: of the control plane: tokens are made where it runs, as ``cloudmgr init`` does.
    """
    made: dict[str, str] = {}
    for department in city.DEPARTMENTS:
        account = admin.post(
            "/billing-accounts",
            {"name_zh": department.name_zh, "name_en": department.name_en, "currency": "CNY"},
        )
        entry = {
            "code": department.code,
            "name_zh": department.name_zh,
            "name_en": department.name_en,
            "billing_account_id": account["id"],
            "valid_from": city.DAY.replace(day=1).isoformat(),
        }
        made[department.code] = admin.post("/departments", entry)["id"]
    for person in city.PEOPLE:
        entry = {
            "login": person.login,
            "name": person.name,
            "roles": [person.role],
            "password": password,
        }
        if person.department:
            entry["department_id"] = made[person.department]
        admin.post("/users", entry)
    return City(address, _tokens(database), made)


def _tokens(database: str) -> dict[str, str]:
    opened = Database(database)
    stores = Stores()
    authenticator = Authenticator(stores.users, stores.tokens, SystemClock())
    scopes = frozenset({Scope.READ, Scope.WRITE, Scope.BILLING})
    with opened.write() as tx:
        found = {
            person.login: authenticator.issue(
                tx, stores.users.by_login(tx, person.login), "demo", scopes, timedelta(days=30)
            )[1]
            for person in city.PEOPLE
        }
    opened.close()
    return found


def hosting(
    founded: City,
    plans: Iterable[Plan],
    records: Path,
    since: float,
    say: Callable[[str], None],
) -> None:
    """Each officer asks for an environment, approver and operator sign, and it is hosted.

    :param records: where applications keep what their replicas share.
    :param since: second of the day from which on peaks are declared.
    """
    officers = {person.department: founded.remote(person) for person in city.OFFICERS}
    for plan in plans:
        officer = officers[plan.department]
        system = officer.post("/systems", _system(founded, plan))
        ask = request(plan, system["id"], records)
        ask["windows"] = windows(0, since) if plan.peaks else []
        if plan.peaks:
            forecast = officer.post("/requests/dry-run", ask)
            cost, pool = forecast["estimate"], forecast["location"]["pool_name"]
            say(
                f"{plan.name_zh}: would cost {cost['low']} to {cost['high']} CNY a month, on {pool}"
            )
        submitted = officer.post("/requests", ask)
        done = _signed(founded, submitted)
        if done["state"] != "fulfilled":
            raise Permanent(
                f"the request for {plan.code} is {done['state']}: {done['message']} "
                + "; ".join(reason["en"] for reason in done["decision"]["reasons"]),
                code="demo-failed",
            )
        environment = officer.get(f"/environments/{done['environment_id']}")
        founded.hosted[plan.code] = Hosted(
            plan, system["id"], environment["id"], environment["host"]
        )
        names = [done["submitted_by_login"], *(signed["login"] for signed in done["approvals"])]
        say(f"{plan.name_zh} {plan.name_en}: asked by {names[0]}, signed by {', '.join(names[1:])}")


def refusals(founded: City, records: Path, say: Callable[[str], None]) -> None:
    """One request that policy denies, and one that a person rejects; both stay, with reasons."""
    officer = founded.remote(city.OFFICERS[3])
    plan = next(p for p in city.PLANS if p.department == city.OFFICERS[3].department)
    hosted = founded.hosted[plan.code]
    huge = request(plan, hosted.system_id, records, name="analysis")
    huge["environment"]["components"][0] |= {"cpu_millis": 64_000, "min_replicas": 1}
    denied = officer.post("/requests", huge)
    reasons = "; ".join(reason["en"] for reason in denied["decision"]["reasons"])
    say(f"{plan.name_zh}: a replica of 64 cores is {denied['state']}: {reasons}")
    second = officer.post("/requests", request(plan, hosted.system_id, records, name="backup"))
    approver = founded.remote(city.APPROVER)
    seen = approver.call("GET", f"/requests/{second['id']}")
    rejected = approver.post(
        f"/requests/{second['id']}/reject",
        {"reason": "一套生产环境即可，数据已由资源池备份 / one production environment is enough"},
        etag=seen.etag,
    )
    say(f"{plan.name_zh}: a second production environment is {rejected['state']} by a person")


def request(plan: Plan, system_id: str, records: Path, name: str = ENVIRONMENT) -> Json:
    """What the officer asks for."""
    component = {
        "name": COMPONENT,
        "command": [sys.executable, "-m", "cloudmgr.cli.demo.apps", plan.code],
        "cpu_millis": plan.cpu_millis,
        "memory_mib": plan.memory_mib,
        "min_replicas": 1,
        "max_replicas": plan.ceiling,
        "port": 8000,
        "health_path": "/healthz",
        "startup_seconds": 20,
        "storage_gib": 1,
        "variables": {
            "RECORDS_DIR": str(records / plan.code),
            "CONCURRENCY": str(plan.concurrency),
            "WORK_MILLISECONDS": str(plan.work_milliseconds),
        },
    }
    return {
        "kind": "new",
        "system_id": system_id,
        "environment": {"name": name, "purpose": "production", "components": [component]},
        "windows": [],
        "reason": f"{plan.purpose}，由自建服务器迁入",
    }


def windows(day: int, since: float = 0) -> list[Json]:
    """The announced crowds of the ``day``-th day (0 is the first), as peaks to declare.

    :param since: second of the day; crowds that have gone by then are left out.
    """
    return [
        {
            "component": COMPONENT,
            "starts_at": city.moment(match.starts + day * 86_400).isoformat(),
            "ends_at": city.moment(match.ends + day * 86_400).isoformat(),
            "replicas": city.WINDOW_REPLICAS,
            "expected_rps": "90",
            "note": f"志愿填报高峰（重放：{match.name}）"[:500],
        }
        for match in read_matches()
        if match.ends > since
    ]


def declare(founded: City, hosted: Hosted, day: int) -> None:
    """The officer declares the peaks of the ``day``-th day; at short notice an operator signs."""
    officers = {person.department: founded.remote(person) for person in city.OFFICERS}
    submitted = officers[hosted.plan.department].post(
        "/requests",
        {
            "kind": "peak",
            "system_id": hosted.system_id,
            "environment_id": hosted.environment_id,
            "windows": windows(day),
            "reason": "志愿填报高峰 / the crowd comes again",
        },
    )
    _signed(founded, submitted)


def await_ready(founded: City, say: Callable[[str], None]) -> None:
    """Wait until every environment is Ready.

    :raises Permanent: ``demo-failed`` with the condition of the first that is not.
    """
    operator = founded.remote(city.OPERATOR)
    clock = SystemClock()
    end = clock.monotonic() + _READY_WITHIN
    while True:
        found = {e["id"]: e for e in operator.all("/environments")}
        waiting = [
            (hosted, found[hosted.environment_id])
            for hosted in founded.hosted.values()
            if found[hosted.environment_id]["ready"]["status"] != "True"
        ]
        if not waiting:
            say(f"all {len(founded.hosted)} systems are Ready")
            return
        if clock.monotonic() > end:
            hosted, seen = waiting[0]
            raise Permanent(
                f"{hosted.plan.code} does not become Ready: {seen['ready']['message']}",
                code="demo-failed",
            )
        clock.sleep(0.1)


def _system(founded: City, plan: Plan) -> Json:
    return {
        "department_id": founded.departments[plan.department],
        "code": plan.code,
        "name_zh": plan.name_zh,
        "name_en": plan.name_en,
        "zone": plan.zone,
        "protection_level": plan.level,
        "criticality": plan.criticality,
        "purpose": plan.purpose,
    }


def _signed(founded: City, request: Json) -> Json:
    """``request`` after everybody that policy names has signed it."""
    signers = {person.role: person for person in (city.APPROVER, city.OPERATOR, city.FINANCE)}
    while request["state"] == "awaiting-approval":
        person = signers[request["pending"][0]["role"]]
        remote = founded.remote(person)
        seen = remote.call("GET", f"/requests/{request['id']}")
        request = remote.post(
            f"/requests/{request['id']}/approve",
            {"reason": "用途与规模合理 / reasonable"},
            etag=seen.etag,
        )
    return request
