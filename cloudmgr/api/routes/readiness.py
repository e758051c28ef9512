"""Whether an announced peak will find what it needs: what was seen of it, and a look now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.routes.windows import department_of
from cloudmgr.api.values import View, example
from cloudmgr.identity.access import Action
from cloudmgr.scaling.readiness import Kind, Moment, Word, next_at

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloudmgr.scaling.readiness import Check, Readiness

router = APIRouter(prefix="/api/v1/windows", tags=["windows"])

# What is shown of one window: two by themselves, and those that people asked for last.
MOST = 50
_CHECK: dict[str, Any] = {
    "kind": "health",
    "word": "not-known",
    "zh": "正在休眠，还没有唤醒记录",
    "en": "it sleeps, and no wake of it is on record",
    "do_zh": "试唤醒一次，然后再次检查",
    "do_en": "try whether it wakes, then check again",
}
_SEEN: dict[str, Any] = {
    "id": "chk_week_win_0123456789abcdef",
    "moment": "week",
    "at": "2027-06-23T08:00:00Z",
    "word": "not-known",
    "checks": [_CHECK],
    "actor": None,
}


class CheckView(View):
    """One thing that was looked at, and what to do; empty if there is nothing."""

    model_config = example(**_CHECK)

    kind: Kind
    word: Word
    zh: str
    en: str
    do_zh: str
    do_en: str

    @classmethod
    def of(cls, check: Check) -> Self:
        return cls(
            kind=check.kind,
            word=check.word,
            zh=check.zh,
            en=check.en,
            do_zh=check.do_zh,
            do_en=check.do_en,
        )


class SeenView(View):
    """What was seen at one time."""

    model_config = example(**_SEEN)

    id: str
    moment: Moment = Field(description="A week or a day ahead, or because somebody asked.")
    at: datetime
    word: Word = Field(description="The worst of its checks.")
    checks: list[CheckView]
    actor: str | None = Field(description="Who asked; null: nobody needed to.")

    @classmethod
    def of(cls, seen: Readiness) -> Self:
        return cls(
            id=seen.id,
            moment=seen.moment,
            at=seen.at,
            word=seen.word,
            checks=[CheckView.of(one) for one in seen.checks],
            actor=seen.actor,
        )


class ReadinessView(View):
    """What was seen of one window, the newest first."""

    model_config = example(
        window_id="win_0123456789abcdef",
        word="not-known",
        next_at="2027-06-29T08:00:00Z",
        items=[_SEEN],
    )

    window_id: str
    word: Word | None = Field(description="Of the newest; null if it was not looked at yet.")
    next_at: datetime | None = Field(description="When it is looked at next by itself.")
    items: list[SeenView]


@router.get(
    "/{window_id}/readiness",
    response_model=ReadinessView,
    summary="Whether a peak will find what it needs",
)
def get_window_readiness(
    caller: Annotated[Caller, Access(Action.WINDOW_READ)], window_id: str
) -> ReadinessView:
    """What was seen a week and a day ahead, and whenever somebody asked."""
    services = caller.services
    with services.database.read() as tx:
        window = services.windows.get(tx, window_id)
        caller.require(department_of(tx, caller, window))
        found = services.readiness.list(tx, window_id, limit=MOST)
    return ReadinessView(
        window_id=window_id,
        word=found[0].word if found else None,
        next_at=next_at(window, services.clock.now()),
        items=[SeenView.of(one) for one in found],
    )


@router.post(
    "/{window_id}/readiness",
    status_code=201,
    response_model=SeenView,
    summary="Look whether a peak will find what it needs",
)
def check_window_readiness(
    caller: Annotated[Caller, Access(Action.WINDOW_WRITE)], window_id: str, repeatable: Once
) -> Response:
    """As it is done a week and a day ahead by itself, now. It is kept."""

    def work(tx: Connection) -> Answer:
        return Answer(201, SeenView.of(looked(caller, tx, window_id)))

    return repeatable.once(caller, work)


def looked(caller: Caller, tx: Connection, window_id: str) -> Readiness:
    """Look now, for the caller.

    :raises Conflict: ``window-cancelled``, ``window-begun``. :raises NotFound: no such window, or
        its environment is gone.
    """
    services = caller.services
    window = services.windows.get(tx, window_id)
    department_id = department_of(tx, caller, window)
    caller.require(department_id)
    seen = services.checks_ahead.ask(tx, window, actor=caller.principal.user_id)
    caller.record(
        tx,
        "window.check-readiness",
        object_kind="window",
        object_id=window_id,
        department_id=department_id,
        detail={"word": seen.word.value},
    )
    return seen
