"""Where the policies lie that come with the program."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def packaged_policies() -> Path:
    """``cloudmgr/_policies`` of an installed wheel, else ``policies/`` of the source tree."""
    package = Path(str(files("cloudmgr")))
    inside = package / "_policies"
    return inside if inside.is_dir() else package.parent / "policies"
