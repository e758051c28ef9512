"""Peaks that come round: list, get, try, end, leave out or move one date, undo.

Requests of the kind `peak` announce them.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.etag import Answer, IfMatch, IfNoneMatch, etag, expect, seen
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.promised import PromiseView
from cloudmgr.api.series import (
    SERIES_EXAMPLE,
    ComingView,
    SeriesEntry,
    SeriesView,
    SeriesWholeView,
    TriedView,
)
from cloudmgr.api.values import Entry, Id, Moment, Reason
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action
from cloudmgr.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from cloudmgr.scaling.series import PeakSeries

router = APIRouter(prefix="/api/v1/series", tags=["windows"])

_TIMES: dict[str, Any] = {"starts_at": "2027-06-23T01:00:00Z", "ends_at": "2027-06-23T09:00:00Z"}
_DRAFTED: dict[str, Any] = {
    **SERIES_EXAMPLE,
    "environment_id": "env_0123456789abcdef",
    "peak": {
        "rule": "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=30",
        "since": "2027-01-01",
        "before": 5,
        "workdays": True,
        "opens": "09:00:00",
        "closes": "17:00:00",
    },
}


class SeriesDraft(SeriesEntry):
    """A series of an environment, to see when it would come round and whether that fits."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DRAFTED]})

    environment_id: Id


class Why(Entry):
    """Why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "并入统一平台"}]})

    reason: Reason


class DayEntry(Why):
    """One date, by the day of the city's on which it begins, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"day": "2027-06-24", "reason": "停电检修"}]}
    )

    day: date


class MoveEntry(DayEntry):
    """When it is to be instead."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"day": "2027-06-24", "reason": "停电检修", **_TIMES}],
        }
    )

    starts_at: Moment
    ends_at: Moment


@router.get("", response_model=Page[SeriesView], summary="List series of peaks")
def list_series(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    paging: Paged,
    department_id: Annotated[Id | None, Query(description="Only this department's.")] = None,
    environment_id: Annotated[Id | None, Query(description="Only of this environment.")] = None,
    ended: Annotated[bool | None, Query(description="Only those that have ended, or not.")] = None,
) -> Page[SeriesView]:
    """Those of environments that there are."""
    services = caller.services
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        found = services.series_store.list(
            tx,
            department_id=held_to,
            environment_id=environment_id,
            ended=ended,
            after=paging.after("series"),
            limit=paging.fetch,
        )
    return paging.page("series", found, lambda one: one.id, SeriesView.of)


@router.post("/draft", response_model=TriedView, summary="When a series would come round")
def try_series(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], body: SeriesDraft
) -> TriedView:
    """Its dates by the city's calendar, and whether its pool can promise each. Nothing is
    written.
    """
    return tried(caller, body)


def tried(caller: Caller, body: SeriesDraft) -> TriedView:
    """As :func:`try_series`."""
    services = caller.services
    with services.database.read() as tx:
        environment = services.environments.get(tx, body.environment_id)
        caller.require(environment.department_id)
        ask, coming, told = services.series_drafts.tried(tx, environment, body.ask())
    return TriedView(
        **ComingView.of(ask, coming).model_dump(),
        promises=[PromiseView.of(one) for one in told],
    )


@router.get("/{series_id}", response_model=SeriesWholeView, summary="Get a series of peaks")
def get_series(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)],
    series_id: str,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """With its dates within the time that is booked ahead, and the state of each."""
    services = caller.services
    with services.database.read() as tx:
        series = services.series_store.get(tx, series_id)
        caller.require(_department(tx, caller, series))
        looked = services.series.look(tx, series)
    # What comes into reach changes with time, not with a version.
    whole = SeriesWholeView.whole(looked)
    dates = repr([(one.starts_at, one.ends_at, one.state) for one in whole.dates])
    tag = etag(series.version, hashlib.sha256(dates.encode()).hexdigest()[:16])
    return seen(whole, tag, if_none_match)


@router.post("/{series_id}/end", response_model=SeriesView, summary="End a series")
def end_series(
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)],
    series_id: str,
    body: Why,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Its dates that have not begun are given back. It can go on later."""
    return _change(
        caller,
        series_id,
        repeatable,
        if_match,
        lambda tx, series, actor: caller.services.series_changes.end(
            tx, series, actor=actor, why=body.reason
        ),
    )


@router.post("/{series_id}/resume", response_model=SeriesView, summary="Have a series go on")
def resume_series(
    caller: Annotated[Caller, Access(Action.WINDOW_BOOK)],
    series_id: str,
    body: Why,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """Take its end back: its dates are booked anew, as far as they fit by now."""
    return _change(
        caller,
        series_id,
        repeatable,
        if_match,
        lambda tx, series, actor: caller.services.series_changes.resume(
            tx, series, actor=actor, why=body.reason
        ),
    )


@router.post("/{series_id}/skip", response_model=SeriesView, summary="Leave out a date")
def skip_date(
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)],
    series_id: str,
    body: DayEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """One date of it does not take place; the others do."""
    return _change(
        caller,
        series_id,
        repeatable,
        if_match,
        lambda tx, series, actor: caller.services.series_changes.skip(
            tx, series, body.day, actor=actor, why=body.reason
        ),
    )


@router.post("/{series_id}/move", response_model=SeriesView, summary="Move a date")
def move_date(
    caller: Annotated[Caller, Access(Action.WINDOW_BOOK)],
    series_id: str,
    body: MoveEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """One date of it is at another time. If it does not fit there it is unmet."""
    instead = Interval(body.starts_at, body.ends_at)
    return _change(
        caller,
        series_id,
        repeatable,
        if_match,
        lambda tx, series, actor: caller.services.series_changes.move(
            tx, series, body.day, instead, actor=actor, why=body.reason
        ),
    )


@router.post("/{series_id}/undo", response_model=SeriesView, summary="Undo what was decided")
def undo_date(
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)],
    series_id: str,
    body: DayEntry,
    repeatable: Once,
    if_match: IfMatch = None,
) -> Response:
    """The date is as the series says again."""
    return _change(
        caller,
        series_id,
        repeatable,
        if_match,
        lambda tx, series, actor: caller.services.series_changes.undo(
            tx, series, body.day, actor=actor, why=body.reason
        ),
    )


def _change(
    caller: Caller,
    series_id: str,
    repeatable: Once,
    if_match: str | None,
    do: Callable[[Connection, PeakSeries, str], PeakSeries],
) -> Response:
    def work(tx: Connection) -> Answer:
        series = caller.services.series_store.get(tx, series_id)
        caller.require(_department(tx, caller, series))
        if if_match is not None:
            expect(if_match, etag(series.version))
        after = do(tx, series, caller.principal.user_id)
        return Answer(200, SeriesView.of(after), {"ETag": etag(after.version)})

    return repeatable.once(caller, work)


def _department(tx: Connection, caller: Caller, series: PeakSeries) -> str | None:
    """Whose it is; None, the city's, once its environment is gone."""
    try:
        return caller.services.environments.get(tx, series.environment_id).department_id
    except NotFound:
        return None
