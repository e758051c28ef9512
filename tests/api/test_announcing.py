"""A calendar asked for at once, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.api.test_expected import USERS
from tests.api.test_promises import answering
from tests.scaling.test_sheets import GOOD, calendar, event

if TYPE_CHECKING:
    from tests.api.city import City

BAD = event("endless", "DTSTART:20260701T090000", "SUMMARY:没有结束")
WEEKLY = event(
    "weekly",
    "DTSTART:20260706T090000",
    "DTEND:20260706T110000",
    "RRULE:FREQ=WEEKLY;BYDAY=MO",
    "SUMMARY:周会",
)
LARGE = event("large", *GOOD[:2], "X-CLOUDMGR-REPLICAS:8", "SUMMARY:太大")
MUCH = event("much", *GOOD[:2], "X-CLOUDMGR-REPLICAS:800")


def body(city: City, *events: list[str], **more: Any) -> dict[str, Any]:
    return {
        "environment_id": city.ours["environment_id"],
        "calendar": calendar(*events),
        "replicas": 3,
        "reason": "全年日程",
        **more,
    }


def test_each_event_is_a_row_or_is_told_by_its_line(city: City) -> None:
    officer = answering(city, 7).client("officer")
    answer = officer.post(
        "/api/v1/calendar/draft",
        json=body(city, event("good", *GOOD), BAD, WEEKLY, LARGE, MUCH),
    )
    found = answer.json()
    assert answer.status_code == 200, answer.text
    rows = {one["uid"]: one for one in found["items"]}
    assert rows["good"]["fits"] is True
    assert (rows["weekly"]["kind"], rows["weekly"]["fits"]) == ("series", True)
    assert "FREQ=WEEKLY" in rows["weekly"]["en"]
    assert rows["large"]["fits"] is False
    assert "do not fit into the pool" in rows["large"]["why_en"]
    assert [(one["line"], one["uid"]) for one in found["refused"]] == [(9, "endless"), (28, "much")]
    assert "approved ceiling" in found["refused"][1]["message"]


def test_a_fault_refuses_all_unless_it_is_left_out(stored_city: City) -> None:
    city = answering(stored_city, 8)
    officer = city.client("officer")
    asked = body(city, event("good", *GOOD), BAD, WEEKLY)
    refused = officer.post("/api/v1/calendar/ask", json=asked)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "calendar-has-faults")
    assert problem["errors"] == [{"path": "calendar.line-9", "message": "the event has no end"}]
    done = officer.post("/api/v1/calendar/ask", json={**asked, "leave_out": True})
    assert done.status_code == 201, done.text
    made = done.json()
    assert [one["uid"] for one in made["left_out"]] == ["endless"]
    assert [w["note"] for w in made["request"]["windows"]] == ["年报"]
    assert len(made["request"]["series"]) == 1
    if made["request"]["state"] == "awaiting-approval":
        signed = city.client("approver").post(
            f"{done.headers['Location']}/approve", json={}, headers={"If-Match": "*"}
        )
        assert signed.json()["state"] == "fulfilled"
    notes = [w["note"] for w in officer.get("/api/v1/windows").json()["items"]]
    assert notes.count("年报") == 1
    assert notes.count("周会") > 40


def test_what_is_expected_of_all_is_worked_out_for_each(city: City) -> None:
    officer = answering(city, 8).client("officer")
    rate = event("rate", *GOOD[:2], "X-CLOUDMGR-EXPECTED-RPS:20")
    asked = body(city, event("good", *GOOD), rate, replicas=None, expected=USERS)
    rows = {
        one["uid"]: one
        for one in officer.post("/api/v1/calendar/draft", json=asked).json()["items"]
    }
    assert (rows["good"]["replicas"], rows["rate"]["replicas"]) == (3, 1)
    assert rows["rate"]["expected"]["unit"] == "requests"
    nothing = body(city, event("good", *GOOD), replicas=None)
    found = officer.post("/api/v1/calendar/draft", json=nothing).json()
    assert found["items"] == []
    assert "how many replicas" in found["refused"][0]["message"]


def test_an_event_of_another_environment_is_told(city: City) -> None:
    officer = answering(city, 8).client("officer")
    other = event("other", *GOOD, f"X-CLOUDMGR-ENVIRONMENT:{city.theirs['environment_id']}")
    found = officer.post("/api/v1/calendar/draft", json=body(city, other)).json()
    assert found["refused"][0]["message"] == "it is of another environment"
    nothing = officer.post("/api/v1/calendar/ask", json=body(city, other, leave_out=True))
    assert (nothing.status_code, nothing.json()["code"]) == (422, "nothing-to-ask")


def test_what_is_no_calendar_is_refused(city: City) -> None:
    answer = (
        answering(city, 8)
        .client("officer")
        .post("/api/v1/calendar/ask", json={**body(city), "calendar": "统计表"})
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-calendar")


def test_more_than_a_request_may_hold_is_told(city: City) -> None:
    events = [event(f"e{n}", *GOOD) for n in range(101)]
    answer = (
        answering(city, 800)
        .client("officer")
        .post("/api/v1/calendar/ask", json=body(city, *events))
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many")


def test_what_the_feed_saves_is_read_again(city: City) -> None:
    officer = answering(city, 8).client("officer")
    feed = officer.get("/api/v1/calendar/peaks").text
    found = officer.post("/api/v1/calendar/draft", json={**body(city), "calendar": feed}).json()
    assert found["refused"] == []
    assert len(found["items"]) == 1
