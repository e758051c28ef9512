"""A month is closed over the ledger at rest, and rated again from what was frozen."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from cloudmgr import __version__
from cloudmgr.errors import Conflict, Temporary
from cloudmgr.interval import Interval
from cloudmgr.policy.prices import Price, PriceList
from tests.billing.finance import HOUR, Finance
from tests.builders import a_record

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.db.engine import Database


def an_office(database: Database) -> Finance:
    """Ten days of one replica, and some requests; the month is over."""
    office = Finance(database)
    office.hold(10)
    office.gateway.serve("env_exam", 12345)
    office.clock.advance(timedelta(days=1))
    office.collector.collect()
    office.later(minutes=2)
    return office


def test_the_inputs_of_a_month_are_kept_with_it(database: Database, tmp_path: Path) -> None:
    office = an_office(database)
    office.keep_a_ledger(tmp_path / "ledger")
    closed = office.closing.close("2026-06", "usr_li")
    assert (closed.inputs.ledger_batch, closed.inputs.version) == (1, __version__)
    assert closed.inputs.prices == office.prices
    with database.read() as tx:
        assert office.books.store.closed(tx, "2026-06") == closed
    assert office.closing.verify("2026-06").equal


def test_prices_that_change_later_do_not_change_what_was_frozen(database: Database) -> None:
    office = an_office(database)
    closed = office.closing.close("2026-06", "usr_li")
    assert closed.inputs.ledger_batch is None
    dearer = tuple(
        Price(p.meter, p.zone, p.valid_from, p.unit_price * 2) for p in office.prices.prices
    )
    office.prices = PriceList("CNY", dearer)
    assert office.closing.verify("2026-06").equal


def test_a_charge_that_its_usage_does_not_come_to_is_found(sqlite: Database) -> None:
    """Somebody with access to the database halves a price and the amounts that come of it."""
    office = an_office(sqlite)
    office.closing.close("2026-06", "usr_li")
    with sqlite.write() as tx:
        tx.execute(
            text(
                "UPDATE charge SET unit_price = '0.06', "
                "numerator = CAST(quantity AS NUMERIC) * 0.06 WHERE meter = 'vcpu'"
            )
        )
    found = office.closing.verify("2026-06")
    assert any("is rated otherwise by the prices that were frozen" in p for p in found.problems)


def test_damage_holds_a_month_open_whatever_is_accepted(sqlite: Database, tmp_path: Path) -> None:
    office = an_office(sqlite)
    table = office.keep_a_ledger(tmp_path / "ledger")
    office.collector.collect()
    with pytest.raises(Temporary) as refused:
        unwritable(office, tmp_path)
    assert refused.value.code == "ledger-unwritable"

    office.closing.close("2026-06", "usr_li")
    victim = table.directory / table.files()[0].path
    victim.write_bytes(victim.read_bytes()[:-1])
    assert [p for p in office.closing.verify("2026-06").problems if victim.name in p]
    office.write(a_record(interval=Interval(office.clock.now(), office.clock.now() + HOUR)))
    office.clock.advance(timedelta(days=31))
    lost = table.directory / table.files()[0].path
    lost.unlink()
    with pytest.raises(Conflict) as damaged:
        office.closing.close("2026-07", "usr_li", accept_gaps=True)
    assert damaged.value.code == "ledger-damaged"


def unwritable(office: Finance, tmp_path: Path) -> None:
    """A ledger where a file stands in the way of its directory."""
    place = tmp_path / "a file"
    place.write_text("")
    before = office.closing
    office.keep_a_ledger(place / "ledger")
    try:
        office.closing.close("2026-06", "usr_li")
    finally:
        office.closing = before


def test_lapses_are_accepted_by_whoever_closes_and_kept(database: Database, tmp_path: Path) -> None:
    office = an_office(database)
    office.keep_a_ledger(tmp_path / "ledger")
    start = office.month.interval.start
    stray = a_record(
        resource="alloc_9", interval=Interval(start, start + HOUR), quantity=Decimal(3600)
    )
    office.write(stray)
    with pytest.raises(Conflict) as refused:
        office.closing.close("2026-06", "usr_li")
    assert refused.value.code == "ledger-not-sound"
    assert [path for path, _ in refused.value.problems] == ["ledger"]
    closed = office.closing.close("2026-06", "usr_li", accept_gaps=True)
    [gap] = closed.gaps
    assert "alloc_9" in gap
    assert "nothing says that it was held" in gap
