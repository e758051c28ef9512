"""Serves the WSGI application of one service: SERVICE PORT DIRECTORY."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path

from tests.labs.openstack.inside import sqlite
from tests.labs.openstack.inside.edge import Edge, end_with_parent, serve


def main(service: str, port: int, directory: Path) -> None:
    # The services read what is left there as options of their own.
    sys.argv = [service]
    if service == "keystone":
        sqlite.keep_references()
    app = importlib.import_module(f"{service}.wsgi.api").application
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    end_with_parent()
    # Placement retries what collides with another thread, and gives up too soon for SQLite.
    serve(Edge(app, service, directory), port, threads=1 if service == "placement" else 8)


main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
