from __future__ import annotations

import subprocess
import sys


def test_charts_cost_nothing_until_the_first_is_drawn() -> None:
    code = (
        "import sys, cloudmgr.cli.serving, cloudmgr.portal.app;"
        "print([m for m in ('altair', 'vl_convert', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
