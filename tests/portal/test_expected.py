"""The form of a peak in a person's terms: worked out before anything is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.api.test_expected import unmeasured
from tests.api.test_promises import answering
from tests.portal.browsing import browser, forms

if TYPE_CHECKING:
    from tests.api.city import City

SAID = {
    "expected.unit": "users",
    "expected.low": "600",
    "expected.high": "1200",
    "expected.seconds_per_request": "0.4",
    "expected.requests_per_user_minute": "3",
}
EXPLAINED = "600 to 1,200 users at once, about 3 requests per user and minute"


def typed(city: City, **changes: str) -> dict[str, Any]:
    window = {
        "component": "web",
        "starts_at": "2026-07-01T08:00",
        "ends_at": "2026-07-01T12:00",
        "replicas": "",
        **SAID,
    }
    return {
        "environment_id": city.ours["environment_id"],
        "reason": "报名",
        **{f"windows[0].{name}": value for name, value in window.items()},
        **{f"windows[0].{name}": value for name, value in changes.items()},
    }


def test_an_officer_says_how_many_use_it_and_sees_the_replicas(city: City) -> None:
    answering(city, 8)
    officer = browser(city, "officer")
    blank = officer.get(f"/requests/peak?environment_id={city.ours['environment_id']}")
    assert "How many use it at once" in blank.text
    page = officer.post("/requests/peak", data=typed(city))
    assert page.status_code == 200, page.text
    assert EXPLAINED in page.text
    assert "3 replicas of web" in page.text
    (form,) = [f for f in forms(page) if "windows[0].expected.high" in f.values]
    done = officer.post("/requests/peak", data={**form.values, "step": "submit"})
    assert done.status_code == 303, done.text
    assert EXPLAINED in officer.get(done.headers["Location"]).text


def test_it_is_explained_in_chinese(city: City) -> None:
    answering(city, 8)
    officer = browser(city, "officer")
    officer.cookies.set("cloudmgr_language", "zh-CN")
    page = officer.post("/requests/peak", data=typed(city))
    assert "同时在线 600 至 1,200 人，每人每分钟约 3 次请求" in page.text


def test_where_nothing_is_measured_the_fault_stands_at_the_field_with_what_to_do(
    city: City,
) -> None:
    unmeasured(answering(city, 8))
    page = browser(city, "officer").post(
        "/requests/peak", data=typed(city, **{"expected.seconds_per_request": ""})
    )
    assert page.status_code == 422
    assert 'id="f-windows-0-expected-seconds_per_request-fault"' in page.text
    assert "Say how many seconds a request takes, or how many replicas you need." in page.text


def test_neither_replicas_nor_an_expectation_is_said_on_top(city: City) -> None:
    page = browser(city, "officer").post(
        "/requests/peak", data=typed(city, **dict.fromkeys(SAID, ""))
    )
    assert page.status_code == 422
    assert "Give either replicas or what is expected." in page.text


def test_an_operator_books_by_requests_per_second(city: City) -> None:
    answering(city, 8)
    operator = browser(city, "operator")
    data = {
        "environment_id": city.ours["environment_id"],
        "component": "web",
        "starts_at": "2026-07-01T08:00",
        "ends_at": "2026-07-01T12:00",
        **SAID,
        "expected.unit": "requests",
        "expected.low": "",
        "expected.high": "60",
    }
    page = operator.post("/windows/book", data={**data, "step": "check"})
    assert "60 requests per second, 0.4 s each (as stated)" in page.text
    done = operator.post("/windows/book", data={**data, "step": "book"})
    assert done.status_code == 303, done.text
    assert "60 requests per second" in operator.get("/windows").text
    kept = operator.get(f"/environments/{city.ours['environment_id']}")
    assert "60 requests per second" in kept.text
