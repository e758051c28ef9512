"""How long before a peak an environment starts, on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.test_leads import started
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def test_the_page_says_what_the_lead_time_comes_of(city: City) -> None:
    key = started(city, 40)
    client = browser(city, "officer")
    assert "measured 40 min over 3 starts" in client.get(f"/environments/{key}").text
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "3 次启动实测 40 分钟" in client.get(f"/environments/{key}").text
