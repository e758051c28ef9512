"""What a lab runs for an image, as a process of this machine. The standard library alone."""

from __future__ import annotations

import sys
from pathlib import Path

APP = Path(__file__).parents[1] / "apps" / "web.py"
# By the last word of an image's name, without the tag. None: only the claim that it runs.
PROGRAMS: dict[str, list[str] | None] = {
    "web": [sys.executable, "-I", "-S", str(APP)],
    "sleep": ["sleep", "600"],
    # Twice: a Kubernetes cluster keeps the log of no more than the last run while it waits.
    "broken": ["sh", "-c", "echo no luck; echo no luck; exit 3"],
    "nothing": None,
}
