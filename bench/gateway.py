"""What the gateway adds: to a change of routes, to every request, and to a first one after a sleep.

- *A change of routes*: from the commit of a replica's new address until a request through the
  gateway reaches it, among 10 and among 500 environments (the reconciler, its loop and Traefik are
  the real ones). Traefik itself waits for 100 ms after a change, in case there are more.
- *Every request*: a hosted application through Traefik against the same replica asked directly.
- *A first one*: a request to a sleeping environment against starting the same application by hand
  until it answers.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx

from bench import city
from bench.load import ask
from bench.table import machine, percentile, ratio, show, verdict
from cloudmgr.cli.demo.startup import startup_seconds
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import upgrade
from cloudmgr.hosting.environments import Endpoint
from cloudmgr.pools.pool import Zone
from cloudmgr.reconcile.loop import Loop
from cloudmgr.scaling.gateway.reconciler import GatewayReconciler
from cloudmgr.scaling.gateway.traefik import Gateway
from cloudmgr.wiring.stores import Stores
from tests.end_to_end.plane import Place
from tests.end_to_end.town import Town
from tests.fakes import Unfenced
from tests.ports import free_port
from tests.scaling.serving import serving
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.plane import Plane
    from tests.scaling.serving import Server

SIZES = (10, 500)
CHANGES = 15
SECONDS = 4.0
WAKES = 7
_APPLICATION = "gaokao"
# A request that the application answers without work of its own.
_PATH = "/api/about"
_WAKE_GOAL = 1.5


# --------------------------------------------------------------------------- a change of routes


class _Named:
    """The smallest application: it says its name."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self._name})


@contextmanager
def _gateway(directory: Path) -> Iterator[Gateway]:
    gateway = Gateway(Zone.EXTRANET, directory / "gateway", free_port(), SystemClock())
    try:
        yield gateway
    finally:
        gateway.stop()


def changes(size: int) -> list[float]:
    """Seconds until each of ``CHANGES`` changes was in force, among ``size`` environments."""
    clock, stores = SystemClock(), Stores()
    with (
        tempfile.TemporaryDirectory(prefix="cloudmgr-gateway-") as name,
        serving(_Named("one")) as one,
        serving(_Named("two")) as two,
        _gateway(Path(name)) as gateway,
    ):
        database = Database(f"sqlite:///{name}/bench.db")
        upgrade(database)
        with database.write() as tx:
            environment = city.found(tx, stores, size)[size // 2]
        reconciler = GatewayReconciler(
            database, stores.environments, {Zone.EXTRANET: gateway}, lambda: (one.url,), clock
        )
        loop = Loop(reconciler, lambda _zone: Unfenced(), clock, workers=1)
        loop.start()

        def turn_to(server: Server) -> None:
            endpoint = Endpoint("web", "127.0.0.1", server.port)
            with database.write() as tx:
                now = stores.environments.get(tx, environment.id)
                stores.environments.set_status(tx, now, replace(now.status, endpoints=(endpoint,)))
            loop.wake(Zone.EXTRANET.value)

        try:
            found = []
            for number in range(CHANGES + 1):
                server, word = ((one, b"one"), (two, b"two"))[number % 2]
                began = time.perf_counter()
                turn_to(server)
                until(lambda word=word: _says(gateway, environment.host) == word)  # type: ignore[misc]
                found.append(time.perf_counter() - began)
                time.sleep(0.3)  # past Traefik's own pause
        finally:
            loop.stop()
            database.close()
        return found[1:]  # the first one started Traefik


def _says(gateway: Gateway, host: str) -> bytes:
    connection = HTTPConnection(gateway.host, gateway.port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().read()
    except (OSError, HTTPException):
        return b""
    finally:
        connection.close()


def _show_changes() -> None:
    by_size = {size: changes(size) for size in SIZES}
    base = median(by_size[SIZES[0]])
    show(
        "A change of routes, until a request goes there",
        ["", "p50 ms", "p95 ms", "ratio"],
        [
            (
                f"{size} environments",
                f"{median(found) * 1000:.0f}",
                f"{percentile(found, 0.95) * 1000:.0f}",
                ratio(median(found), base),
            )
            for size, found in by_size.items()
        ],
        f"{CHANGES} changes each; ratio: to {SIZES[0]} environments. 100 ms of it is Traefik's own "
        "pause.",
    )


# --------------------------------------------------------------- every request, and a first one


@contextmanager
def _hosted() -> Iterator[tuple[Place, Plane, Town, dict[str, Any]]]:
    """A control plane with one hosted application, Ready."""
    with tempfile.TemporaryDirectory(prefix="cloudmgr-gateway-") as name:
        place = Place(Path(name))
        place.init()
        try:
            plane = place.plane().start()
            town = Town(place, plane)
            command = [sys.executable, "-m", "cloudmgr.cli.demo.apps", _APPLICATION]
            yield place, plane, town, town.hosted(plane, command=command, health_path="/healthz")
        finally:
            place.down()


def _show_requests(place: Place, environment: dict[str, Any]) -> None:
    endpoint = environment["status"]["endpoints"][0]
    direct = f"http://{endpoint['address']}:{endpoint['port']}{_PATH}"
    through = f"http://127.0.0.1:{place.gateway_ports['extranet']}{_PATH}"
    until(lambda: _visit(place, environment).is_success)
    rows = []
    for users in (1, 8):
        # Twice by turns: what else the machine does falls on both.
        rounds = [
            [
                ask(url, SECONDS, users=users, headers={"Host": environment["host"]})
                for url in (direct, through)
            ]
            for _ in range(2)
        ]
        row = [f"{users} at a time"]
        for figure, digits in (("p50", 2), ("p95", 2), ("rate", 0)):
            bare, ours = (median(getattr(r[which], figure) for r in rounds) for which in (0, 1))
            row += [f"{bare:,.{digits}f}", f"{ours:,.{digits}f}", ratio(ours, bare)]
        rows.append(row)
    show(
        "Every request: through Traefik against the same replica directly",
        ["", "p50 ms", "Traefik", "ratio", "p95 ms", "Traefik", "ratio", "req/s", "Traefik",
         "ratio"],
        rows,
        "The load, Traefik and the replica share the machine's cores.",
    )  # fmt: skip


def _visit(place: Place, environment: dict[str, Any]) -> httpx.Response:
    address = f"http://127.0.0.1:{place.gateway_ports['extranet']}{_PATH}"
    return httpx.get(address, headers={"Host": environment["host"]}, timeout=30)


def _show_wakes(place: Place, plane: Plane, town: Town, environment: dict[str, Any]) -> None:
    operator = plane.api(town.tokens["operator"])
    path = f"/environments/{environment['id']}"
    woken, alone = [], []
    for _ in range(WAKES):
        operator.post(f"{path}/hibernate", {"reason": "bench"})
        until(lambda: operator.get(path)["status"]["replicas"] == {"web": 0}, 60)
        until(lambda: not place.replicas(), 60)
        with tempfile.TemporaryDirectory(prefix="cloudmgr-alone-") as directory:
            alone.append(startup_seconds(_APPLICATION, free_port(), Path(directory)))
        began = time.perf_counter()
        _visit(place, environment).raise_for_status()
        woken.append(time.perf_counter() - began)
        town.ready(operator, environment["id"], 1)
    over = [ours - bare for ours, bare in zip(woken, alone, strict=True)]
    show(
        "A first request to a sleeping environment, until its answer",
        ["", "p50 s", "worst s", "ratio"],
        [
            ("the application started by hand", f"{median(alone):.2f}", f"{max(alone):.2f}", "1"),
            (
                "woken",
                f"{median(woken):.2f}",
                f"{max(woken):.2f}",
                ratio(median(woken), median(alone)),
            ),
            ("over its own start", f"{median(over):.2f}", f"{max(over):.2f}", ""),
        ],
        f"{WAKES} times; goal: under {_WAKE_GOAL} s over its own start: "
        + verdict(held=max(over) < _WAKE_GOAL),
    )


def main() -> None:
    logging.disable(logging.INFO)
    about = machine()
    _show_changes()
    with _hosted() as (place, plane, town, environment):
        _show_requests(place, environment)
        _show_wakes(place, plane, town, environment)
    print(about)


if __name__ == "__main__":
    main()
