"""The usage ledger at rest, as a finance officer sees and checks it on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import a_record
from tests.cli.office import Office, said

if TYPE_CHECKING:
    from cloudmgr.metering.lake.keeper import Keeper

Capture = pytest.CaptureFixture[str]


def metered(office: Office) -> Keeper:
    plane = office.plane
    with plane.database.write() as tx:
        plane.stores.metering.ledger.append(tx, [a_record()], plane.clock.now())
    keeper = plane.ledger.keeper
    assert keeper is not None
    return keeper


def test_what_is_at_rest_and_what_waits_is_shown(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    keeper = metered(office)
    code, out, _ = said(capsys, "usage", "ledger", "show")
    assert (code, "1 records wait" in out, "Nothing is at rest yet." in out) == (0, True, True)
    keeper.export()
    code, out, _ = said(capsys, "usage", "ledger", "show")
    assert code == 0
    assert "2026-06" in out
    assert "batch 1, written " in out
    assert "0 records wait" in out


def test_a_check_ends_with_one_where_something_is_wrong(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    keeper = metered(office)
    code, out, _ = said(capsys, "usage", "ledger", "check")
    # The record was put there by hand: nothing says that it was held.
    assert code == 1
    assert "nothing says that it was held" in out
    (victim,) = Path(keeper.state().directory).glob("month=2026-06/*.parquet")
    victim.unlink()
    code, out, _ = said(capsys, "usage", "ledger", "check", "2026-06")
    assert code == 1
    assert f"{victim.name}: this file is not there" in out
    assert "not sound" in out
    code, _, err = said(capsys, "usage", "ledger", "check", "June")
    assert code != 0
    assert "'June' is not a month" in err
