"""Secrets on an environment's page: seen to be missing, set, dropped, and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from cloudmgr.api.store import kept_answers
from cloudmgr.hosting.workload import workload
from tests.api.test_secrets import NAME, VALUE, tell
from tests.portal.browsing import browser, fill, forms
from tests.portal.test_forms import follow

if TYPE_CHECKING:
    from tests.api.city import City

FIELD = f"secret.{NAME}"


def page_of(city: City) -> str:
    return f"/environments/{city.ours['environment_id']}"


def test_a_missing_value_is_seen_and_set_and_stands_on_no_page(city: City) -> None:
    client = browser(city, "officer")
    page = client.get(page_of(city))
    assert "No value yet" in page.text
    assert 'autocomplete="new-password"' in page.text
    data = fill(page, FIELD, **{FIELD: f" {VALUE} "})
    done = follow(client, client.post(f"{page_of(city)}/secrets/{NAME}", data=data))
    assert "The secret is set." in done.text
    assert "No value yet" not in done.text
    assert "set by officer" in done.text
    assert VALUE not in done.text
    with city.database.read() as tx:
        found = city.services.environments.get(tx, city.ours["environment_id"])
        (component,) = city.services.secrets.told(tx, found, workload(found)).components
        # Other fields are trimmed.
        assert component.secrets[NAME].value == f" {VALUE} "
        assert tx.execute(select(kept_answers)).all() == [], "a digest of it lets it be guessed"
    assert "set a secret" in browser(city, "auditor").get("/audit").text


def test_what_is_wrong_stands_beside_its_field_and_is_not_typed_again_for_them(city: City) -> None:
    client = browser(city, "officer")
    for wrong in ("", VALUE * 2000):
        answer = client.post(f"{page_of(city)}/secrets/{NAME}", data={FIELD: wrong})
        assert answer.status_code == 422
        assert f'href="#f-secret-{NAME}"' in answer.text
        assert f'id="f-secret-{NAME}-fault"' in answer.text
        assert VALUE not in answer.text
        assert "No value yet" in answer.text


def test_one_that_nobody_is_told_any_more_can_be_dropped_and_not_set(city: City) -> None:
    client = browser(city, "officer")
    path = f"{page_of(city)}/secrets/{NAME}"
    client.post(path, data={FIELD: VALUE})
    refused = client.post(f"{path}/drop", data={})
    assert refused.status_code == 409
    assert f"{NAME} is told to web." in refused.text
    tell(city)
    page = client.get(page_of(city))
    assert "told to nobody any more" in page.text
    (form,) = [f for f in forms(page) if "/secrets/" in f.action]
    assert form.action == f"{path}/drop"
    done = follow(client, client.post(form.action, data=form.values))
    assert "The secret is dropped." in done.text
    assert NAME not in done.text


@pytest.mark.parametrize("login", ["approver", "operator", "auditor"])
def test_who_may_not_set_it_sees_that_it_is_missing_and_no_field(
    seen_city: City, login: str
) -> None:
    page = browser(seen_city, login).get(page_of(seen_city))
    assert "No value yet" in page.text
    assert FIELD not in page.text


def test_without_a_key_it_is_said_on_the_page_in_both_languages(city: City) -> None:
    city.services.secrets._key_file.path.unlink()
    client = browser(city, "officer")
    path = f"{page_of(city)}/secrets/{NAME}"
    answer = client.post(path, data={FIELD: VALUE})
    assert answer.status_code == 409
    assert "for secrets is not there" in answer.text
    client.cookies.set("cloudmgr_language", "zh-CN")
    chinese = client.post(path, data={FIELD: VALUE})
    assert "机密的密钥文件" in chinese.text
    assert "请为所有控制面统一创建一次" in chinese.text
