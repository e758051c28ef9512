"""The visitors: they come when they are due, whatever happens to those before them."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from cloudmgr.cli.demo.load.schedule import (
    Act,
    Arrival,
    Outcome,
    read_arrivals,
    read_outcomes,
    write_arrivals,
)
from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Send = Callable[[list[Arrival]], subprocess.Popen[bytes]]


@pytest.fixture
def send(tmp_path: Path) -> Iterator[Callable[[list[Arrival]], subprocess.Popen[bytes]]]:
    """Starts the load tool on arrivals; what it got is in ``outcomes.csv``."""
    started: list[subprocess.Popen[bytes]] = []

    def start(arrivals: list[Arrival]) -> subprocess.Popen[bytes]:
        files = [str(tmp_path / name) for name in ("arrivals.csv", "outcomes.csv")]
        write_arrivals(tmp_path / "arrivals.csv", arrivals)
        started.append(subprocess.Popen([sys.executable, "-m", "cloudmgr.cli.demo.load", *files]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def outcomes_of(process: subprocess.Popen[bytes], directory: Path) -> list[Outcome]:
    assert process.wait(timeout=40) == 0
    return list(read_outcomes(directory / "outcomes.csv"))


def test_a_schedule_is_read_as_it_was_written(tmp_path: Path) -> None:
    arrivals = [Arrival(1.25, "gaokao", "http://127.0.0.1:1", "a.localhost", Act.FORM)]
    write_arrivals(tmp_path / "a.csv", arrivals)
    assert list(read_arrivals(tmp_path / "a.csv")) == arrivals


def test_a_line_still_being_written_is_no_outcome_yet(tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    head = "due,sent,done,system,act,status,waited,error\n"
    path.write_text(head + "1,1,2,gaokao,page,200,0,\n1,1,2,gaok", "utf-8")
    assert [outcome.done for outcome in read_outcomes(path)] == [2.0]


def test_slow_answers_delay_nobody_else_and_it_ends_by_itself(
    tmp_path: Path, send: Send, gaokao: tuple[subprocess.Popen[bytes], str]
) -> None:
    _, address = gaokao
    start = time.time() + 1.2
    acts = list(Act)
    # 20 a second, each answered after 0.3 s at the earliest: six are always under way.
    arrivals = [
        Arrival(start + i / 20, "gaokao", address, "gaokao.localhost", acts[i % len(acts)])
        for i in range(16)
    ]
    outcomes = outcomes_of(send(arrivals), tmp_path)
    assert sorted(o.due for o in outcomes) == [arrival.due for arrival in arrivals]
    assert {o.status for o in outcomes} == {200, 201, 303}
    assert all(o.latency >= 0.3 for o in outcomes)
    assert max(sum(o.sent <= at.sent < o.done for o in outcomes) for at in outcomes) > 1


def test_a_refused_connection_is_an_outcome_with_its_reason(tmp_path: Path, send: Send) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    arrival = Arrival(time.time(), "gaokao", nobody, "x.localhost", Act.PAGE)
    (outcome,) = outcomes_of(send([arrival]), tmp_path)
    assert outcome.failed
    assert outcome.status == 0
    assert "refused" in outcome.error.lower()


def test_it_stops_when_it_is_told_to(tmp_path: Path, send: Send) -> None:
    tomorrow = Arrival(
        time.time() + 86_400, "gaokao", "http://127.0.0.1:9", "x.localhost", Act.PAGE
    )
    process = send([tomorrow])
    out = tmp_path / "outcomes.csv"
    deadline = time.monotonic() + 20
    while not out.exists() or not out.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert outcomes_of(process, tmp_path) == []


class Sleepy(BaseHTTPRequestHandler):
    """Answers as the platform does for a system that is being woken, until it was asked twice."""

    asked: ClassVar[list[tuple[str, bool]]] = []

    def do_GET(self) -> None:
        waiting = "cloudmgr-waiting" in self.headers
        self.asked.append((self.path, waiting))
        up = sum(probe for _, probe in self.asked) >= 2
        self.send_response(200 if up or waiting else 202)
        if not up:
            self.send_header("cloudmgr-state", "starting")
        body = b"hello" if up else b'<body data-probe="/healthz" class="moving">'
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_person_before_a_waiting_page_goes_in_when_its_probe_says_so(
    tmp_path: Path, send: Send
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sleepy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        arrival = Arrival(time.time(), "gaokao", address, "x.localhost", Act.PAGE)
        (outcome,) = outcomes_of(send([arrival]), tmp_path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (outcome.status, outcome.waited, outcome.failed) == (200, 2, False)
    assert Sleepy.asked == [("/", False), ("/healthz", True), ("/healthz", True), ("/", False)]
