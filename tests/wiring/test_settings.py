"""Settings: every default is the embedded one, and what is wrong is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.clock import AcceleratedClock, SystemClock
from cloudmgr.errors import Invalid
from cloudmgr.pools.pool import Zone
from cloudmgr.wiring.settings import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDMGR_CONFIG", raising=False)


def test_without_any_setting_everything_is_embedded() -> None:
    settings = load()
    assert settings.database.startswith("sqlite:///")
    assert {pool.zone for pool in settings.pools} == set(Zone)
    assert isinstance(settings.make_clock(), SystemClock)
    assert settings.wakers == ("http://127.0.0.1:8081",)


def test_a_ledger_that_control_planes_share_is_where_somebody_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a state directory each of them would have a part of it."""
    assert load().ledger_dir == load().state_dir / "ledger"
    monkeypatch.setenv("CLOUDMGR_DATABASE_URL", "postgresql://city@db.example/city")
    assert load().ledger_dir is None
    monkeypatch.setenv("CLOUDMGR_LEDGER", str(tmp_path))
    assert load().ledger_dir == tmp_path


def test_the_environment_and_a_file_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "city.env"
    file.write_text("CLOUDMGR_PORT=9090\nCLOUDMGR_TIME_ZONE=Europe/Berlin\n")
    monkeypatch.setenv("CLOUDMGR_CONFIG", str(file))
    monkeypatch.setenv("CLOUDMGR_GATEWAY_PORTS", '{"extranet": 9091}')
    settings = load()
    assert (settings.port, settings.zone.key) == (9090, "Europe/Berlin")
    assert settings.gateway_ports == {Zone.EXTRANET: 9091}


def test_a_clock_may_run_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CLOUDMGR_CLOCK",
        '{"start":"2026-06-30T00:00:00+08:00","epoch":"2026-11-23T00:00:00Z","speed":360}',
    )
    assert isinstance(load().make_clock(), AcceleratedClock)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLOUDMGR_PORT", "99999"),
        ("CLOUDMGR_TIME_ZONE", "Shanghai"),
        ("CLOUDMGR_GATEWAY_DOMAIN", "not a domain"),
        ("CLOUDMGR_POOLS", '[{"name": "UPPER", "zone": "extranet"}]'),
        (
            "CLOUDMGR_CLOCK",
            '{"start":"2026-06-30T00:00:00","epoch":"2026-11-23T00:00:00Z","speed":0}',
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Invalid) as refused:
        load()
    assert refused.value.code == "invalid-settings"
    assert all(path.startswith(name) for path, _sentence in refused.value.problems)
