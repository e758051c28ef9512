"""How long work stands still when one of two control planes is killed.

Two control planes on one PostgreSQL host eight environments. One is killed with -9, or told to stop
(the alternative: it gives its leases back); at that moment each environment is told to scale. Timed
is when the last of them has all its replicas.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from bench.databases import databases
from bench.table import machine, show, verdict
from tests.end_to_end.plane import Place
from tests.end_to_end.town import Town

ROUNDS = 3
ENVIRONMENTS = 8


def once(url: str, *, killed: bool) -> float:
    """Elapsed seconds from the end of one control plane to the last environment at its target."""
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory), url)
        place.init()
        try:
            one, two = place.plane().start(), place.plane().start()
            town = Town(place, two)
            hosted = [
                town.hosted(two, f"env-{n}", max_replicas=2, storage_gib=0)
                for n in range(ENVIRONMENTS)
            ]
            # Until the shards have been shared out: before, everything is with the first.
            time.sleep(10)
            operator = two.api(town.tokens["operator"])
            started = time.monotonic()
            if killed:
                one.kill()
            else:
                one.stop()
            for environment in hosted:
                body = {"component": "web", "replicas": 2, "reason": "bench"}
                operator.post(f"/environments/{environment['id']}/scale", body)
            for environment in hosted:
                town.ready(operator, environment["id"], 2)
            return time.monotonic() - started
        finally:
            place.down()


def main() -> None:
    """Print the table."""
    with databases() as known:
        fresh = known["PostgreSQL"]
        killed = [once(fresh(), killed=True) for _ in range(ROUNDS)]
        stopped = [once(fresh(), killed=False) for _ in range(ROUNDS)]
    ratio = median(killed) / median(stopped)
    show(
        "Takeover, two control planes on one PostgreSQL, leases of 8 s",
        ("one control plane is", "median s", "worst s"),
        [
            ("killed with -9", f"{median(killed):.1f}", f"{max(killed):.1f}"),
            ("stopped (gives its leases back)", f"{median(stopped):.1f}", f"{max(stopped):.1f}"),
            ("ratio", f"{ratio:.1f}", ""),
        ],
        machine(),
        f"goal: taken over within 15 s of a kill: {verdict(held=max(killed) < 15)}",
    )


if __name__ == "__main__":
    main()
