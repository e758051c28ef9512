"""All of cinder in one process: API, scheduler, and the one backend. PORT DIRECTORY."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.labs.openstack.inside import sqlite as sqlite  # noqa: PLC0414 - for what it changes
from tests.labs.openstack.inside.edge import Edge, end_with_parent, serve

PORT, DIRECTORY = int(sys.argv[1]), Path(sys.argv[2])
# Cinder reads what is left there as options of its own.
sys.argv = ["cinder", "--config-dir", os.environ["OS_CINDER_CONFIG_DIR"]]
# Before anything else of cinder's: it decides how threads are made.
from cinder import monkey_patch  # noqa: E402

monkey_patch.patch()
APPLICATION = importlib.import_module("cinder.wsgi.api").application

from cinder import service  # noqa: E402


def start(**what: Any) -> None:
    service.Service.create(**what).start()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    end_with_parent()
    start(host="lab@lab", service_name="lab", binary="cinder-volume", coordination=True)
    start(binary="cinder-scheduler")
    serve(Edge(APPLICATION, "cinder", DIRECTORY), PORT, threads=8)


try:
    main()
except BaseException:  # noqa: BLE001 - threads that cinder left would keep the process alive
    traceback.print_exc()
    os._exit(1)
