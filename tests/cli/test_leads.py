"""How long before a peak an environment starts, as ``cloudmgr env sleep`` tells it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.office import Office, said
from tests.cli.test_needs import hosted

if TYPE_CHECKING:
    from cloudmgr.wiring.control_plane import ControlPlane

Capture = pytest.CaptureFixture[str]


def started(plane: ControlPlane, minutes: int) -> None:
    starts = plane.stores.scaling.starts
    with plane.database.write() as tx:
        for hours in (3, 2, 1):
            start = starts.begin(tx, "env_portal", plane.clock.now() - timedelta(hours=hours))
            starts.end(tx, start, start.raised_at + timedelta(minutes=minutes))


def test_what_the_lead_time_comes_of_is_printed(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    hosted(office, ["portal"])
    assert "as its class says" in said(capsys, "env", "sleep", "env_portal")[1]

    started(office.plane, 40)

    code, out, _ = said(capsys, "env", "sleep", "env_portal")
    assert code == 0
    assert "measured 40 min over 3 starts" in " ".join(out.split())
