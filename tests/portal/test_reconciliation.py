"""The page that holds our hours against a pool's, in words of both languages."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.identity.user import Locale
from cloudmgr.metering.reconciliation import EXPLANATIONS
from cloudmgr.portal.language import translations
from cloudmgr.portal.sentences import translated
from tests.fakes import AccountedPool, InstantPool
from tests.metering.counted import a_counted_pool, read
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def counted(city: City) -> AccountedPool:
    city.clock.advance(timedelta(days=2))
    pool, pool_id = a_counted_pool(city.clock), city.ours["pool_id"]
    city.services.drivers[pool_id] = pool  # type: ignore[index]
    read(city.database, city.services.metering, city.clock, pool_id, pool)
    return pool


def address(city: City) -> str:
    return f"/pools/{city.ours['pool_id']}/reconciliation"


def test_it_is_reached_from_the_pools_and_by_finance_from_usage(city: City) -> None:
    counted(city)
    assert f'href="{address(city)}"' in browser(city, "operator").get("/pools").text
    assert f'href="{address(city)}"' in browser(city, "finance").get("/usage").text
    assert "reconciliation" not in browser(city, "officer").get("/usage").text
    assert browser(city, "officer").get(address(city)).status_code == 403


def test_where_no_pool_keeps_accounts_no_page_leads_there(seen_city: City) -> None:
    assert "reconciliation" not in browser(seen_city, "operator").get("/pools").text


def test_each_difference_is_explained_in_words(city: City) -> None:
    counted(city)
    client = browser(city, "finance")
    page = client.get(address(city)).text
    assert "Every difference is explained" in page
    assert "The pool goes on counting a server that sleeps" in page
    assert "The pool forgets what ran before a server was last woken" in page
    assert "web-0-abcdef01" in page
    client.cookies.set("cloudmgr_language", "zh_CN")
    chinese = client.get(address(city)).text
    assert "所有差额均有解释" in chinese
    assert "服务器休眠时资源池仍继续计时" in chinese


def test_what_nothing_explains_is_said_first_and_shown_open(city: City) -> None:
    pool = counted(city)
    pool.kept = [one for one in pool.kept if one.server_id == "two"]
    page = browser(city, "operator").get(address(city)).text
    assert "Something is unexplained" in page
    assert page.index("Something is unexplained") < page.index("Environment by environment")
    assert "<details open>" in page
    assert "Every difference is explained" not in page


def test_other_days_can_be_asked_for(city: City) -> None:
    counted(city)
    client = browser(city, "operator")
    day = f"{city.clock.now():%Y-%m-%d}"
    assert "web-0-abcdef01" in client.get(f"{address(city)}?from={day}&to={day}").text
    past = client.get(f"{address(city)}?from=2026-05-01&to=2026-05-02").text
    assert "Neither counted a server then" in past
    assert "x is not a day" in client.get(f"{address(city)}?from=x").text.lower()
    turned = client.get(f"{address(city)}?from={day}&to=2026-05-01")
    assert (turned.status_code, "which is no later" in turned.text) == (200, True)


def test_every_server_is_a_line_of_the_csv_in_exact_seconds(city: City) -> None:
    pool = counted(city)
    client = browser(city, "finance")
    assert f'href="{address(city)}.csv?from=2026-06-01"' in (
        client.get(f"{address(city)}?from=2026-06-01").text
    )
    rows = list(csv.DictReader(io.StringIO(client.get(f"{address(city)}.csv").text)))
    assert [
        (row["Id"], row["Ours (seconds)"], row["The pool's (seconds)"], row["Difference (seconds)"])
        for row in rows
    ] == [("one", "7200", "3600", "'-3600"), ("two", "28800", "36000", "7200")]
    assert rows[1]["Why"].startswith("7200: The pool goes on counting")
    pool.failing = Temporary("the cloud does not answer", code="pool-unreachable")
    assert client.get(f"{address(city)}.csv?to=2026-06-03").headers["Location"] == (
        f"{address(city)}?to=2026-06-03"
    )


def test_what_cannot_be_told_is_said_and_why(city: City) -> None:
    pool = counted(city)
    client = browser(city, "operator")
    pool.failing = Temporary("the cloud does not answer", code="pool-unreachable")
    assert "The cloud does not answer." in client.get(address(city)).text
    city.services.drivers[city.ours["pool_id"]] = InstantPool()  # type: ignore[index]
    assert "This pool keeps no accounts of its own." in client.get(address(city)).text


@pytest.mark.parametrize("sentence", EXPLANATIONS.values())
def test_every_reason_has_its_chinese(sentence: str) -> None:
    assert translated(sentence, translations(Locale.ZH_CN).gettext) != sentence
