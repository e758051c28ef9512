"""What people are told, as the API gives it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from cloudmgr.api.app import create_app
from cloudmgr.notices.delivery import Delivery, dropped
from cloudmgr.notices.sender import Sender
from cloudmgr.wiring.notices import Notices
from cloudmgr.wiring.stores import Stores
from tests.notices.servers import hook
from tests.notices.stories import EXAM, TAX, a_refusal

if TYPE_CHECKING:
    from cloudmgr.notices.notice import Notice
    from tests.api.city import City

NOTICES = "/api/v1/notices"


def tell(city: City, *told: Notice) -> None:
    with city.database.write() as tx:
        for notice in told:
            city.services.notices.put(tx, notice)


def items(city: City, login: str, query: str = "") -> list[dict[str, Any]]:
    answer = city.client(login).get(f"{NOTICES}{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_an_officer_sees_his_own_departments_and_who_runs_the_city_all(city: City) -> None:
    assert {n["department_id"] for n in items(city, "officer")} == {"dep_exam"}
    assert {n["department_id"] for n in items(city, "approver")} == {"dep_exam"}
    for login in ("operator", "auditor", "root"):
        assert {n["department_id"] for n in items(city, login)} == {"dep_exam", "dep_tax"}
    only = items(city, "operator", "?department_id=dep_tax")
    assert {n["department_id"] for n in only} == {"dep_tax"}
    assert city.client("officer").get(f"{NOTICES}?department_id=dep_tax").status_code == 404


def test_finance_is_told_nothing_of_how_systems_run(city: City) -> None:
    assert city.client("finance").get(NOTICES).status_code == 403


def test_a_notice_is_told_in_both_languages(city: City) -> None:
    (notice,) = items(city, "officer")
    assert (notice["title_zh"], notice["title_en"]) == ("申请被拒绝", "Request refused")
    assert "等保级别不符" in notice["zh"]
    assert "its protection level is too high" in notice["en"]
    assert (notice["about_kind"], notice["about_id"]) == ("request", "req_exam")


def test_what_one_reads_is_read_by_oneself_alone(city: City) -> None:
    tell(city, a_refusal(EXAM, "req_2"), a_refusal(TAX, "req_3"))
    officer = city.client("officer")
    assert officer.get(f"{NOTICES}/unread").json() == {"unread": 2}
    newest = items(city, "officer")[0]
    assert newest["read"] is False
    theirs = items(city, "their-officer")[0]["id"]
    told = officer.post(f"{NOTICES}/read", json={"ids": [newest["id"], theirs]})
    assert told.json() == {"unread": 1}
    assert [n["read"] for n in items(city, "officer")] == [True, False]
    assert [n["read"] for n in items(city, "their-officer")] == [False, False]
    assert newest["id"] not in {n["id"] for n in items(city, "officer", "?unread=true")}
    assert officer.post(f"{NOTICES}/read", json={}).json() == {"unread": 0}
    assert items(city, "officer", "?unread=true") == []
    assert city.client("operator").get(f"{NOTICES}/unread").json() == {"unread": 4}


def test_filters_and_pages_find_what_they_say(city: City) -> None:
    tell(city, *(a_refusal(EXAM, f"req_{n}") for n in range(5)))
    assert len(items(city, "officer", "?kind=refused")) == 6
    assert items(city, "officer", "?kind=at-risk") == []
    assert len(items(city, "officer", "?about_id=req_3")) == 1
    page = city.client("officer").get(f"{NOTICES}?limit=4").json()
    rest = city.client("officer").get(f"{NOTICES}?limit=4&cursor={page['next_cursor']}").json()
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 2, None)


@pytest.mark.parametrize("query", ["?kind=gossip", "?unread=perhaps", "?cursor=x"])
def test_what_nobody_could_mean_is_refused(city: City, query: str) -> None:
    assert city.client("officer").get(f"{NOTICES}{query}").status_code == 422


def test_one_says_what_one_does_not_want_to_be_mailed(city: City) -> None:
    client = city.client("officer")
    assert client.get(f"{NOTICES}/wishes").json() == {"muted": [], "email": ""}
    root, user = city.client("root", **{"If-Match": "*"}), city.ours["user_id"]
    changed = root.patch(f"/api/v1/users/{user}", json={"email": "li.wei@example.gov.cn"})
    assert changed.json()["email"] == "li.wei@example.gov.cn"
    told = client.put(f"{NOTICES}/wishes", json={"muted": ["booked", "approved"]})
    wanted = {"muted": ["approved", "booked"], "email": "li.wei@example.gov.cn"}
    assert told.json() == wanted
    assert client.get(f"{NOTICES}/wishes").json() == wanted
    assert client.put(f"{NOTICES}/wishes", json={"muted": ["gossip"]}).status_code == 422
    root.patch(f"/api/v1/users/{user}", json={"email": ""})
    assert client.get(f"{NOTICES}/wishes").json()["email"] == ""


@pytest.mark.parametrize(
    "email", ["li", "li@", "a@b,c@d", "a b@c", "李@example.cn", "x@y\nBcc: z@z", f"a@{'b' * 260}"]
)
def test_what_is_no_address_is_refused_at_its_field(city: City, email: str) -> None:
    answer = city.client("root", **{"If-Match": "*"}).patch(
        f"/api/v1/users/{city.ours['user_id']}", json={"email": email}
    )
    assert answer.status_code == 422
    assert "email" in answer.text


# --------------------------------------------------------------------------------- deliveries

DELIVERIES = "/api/v1/notice-deliveries"


def test_operators_see_what_was_sent_where_and_officers_do_not(city: City) -> None:
    with city.database.write() as tx:
        made = [Delivery(f"ntc_{n}", "tgt-1", next_try_at=city.clock.now()) for n in range(3)]
        city.services.deliveries.add(tx, made)
        first = city.services.deliveries.list(tx)[-1]
        gone = dropped(first, "no answer", city.clock.now())
        city.services.deliveries.change(tx, gone)
    operator = city.client("operator")
    found = operator.get(f"{DELIVERIES}?state=given-up").json()["items"]
    assert [(one["notice_id"], one["reason"]) for one in found] == [("ntc_0", "no answer")]
    assert len(operator.get(f"{DELIVERIES}?notice_id=ntc_1").json()["items"]) == 1
    page = operator.get(f"{DELIVERIES}?limit=2").json()
    rest = operator.get(f"{DELIVERIES}?limit=2&cursor={page['next_cursor']}").json()
    told = [one["notice_id"] for one in [*page["items"], *rest["items"]]]
    assert told == ["ntc_2", "ntc_1", "ntc_0"]
    for login in ("officer", "approver", "finance"):
        assert city.client(login).get(DELIVERIES).status_code == 403
        assert city.client(login).post(f"{DELIVERIES}/test").status_code == 403


def test_a_test_tells_of_each_target_and_is_on_record(city: City) -> None:
    with hook() as there, hook(status=503) as closed:
        noticing = Notices(
            city.database,
            Stores(),
            Sender([there.url("S3CRET"), closed.url("S3CRET")]),
            city.clock,
            city.services.time_zone,
        )
        app = create_app(replace(city.services, noticing=noticing, registry=CollectorRegistry()))
        token = city.secrets["operator"]
        client = TestClient(app, headers={"Authorization": f"Bearer {token}"})
        targets = client.get(f"{DELIVERIES}/targets").json()
        answer = client.post(f"{DELIVERIES}/test")
    assert [one["shown"] for one in targets["targets"]] == [
        f"JSON 127.0.0.1:{there.port}",
        f"JSON 127.0.0.1:{closed.port}",
    ]
    assert targets["mail"] is False
    good, bad = answer.json()["tried"]
    assert good["failure"] is None
    assert "503" in bad["failure"]
    assert "S3CRET" not in answer.text
    assert len(there.came) == 1
    events = city.client("auditor").get("/api/v1/audit-events?action=notice.test").json()
    assert events["items"][0]["detail"] == {"failed": [bad["id"]]}
