"""How long before a peak an environment starts, wherever people look for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.scaling.store import StartStore

if TYPE_CHECKING:
    from tests.api.city import City

HOUR = timedelta(hours=1)


def started(city: City, minutes: float, times: int = 3) -> str:
    key = city.ours["environment_id"]
    with city.database.write() as tx:
        starts = StartStore()
        for number in range(times):
            start = starts.begin(tx, key, city.clock.now() - (times - number) * HOUR)
            starts.end(tx, start, start.raised_at + timedelta(minutes=minutes))
    return key


def test_until_it_was_measured_the_class_is_named(city: City) -> None:
    key = city.ours["environment_id"]
    found = city.client("officer").get(f"/api/v1/environments/{key}/hibernation").json()["lead"]
    assert found["measured_minutes"] is None
    assert found["minutes"] == found["class_minutes"]
    assert "as its class says" in found["en"]


def test_what_was_measured_is_told_by_the_api_in_both_languages(city: City) -> None:
    key = started(city, 40)
    found = city.client("officer").get(f"/api/v1/environments/{key}/hibernation").json()["lead"]
    assert (found["minutes"], found["measured_minutes"], found["starts"]) == (50.0, 40.0, 3)
    assert found["slower_than_class"]
    assert "measured 40 min over 3 starts" in found["en"]
    assert "3 次启动实测 40 分钟" in found["zh"]
