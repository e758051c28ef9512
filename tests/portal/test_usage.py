"""The page of usage says what nobody knows, in so many words."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.metering.measured.measuring import GapCharge
from tests.builders import a_gap
from tests.portal.browsing import browser

if TYPE_CHECKING:
    from tests.api.city import City


def test_a_gap_stands_in_the_list_as_no_data_and_never_as_a_number(seen_city: City) -> None:
    client = browser(seen_city, "officer")
    day = f"{seen_city.clock.now():%Y-%m-%d}"
    query = f"?from={day}&to={day}&meter=vcpu-used"
    english = client.get(f"/usage{query}").text
    rows = list(csv.DictReader(io.StringIO(client.get(f"/usage.csv{query}").text)))
    client.cookies.set("cloudmgr_language", "zh_CN")
    chinese = client.get(f"/usage{query}").text

    assert "no data" in english
    assert "nothing of the pool was measured" in english
    assert "无数据" in chinese
    assert "整个资源池均无测量数据" in chinese
    assert [(row["Quantity"], row["Exact quantity"], row["Remark"]) for row in rows] == [
        ("", "", "nothing of the pool was measured")
    ]


def test_what_was_charged_for_a_gap_is_said_with_it(city: City) -> None:
    now = city.clock.now()
    owner = replace(a_gap().owner, environment_id="env_exam", department_id="dep_exam")
    gap = replace(a_gap(), owner=owner, charged=GapCharge.HELD)
    with city.database.write() as tx:
        city.services.metering.gaps.append(tx, [gap])
    day = f"{now:%Y-%m-%d}"
    page = browser(city, "everybody").get(f"/usage?from={day}&to={day}&meter=vcpu-used").text

    assert "nothing of the pool was measured; charged as held" in page
