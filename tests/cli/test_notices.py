"""``cloudmgr notice``, as officers and operators type it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.notices.delivery import Delivery
from tests.builders import CREATED
from tests.cli.office import Office, said
from tests.cli.test_verbs import asked
from tests.notices.stories import EXAM, TAX, a_refusal

Capture = pytest.CaptureFixture[str]

if TYPE_CHECKING:
    from cloudmgr.notices.notice import Notice


def tell(office: Office, *told: Notice) -> None:
    with office.plane.database.write() as tx:
        for notice in told:
            office.plane.stores.notices.put(tx, notice)


def test_what_one_was_told_is_listed_and_read(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    code, out, _ = said(capsys, "notice", "list")
    assert code == 0
    assert "You were told nothing" in out
    tell(office, a_refusal(), a_refusal(EXAM, "req_2"), a_refusal(TAX, "req_3"))
    code, out, _ = said(capsys, "notice", "list")
    assert code == 0
    assert out.count("Request refused") == 2
    newest, _ = asked(capsys, "notice", "list", "--kind", "refused")
    assert newest["about_id"] == "req_2"
    assert asked(capsys, "notice", "read", newest["id"]) == {"unread": 1}
    assert len(asked(capsys, "notice", "list", "--unread")) == 1
    assert asked(capsys, "notice", "read") == {"unread": 0}
    assert said(capsys, "notice", "list", "--kind", "gossip")[0] == 2


def test_one_chooses_what_one_is_mailed_and_an_administrator_where(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.root)
    made = asked(
        capsys,
        *("user", "create", "wang.fang", "--name", "王芳", "--role", "department-officer"),
        *("--department", "dep_exam", "--email", "wang@example.gov.cn"),
    )
    assert made["email"] == "wang@example.gov.cn"
    changed = asked(capsys, "user", "change", made["id"], "--email", "")
    assert changed["email"] == ""
    assert said(capsys, "user", "change", made["id"], "--email", "nowhere")[0] == 2
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    assert "nowhere" in said(capsys, "notice", "mail")[1]
    told = asked(capsys, "notice", "mail", "--mute", "booked", "--mute", "approved")
    assert told["muted"] == ["approved", "booked"]
    assert asked(capsys, "notice", "mail", "--unmute", "booked")["muted"] == ["approved"]


def test_operators_see_deliveries_and_that_there_are_no_targets(
    office: Office, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.operator)
    assert "CLOUDMGR_NOTICE_TARGETS" in said(capsys, "notice", "deliveries")[1]
    assert "officers are mailed: no" in said(capsys, "notice", "targets")[1]
    assert asked(capsys, "notice", "targets") == {"targets": [], "mail": False}
    code, out, _ = said(capsys, "notice", "test")
    assert code == 0
    assert "no target" in out
    with office.plane.database.write() as tx:
        office.plane.stores.deliveries.add(tx, [Delivery("ntc_1", "tgt-1", next_try_at=CREATED)])
    assert "ntc_1" in said(capsys, "notice", "deliveries", "--state", "waiting")[1]
    monkeypatch.setenv("CLOUDMGR_TOKEN", office.officer)
    assert said(capsys, "notice", "deliveries")[0] == 5
