"""What departments may spend, as the API has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.city import OURS, THEIRS

if TYPE_CHECKING:
    from tests.api.city import City

PATH = "/api/v1/billing/budgets"


def body(**changes: Any) -> dict[str, Any]:
    made = {"department_id": OURS, "year": 2027, "amount": "5000.50", "reason": "批复"}
    return {**made, **changes}


def test_finance_decides_and_everybody_concerned_sees_how_it_stands(city: City) -> None:
    finance = city.client("finance")
    made = finance.post(PATH, json=body(year=2026, system_id=city.ours["system_id"]))
    assert made.status_code == 201
    assert made.headers["Location"] == f"{PATH}/{made.json()['id']}"
    for login in ("finance", "officer", "auditor", "root", "approver"):
        found = city.client(login).get(made.headers["Location"]).json()
        assert found["decision"]["amount"] == "5000.50"
        assert found["decision"]["actor_login"] == "finance"
        standing = found["standing"]
        # Cents in text, and they add up.
        used, encumbered, left = (
            int(standing[name].replace(".", "")) for name in ("used", "encumbered", "left")
        )
        assert used + encumbered + left == 500050
        assert encumbered > 0
        assert standing["months"][4] == {**standing["months"][4], "state": "closed"}
    listed = city.client("officer").get(PATH, params={"year": 2026}).json()["items"]
    assert {one["id"] for one in listed} == {made.json()["id"], city.ours["budget_id"]}
    # Worked out once it was decided, without anybody asking.
    assert next(one for one in listed if one["id"] == made.json()["id"])["standing"] is not None
    assert city.client("their-officer").get(made.headers["Location"]).status_code == 404
    everything = finance.get(PATH).json()["items"]
    assert {one["department_id"] for one in everything} == {OURS, THEIRS}


def test_nobody_but_finance_decides(city: City) -> None:
    for login in ("officer", "approver", "operator", "auditor", "root"):
        assert city.client(login).post(PATH, json=body()).status_code == 403
    assert city.client("operator").get(PATH).status_code == 403


def test_a_decision_is_put_right_by_another_and_both_stay_on_record(city: City) -> None:
    finance = city.client("finance")
    key = finance.post(PATH, json=body()).json()["id"]
    again = finance.post(PATH, json=body())
    assert (again.status_code, again.json()["code"]) == (409, "no-change")
    assert finance.post(PATH, json=body(amount=None, reason="误录")).status_code == 201
    history = city.client("officer").get(f"{PATH}/{key}/history").json()["items"]
    assert [(one["number"], one["amount"], one["reason"]) for one in history] == [
        (2, None, "误录"),
        (1, "5000.50", "批复"),
    ]
    page = finance.get(f"{PATH}/{key}/history", params={"limit": 1}).json()
    rest = finance.get(
        f"{PATH}/{key}/history", params={"limit": 1, "cursor": page["next_cursor"]}
    ).json()
    assert (page["items"], rest["items"]) == (history[:1], history[1:])
    assert finance.get(f"{PATH}/{key}").json()["standing"]["left"] is None
    with city.database.read() as tx:
        events = [e for _, e in city.services.audit.list(tx) if e.action == "budget.decide"]
    assert {(e.object_id, e.department_id, e.actor_login) for e in events} == {
        (key, OURS, "finance")
    }
    assert sorted(str(e.detail["amount"]) for e in events) == ["5000.50", "None"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "-1"},
        {"amount": "1.005"},
        {"amount": "many"},
        {"amount": 5000.5},
        {"amount": "1" * 16},
        {"year": 1999},
        {"year": "2027"},
        {"year": 2027.5},
        {"reason": " "},
        {"reason": None},
        {"month": "2027-01"},
    ],
    ids=str,
)
def test_what_is_no_decision_is_refused(city: City, wrong: dict[str, Any]) -> None:
    assert city.client("finance").post(PATH, json=body(**wrong)).status_code == 422


def test_a_budget_is_of_a_department_and_of_its_own_systems(city: City) -> None:
    finance = city.client("finance")
    for wrong in (
        {"department_id": "dep_none"},
        {"system_id": "sys_none"},
        {"system_id": city.theirs["system_id"]},
    ):
        assert finance.post(PATH, json=body(**wrong)).status_code == 404


def test_a_repeated_request_decides_once(city: City) -> None:
    finance = city.client("finance", **{"Idempotency-Key": "k1"})
    answers = [finance.post(PATH, json=body()) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    history = finance.get(f"{PATH}/{answers[0].json()['id']}/history").json()["items"]
    assert len(history) == 1
