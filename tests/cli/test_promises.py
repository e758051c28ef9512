"""``cloudmgr window check``, ``book`` and ``at-risk``."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.pools.capacity import Resources
from tests.builders import a_component, an_environment
from tests.cli.office import Office, said
from tests.fakes import InstantPool

if TYPE_CHECKING:
    import pytest


def test_a_peak_is_checked_booked_insisted_on_and_found_at_risk(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with office.plane.database.write() as tx:
        for name in ("one", "two"):
            there = an_environment(
                id=f"env_{name}",
                name=name,
                host=f"{name}.localhost",
                pool_id="pool_outer",
                components=(a_component(cpu_millis=1_000),),
            )
            office.plane.stores.environments.add(tx, there)
    start = office.plane.clock.now() + timedelta(days=30)
    times = ("--from", start.isoformat(), "--to", (start + timedelta(hours=2)).isoformat())
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    check = ("window", "check", "env_two", *times, "--replicas", "6")
    book = ("window", "book", "env_two", *times, "--replicas", "6")

    assert json.loads(said(capsys, *check, "--json")[1])["fits"] is True
    code, shown, _ = said(
        capsys, "window", "book", "env_one", *times, "--replicas", "6", "--note", "报名"
    )
    assert (code, "报名" in shown) == (0, True)
    code, shown, _ = said(capsys, *check)
    assert code == 0
    for word in ("lacks 4 cores", "放不下", "gaokao", "6 cores"):
        assert word in shown
    code, _, error = said(capsys, *book)
    assert (code, error.count("\n")) == (4, 1)
    assert "do not fit into the pool outer" in error
    code, _, error = said(capsys, *book, "--force")
    assert (code, error.count("\n")) == (2, 1)
    assert said(capsys, "window", "at-risk")[1].strip() == "No promise is at risk."
    assert said(capsys, *book, "--force", "--reason", "市政府要求")[0] == 0

    (lost,) = json.loads(said(capsys, "window", "at-risk", "--pool", "pool_outer", "--json")[1])
    assert lost["environment_id"] == "env_two", "the one that was booked last"
    office.plane.drivers["pool_outer"] = InstantPool(Resources(2_000, 16_384, 100))
    code, shown, _ = said(capsys, "window", "at-risk", "--criticality", "3")
    assert (code, shown.count("gaokao")) == (0, 2)
    code, shown, _ = said(capsys, "pool", "show", "pool_outer")
    assert "promises at risk" in shown


def test_an_officer_checks_and_is_told_who_may_book(
    office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    start = office.plane.clock.now() + timedelta(days=30)
    times = ("--from", start.isoformat(), "--to", (start + timedelta(hours=2)).isoformat())
    code, _, error = said(capsys, "window", "book", "env_one", *times, "--replicas", "6")
    assert (code, "operator" in error) == (5, True)
