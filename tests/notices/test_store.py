"""Notices at rest, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import NotFound
from cloudmgr.interval import Interval
from cloudmgr.notices import words
from cloudmgr.notices.delivery import Delivery, State, dropped, tried
from cloudmgr.notices.notice import Kind, Notice
from cloudmgr.notices.store import DeliveryStore, NoticeFilter, NoticeStore
from tests.builders import CREATED
from tests.notices.stories import EXAM, TAX, WHY, a_refusal

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

store, deliveries = NoticeStore(), DeliveryStore()
DAY = Interval(CREATED, CREATED + timedelta(days=1))
RISK = words.at_risk(EXAM, "win_1", ("web", 2, DAY), WHY, CREATED)


def put(database: Database, *told: Notice) -> list[Notice | None]:
    with database.write() as tx:
        return [store.put(tx, notice) for notice in told]


def listed(database: Database, wanted: NoticeFilter | None = None) -> list[Notice]:
    with database.read() as tx:
        return [notice for _, notice in store.list(tx, wanted)]


def test_a_notice_comes_back_as_it_went_in(database: Database) -> None:
    (made,) = put(database, RISK)
    assert made is not None
    assert made == replace(RISK, id=made.id)
    with database.read() as tx:
        assert store.get(tx, made.id) == made
        assert store.by_ids(tx, [made.id, "ntc_none"]) == {made.id: made}
        with pytest.raises(NotFound, match="no notice ntc_none"):
            store.get(tx, "ntc_none")


def test_a_fact_is_told_once_and_again_when_it_comes_back(database: Database) -> None:
    calm = words.safe(EXAM, "win_1", DAY, CREATED, CREATED.tzinfo)  # type: ignore[arg-type]
    told = put(database, RISK, RISK, calm, calm, RISK, replace(RISK, fact="moved"))
    assert [notice is not None for notice in told] == [True, False, True, False, True, True]
    assert [notice.kind for notice in listed(database)] == [
        Kind.AT_RISK,
        Kind.AT_RISK,
        Kind.SAFE,
        Kind.AT_RISK,
    ]


def test_pages_go_by_number_the_newest_first(database: Database) -> None:
    put(database, *(a_refusal(request_id=f"req_{n}") for n in range(5)))
    with database.read() as tx:
        first = store.list(tx, limit=2)
        rest = store.list(tx, before=first[-1][0])
    assert [n.about_id for _, n in [*first, *rest]] == [f"req_{n}" for n in range(4, -1, -1)]


def test_filters_find_what_they_say(database: Database) -> None:
    ours, theirs, _ = put(database, a_refusal(), a_refusal(TAX, "req_2"), RISK)
    assert ours is not None
    assert theirs is not None
    assert listed(database, NoticeFilter(department_id="dep_tax")) == [theirs]
    assert listed(database, NoticeFilter(kind=Kind.REFUSED)) == [theirs, ours]
    assert listed(database, NoticeFilter(about_id="req_1")) == [ours]
    with database.write() as tx:
        store.read(tx, "usr_li", CREATED, department_id=None, ids=[theirs.id])
    left = listed(database, NoticeFilter(kind=Kind.REFUSED, unread_by="usr_li"))
    assert left == [ours]


def test_one_reads_what_one_sees_and_only_for_oneself(database: Database) -> None:
    ours, theirs = put(database, a_refusal(), a_refusal(TAX, "req_2"))
    assert ours is not None
    assert theirs is not None
    both = [ours.id, theirs.id]
    with database.write() as tx:
        assert store.unread(tx, "usr_li", "dep_exam") == 1
        store.read(tx, "usr_li", CREATED, department_id="dep_exam", ids=both)
        store.read(tx, "usr_li", CREATED, department_id="dep_exam", ids=both)
        assert store.read_of(tx, "usr_li", both) == {ours.id}
        assert store.unread(tx, "usr_li", "dep_exam") == 0
        assert store.unread(tx, "usr_operator", None) == 2
        assert store.unread(tx, "usr_operator", None, most=1) == 1
        store.read(tx, "usr_operator", CREATED, department_id=None)
        assert store.unread(tx, "usr_operator", None) == 0


def test_what_is_muted_is_kept_for_each(database: Database) -> None:
    with database.write() as tx:
        store.mute(tx, "usr_li", [Kind.BOOKED])
        store.mute(tx, "usr_li", [Kind.BOOKED, Kind.APPROVED])
        store.mute(tx, "usr_wang", [])
        assert store.muted(tx, ["usr_li", "usr_wang", "usr_none"]) == {
            "usr_li": {Kind.BOOKED, Kind.APPROVED},
            "usr_wang": frozenset(),
        }


def test_what_stands_was_said_last_and_still_matters(database: Database) -> None:
    other = words.at_risk(TAX, "win_2", ("web", 2, DAY), WHY, CREATED)
    put(database, RISK, other)
    with database.read() as tx:
        assert [n.about_id for n in store.standing(tx, [Kind.AT_RISK], CREATED)] == [
            "win_1",
            "win_2",
        ]
        assert store.standing(tx, [Kind.AT_RISK], DAY.end) == []
        assert store.standing(tx, [Kind.NOT_READY], CREATED) == []
    put(database, replace(other, kind=Kind.SAFE, fact="safe"))
    with database.read() as tx:
        assert [n.about_id for n in store.standing(tx, [Kind.AT_RISK], CREATED)] == ["win_1"]


def test_deliveries_are_made_out_once_and_brought_to_an_end(database: Database) -> None:
    (notice,) = put(database, a_refusal())
    assert notice is not None
    with database.write() as tx:
        assert store.unspread(tx, 10) == [notice]
        deliveries.add(
            tx, [Delivery(notice.id, target, next_try_at=CREATED) for target in ("a", "b", "c")]
        )
        deliveries.add(tx, [])
        store.set_spread(tx, [notice.id])
        assert store.unspread(tx, 10) == []
        one, two, three = deliveries.due(tx, CREATED, 10)
        deliveries.change(tx, tried(one, None, CREATED))
        deliveries.change(tx, tried(two, "no answer" * 200, CREATED))
        deliveries.change(tx, dropped(three, "gone", CREATED))
        deliveries.change(tx, tried(three, None, CREATED))  # it is over
        assert deliveries.due(tx, CREATED, 10) == []
        (again,) = deliveries.due(tx, CREATED + timedelta(minutes=1), 10)
        assert (again.target, again.tries, len(again.reason)) == ("b", 1, 500)
        assert deliveries.count(tx) == {State.WAITING: 1, State.SENT: 1, State.GIVEN_UP: 1}
        (given_up,) = deliveries.list(tx, state=State.GIVEN_UP)
        assert (given_up.target, given_up.reason) == ("c", "gone")
        assert deliveries.given_up(tx, CREATED) == 1
        assert deliveries.given_up(tx, CREATED + timedelta(seconds=1)) == 0
        assert len(deliveries.list(tx, notice_id=notice.id)) == 3
        assert [d.target for d in deliveries.list(tx, before=given_up.number, limit=1)] == ["b"]


def test_no_target_keeps_the_others_waiting(database: Database) -> None:
    with database.write() as tx:
        deliveries.add(tx, [Delivery(f"ntc_{n}", "dead", next_try_at=CREATED) for n in range(9)])
        deliveries.add(tx, [Delivery("ntc_9", "alive", next_try_at=CREATED)])
        due = deliveries.due(tx, CREATED, 3)
    assert [one.target for one in due] == ["dead", "dead", "dead", "alive"]


def test_what_is_old_is_forgotten_but_for_what_still_stands(database: Database) -> None:
    later = CREATED + timedelta(days=400)
    endless = replace(RISK, key="promise:win_2", lapses_at=later + timedelta(days=1))
    refusal, stands, risk, young = put(
        database, a_refusal(), endless, RISK, a_refusal(TAX, "req_2", at=later)
    )
    assert refusal is not None
    assert stands is not None
    assert young is not None
    with database.write() as tx:
        deliveries.add(tx, [Delivery(n.id, "a", next_try_at=CREATED) for n in (refusal, young)])
        store.read(tx, "usr_li", CREATED, department_id=None)
        assert store.purge(tx, later) == 2
        assert deliveries.purge(tx) == 1
        assert store.read_of(tx, "usr_li", [refusal.id, stands.id]) == {stands.id}
    assert risk is not None
    assert [notice.id for notice in listed(database)] == [young.id, stands.id]
