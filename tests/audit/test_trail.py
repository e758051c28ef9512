from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import cloudmgr.audit.store as module
from cloudmgr.audit.event import AuditEvent, ControlPlane, Trail, request_id
from cloudmgr.audit.store import AuditFilter, AuditStore
from cloudmgr.errors import Conflict
from tests.builders import a_principal

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from tests.fakes import ManualClock

store = AuditStore()


def record(
    database: Database, clock: ManualClock, action: str, department: str | None
) -> AuditEvent:
    with database.write() as tx:
        return Trail(store, clock).record(
            tx,
            a_principal(),
            action,
            object_kind="thing",
            object_id="t1",
            department_id=department,
            detail={"why": "因为", "count": 2},
        )


def test_an_event_comes_back_as_it_went_in(database: Database, clock: ManualClock) -> None:
    mark = request_id.set("req-1")
    event = record(database, clock, "thing.do", "dep_exam")
    request_id.reset(mark)
    with database.read() as tx:
        ((_, found),) = store.list(tx)
    assert found == event
    assert found.request_id == "req-1"
    assert found.actor_login == "li.wei"


def test_the_newest_comes_first_and_pages_go_by_number(
    database: Database, clock: ManualClock
) -> None:
    events = [record(database, clock, f"a.{n}", None) for n in range(5)]  # all at one instant
    with database.read() as tx:
        first = store.list(tx, limit=2)
        rest = store.list(tx, before=first[-1][0])
    assert [event for _, event in [*first, *rest]] == events[::-1]


def test_filters_find_what_they_say(database: Database, clock: ManualClock) -> None:
    begin = clock.now()
    early = record(database, clock, "a.do", "dep_exam")
    clock.advance(timedelta(hours=1))
    late = record(database, clock, "b.do", None)
    with database.read() as tx:

        def found(**wanted: object) -> list[AuditEvent]:
            return [e for _, e in store.list(tx, AuditFilter(**wanted))]  # type: ignore[arg-type]

        assert found(department_id="dep_exam") == [early]
        assert found(action="b.do") == [late]
        assert found(actor_id="usr_li", object_kind="thing", object_id="t1") == [late, early]
        assert found(object_id="t2") == []
        assert found(since=begin, until=clock.now()) == [early]
        assert found(since=clock.now()) == [late]


def test_what_was_undone_leaves_no_trace(database: Database, clock: ManualClock) -> None:
    def undone() -> None:
        with database.write() as tx:
            Trail(store, clock).record(
                tx, ControlPlane(), "a.do", object_kind="a", object_id="1", department_id=None
            )
            raise Conflict("no")

    with pytest.raises(Conflict):
        undone()
    with database.read() as tx:
        assert store.list(tx) == []


def test_there_is_no_way_to_change_or_delete_an_entry() -> None:
    public = {name for name in vars(AuditStore) if not name.startswith("_")}
    assert public == {"append", "list"}
    assert not {"update", "delete"} & set(vars(module))
