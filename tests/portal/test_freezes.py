"""The page of an environment says that its changes are frozen; operators let them through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.test_freezes import near
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def test_a_freeze_is_told_lifted_and_restored(city: City) -> None:
    path = f"/environments/{near(city)}"
    seen = browser(city, "officer").get(path).text
    assert "Changes are frozen" in seen
    assert f"{path}/freeze" not in seen
    client = browser(city, "operator")
    assert f"{path}/freeze" in client.get(path).text
    assert "Replicas may be replaced" in client.get(f"{path}/freeze").text
    refused = client.post(f"{path}/freeze", data={"reason": ""})
    assert refused.status_code == 422
    assert client.post(f"{path}/freeze", data={"reason": "泄露"}).status_code == 303
    page = client.get(path).text
    assert "Changes are let through" in page
    assert "泄露" in page
    done = client.post(f"{path}/freeze", data={"reason": "已换", "restore": "yes"})
    assert done.status_code == 303
    client.cookies.set("cloudmgr_language", "zh-CN")
    assert "变更已冻结" in client.get(path).text
