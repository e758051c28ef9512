"""What an environment needs, how its wake stands, and trying it, on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources
from tests.api.test_hibernation import office
from tests.api.test_needs import neighbour
from tests.fakes import InstantPool
from tests.portal.browsing import browser, fill
from tests.portal.test_forms import follow

if TYPE_CHECKING:
    from tests.api.city import City


def test_what_it_needs_is_chosen_on_a_form_and_stands_on_both_pages(city: City) -> None:
    ours, other = city.ours["environment_id"], neighbour(city)
    client = browser(city, "officer")
    form = client.get(f"/environments/{ours}/needs")
    assert "nothing more" in form.text
    done = client.post(
        f"/environments/{ours}/needs", data=fill(form, "reason", add=other.id, reason="查")
    )
    after = follow(client, done)
    assert "What it needs is saved." in after.text
    assert f'href="/environments/{other.id}"' in after.text
    assert "Is needed by" in client.get(f"/environments/{other.id}").text
    form = client.get(f"/environments/{ours}/needs")
    assert "It needs" in form.text
    data = fill(form, "reason", reason="不再需要")
    data.pop("needs", None)
    follow(client, client.post(f"/environments/{ours}/needs", data=data))
    assert client.get(f"/environments/{ours}").text.count("nothing else") == 1


def test_a_circle_is_said_at_the_field_in_the_readers_language(city: City) -> None:
    ours, other = city.ours["environment_id"], neighbour(city)
    city.client("officer").put(
        f"/api/v1/environments/{ours}/needs", json={"needs": [other.id], "reason": "查"}
    )
    client = browser(city, "officer")
    path = f"/environments/{other.id}/needs"
    data = fill(client.get(path), "reason", add=ours, reason="反过来")
    refused = client.post(path, data=data)
    assert refused.status_code == 422
    assert "in a circle" in refused.text
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "会形成循环依赖" in client.post(path, data=data).text


def test_a_wake_into_a_full_pool_says_on_the_page_what_it_waits_for(city: City) -> None:
    path = f"/environments/{office(city)}"
    client = browser(city, "operator")
    client.post(f"{path}/hibernate", data={"reason": "检修", "force": "yes"})
    form = client.get(f"{path}/wake")
    after = follow(client, client.post(f"{path}/wake", data=fill(form, "reason", reason="演示")))
    assert "The call is kept." in after.text
    assert "waits for room in its pool" in after.text
    assert "does not answer" in after.text
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "等待资源池腾出空间" in client.get(path).text


def test_trying_whether_it_wakes_is_asked_for_on_a_form(city: City) -> None:
    city.services.drivers["pool_exam"] = InstantPool(Resources(64_000, 65_536, 1_000))  # type: ignore[index]
    path = f"/environments/{office(city)}"
    client = browser(city, "operator")
    form = client.get(f"{path}/test-wake")
    data = fill(form, "reason", reason="检查")
    assert "nothing to try" in client.post(f"{path}/test-wake", data=data).text
    client.post(f"{path}/hibernate", data={"reason": "检修", "force": "yes"})
    assert "See whether it wakes" in client.get(path).text
    form = client.get(f"{path}/test-wake")
    assert "Promised are 3 minutes." in form.text
    done = client.post(f"{path}/test-wake", data=fill(form, "reason", reason="检查"))
    after = follow(client, done)
    assert "It is tried whether it wakes." in after.text
    assert "A test" in after.text
