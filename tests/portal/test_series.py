"""The pages of peaks that come round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.test_promises import answering
from tests.api.test_series import begun
from tests.portal.browsing import browser, forms

if TYPE_CHECKING:
    from tests.api.city import City


def typed(city: City, **changes: str) -> dict[str, Any]:
    return {
        "environment_id": city.ours["environment_id"],
        "component": "web",
        "anchor": "yearly",
        "said": "06-30",
        "before": "5",
        "after": "0",
        "workdays": "yes",
        "opens": "09:00",
        "closes": "17:00",
        "expected.unit": "users",
        "expected.high": "1200",
        "expected.seconds_per_request": "0.4",
        "expected.requests_per_user_minute": "3",
        "note": "年报",
        "reason": "每年年报",
        **changes,
    }


def test_an_officer_sees_each_date_and_submits_it_once_for_all(city: City) -> None:
    answering(city, 8)
    officer = browser(city, "officer")
    assert "Announce a peak that comes round" in officer.get("/series").text
    assert officer.get("/series/ask").status_code == 200
    page = officer.post("/series/ask", data=typed(city))
    assert page.status_code == 200, page.text
    for said in (
        "the 5 working days before 30 June of each year, 09:00 to 17:00 each day",
        "1,200 users at once",
        "Fits",
        "2027: working days are not published yet.",
    ):
        assert said in page.text
    done = officer.post("/series/ask", data=typed(city, step="submit"))
    assert done.status_code == 303, done.text
    made = officer.get(done.headers["Location"])
    assert "the 5 working days before 30 June" in made.text
    assert officer.get("/series").text.count("the 5 working days before 30 June") >= 1


def test_a_date_is_left_out_and_put_back_and_the_series_ends_and_goes_on(city: City) -> None:
    answering(city, 8)
    at = f"/series/{begun(city)['id']}"
    officer = browser(city, "officer")
    page = officer.get(at)
    assert "Booked" in page.text
    for shown in (page, officer.get("/series")):
        assert "replicas are announced at once in the next twelve months" in shown.text
    (form, _) = [f for f in forms(page) if "idempotency_key" in f.values][:2]
    skip = {**form.values, "day": "2026-06-24", "reason": "停电检修"}
    done = officer.post(at, data={**skip, "step": "skip"})
    assert done.status_code == 303, done.text
    page = officer.get(at)
    assert "Left out" in page.text
    assert "停电检修" in page.text
    again = officer.post(at, data={**skip, "step": "undo"})
    assert again.status_code == 412, "it was changed meanwhile"
    for step in ("undo", "end"):
        (form, *_) = [f for f in forms(officer.get(at)) if "idempotency_key" in f.values]
        answer = officer.post(
            at, data={**form.values, "day": "2026-06-24", "reason": "x", "step": step}
        )
        assert answer.status_code == 303, answer.text
    page = officer.get(at)
    assert "Ended" in page.text
    operator = browser(city, "operator")
    (form, *_) = [f for f in forms(operator.get(at)) if "idempotency_key" in f.values]
    data = {**form.values, "reason": "误操作", "step": "resume"}
    assert officer.post(at, data=data).status_code == 403
    assert operator.post(at, data=data).status_code == 303
    assert "Booked" in operator.get(at).text


def test_what_is_unmet_stands_beside_its_date_in_chinese_too(city: City) -> None:
    answering(city, 8)
    series = begun(city)
    officer = browser(city, "officer")
    officer.cookies.set("cloudmgr_language", "zh-CN")
    page = officer.get(f"/series/{series['id']}")
    for said in ("每年6月30日前5个工作日", "已预留", "2027 年"):
        assert said in page.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"said": "30 June"}, "said"),
        ({"said": "13-40"}, "said"),
        ({"anchor": "rule", "said": "FREQ=HOURLY", "since": "2026-01-01"}, ""),
        ({"anchor": "rule", "said": "FREQ=DAILY"}, ""),
        ({"before": "many"}, "before"),
        ({"component": "api"}, "component"),
        ({"expected.high": "0"}, "expected-high"),
        ({"environment_id": ""}, "environment_id"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(
    city: City, changes: dict[str, str], field: str
) -> None:
    page = browser(city, "officer").post("/series/ask", data=typed(city, **changes))
    assert page.status_code == 422, page.text
    assert f'href="#f-{field}' in page.text if field else 'id="faults"' in page.text
