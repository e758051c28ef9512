"""The alerts that are shipped: Prometheus takes them, and they speak of gauges that there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.hosting.office import Office
from tests.prometheus import program

if TYPE_CHECKING:
    import pytest

ALERTS = Path(__file__).parents[2] / "deploy" / "prometheus" / "alerts.yaml"


def test_prometheus_takes_the_alerts() -> None:
    command = [program("promtool"), "check", "rules", str(ALERTS)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "7 rules found" in said.stdout


def test_every_gauge_that_alerts_speak_of_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    told = {family.name for family in Office(tmp_path_factory.mktemp("p")).plane.registry.collect()}
    spoken = set(re.findall(r"cloudmgr_[a-z_]+", ALERTS.read_text(encoding="utf-8")))
    assert spoken
    assert spoken <= told
