"""From a notice that was put to those it concerns: real servers, real database, no waiting."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.identity.user import Locale, Role
from cloudmgr.notices.delivery import MOST_TRIES, State
from cloudmgr.notices.notice import Kind
from cloudmgr.notices.sender import Sender
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.notices import KEPT, Notices
from cloudmgr.wiring.settings import Settings, load
from cloudmgr.wiring.stores import Stores
from tests.builders import a_user
from tests.fakes import ManualClock
from tests.notices.servers import hook, post
from tests.notices.stories import EXAM, TAX, a_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cloudmgr.db.engine import Database
    from cloudmgr.identity.user import User
    from cloudmgr.notices.delivery import Delivery
    from cloudmgr.notices.notice import Notice
    from tests.notices.servers import Hook, Post


class Office:
    """Notices over a database, by a clock that stands still."""

    def __init__(
        self, database: Database, targets: Sequence[str] = (), mail: str = "", patience: float = 10
    ) -> None:
        self.database, self.stores, self.clock = database, Stores(), ManualClock()
        self.notices = Notices(
            database,
            self.stores,
            Sender(targets, mail),
            self.clock,
            load().zone,
            machine=self.clock,
            patience=patience,
        )

    def tell(self, *told: Notice) -> None:
        with self.database.write() as tx:
            for notice in told:
                self.stores.notices.put(tx, notice)

    def people(self, *users: User) -> None:
        with self.database.write() as tx:
            for user in users:
                self.stores.users.create(tx, user)

    def deliveries(self) -> list[Delivery]:
        with self.database.read() as tx:
            return self.stores.deliveries.list(tx)[::-1]

    def states(self) -> list[tuple[State, int]]:
        return [(one.state, one.tries) for one in self.deliveries()]


@pytest.fixture
def web() -> Iterator[Hook]:
    with hook() as there:
        yield there


@pytest.fixture
def mailbox() -> Iterator[Post]:
    with post() as there:
        yield there


def officer(name: str, department: str | None = "dep_exam", **changes: Any) -> User:
    return a_user(
        **{
            "id": f"usr_{name}",
            "login": name,
            "department_id": department,
            "email": f"{name}@example.gov.cn",
            **changes,
        }
    )


def test_operators_hear_of_all_and_officers_by_mail_of_their_own(
    database: Database, web: Hook, mailbox: Post
) -> None:
    office = Office(database, [web.url()], mailbox.url)
    office.people(
        officer("li"),
        officer("en", locale=Locale.EN),
        officer("tax", "dep_tax"),
        officer("quiet"),
        officer("gone", active=False),
        officer("nowhere", email=""),
        officer("city", None, roles=frozenset({Role.OPERATOR})),
    )
    with database.write() as tx:
        office.stores.notices.mute(tx, "usr_quiet", [Kind.REFUSED])
    office.tell(a_refusal())
    office.notices.send()
    assert [came["title"] for came in web.came] == ["cloudmgr: 申请被拒绝 / Request refused"]
    assert sorted((to, mail["Subject"]) for (to,), mail in mailbox.came) == [
        ("en@example.gov.cn", "cloudmgr: Request refused"),
        ("li@example.gov.cn", "cloudmgr: 申请被拒绝"),
    ]
    assert office.states() == [(State.SENT, 1)] * 3
    office.notices.send()
    assert (len(web.came), len(mailbox.came)) == (1, 2)


def test_what_comes_together_goes_together(sqlite: Database, web: Hook) -> None:
    office = Office(sqlite, [web.url()])
    office.tell(*(a_refusal(EXAM, f"req_{n}") for n in range(25)))
    office.notices.send()
    office.notices.send()
    titles = [came["title"] for came in web.came]
    assert titles == ["cloudmgr: 20 条通知 / 20 notices", "cloudmgr: 5 条通知 / 5 notices"]


def test_a_dead_target_stops_no_other_is_tried_ever_later_and_given_up(
    sqlite: Database, web: Hook
) -> None:
    with hook(status=503) as dead:
        office = Office(sqlite, [dead.url(), web.url()])
        office.tell(a_refusal())
        office.notices.send()
        assert len(web.came) == 1
        assert office.states() == [(State.WAITING, 1), (State.SENT, 1)]
        assert "503" in office.deliveries()[0].reason
        office.notices.send()
        assert len(dead.came) == 1  # not yet again
        for _ in range(MOST_TRIES):
            office.clock.advance(timedelta(hours=4))
            office.notices.send()
        assert len(dead.came) == MOST_TRIES
        assert office.states()[0] == (State.GIVEN_UP, MOST_TRIES)


def test_what_was_down_for_a_while_gets_it_when_it_is_back(sqlite: Database) -> None:
    with hook(status=500) as there:
        office = Office(sqlite, [there.url()])
        office.tell(a_refusal())
        office.notices.send()
        there.status = 200
        office.clock.advance(timedelta(minutes=1))
        office.notices.send()
    assert office.states() == [(State.SENT, 2)]


def test_whoever_takes_too_long_is_not_waited_for(sqlite: Database, web: Hook) -> None:
    with hook(delay=2.0) as slow:
        office = Office(sqlite, [slow.url(), web.url()], patience=0.5)
        office.tell(a_refusal())
        office.notices.send()
    assert len(web.came) == 1
    assert office.states() == [(State.WAITING, 1), (State.SENT, 1)]
    assert office.deliveries()[0].reason == "it took longer than 0.5 seconds"


def test_what_has_nowhere_to_go_any_more_is_given_up_and_told(
    sqlite: Database, web: Hook, mailbox: Post
) -> None:
    web.status = 500
    mailbox.refuses.add("li@example.gov.cn")
    before = Office(sqlite, [web.url()], mailbox.url)
    before.people(officer("li"))
    before.tell(a_refusal())
    before.notices.send()
    after = Office(sqlite)
    after.clock.advance(timedelta(hours=1))
    after.notices.send()
    assert [(one.state, one.reason) for one in after.deliveries()] == [
        (State.GIVEN_UP, "there is nowhere to send it to any more")
    ] * 2


def test_without_targets_and_mail_nothing_is_made_out(sqlite: Database) -> None:
    office = Office(sqlite)
    office.people(officer("li"))
    office.tell(a_refusal())
    office.notices.send()
    assert office.deliveries() == []


def test_a_test_goes_to_every_target_and_says_which_failed(sqlite: Database, web: Hook) -> None:
    with hook(status=403) as closed:
        office = Office(sqlite, [web.url(), closed.url()])
        (_, good), (_, bad) = office.notices.test()
    assert good is None
    assert bad is not None
    assert "403" in bad
    assert "test" in web.came[0]["message"]


def test_what_is_old_is_forgotten_with_its_deliveries(sqlite: Database, web: Hook) -> None:
    office = Office(sqlite, [web.url()])
    office.tell(a_refusal())
    office.notices.send()
    office.clock.advance(KEPT + timedelta(days=30))
    office.tell(a_refusal(TAX, "req_2", at=office.clock.now()))
    office.notices.purge()
    with sqlite.read() as tx:
        assert [n.about_id for _, n in office.stores.notices.list(tx)] == ["req_2"]
    assert office.deliveries() == []


def test_targets_that_are_none_stop_the_start_and_are_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_NOTICE_TARGETS", '["nonsense://SECRET"]')
    monkeypatch.setenv("CLOUDMGR_NOTICE_MAIL", "mailto://post.example?from=SECRET")
    settings = load(state_dir=tmp_path)
    assert "SECRET" not in repr(settings)
    with pytest.raises(Invalid) as refused:
        ControlPlane(settings)
    assert "CLOUDMGR_NOTICE_TARGETS.0" in refused.value.message
    assert "SECRET" not in refused.value.message


def test_a_control_plane_sends_as_one_of_its_duties(tmp_path: Path) -> None:
    plane = ControlPlane(Settings(state_dir=tmp_path))
    assert {"notices", "old-notices"} <= {duty.name for duty in plane.duties}
    assert plane.notices.targets == ()
    plane.database.close()
