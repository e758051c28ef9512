"""A control plane reduced to its local pool, to be killed: ``python -m … DIRECTORY``.

It says ``supervising`` once it does, and goes on until its standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cloudmgr.clock import SystemClock
from tests.pools.grounds import LocalGround
from tests.waiting import until


def main() -> None:
    ground = LocalGround(Path(sys.argv[1]), SystemClock())
    until(lambda: ground.driver.supervising)
    print("supervising", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.read()
    ground.driver.close()


if __name__ == "__main__":
    main()
