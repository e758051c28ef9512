"""``cloudmgr window ask FILE.ics``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources
from tests.builders import a_component, an_environment
from tests.cli.office import Office, said
from tests.fakes import InstantPool
from tests.scaling.test_sheets import calendar, event

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_calendar_is_looked_at_and_then_asked_for_without_what_is_bad(
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    office.plane.drivers["pool_outer"] = InstantPool(Resources(64_000, 65_536, 100))
    there = an_environment(
        id="env_one", pool_id="pool_outer", components=(a_component(cpu_millis=1_000),)
    )
    with office.plane.database.write() as tx:
        office.plane.stores.environments.add(tx, there)
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    day = office.plane.clock.now() + timedelta(days=30)
    file = tmp_path / "peaks.ics"
    good = (f"DTSTART:{day:%Y%m%d}T090000", f"DTEND:{day:%Y%m%d}T170000", "SUMMARY:年报")
    file.write_text(calendar(event("a", *good), event("b", good[0])), encoding="utf-8")
    words = ("window", "ask", "env_one", str(file))
    demand = ("--users", "600..1200", "--seconds-per-request", "0.4", "--requests-per-user", "3")

    code, shown, error = said(capsys, *words, *demand, "--dry-run")
    assert code == 0, error
    for word in ("年报", "yes", "refused, line 9 (b): the event has no end"):
        assert word in shown
    code, _, error = said(capsys, *words, *demand)
    assert (code, error.count("\n")) == (2, 1)
    code, shown, error = said(capsys, *words, *demand, "--leave-out", "--reason", "日程", "--json")
    assert code == 0, error
    made = json.loads(shown)
    assert [w["replicas"] for w in made["request"]["windows"]] == [3]
    assert [one["uid"] for one in made["left_out"]] == ["b"]
    code, shown, _ = said(capsys, *words, "--dry-run")
    assert "how many replicas it needs" in shown
    code, _, error = said(capsys, "window", "ask", "env_one", "nowhere.ics")
    assert (code, error.count("\n")) == (2, 1)
