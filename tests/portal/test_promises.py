"""The pages of promises: a form that says whether a peak would fit, and what is at risk."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.pools.capacity import Resources
from tests.api.test_promises import answering, asked
from tests.fakes import InstantPool
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def typed(city: City, **more: Any) -> dict[str, Any]:
    return {
        "environment_id": city.ours["environment_id"],
        "component": "web",
        "starts_at": "2026-07-01T08:00",
        "ends_at": "2026-07-01T12:00",
        "replicas": "3",
        **more,
    }


def test_an_operator_sees_what_would_fit_before_booking_and_may_insist(city: City) -> None:
    taken = answering(city, 8).client("operator").post("/api/v1/windows", json=asked(city.theirs))
    assert taken.status_code == 201
    operator = browser(city, "operator")
    assert "Book a peak" in operator.get("/windows").text
    page = operator.post("/windows/book", data=typed(city, step="check"))
    assert page.status_code == 200
    for said in (
        "Does not fit",
        "lacks 1 core",
        "College entrance enrolment",
        "at most 2 replicas",
    ):
        assert said in page.text
    refused = operator.post("/windows/book", data=typed(city, step="book"))
    assert refused.status_code == 409
    assert "do not fit into the pool" in refused.text
    silent = operator.post("/windows/book", data=typed(city, step="book", force="yes"))
    assert silent.status_code == 422
    done = operator.post(
        "/windows/book", data=typed(city, step="book", force="yes", reason="市政府要求")
    )
    assert done.headers["Location"] == "/windows?said=window-booked"
    assert "At risk" in operator.get("/windows").text
    listed = operator.get("/windows/at-risk")
    assert listed.status_code == 200
    assert "at most 2 replicas" in listed.text
    assert "1" in operator.get("/windows/at-risk.csv").text


def test_what_is_refused_is_told_in_chinese(city: City) -> None:
    answering(city, 2)
    operator = browser(city, "operator")
    operator.cookies.set("cloudmgr_language", "zh-CN")
    page = operator.post("/windows/book", data=typed(city, step="book"))
    assert page.status_code == 409
    assert "组件 web 的 3 个副本（2026-07-01 08:00 至 12:00）" in page.text
    assert "缺 1 核" in page.text


def test_an_officer_sees_it_before_the_request_is_submitted(city: City) -> None:
    answering(city, 8).client("operator").post("/api/v1/windows", json=asked(city.theirs))
    officer = browser(city, "officer")
    assert "Book a peak" not in officer.get("/windows").text
    assert officer.get("/windows/book").status_code == 403
    data = {
        "environment_id": city.ours["environment_id"],
        **{f"windows[0].{k}": v for k, v in typed(city).items() if k != "environment_id"},
        "reason": "报名",
    }
    page = officer.post("/requests/peak", data=data)
    assert page.status_code == 200, page.text
    for said in (
        "Not allowed",
        "What its pool can promise",
        "College entrance",
        "at most 2 replicas",
    ):
        assert said in page.text


def test_an_officer_sees_promises_at_risk_of_ones_own_alone(city: City) -> None:
    answering(city, 20)
    with city.database.read() as tx:
        known = city.services.windows.list(tx, cancelled=False)
    assert {w.environment_id for w in known} == {"env_exam", "env_tax"}
    city.services.drivers["pool_exam"] = InstantPool(Resources(1_000, 1_024, 100))  # type: ignore[index]
    city.clock.advance(timedelta(hours=1))
    operator, officer = browser(city, "operator"), browser(city, "officer")
    assert operator.get("/windows/at-risk.csv").text.count("\n") == 3
    assert officer.get("/windows/at-risk.csv").text.count("\n") == 2
    assert 'href="/windows/at-risk?pool=pool_exam">2</a>' in operator.get("/pools").text
