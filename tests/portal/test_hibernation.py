"""The page of an environment says when it may sleep and how soon it is back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.api.test_hibernation import called, office, stored
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def test_the_hours_the_promise_and_the_next_wake_are_on_the_page(city: City) -> None:
    path = f"/environments/{office(city)}"
    client = browser(city, "operator")
    page = client.get(path).text
    assert "ready by 08:00, not put to sleep before 20:00" in page
    assert "ready within 3 minutes" in page
    assert "2026-06-01 20:00" in page
    refused = client.post(f"{path}/hibernate", data={"reason": "检修"})
    assert "do not sleep before" in refused.text
    form = client.get(f"{path}/hibernate").text
    assert "not put to sleep before 2026-06-01 20:00" in form
    assert "I insist" in form
    done = client.post(f"{path}/hibernate", data={"reason": "检修", "force": "yes"})
    assert done.status_code == 303
    page = client.get(path).text
    assert "Wakes by itself" in page
    assert "2026-06-02 07:57" in page
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "最迟 08:00 就绪，20:00 前不休眠" in client.get(path).text


def test_a_late_wake_is_told_among_what_is_wrong_with_when_it_was_promised(city: City) -> None:
    path = f"/environments/{office(city)}"
    client = browser(city, "operator")
    called(city)
    page = client.get(path).text
    assert "Under way" in page
    assert "its promise is not due yet" in page
    city.clock.advance(timedelta(minutes=4))
    page = client.get(path).text
    assert "Its wake is late." in page
    assert "it was to be ready by 2026-06-01 10:03 and is not" in page
    client.cookies.set("cloudmgr_language", "zh-CN")
    page = client.get(path).text
    assert "唤醒已超过承诺时间。" in page
    assert "但尚未就绪" in page


def test_what_it_still_costs_asleep_is_on_the_page_of_whoever_may_see_costs(city: City) -> None:
    path = f"/environments/{office(city)}"
    stored(city, ("storage", 20), ("address", 2))
    page = browser(city, "officer").get(path).text
    assert "Still costs asleep" in page
    assert "a month: 20 GiB of storage, 2 addresses kept" in page
    assert "Still costs asleep" not in browser(city, "operator").get(path).text
