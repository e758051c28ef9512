"""``cloudmgr scaling simulate --pool``: what the control plane says, in words and as a picture."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.builders import a_component, an_environment
from tests.cli.office import Office, said

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SIMULATE = ("scaling", "simulate", "--pool", "outer", "--zone", "UTC")


def test_a_pool_is_asked_whether_a_year_would_fit_with_more_systems_and_fewer_hosts(
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = an_environment(
        id="env_one", pool_id="pool_outer", components=(a_component(cpu_millis=1_000),)
    )
    with office.plane.database.write() as tx:
        office.plane.stores.environments.add(tx, there)
    start = office.plane.clock.now() + timedelta(days=30)
    times = ("--from", start.isoformat(), "--to", (start + timedelta(hours=2)).isoformat())
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    assert said(capsys, "window", "book", "env_one", *times, "--replicas", "6")[0] == 0

    code, shown, _ = said(capsys, *SIMULATE)
    assert code == 0
    for word in ("It fits: 75% is taken", "放得下", "6 cores", "least number of hosts"):
        assert word in shown

    drawn = tmp_path / "june.svg"
    code, shown, _ = said(
        capsys, *SIMULATE, "--like", "env_one", "--copies", "12", "--draw", str(drawn)
    )
    assert code == 1
    for word in ("12 promises would be broken", "more-1-12-1", "… and 2 more"):
        assert word in shown
    picture = drawn.read_text(encoding="utf-8")
    assert "12 promises would be broken" in picture
    assert "hosts that fail" in picture

    day = (start + timedelta(days=2)).date().isoformat()
    code, shown, _ = said(capsys, *SIMULATE, "--from", day, "--json")
    assert (code, json.loads(shown)["tightest"]["asked"]["cpu_millis"]) == (0, 0)
    away = f"1@{start:%Y-%m-%dT%H:%M}/{start + timedelta(days=1):%Y-%m-%dT%H:%M}"
    found = json.loads(said(capsys, *SIMULATE, "--fail", away, "--json")[1])
    assert (found["fits"], found["hosts_to_buy"]) == (False, 1)
    code, _, error = said(capsys, *SIMULATE, "--more-hosts", "-2")
    assert (code, error.count("\n")) == (2, 1)
    assert "there cannot be 2 fewer" in error
    assert said(capsys, *SIMULATE[:3], "none")[0] == 3
