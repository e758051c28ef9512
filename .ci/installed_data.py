"""Whether the installed package carries every file of data that the checkout has.

Usage: ``python installed_data.py CHECKOUT``, with the interpreter of the environment to look at,
from a directory that is not the checkout. Exits with 1 and names what is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cloudmgr

installed = Path(cloudmgr.__file__).parent
checkout = Path(sys.argv[1]).resolve()


def data(folder: Path) -> set[Path]:
    """The files below ``folder``, relative to it, but for compiled ones."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


if installed.is_relative_to(checkout):
    sys.exit(f"this looks at the checkout itself: {installed}")
missing = data(checkout / "cloudmgr") - data(installed)
missing |= {
    "_policies" / path for path in data(checkout / "policies") - data(installed / "_policies")
}
if missing:
    sys.exit("the wheel lacks " + ", ".join(sorted(map(str, missing))))
print(f"the wheel carries every file of the package: {len(data(installed))}")
