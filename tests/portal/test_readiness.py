"""The page that tells whether a peak will find what it needs, and where it is led to from."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.builders import a_window
from tests.portal.browsing import browser, fill
from tests.portal.test_forms import follow

if TYPE_CHECKING:
    from tests.api.city import City


def soon(city: City) -> str:
    """The id of a peak that begins in ten minutes."""
    start = city.clock.now() + timedelta(minutes=10)
    made = a_window(
        start,
        start + timedelta(hours=1),
        id="win_soon",
        environment_id=city.ours["environment_id"],
    )
    with city.database.write() as tx:
        city.services.windows.add(tx, made)
    return made.id


def test_an_officer_looks_now_and_finds_it_in_the_list_and_at_home(city: City) -> None:
    path = f"/windows/{soon(city)}/readiness"
    client = browser(city, "officer")
    assert "not looked at yet" in client.get("/windows").text
    form = client.get(path)
    assert "It was not looked at yet." in form.text
    after = follow(client, client.post(path, data=fill(form, "idempotency_key")))
    assert "It was looked at. What was seen stands below." in after.text
    assert "its pool does not answer now" in after.text.lower()
    for word in ("Room in its pool", "Health", "Images", "Time to start", "What to do"):
        assert word in after.text
    assert f'href="{path}"' in client.get("/windows").text
    assert f'href="{path}"' in client.get("/").text
    assert "Not known" in client.get("/windows.csv").text
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "资源池目前没有应答" in client.get(path).text


def test_what_was_seen_before_stays_below(city: City) -> None:
    path = f"/windows/{city.ours['window_id']}/readiness"
    client = browser(city, "officer")
    for _ in range(2):
        client.post(path, data=fill(client.get(path), "idempotency_key"))
        city.clock.advance(timedelta(minutes=1))
    assert "What was seen before" in client.get(path).text


def test_one_that_has_begun_is_shown_and_not_looked_at_any_more(city: City) -> None:
    path = f"/windows/{soon(city)}/readiness"
    client = browser(city, "officer")
    data = fill(client.get(path), "idempotency_key")
    city.clock.advance(timedelta(minutes=11))
    refused = client.post(path, data=data)
    assert refused.status_code == 409
    assert "the peak has begun" in refused.text.lower()
    assert "Look now" not in client.get(path).text
