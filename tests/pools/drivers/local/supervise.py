"""A control plane reduced to its local pool, to be killed: ``python -m … DIRECTORY``.

It says ``started``, supervises whenever it may, and goes on until its standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cloudmgr.clock import SystemClock
from tests.pools.grounds import LocalGround


def main() -> None:
    ground = LocalGround(Path(sys.argv[1]), SystemClock())
    print("started", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.read()
    ground.driver.close()


if __name__ == "__main__":
    main()
