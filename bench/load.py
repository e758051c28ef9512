"""``python -m bench.load URL SECONDS``: ask for a URL as fast as it answers, with Locust.

A process of its own, since Locust patches the standard library. It prints one line of JSON, how
it went, and ends by itself. Locust reports percentiles in two digits: they are taken from its
events here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

USERS = 8


@dataclass(frozen=True, slots=True)
class Answers:
    """Requests per second, milliseconds, and how many were not answered with 200."""

    rate: float
    p50: float
    p95: float
    failed: int


def ask(url: str, seconds: float, *, users: int = USERS, headers: Mapping[str, str]) -> Answers:
    """Have ``users`` closed loops ask for ``url`` for so many seconds, after one to warm up.

    :raises SystemExit: if anything but 200 was answered.
    """
    command = [sys.executable, "-m", "bench.load", url, str(seconds), "--users", str(users)]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)
    answers = Answers(**json.loads(done.stdout))
    if answers.failed:
        message = f"{answers.failed} requests for {url} were not answered with 200"
        raise SystemExit(message)
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--header", action="append", default=[])
    options = parser.parse_args()

    import gevent  # noqa: PLC0415 - patches this process: not for those who import `ask`
    from locust import FastHttpUser, task  # noqa: PLC0415
    from locust.env import Environment  # noqa: PLC0415

    headers = dict(header.split(": ", 1) for header in options.header)
    times: list[float] = []
    failed = 0

    class Visitor(FastHttpUser):
        """Asks, and asks again as soon as it has the answer."""

        host = options.url

        @task
        def ask(self) -> None:
            self.client.get(options.url, headers=headers)

    def heard(response_time: float, exception: object, response: Any, **_: object) -> None:
        nonlocal failed
        if exception is not None or response is None or response.status_code != 200:
            failed += 1
        times.append(response_time)

    environment = Environment(user_classes=[Visitor])
    runner = environment.create_local_runner()
    runner.start(options.users, spawn_rate=100)
    gevent.sleep(1)
    environment.events.request.add_listener(heard)  # type: ignore[no-untyped-call]
    began = time.perf_counter()
    gevent.sleep(options.seconds)
    elapsed, found, bad = time.perf_counter() - began, sorted(times), failed
    runner.quit()
    answers = Answers(
        len(found) / elapsed,
        found[len(found) // 2] if found else 0.0,
        found[int(len(found) * 0.95)] if found else 0.0,
        bad if found else 1,
    )
    print(json.dumps(asdict(answers)))


if __name__ == "__main__":
    main()
