"""Rehearsals on the pages: ordered on a form, seen with what came of them, stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.test_rehearsals import staged
from tests.portal.browsing import browser, fill
from tests.portal.test_forms import follow

if TYPE_CHECKING:
    from tests.api.city import City


def test_one_is_ordered_on_a_form_seen_and_stopped(city: City) -> None:
    staged(city)
    page = f"/windows/{city.ours['window_id']}/rehearsals"
    client = browser(city, "officer")
    link = client.get(f"/environments/{city.ours['environment_id']}").text
    assert f'href="{page}"' in link
    form = client.get(page)
    assert "It was not rehearsed yet." in form.text
    fields = {"minutes": "10", "per_second": "5", "seconds": "30", "path": "/", "reason": "演练"}
    beyond = client.post(page, data=fill(form, "reason", **{**fields, "per_second": "999"}))
    assert beyond.status_code == 422
    assert "1 to 50 requests per second" in beyond.text
    done = follow(client, client.post(page, data=fill(form, "reason", **fields)))
    assert "under way" in done.text
    data = fill(done, "reason", reason="够了")
    follow(client, client.post(f"{page}/stop", data=data))
    city.services.rehearsing.go_on()
    assert "stopped by a person" in client.get(page).text


def test_what_speaks_against_it_is_said_in_the_readers_language(city: City) -> None:
    staged(city, cores=4)
    page = f"/windows/{city.ours['window_id']}/rehearsals"
    client = browser(city, "officer")
    client.cookies.set("cloudmgr_language", "zh-CN")
    data = fill(client.get(page), "reason", minutes="10", reason="演练")
    refused = client.post(page, data=data)
    assert refused.status_code == 409
    assert "没有足够的余量" in refused.text


def test_who_only_reads_sees_them_and_no_form(city: City) -> None:
    staged(city)
    page = f"/windows/{city.ours['window_id']}/rehearsals"
    seen = browser(city, "auditor").get(page)
    assert seen.status_code == 200
    assert "Rehearse it" not in seen.text
