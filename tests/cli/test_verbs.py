"""Every verb of the API is a command, and what goes wrong between the two is said in one line."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import a_component, a_gap, a_window, an_environment
from tests.cli.office import Office, said
from tests.metering.counted import a_counted_pool, read
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


def asked(capsys: Capture, *arguments: str) -> Any:
    """What a command that must go well prints as JSON."""
    code, out, error = said(capsys, *arguments, "--json")
    assert code == 0, error
    return json.loads(out)


def test_an_administrator_makes_accounts_departments_and_people(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.root)
    account = asked(capsys, "account", "create", "--zh", "公路局", "--en", "Roads")["id"]
    assert asked(capsys, "account", "show", account)["currency"] == "CNY"
    assert account in said(capsys, "account", "list")[1]
    names = ("--zh", "公路局", "--en", "Roads")
    made = asked(capsys, "department", "create", "roads", *names, "--account", account)
    revised = asked(capsys, "department", "revise", made["id"], "--zh", "道路局")
    assert [v["name_zh"] for v in revised["versions"]] == ["公路局", "道路局"]
    assert revised["versions"][-1]["billing_account_id"] == account
    ended = asked(capsys, "department", "revise", made["id"], "--end")
    assert ended["versions"][-1]["active"] is False
    assert said(capsys, "department", "show", made["id"])[1].count("道路局") == 2

    user = asked(
        capsys,
        "user",
        "create",
        "wang",
        "--name",
        "王",
        "--role",
        "approver",
        "--department",
        "dep_exam",
    )
    changed = asked(
        capsys,
        "user",
        "change",
        user["id"],
        "--role",
        "approver",
        "--role",
        "finance",
        "--department",
        "none",
        "--inactive",
    )
    assert changed["roles"] == ["approver", "finance"]
    assert (changed["department_id"], changed["active"], changed["name"]) == (None, False, "王")
    assert asked(capsys, "user", "show", user["id"]) == changed
    assert "wang" in said(capsys, "user", "list")[1]
    assert asked(capsys, "me", "show")["user"]["login"] == "root"
    assert said(capsys, "user", "create", "x y", "--name", "x", "--role", "king")[0] == 2


def test_an_officer_orders_by_hand_and_takes_it_back(
    office: Office, file: str, capsys: Capture
) -> None:
    environment = asked(capsys, "request", "submit", "-f", file)["environment_id"]
    why = ("--reason", "演练")
    until_then = ("--until", "2099-01-01T00:00:00+08:00")
    assert asked(capsys, "env", "scale", environment, "3", *why, *until_then)["target"]["web"] == 3
    assert asked(capsys, "env", "release", environment, *why)["target"]["web"] >= 1
    assert asked(capsys, "env", "hibernate", environment, *why, *until_then)["target"]["web"] == 0
    assert asked(capsys, "env", "list", "--asleep")[0]["id"] == environment
    assert asked(capsys, "env", "sleep", environment)["asleep"] is True
    told = said(capsys, "env", "sleep", environment)[1]
    assert "ready within        3 min of a wake" in told
    assert "may sleep at any hour" in told
    assert "still costs asleep  0.00 CNY a month: 0 GiB of storage, 0 addresses" in told
    assert asked(capsys, "env", "wake", environment, *until_then)["target"]["web"] >= 1
    assert asked(capsys, "env", "list", "--asleep") == []
    (called,) = asked(capsys, "env", "wakes", environment)
    assert (called["cause"], called["why"]) == ("order", "woken by hand")
    assert called["promised_by"] in said(capsys, "env", "sleep", environment)[1]
    assert "woken by hand" in said(capsys, "env", "wakes", environment)[1]
    assert asked(capsys, "env", "demand", environment) == []
    assert "Nothing was asked of it." in said(capsys, "env", "demand", environment)[1]
    assert asked(capsys, "env", "forecast", environment) == {"learned": None, "told": None}
    assert "traffic and windows decide alone" in said(capsys, "env", "forecast", environment)[1]
    code, out, err = said(capsys, "env", "demand", environment, "--from", "2020-01-01T00:00:00Z")
    assert (code != 0, out) == (True, "")
    assert "at most 31 days at once" in err
    assert len(asked(capsys, "request", "list", "--kind", "new", "--system", "sys_exam")) == 1
    assert asked(capsys, "request", "list", "--kind", "peak") == []
    assert said(capsys, "system", "show", "sys_exam")[0] == 0
    assert said(capsys, "window", "show", "win_none")[0] == 3
    code, _, error = said(capsys, "env", "scale", environment, "3", *why, "--until", "tomorrow")
    assert (code, error.count("\n")) == (2, 1)
    assert "until" in error
    assert office.officer


def test_a_peak_is_worked_out_read_from_a_calendar_and_saved_as_one(
    office: Office, file: str, tmp_path: Path, capsys: Capture
) -> None:
    span = ("--from", "2026-01-01T00:00:00+08:00", "--to", "2027-01-01T00:00:00+08:00")
    deadline = ("--yearly", "06-30", "--before", "5", "--workdays", "--not-itself")
    hours = ("--opens", "09:00", "--closes", "17:00")
    found = asked(capsys, "window", "when", *deadline, *hours, *span)
    assert [item["starts_at"][5:10] for item in found["items"]] == [
        "06-23", "06-24", "06-25", "06-26", "06-29",
    ]  # fmt: skip
    code, shown, words = said(capsys, "window", "when", *deadline, *hours, *span)
    assert code == 0
    assert "2026-06-29T01:00:00Z" in shown
    assert "每年6月30日前5个工作日（不含当日）" in words
    for wrong in (("--yearly", "June"), ("--rule", "FREQ=HOURLY", "--since", "2026-01-01"), ()):
        code, _, error = said(capsys, "window", "when", *wrong)
        assert (code, error.count("\n")) == (2, 1), error

    environment = asked(capsys, "request", "submit", "-f", file)["environment_id"]
    with office.plane.database.write() as tx:
        start = office.plane.clock.now() + timedelta(days=1)
        office.plane.stores.scaling.windows.add(
            tx, a_window(start, start + timedelta(hours=2), environment_id=environment, note="截止")
        )
    calendar = tmp_path / "peaks.ics"
    assert said(capsys, "window", "save", str(calendar), "--environment", environment)[0] == 0
    whole = ("--from", "2020-01-01T00:00:00Z", "--to", "2024-12-31T00:00:00Z")
    assert asked(capsys, "window", "read", str(calendar), *whole) == []
    around = (
        "--from", (start - timedelta(days=9)).isoformat(),
        "--to", (start + timedelta(days=9)).isoformat(),
    )  # fmt: skip
    (event,) = asked(capsys, "window", "read", str(calendar), *around)
    assert (event["summary"], event["component"]) == ("截止", "web")
    calendar.write_bytes(b"\xff")
    for wrong_file in (str(calendar), str(tmp_path), str(tmp_path / "none.ics")):
        code, _, error = said(capsys, "window", "read", wrong_file)
        assert (code, error.count("\n")) == (2, 1), error


def test_charges_are_written_to_a_file_and_a_place_that_is_none_is_said(
    office: Office, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "charges.csv"
    assert said(capsys, "billing", "charges", "2026-01", "--csv", str(file))[0] == 0
    assert file.read_bytes()
    code, _, error = said(capsys, "billing", "charges", "2026-01", "--csv", str(tmp_path))
    assert (code, error.count("\n")) == (2, 1)
    assert office.officer


def test_gaps_in_what_was_measured_are_listed_with_their_reason(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    gaps = [a_gap(resource=f"pod-{i}") for i in range(60)]  # more than a page
    with office.plane.database.write() as tx:
        office.plane.stores.metering.gaps.append(tx, [*gaps, gaps[0]])
    when = ("--from", "2026-06-01T00:00:00Z", "--to", "2026-06-02T00:00:00Z")

    found = asked(capsys, "usage", "gaps", *when, "--meter", "vcpu-used")
    assert {gap["resource"] for gap in found} == {gap.resource for gap in gaps}
    assert len(found) == 60
    assert {(gap["reason"], gap["held"], gap["charged"]) for gap in found} == {
        ("silent", "600", "nothing")
    }
    assert "silent" in said(capsys, "usage", "gaps", *when)[1]
    assert "No gap then." in said(capsys, "usage", "gaps", *when, "--meter", "memory-used")[1]


def test_an_operator_sees_one_pool(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", f"{office.operator}\n")  # as it is pasted
    assert asked(capsys, "pool", "show", "pool_outer")["name"] == "outer"


@pytest.fixture
def stranger() -> Iterator[str]:
    """A web server that is no control plane."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_answers_and_is_no_control_plane_is_said(
    stranger: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", "cmt_any")
    code, _, error = said(capsys, "--url", stranger, "env", "list")
    assert (code, error.count("\n")) == (2, 1)
    assert "no control plane" in error


@pytest.mark.parametrize(
    ("url", "token", "word"),
    [
        ("http://[bad", "cmt_any", "address"),
        ("nonsense", "cmt_any", "answer"),
        ("http://127.0.0.1:9", "cmt_秘密", "token"),
        ("http://127.0.0.1:9", "  ", "token"),
    ],
)
def test_an_address_or_token_that_cannot_be_is_one_line_and_the_token_is_not_repeated(
    url: str, token: str, word: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", token)
    code, _, error = said(capsys, "--url", url, "env", "list")
    assert code in {2, 75}
    assert error.count("\n") == 1
    assert word in error
    assert "秘密" not in error


def test_ctrl_c_while_waiting_ends_at_once_without_a_traceback(
    office: Office, file: str, capsys: Capture
) -> None:
    """No loop runs here, so that it would wait for ever."""
    environment = asked(capsys, "request", "submit", "-f", file)["environment_id"]
    command = [sys.executable, "-m", "cloudmgr.cli.main", "env", "scale", environment, "2"]
    with subprocess.Popen(
        [*command, "--reason", "演练", "--wait", "600"],
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background, Ctrl-C is ignored, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        try:
            until(lambda: _target(office, environment) == 2)
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in out + error


def _target(office: Office, environment: str) -> int:
    with office.plane.database.read() as tx:
        return office.plane.stores.environments.get(tx, environment).target["web"]


def test_shared_services_are_listed_with_who_is_bound_to_them(
    office: Office, capsys: Capture
) -> None:
    stores = office.plane.stores
    with office.plane.database.write() as tx:
        stores.environments.add(
            tx,
            an_environment(
                pool_id="pool_outer", components=(a_component(bindings=("sso", "gov-sms")),)
            ),
        )
    code, out, _ = said(capsys, "service", "list", "--zone", "extranet")
    assert code == 0
    assert "sso.example.gov.cn:443" in out
    assert out.count("gaokao-production (not led there)") == 2
    office.plane.bindings.follow()
    assert "not led there" not in said(capsys, "service", "list")[1]
    assert [s["name"] for s in asked(capsys, "service", "list")] == ["e-licence", "gov-sms", "sso"]
    assert "sso (sso.example.gov.cn, port 443)" in said(capsys, "env", "show", "env_exam")[1]


def test_hours_are_held_against_the_pools_own_and_what_nothing_explains_is_a_failure(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.finance)
    plane = office.plane
    code, _, error = said(capsys, "pool", "reconcile", "pool_outer")
    assert (code, error.count("\n")) == (4, 1)
    assert "keeps no accounts" in error

    pool = a_counted_pool(plane.clock)
    plane.drivers["pool_outer"] = pool
    read(plane.database, plane.stores.metering, plane.clock, "pool_outer", pool)
    since = ("--since", f"{plane.clock.now() - timedelta(hours=12):%Y-%m-%dT%H:%M:%SZ}")
    found = asked(capsys, "pool", "reconcile", "pool_outer", *since)
    assert found["explained"]
    code, out, _ = said(capsys, "pool", "reconcile", "pool_outer", *since)
    assert code == 0
    assert "2.0000 the pool goes on counting a server that sleeps" in out
    assert "every difference is explained" in out

    pool.kept.clear()
    code, out, _ = said(capsys, "pool", "reconcile", "pool_outer", *since)
    assert code == 1
    assert "UNEXPLAINED" in out
    assert said(capsys, "pool", "reconcile", "pool_outer", *since, "--json")[0] == 1
