"""The visitors: they come when they are due, whatever happens to those before them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

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
    from pathlib import Path


def send(directory: Path, arrivals: list[Arrival]) -> tuple[subprocess.Popen[bytes], Path]:
    write_arrivals(directory / "arrivals.csv", arrivals)
    out = directory / "outcomes.csv"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "cloudmgr.cli.demo.load",
            str(directory / "arrivals.csv"),
            str(out),
        ]
    )
    return process, out


def finish(process: subprocess.Popen[bytes], out: Path) -> list[Outcome]:
    try:
        assert process.wait(timeout=40) == 0
    finally:
        process.kill()
        process.wait()
    return list(read_outcomes(out))


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
    tmp_path: Path, gaokao: tuple[subprocess.Popen[bytes], str]
) -> None:
    _, address = gaokao
    start = time.time() + 1.5
    acts = list(Act)
    # 20 a second, each answered after 0.3 s at the earliest: six are always under way.
    arrivals = [
        Arrival(start + i / 20, "gaokao", address, "gaokao.localhost", acts[i % len(acts)])
        for i in range(30)
    ]
    outcomes = finish(*send(tmp_path, arrivals))
    assert sorted(o.due for o in outcomes) == [arrival.due for arrival in arrivals]
    assert {o.status for o in outcomes} == {200, 201, 303}
    assert all(o.latency >= 0.3 for o in outcomes)
    most = max(sum(o.sent <= at.sent < o.done for o in outcomes) for at in outcomes)
    assert most > 1


def test_a_refused_connection_is_an_outcome_with_its_reason(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    (outcome,) = finish(
        *send(tmp_path, [Arrival(time.time(), "gaokao", nobody, "x.localhost", Act.PAGE)])
    )
    assert outcome.failed
    assert outcome.status == 0
    assert "refused" in outcome.error.lower()


def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    tomorrow = Arrival(
        time.time() + 86_400, "gaokao", "http://127.0.0.1:9", "x.localhost", Act.PAGE
    )
    process, out = send(tmp_path, [tomorrow])
    deadline = time.monotonic() + 20
    while not out.exists() or not out.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert finish(process, out) == []
