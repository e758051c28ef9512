"""The page of what if: a form, the finding, a picture, and what would be broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.api.test_promises import asked
from tests.api.test_simulation import of_hosts
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City

PAGE = "/pools/pool_exam/simulate"


def typed(**more: Any) -> dict[str, Any]:
    return {
        "starts_at": "2026-07-01T00:00",
        "ends_at": "2026-08-01T00:00",
        "more_hosts": "0",
        "fail_hosts": "",
        "fail_from": "",
        "fail_to": "",
        "like": "",
        "copies": "",
        "calendar": "",
        **more,
    }


def test_an_operator_finds_the_form_and_sees_what_fits_as_a_picture(city: City) -> None:
    operator = browser(of_hosts(city, 4), "operator")
    operator.post("/api/v1/windows", json=asked(city.theirs))
    assert PAGE in operator.get("/pools").text
    assert 'value="2027-06-02T08:00"' in operator.get(PAGE).text, "the year that comes"
    page = operator.post(PAGE, data=typed())
    assert page.status_code == 200
    for said in ("It fits: 50% is taken", "Least number of hosts", "<svg", "Held outside peaks"):
        assert said in page.text


def test_what_would_be_broken_is_listed_with_what_is_to_be_bought(city: City) -> None:
    operator = browser(of_hosts(city, 3), "operator")
    operator.post("/api/v1/windows", json=asked(city.theirs))
    fails = {"fail_hosts": "3", "fail_from": "2026-07-01T08:00", "fail_to": "2026-07-02T00:00"}
    more = {"like": city.theirs["environment_id"], "copies": "30"}
    page = operator.post(PAGE, data=typed(**fails, **more, more_hosts="-1"))
    assert page.status_code == 200, page.text
    for said in ("Does not fit", "31 promises would be broken", "more-1-30", "Hosts to buy"):
        assert said in page.text
    operator.cookies.set("cloudmgr_language", "zh-CN")
    page = operator.post(PAGE, data=typed(**fails))
    for said in ("放不下：1 项预留无法兑现", "税务局"):
        assert said in page.text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ends_at": "2026-06-01T00:00"}, "f-ends_at"),
        ({"more_hosts": "-9"}, "f-more_hosts"),
        ({"more_hosts": "two"}, "f-more_hosts"),
        ({"fail_hosts": "2", "fail_from": "2026-07-02T00:00"}, "f-fail_to"),
        ({"copies": "3"}, "f-like"),
        ({"like": "env_none", "copies": "3"}, "f-like"),
        ({"calendar": "nothing"}, "f-calendar"),
    ],
    ids=["span", "fewer", "number", "failure", "copies", "environment", "calendar"],
)
def test_what_cannot_be_stands_beside_its_field(
    city: City, wrong: dict[str, str], field: str
) -> None:
    page = browser(of_hosts(city, 3), "operator").post(PAGE, data=typed(**wrong))
    assert page.status_code == 422, page.text
    assert f'href="#{field}"' in page.text


def test_a_pool_that_does_not_answer_keeps_the_form(city: City) -> None:
    more = {"like": city.ours["environment_id"], "copies": "7"}
    page = browser(city, "operator").post(PAGE, data=typed(**more))
    assert page.status_code == 503
    assert 'value="7"' in page.text
