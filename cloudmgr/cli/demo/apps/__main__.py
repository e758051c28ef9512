"""``python -m cloudmgr.cli.demo.apps gaokao``: one replica of one application.

Read from the environment: ``PORT``; ``DATA_DIR``; ``RECORDS_DIR`` instead of it where several
replicas share their rows; ``CONCURRENCY`` and ``WORK_MILLISECONDS``, the limits of this replica.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from uvicorn import Config, Server

from cloudmgr.cli.demo.apps.catalogue import SERVICES
from cloudmgr.cli.demo.apps.records import Records
from cloudmgr.cli.demo.apps.service import Application, Limits
from cloudmgr.clock import SystemClock

if TYPE_CHECKING:
    from types import FrameType

# A gateway learns within this time that the replica is leaving; until then it still sends requests.
_LEAVING_SECONDS = 0.4


class _Server(Server):
    """Goes on answering for a moment after SIGTERM, then finishes what is in flight and ends."""

    def __init__(self, config: Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._application.leaving:
            super().handle_exit(sig, frame)
            return
        self._application.leaving = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, _LEAVING_SECONDS, self._end)

    def _end(self) -> None:
        self.should_exit = True


def main(arguments: list[str]) -> int:
    """Serve until a signal; 2 if there is no such application."""
    service = SERVICES.get(arguments[0]) if len(arguments) == 1 else None
    if service is None:
        print(f"usage: python -m cloudmgr.cli.demo.apps {{{','.join(SERVICES)}}}", file=sys.stderr)
        return 2
    directory = os.environ.get("RECORDS_DIR") or os.environ.get("DATA_DIR") or "."
    records = Records(Path(directory), service)
    limits = Limits(
        concurrency=int(os.environ.get("CONCURRENCY", "4")),
        work_seconds=float(os.environ.get("WORK_MILLISECONDS", "50")) / 1000,
    )
    about = {"service": service.code, "pid": os.getpid(), "port": int(os.environ["PORT"])}
    application = Application(service, records, limits, about)
    config = Config(
        application,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=8,
    )
    # Who ran when, by the applications' own account: what the city meters is held against it.
    clock = SystemClock()
    records.begin(os.getpid(), clock.now().timestamp())
    try:
        asyncio.run(_Server(config, application).serve())
    finally:
        records.end(os.getpid(), clock.now().timestamp())
        records.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
