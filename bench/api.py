"""Requests per second and p95 of the API's list and get, over HTTP, on both databases.

A real ``cloudmgr serve`` with a thousand environments, asked with a token as everybody must. The
alternative, in the same run, is a bare FastAPI route on the same Uvicorn that answers the same
bytes from memory.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx

from bench.databases import databases
from bench.idle import asleep, await_settled
from bench.load import USERS, ask
from bench.table import machine, show
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.load import Answers

COUNT = 1_000
SECONDS = 8.0


@contextmanager
def bare(file: Path) -> Iterator[str]:
    """The address of a bare route that answers ``file``."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with subprocess.Popen([sys.executable, "-m", "bench.bare", str(port), str(file)]) as process:
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                with suppress(httpx.TransportError):
                    if httpx.get(url).is_success:
                        break
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def measure(database_url: str) -> list[tuple[str, int, Answers, Answers]]:
    """For list and get: its name, the size of its answer, and how we and a bare route answer."""
    found = []
    with asleep(COUNT, database_url) as place:
        plane = place.plane().start()
        await_settled(place, COUNT, database_url)
        root = f"http://127.0.0.1:{plane.port}/api/v1/environments"
        token = {"Authorization": f"Bearer {place.token}"}
        first = httpx.get(f"{root}?limit=50", headers=token).json()["items"][0]["id"]
        for name, url in (("list of 50", f"{root}?limit=50"), ("get", f"{root}/{first}")):
            file = place.directory / "answer.json"
            file.write_bytes(httpx.get(url, headers=token).raise_for_status().content)
            ours = ask(url, SECONDS, headers=token)
            with bare(file) as alternative:
                found.append(
                    (name, file.stat().st_size, ours, ask(alternative, SECONDS, headers={}))
                )
        plane.stop()
    return found


def main() -> None:
    about = machine()
    rows = []
    with databases() as found:
        for name, fresh in found.items():
            for what, size, ours, theirs in measure("" if name == "SQLite" else fresh()):
                rows.append(
                    (
                        f"{name}, {what}",
                        f"{size / 1000:.1f} kB",
                        f"{ours.rate:,.0f}",
                        f"{theirs.rate:,.0f}",
                        f"{ours.rate / theirs.rate:.2f}",
                        f"{ours.p50:.1f}",
                        f"{ours.p95:.1f}",
                        f"{theirs.p95:.1f}",
                        f"{ours.p95 / theirs.p95:.1f}",
                    )
                )
    show(
        f"GET /api/v1/environments, {COUNT:,} environments, {USERS} clients",
        ["", "answer", "req/s", "bare", "ratio", "p50 ms", "p95 ms", "bare", "ratio"],
        rows,
        "bare: a FastAPI route on the same Uvicorn that answers the same bytes from memory, open "
        "to everybody.",
        about,
    )


if __name__ == "__main__":
    main()
