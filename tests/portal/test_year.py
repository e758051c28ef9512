"""The year of announced peaks as a picture."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloudmgr.portal.year import MOST_ROWS, most_at_once
from tests.builders import a_window, an_environment
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def spec(page: str) -> dict[str, Any]:
    found = re.search(r'id="chart-spec">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    said: dict[str, Any] = json.loads(found[1])
    return said


def test_what_is_asked_for_at_once_counts_and_what_only_touches_does_not(city: City) -> None:
    now, hour = city.clock.now(), timedelta(hours=1)

    def window(start: int, end: int, replicas: int) -> Any:
        return a_window(now + start * hour, now + end * hour, replicas=replicas)

    assert most_at_once([]) is None
    assert most_at_once([window(0, 2, 3), window(2, 4, 4)]) == (4, now + 2 * hour)
    assert most_at_once([window(0, 3, 3), window(2, 4, 4), window(5, 6, 6)]) == (7, now + 2 * hour)


def test_the_page_of_peaks_shows_who_is_busy_when(city: City) -> None:
    services, now = city.services, city.clock.now()
    with services.database.write() as tx:
        window = a_window(
            now + timedelta(days=40),
            now + timedelta(days=40, hours=3),
            id="win_june",
            environment_id=city.ours["environment_id"],
            replicas=7,
            note="</script><b>志愿",
        )
        services.windows.add(tx, window)
    page = browser(city, "officer").get("/windows").text
    assert "At most 7 replicas are announced at once" in page
    assert "<b>志愿" not in page
    assert "志愿" in json.dumps(spec(page), ensure_ascii=False)
    assert page.count("<figure") == 1
    assert "</script><b>" not in page


def test_of_many_the_largest_are_drawn_and_the_picture_says_so(city: City) -> None:
    services, now = city.services, city.clock.now()
    with services.database.write() as tx:
        template = services.environments.get(tx, city.ours["environment_id"])
        for number in range(MOST_ROWS + 3):
            one = an_environment(
                id=f"env_many{number}",
                name=f"many{number}",
                host=f"many{number}.gov.example",
                department_id=template.department_id,
                system_id=template.system_id,
            )
            services.environments.add(tx, one)
            services.windows.add(
                tx,
                a_window(
                    now + timedelta(days=1),
                    now + timedelta(days=2),
                    id=f"win_many{number}",
                    environment_id=one.id,
                    replicas=number + 1,
                ),
            )
    page = browser(city, "officer").get("/windows").text
    assert f"the {MOST_ROWS} environments with the largest peaks" in page


def test_without_a_peak_ahead_there_is_no_picture(city: City) -> None:
    services, now = city.services, city.clock.now()
    with services.database.write() as tx:
        for window in services.windows.list(tx):
            services.windows.cancel(tx, window, now)
    page = browser(city, "officer").get("/windows").text
    assert "chart-spec" not in page
