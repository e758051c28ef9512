from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_a_collector_killed_at_any_step_loses_and_doubles_nothing(
    database_url: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.metering.crash", database_url, str(tmp_path)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]

    expected = {
        "sums": {
            "vcpu": (7 + 80) * 60 // 2,
            "memory": (7 + 80) * 60 * 3 // 4,
            "storage": 180 * 60 * 10,
            "requests": 900,
        },
        "notes": [],
        "forgotten": ["long", "short"],
    }
    for result in results:
        assert {key: result[key] for key in expected} == expected
    # Every process but the last was killed, and there is much at which to be killed.
    assert [result["killed"] for result in results] == [True] * (len(results) - 1) + [False]
    assert len(results) > 20
