from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.city import OURS, THEIRS

if TYPE_CHECKING:
    from tests.api.city import City

URL = "/api/v1/departments"


def new(**changes: Any) -> dict[str, Any]:
    return {
        "code": "roads",
        "name_zh": "公路局",
        "name_en": "Roads",
        "billing_account_id": "acc_exam",
        **changes,
    }


def revision(**changes: Any) -> dict[str, Any]:
    body = new(name_zh="新名", **changes)
    del body["code"]
    return body


def test_a_department_is_made_and_read_back(stored_city: City) -> None:
    client = stored_city.client("root")
    made = client.post(URL, json=new(name_zh=" 公路局 "))
    assert made.status_code == 201
    read = client.get(made.headers["Location"])
    assert read.json() == made.json()
    assert read.headers["ETag"] == made.headers["ETag"]
    assert read.json()["current"]["name_zh"] == "公路局"
    assert read.json()["versions"] == [read.json()["current"]]


def test_its_making_is_in_the_trail(seen_city: City) -> None:
    made = seen_city.client("root").post(URL, json=new()).json()
    events = seen_city.client("auditor").get("/api/v1/audit-events").json()["items"]
    assert events[0]["action"] == "department.create"
    assert (events[0]["object_id"], events[0]["actor_login"]) == (made["id"], "root")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (new(code="exam"), 409, "code-taken"),
        (new(billing_account_id="acc_none"), 422, "no-such-billing-account"),
        (new(code="A B"), 422, "invalid"),
        (new(valid_from="2026-06-01T00:00:00"), 422, "invalid"),
        (new(active=True), 422, "invalid"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_changes(
    seen_city: City, body: dict[str, Any], status: int, code: str
) -> None:
    client = seen_city.client("root")
    before = client.get(URL).json()
    answer = client.post(URL, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get(URL).json() == before


def test_a_new_version_holds_from_its_day(city: City) -> None:
    client, url = city.client("root"), f"{URL}/{OURS}"
    tag = client.get(url).headers["ETag"]
    answer = client.post(
        f"{url}/versions",
        json=revision(valid_from="2026-07-01T00:00:00+08:00"),
        headers={"If-Match": tag},
    )
    assert answer.status_code == 201
    assert answer.json()["current"]["name_zh"] == "教育考试院"
    tag = answer.headers["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304

    city.clock.advance(timedelta(days=29, hours=16))  # midnight of 1 July in Shanghai
    # A token lives by the same clock here.
    later = client.get(url, headers={"If-None-Match": tag})
    assert later.status_code == 200
    assert later.json()["current"]["name_zh"] == "新名"
    assert later.json()["version"] == 2


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({}, revision(), 428, "precondition-required"),
        ({"If-Match": '"7-0"'}, revision(), 412, "stale-version"),
        ({"If-Match": "*"}, revision(valid_from="2026-05-31T23:59:59Z"), 422, "begins-in-the-past"),
        ({"If-Match": "*"}, revision(billing_account_id="acc_x"), 422, "no-such-billing-account"),
    ],
)
def test_a_version_that_may_not_be_is_refused_and_nothing_changes(
    seen_city: City, headers: dict[str, str], body: dict[str, Any], status: int, code: str
) -> None:
    client, url = seen_city.client("root"), f"{URL}/{OURS}"
    before = client.get(url).json()
    answer = client.post(f"{url}/versions", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get(url).json() == before


def test_of_two_who_saw_the_same_the_second_is_refused(stored_city: City) -> None:
    client, url = stored_city.client("root"), f"{URL}/{OURS}"
    headers = {"If-Match": client.get(url).headers["ETag"]}
    first = client.post(f"{url}/versions", json=revision(), headers=headers)
    second = client.post(f"{url}/versions", json=revision(), headers=headers)
    assert (first.status_code, second.status_code) == (201, 412)


def test_a_department_sees_itself_and_those_who_pay_for_it(seen_city: City) -> None:
    client = seen_city.client("officer")
    assert [d["id"] for d in client.get(URL).json()["items"]] == [OURS]
    assert client.get(URL, params={"code": "tax"}).json()["items"] == []
    assert client.get(f"{URL}/{OURS}").status_code == 200
    accounts = client.get("/api/v1/billing-accounts").json()["items"]
    assert [a["id"] for a in accounts] == ["acc_exam"]
    assert client.get("/api/v1/billing-accounts/acc_exam").status_code == 200
    assert client.get("/api/v1/billing-accounts/acc_tax").status_code == 404


def test_the_city_sees_all_and_may_narrow_it(seen_city: City) -> None:
    client = seen_city.client("finance")
    assert {"exam", "tax"} <= {d["code"] for d in client.get(URL).json()["items"]}
    found = client.get("/api/v1/billing-accounts", params={"department_id": THEIRS}).json()
    assert [a["id"] for a in found["items"]] == ["acc_tax"]


def test_whoever_sees_all_is_told_what_is_missing(seen_city: City) -> None:
    problem = seen_city.client("finance").get(f"{URL}/dep_none").json()
    assert problem["code"] == "no-such-department"
    assert problem["detail"] == "there is no department dep_none"
