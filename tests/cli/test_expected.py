"""``--users``, ``--rps`` and ``--times`` in place of ``--replicas``."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from cloudmgr.pools.capacity import Resources
from tests.builders import a_component, an_environment
from tests.cli.office import Office, said
from tests.fakes import InstantPool

SAID = ("--seconds-per-request", "0.4", "--requests-per-user", "3")


@pytest.fixture
def times(office: Office, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A span in a month, for an environment called env_one."""
    office.plane.drivers["pool_outer"] = InstantPool(Resources(64_000, 65_536, 100))
    there = an_environment(
        id="env_one", pool_id="pool_outer", components=(a_component(cpu_millis=1_000),)
    )
    with office.plane.database.write() as tx:
        office.plane.stores.environments.add(tx, there)
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    start = office.plane.clock.now() + timedelta(days=30)
    return "--from", start.isoformat(), "--to", (start + timedelta(hours=2)).isoformat()


def test_users_at_once_are_checked_and_booked(
    times: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("env_one", *times, "--users", "600..1,000..1,200", *SAID)
    code, shown, _ = said(capsys, "window", "check", *asked, "--json")
    assert code == 0
    checked = json.loads(shown)
    assert (checked["replicas"], checked["expected"]["likely"]) == (3, "1000")
    code, shown, _ = said(capsys, "window", "book", *asked)
    assert code == 0
    for word in ("users at once", "同时在线"):
        assert word in shown


def test_a_peak_is_asked_for_without_a_file(
    office: Office,
    times: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    asked = ("request", "peak", "env_one", *times, "--rps", "40..60", *SAID[:2])
    code, shown, error = said(capsys, *asked, "--dry-run")
    assert code == 0, error
    for word in ("3 of web", "requests per second", "每秒 40 至 60 次请求"):
        assert word in shown
    code, shown, _ = said(capsys, *asked, "--reason", "报名", "--json")
    assert code == 0
    (window,) = json.loads(shown)["windows"]
    assert (window["replicas"], window["expected"]["high"]) == (3, "60")


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("--users", "3", "--rps", "4"),
        ("--users", "3", "--replicas", "4"),
        ("--users", "1..2..3..4"),
        ("--users", "..3"),
        ("--users", "many"),
        ("--users", "5..3"),
    ],
)
def test_what_says_it_in_no_way_or_two_is_refused_in_a_line(
    times: tuple[str, ...], capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...]
) -> None:
    code, _, error = said(capsys, "window", "check", "env_one", *times, *wrong, *SAID[:2])
    assert (code, error.count("\n")) == (2, 1)


def test_nothing_measured_says_what_to_say(
    times: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = said(capsys, "window", "check", "env_one", *times, "--users", "300")
    assert code == 2
    assert "was not measured yet" in error
    assert "say how many seconds a request takes" in error
