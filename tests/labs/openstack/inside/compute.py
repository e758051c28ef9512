"""All of nova in one process: API, conductor, scheduler, and a compute service for each host.

Arguments: PORT DIRECTORY, and the ports that must be open before it starts. Which hosts there
are is said by ``hosts.json`` in the directory, which is followed.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.labs.openstack.inside import sqlite as sqlite  # noqa: PLC0414 - for what it changes
from tests.labs.openstack.inside.edge import Edge, end_with_parent, serve
from tests.labs.openstack.inside.guests import end_all

PORT, DIRECTORY, AFTER = int(sys.argv[1]), Path(sys.argv[2]), [int(port) for port in sys.argv[3:]]
sys.argv = ["nova"]  # nova reads what is left there as options of its own
# Before anything else of nova's: it decides how threads are made, and reads the configuration.
APPLICATION = importlib.import_module("nova.wsgi.osapi_compute").application

import os_vif  # noqa: E402
from nova import context, objects, service  # noqa: E402
from nova.compute import rpcapi as compute  # noqa: E402
from nova.conductor import rpcapi as conductor  # noqa: E402
from nova.objects import host_mapping  # noqa: E402
from nova.scheduler import rpcapi as scheduler  # noqa: E402
from nova.virt import fake  # noqa: E402

from tests.labs.openstack.inside import hypervisor  # noqa: E402

# Nova takes drivers from its own package alone.
fake.Hypervisor = hypervisor.Hypervisor


class Hosts:
    """The compute services, as ``hosts.json`` would have them."""

    def __init__(self) -> None:
        self._up: dict[str, Any] = {}
        self._seen = ""

    def look(self) -> None:
        text = (DIRECTORY / "hosts.json").read_text()
        if text == self._seen:
            return
        said = json.loads(text)
        wanted = {name for name, host in said.items() if host.pop("up")}
        for name in self._up.keys() - wanted:
            self._lose(self._up.pop(name))
        for name in sorted(wanted - self._up.keys()):
            hypervisor.SIZES[name] = hypervisor.Size(**said[name])
            self._up[name] = start(
                binary="nova-compute",
                host=name,
                topic=compute.RPC_TOPIC,
                topic_alt=compute.RPC_TOPIC_ALT,
            )
        host_mapping.discover_hosts(context.get_admin_context())
        self._seen = text
        # For whoever wrote it, and waits until it is so.
        (DIRECTORY / "hosts.seen").write_text(text)

    def follow(self) -> None:
        while True:
            time.sleep(0.2)
            try:
                self.look()
            except Exception:  # noqa: BLE001 - it is to be read in the log, and tried again
                traceback.print_exc()

    def _lose(self, lost: Any) -> None:
        """Not its own way to stop, which says goodbye and ends threads that all hosts share."""
        lost.tg.stop()
        lost.rpcserver.stop()
        lost.rpcserver_alt.stop()
        lost.manager.driver.lose()


def start(**what: str) -> Any:
    made = service.Service.create(**what)
    made.start()
    return made


def wait_for(port: int) -> None:
    """Computes register with placement, by a token of keystone's, as they start."""
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.2)
    raise TimeoutError(port)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    end_with_parent(lambda: end_all(DIRECTORY))
    state = DIRECTORY / "state" / "nova"
    state.mkdir(parents=True, exist_ok=True)
    # It only has to exist, or nova refuses to start a second time.
    (state / "compute_id").write_text(hypervisor.node_uuid("lab"))
    for port in AFTER:
        wait_for(port)
    os_vif.initialize()
    objects.Service.enable_min_version_cache()
    start(binary="nova-conductor", topic=conductor.RPC_TOPIC)
    start(binary="nova-scheduler", topic=scheduler.RPC_TOPIC)
    hosts = Hosts()
    hosts.look()
    threading.Thread(target=hosts.follow, daemon=True).start()
    serve(Edge(APPLICATION, "nova", DIRECTORY), PORT, threads=8)


try:
    main()
except BaseException:  # noqa: BLE001 - threads that nova left would keep the process alive
    traceback.print_exc()
    os._exit(1)
