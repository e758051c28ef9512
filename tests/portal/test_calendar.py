"""The page that takes a calendar file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.test_announcing import BAD, WEEKLY
from tests.api.test_promises import answering
from tests.portal.browsing import browser, forms
from tests.scaling.test_sheets import GOOD, calendar, event

if TYPE_CHECKING:
    from tests.api.city import City


def test_a_file_is_looked_at_event_by_event_and_submitted(city: City) -> None:
    answering(city, 8)
    officer = browser(city, "officer")
    assert "Calendar file (.ics)" in officer.get("/windows/calendar").text
    text = calendar(event("good", *GOOD), BAD, WEEKLY)
    data = {
        "environment_id": city.ours["environment_id"],
        "component": "web",
        "replicas": "3",
        "calendar": "",
        "reason": "全年日程",
        "step": "check",
    }
    page = officer.post(
        "/windows/calendar",
        data=data,
        files={"file": ("peaks.ics", text.encode(), "text/calendar")},
    )
    assert page.status_code == 200, page.text
    for said in ("年报", "Fits", "FREQ=WEEKLY", "Line 9", "The event has no end."):
        assert said in page.text
    (form,) = [f for f in forms(page) if "calendar" in f.values]
    assert form.values["calendar"].startswith("BEGIN:VCALENDAR"), "it need not be chosen again"
    strict = officer.post("/windows/calendar", data={**form.values, "step": "submit"})
    assert strict.status_code == 422
    done = officer.post(
        "/windows/calendar", data={**form.values, "step": "submit", "leave_out": "yes"}
    )
    assert done.status_code == 303, done.text
    made = officer.get(done.headers["Location"]).text
    assert "年报" in made
    assert "FREQ=WEEKLY" in made


def test_what_is_no_calendar_is_said_at_its_field(city: City) -> None:
    answering(city, 8)
    officer = browser(city, "officer")
    data = {"environment_id": city.ours["environment_id"], "component": "web", "step": "check"}
    empty = officer.post("/windows/calendar", data=data)
    assert empty.status_code == 422
    picture = officer.post(
        "/windows/calendar",
        data=data,
        files={"file": ("a.png", b"\x89PNG\xff\xfe", "image/png")},
    )
    assert picture.status_code == 422
    assert "no iCalendar" in picture.text
    two = officer.post(
        "/windows/calendar",
        data=data,
        files=[("file", ("a.ics", b"x", "text/calendar")), ("more", ("b.ics", b"x", "x/y"))],
    )
    assert two.status_code == 400
