"""``python -m cloudmgr.cli.demo.load arrivals.csv outcomes.csv``: send what is due, note what came.

An open model with a tool whose users are closed loops: every Locust user takes the next arrival of
one shared schedule, sleeps until it is due, sends it, and only then takes another. As long as some
user is free, a slow answer delays nobody else's request; how late each was sent is recorded. It
ends by itself when the schedule is done, and on SIGTERM.
"""

from __future__ import annotations

import argparse
import csv
import re
import signal
import sys
import time
from dataclasses import astuple, fields
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

from cloudmgr.cli.demo.load.schedule import WAITING, Arrival, Outcome, read_arrivals
from cloudmgr.cli.demo.load.visits import Visit, visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

_PATIENCE = 30.0  # seconds for which a person looks at a waiting page
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 3.0  # between two questions of that page
_PROBE = re.compile(r'data-probe="([^"]*)"')


class Book:
    """The schedule that all users share, and what came of it so far."""

    def __init__(self, arrivals: Iterator[Arrival], out: TextIO) -> None:
        self._arrivals = arrivals
        self._out = out
        self._rows = csv.writer(out)
        self._numbers = count(1)
        self._references: dict[str, str] = {}
        self._on_the_way = 0
        self._exhausted = False
        self._stopped = False

    def open(self) -> None:
        """Write the head of the file: from now on :meth:`stop` is heard."""
        self._rows.writerow(f.name for f in fields(Outcome))
        self._out.flush()

    @property
    def done(self) -> bool:
        """Whether everybody has come and been answered, or it was stopped."""
        return self._stopped or (self._exhausted and not self._on_the_way)

    def stop(self) -> None:
        """Let nobody else come."""
        self._stopped = True

    def take(self) -> tuple[Arrival, Visit]:
        """What comes next. :raises StopUser: when nothing does."""
        arrival = None if self._stopped else next(self._arrivals, None)
        if arrival is None:
            self._exhausted = True
            raise StopUser
        self._on_the_way += 1
        known = self._references.get(arrival.system, "")
        return arrival, visit(arrival, next(self._numbers), known)

    def filed(self, system: str, location: str) -> None:
        """Remember where a filing can be looked up."""
        self._references[system] = location.rsplit("/", 1)[-1]

    def note(self, outcome: Outcome) -> None:
        self._on_the_way -= 1
        self._rows.writerow(astuple(outcome))
        self._out.flush()


class Visitor(FastHttpUser):
    """Whoever comes next. Follows no redirect and tries nothing twice: the first answer counts."""

    host = "http://127.0.0.1"  # Locust wants one; each arrival names its gateway
    connection_timeout = 10.0
    network_timeout = 30.0
    book: Book

    @task
    def come(self) -> None:
        """Take an arrival, wait until it is due, and see it through."""
        arrival, request = self.book.take()
        gevent.sleep(max(0.0, arrival.due - time.time()))  # noqa: TID251 - Locust's own process
        sent = time.time()  # noqa: TID251
        response, waited = self._see_through(arrival, request, sent)
        done = time.time()  # noqa: TID251
        if response.status_code == 303:
            self.book.filed(arrival.system, response.headers["location"])
        self.book.note(
            Outcome(
                arrival.due,
                sent,
                done,
                arrival.system,
                arrival.act,
                response.status_code,
                waited,
                "" if response.status_code else repr(response.error),
            )
        )

    def _see_through(self, arrival: Arrival, request: Visit, sent: float) -> tuple[Any, int]:
        """What a visitor gets in the end, and how often a waiting page asked before."""
        waited, pause = 0, _FIRST_PAUSE
        response = self._send(arrival, request)
        while (probe := _probe_of(response)) and time.time() - sent < _PATIENCE:  # noqa: TID251
            # As the page's own script does it: ask now and then, and go in when the system is up.
            gevent.sleep(pause)
            waited, pause = waited + 1, min(pause * 1.2, _LONGEST_PAUSE)
            if _up(self._send(arrival, Visit("GET", probe, _asking(request)))):
                response = self._send(arrival, request)
        return response, waited

    def _send(self, arrival: Arrival, request: Visit) -> Any:
        with self.client.request(
            request.method,
            arrival.gateway + request.path,
            data=request.body or None,
            headers=dict(request.headers),
            name=arrival.system,
            allow_redirects=False,
            catch_response=True,
        ) as response:
            # 404 and 409 are answers; what counts as a failure is the evaluation's to say.
            response.success()
        return response


def _up(response: Any) -> bool:
    """Whether it was the system that answered, and not the platform or nobody."""
    return 0 < response.status_code < 500 and "cloudmgr-state" not in response.headers


def _probe_of(response: Any) -> str:
    """The path that a waiting page asks until the system is up; empty for any other answer."""
    if response.status_code != WAITING or "cloudmgr-state" not in response.headers:
        return ""
    found = _PROBE.search(response.text)
    return found[1] if found else "/"


def _asking(request: Visit) -> dict[str, str]:
    return {"Host": request.headers["Host"], "Accept": "*/*", "cloudmgr-waiting": "1"}


def main() -> int:
    """Run the schedule to its end."""
    parser = argparse.ArgumentParser(prog="python -m cloudmgr.cli.demo.load")
    parser.add_argument("arrivals", type=Path)
    parser.add_argument("outcomes", type=Path)
    parser.add_argument("--users", type=int, default=100)
    arguments = parser.parse_args()
    with arguments.outcomes.open("w", encoding="utf-8", newline="") as out:
        Visitor.book = book = Book(read_arrivals(arguments.arrivals), out)
        gevent.signal_handler(signal.SIGTERM, book.stop)
        book.open()
        runner = Environment(user_classes=[Visitor]).create_local_runner()
        runner.start(arguments.users, spawn_rate=arguments.users)
        while not book.done:
            gevent.sleep(0.1)
        runner.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
