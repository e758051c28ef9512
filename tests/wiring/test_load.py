"""A bounded load against a real server: what it sends, when it stops, what it tells."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from cloudmgr.clock import SystemClock
from cloudmgr.scaling.rehearsals import ENOUGH, Load
from cloudmgr.wiring.load import Sending
from tests.conftest import free_port
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


class Served(ThreadingHTTPServer):
    """Answers what a test says, and knows who asked."""

    status = 200
    asleep = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, str, str]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Served

    def do_GET(self) -> None:
        headers = self.headers
        self.server.asked.append((headers["Host"], headers["User-Agent"], self.path))
        self.send_response(self.server.status)
        if self.server.asleep:
            self.send_header("cloudmgr-state", "hibernated")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called there
        pass


@pytest.fixture
def served() -> Iterator[Served]:
    server = Served()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def sent(load: Load, origin: str) -> Sending:
    sending = Sending(load, origin, "exam.localhost", SystemClock())
    sending.start()
    return sending


def test_it_sends_what_is_due_to_the_address_marked_as_what_it_is(served: Served) -> None:
    sending = sent(Load(50, 1, "/apply?x=1", 0.05), served.origin)
    until(lambda: sending.underway.over)
    result = sending.result
    assert (result.sent, result.answered, result.failed) == (50, 50, 0)
    assert set(served.asked) == {("exam.localhost", "cloudmgr-rehearsal", "/apply?x=1")}
    assert 0 < result.latency["p50"] <= result.latency["p99"] <= result.latency["max"]
    assert result.highest_in_flight >= 1


def test_it_stops_by_itself_when_too_many_answers_fail(served: Served) -> None:
    served.status = 503
    sending = sent(Load(100, 60, "/", 0.05), served.origin)
    until(lambda: sending.underway.over)
    assert sending.underway.failing
    result = sending.result
    assert ENOUGH <= result.sent < 1_000
    assert result.failures == {"503": result.sent}


def test_nobody_there_is_a_failure_by_its_name() -> None:
    sending = sent(Load(100, 60, "/", 0.05), f"http://127.0.0.1:{free_port()}")
    until(lambda: sending.underway.over)
    assert set(sending.result.failures) == {"ConnectError"}
    assert sending.result.latency == {}


def test_a_page_that_says_it_sleeps_is_no_answer(served: Served) -> None:
    served.asleep = True
    sending = sent(Load(50, 1, "/", 1.0), served.origin)
    until(lambda: sending.underway.over)
    assert sending.result.failed == 50


def test_it_is_stopped_by_whoever_wants_it_over(served: Served) -> None:
    sending = sent(Load(20, 60, "/", 0.05), served.origin)
    until(lambda: sending.result.answered > 0)
    sending.stop()
    assert sending.underway.over
    assert sending.result.sent < 200
    assert sending.result.answered == sending.result.sent
