"""The usage ledger at rest, seen and checked over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from sqlalchemy import text

from cloudmgr import __version__
from tests.builders import a_record

if TYPE_CHECKING:
    from tests.api.city import City

PATH = "/api/v1/usage/ledger"


def test_what_was_metered_is_brought_to_rest_and_is_sound(city: City) -> None:
    finance = city.client("finance")
    # Its month of May is closed: all of that came to rest then.
    before = finance.get(PATH).json()
    assert (before["batches"], before["waiting"]) == (1, 0)
    with city.database.write() as tx:
        city.services.metering.ledger.append(tx, [a_record()], city.clock.now())
    assert finance.get(PATH).json()["waiting"] == 1
    keeper = city.services.ledger
    assert keeper is not None
    keeper.export()
    after = finance.get(PATH).json()
    assert (after["batches"], after["waiting"], after["problem"]) == (2, 0, "")
    assert [month["month"] for month in after["months"]] == ["2026-05", "2026-06"]
    files = f"{after['directory']}/*/*.parquet"
    found = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchall()
    assert found == [(sum(month["records"] for month in after["months"]),)]


@pytest.mark.parametrize("login", ["officer", "approver"])
def test_departments_have_no_business_with_it(city: City, login: str) -> None:
    assert city.client(login).get(PATH).status_code == 403
    assert city.client(login).get(f"{PATH}/check").status_code == 403


def test_a_check_names_what_is_wrong(city: City) -> None:
    finance = city.client("finance")
    found = finance.get(f"{PATH}/check").json()
    assert found["damages"] == []
    keeper = city.services.ledger
    assert keeper is not None
    state = keeper.state()
    assert found["files"] == sum(month.files for month in state.months)
    with city.database.read() as tx:
        victim = next(iter(city.services.metering.batches.files(tx)))
    assert found["records"] > 0
    path = Path(state.directory, victim)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    found = finance.get(f"{PATH}/check").json()
    assert (found["sound"], found["lapses"]) == (False, None)
    assert [one["path"] for one in found["damages"]] == [victim]
    keeper.tidy()
    assert "is not as it was written" in finance.get(PATH).json()["problem"]


@pytest.mark.parametrize("month", ["2026-13", "June", "2026-6", "%00"])
def test_what_is_no_month_is_refused(city: City, month: str) -> None:
    answer = city.client("finance").get(f"{PATH}/check", params={"month": month})
    assert answer.status_code in {400, 422}


def test_a_closed_month_is_rated_again_and_is_the_same(city: City) -> None:
    finance = city.client("finance")
    path = "/api/v1/billing/periods/2026-05"
    found = finance.get(f"{path}/verification").json()
    period = finance.get(path).json()["period"]
    assert found["digest"] == period["digest"]
    assert (period["ledger_batch"], period["version"]) == (1, __version__)
    # What was seeded by hand was never held: that is told, and nothing else.
    assert all("nothing says that it was held" in one for one in found["problems"])
    with city.database.write() as tx:
        tx.execute(text("UPDATE charge SET component = 'other'"))
    found = finance.get(f"{path}/verification").json()
    assert not found["equal"]
    assert any("is not what was closed" in one for one in found["problems"])
    assert finance.get("/api/v1/billing/periods/2026-06/verification").status_code == 404
    assert city.client("officer").get(f"{path}/verification").status_code == 403
