"""The page that looks back on a peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.test_afterwards import over
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def test_it_shows_what_came_of_it_with_a_picture_and_a_table(city: City) -> None:
    key = over(city, city.ours)
    client = browser(city, "officer")
    listed = client.get("/windows", params={"state": "over"})
    assert f"/windows/{key}/afterwards" in listed.text
    page = client.get(f"/windows/{key}/afterwards")
    assert page.status_code == 200
    assert "10 min late" in page.text
    assert "<svg" in page.text
    assert "2 replicas were promised, at least 1 were there" in page.text
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "晚 10 分钟" in client.get(f"/windows/{key}/afterwards").text
    early = client.get(f"/windows/{city.ours['window_id']}/afterwards")
    assert early.status_code == 200
    assert "chart-spec" not in early.text
    assert "结束" in early.text
