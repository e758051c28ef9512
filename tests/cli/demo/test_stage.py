"""The stage: business time, ports, and clearing away what it started and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
import pytest

from cloudmgr.cli.demo import city, founding
from cloudmgr.cli.demo.command import parse_hours
from cloudmgr.cli.demo.founding import Hosted
from cloudmgr.cli.demo.report import invoice_page
from cloudmgr.cli.demo.stage import Ports, Stage
from cloudmgr.cli.demo.timeline import Timeline
from cloudmgr.cli.demo.traces import DAY_SECONDS
from cloudmgr.cli.demo.visitors import schedule
from cloudmgr.errors import Invalid
from cloudmgr.wiring.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = datetime(2027, 1, 1, tzinfo=UTC)
LINE = Timeline(city.DAY - timedelta(hours=2), EPOCH, 360)


def test_business_time_and_the_machines_time_are_told_apart_and_lead_to_each_other() -> None:
    assert LINE.machine(city.DAY) == EPOCH.timestamp() + 20
    assert LINE.business(LINE.machine(city.DAY)) == city.DAY
    assert LINE.wall(EPOCH.timestamp()) == "22:00"
    leading = Timeline.leading_to(city.DAY, 10, 360)
    assert leading.machine(city.DAY) - leading.epoch.timestamp() == pytest.approx(10)


def test_the_control_plane_is_told_the_same_time_ports_and_pools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_DATABASE_URL", "postgresql://somebody.elses/database")
    stage = Stage(tmp_path, Ports(1, 2, 3, 4), LINE)
    variables = stage.variables()
    assert "CLOUDMGR_DATABASE_URL" not in variables
    for name in list(os.environ):
        if name.startswith("CLOUDMGR_"):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        if name.startswith("CLOUDMGR_"):
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.state_dir == tmp_path.resolve()
    assert settings.clock is not None
    assert settings.clock.start == LINE.start
    assert {pool.zone.value for pool in settings.pools} == {"extranet", "intranet"}
    assert set(settings.gateway_ports.values()) == {3, 4}


def test_clearing_ends_what_names_the_state_directory_and_nothing_else(tmp_path: Path) -> None:
    wait = [sys.executable, "-c", "import time; time.sleep(600)"]
    (tmp_path / "one").mkdir()
    stage = Stage(tmp_path / "one", Ports(1, 2, 3, 4), LINE)
    by_variable = subprocess.Popen(wait, env={**os.environ, "DATA_DIR": f"{stage.state}/data"})
    by_command = subprocess.Popen([*wait, f"--configfile={stage.state}/traefik.yml"])
    other = subprocess.Popen([*wait, f"{stage.state}-of-another"])
    try:
        while not {by_variable.pid, by_command.pid} <= {p.pid for p in stage.processes()}:
            assert psutil.pid_exists(by_variable.pid)
        assert stage.clear() == 2
        assert not psutil.pid_exists(by_variable.pid)
        assert not psutil.pid_exists(by_command.pid)
        assert other.poll() is None
    finally:
        for process in (by_variable, by_command, other):
            process.kill()
            process.wait()


def hosted(plan: city.Plan) -> Hosted:
    return Hosted(plan, "sys_1", "env_1", f"{plan.code}-prod.{plan.zone}.localhost")


def test_visitors_come_through_the_gateway_of_their_zone_when_the_trace_says() -> None:
    everything = [hosted(plan) for plan in city.PLANS]
    planned = schedule(everything, LINE, Ports(1, 2, 3, 4), 0, DAY_SECONDS)
    assert [a.due for a in planned] == sorted(a.due for a in planned)
    assert all(EPOCH.timestamp() + 20 <= a.due < EPOCH.timestamp() + 260 for a in planned)
    assert {(a.system, a.gateway) for a in planned} == {
        (p.code, f"http://127.0.0.1:{3 if p.zone == 'extranet' else 4}") for p in city.PLANS
    }
    busiest = max(
        sum(second <= a.due - EPOCH.timestamp() < second + 1 for a in planned)
        for second in range(20, 260)
    )
    assert 60 <= busiest <= 140
    again = schedule(everything, LINE, Ports(1, 2, 3, 4), 0, DAY_SECONDS)
    assert again == planned
    tomorrow = schedule(everything, LINE, Ports(1, 2, 3, 4), 0, DAY_SECONDS, day=1)
    assert min(a.due for a in tomorrow) >= EPOCH.timestamp() + 260


def test_peaks_that_are_over_are_not_declared() -> None:
    assert len(founding.windows(0)) == 2
    assert len(founding.windows(0, 20 * 3600)) == 1
    (evening,) = founding.windows(1, 20 * 3600)
    assert evening["starts_at"] == "2026-07-01T13:00:00+00:00"


def test_hours_are_full_hours_of_one_day() -> None:
    assert parse_hours("15-19") == (15 * 3600, 19 * 3600)
    assert parse_hours("0-24") == (0, 24 * 3600)
    for wrong in ("19-15", "5-5", "0-25", "all", "", "1-2-3"):
        with pytest.raises(Invalid, match="no hours"):
            parse_hours(wrong)


def test_the_city_is_six_departments_with_eight_systems_and_someone_for_each() -> None:
    codes = {department.code for department in city.DEPARTMENTS}
    assert len(codes) == 6
    assert len({plan.code for plan in city.PLANS}) == 8
    assert {plan.department for plan in city.PLANS} == codes
    assert {person.department for person in city.OFFICERS} == codes
    assert len({plan.trace for plan in city.PLANS}) == 8


def test_an_invoice_for_people_is_in_two_languages_and_shows_names_as_text() -> None:
    line = {
        "number": 1, "environment_zh": "<b>填报", "environment_en": "Choice & prod",
        "meter_zh": "计算", "meter_en": "vCPU", "displayed_quantity": "1.000000",
        "unit_zh": "vCPU·小时", "unit_price": "0.12", "amount": "0.12",
    }  # fmt: skip
    invoice = {
        "number": "2026-06-0001", "month": "2026-06", "account_zh": "教委", "account_en": "Edu",
        "currency": "CNY", "lines": [line], "rounding": "0.00", "total": "0.12",
    }  # fmt: skip
    page = invoice_page(invoice, closed=True)
    assert "账单 Invoice 2026-06-0001" in page
    assert "&lt;b&gt;填报" in page
    assert "Choice &amp; prod" in page
    assert "预览" in invoice_page(invoice, closed=False)
