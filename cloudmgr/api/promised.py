"""What a pool answers to an announced peak, as it goes out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cloudmgr.api.expected import SIZED_EXAMPLE, ExpectedView
from cloudmgr.api.values import View, example
from cloudmgr.planning.promise_words import members

if TYPE_CHECKING:
    from cloudmgr.hosting.requests import WindowAsk
    from cloudmgr.planning.promise_words import Told

_TIMES: dict[str, Any] = {"starts_at": "2027-06-30T07:50:00Z", "ends_at": "2027-06-30T11:00:00Z"}
PROMISE_EXAMPLE: dict[str, Any] = {
    "component": "web",
    "starts_at": "2027-06-30T08:00:00Z",
    "ends_at": "2027-06-30T11:00:00Z",
    "replicas": 6,
    "pool_id": "pool_local-extranet",
    "pool_name": "local-extranet",
    "fits": False,
    "zh": "组件 web 的 6 个副本（2027-06-30 16:00 至 19:00）在资源池 local-extranet 中放不下",
    "en": (
        "6 replicas of web from 2027-06-30 16:00 to 19:00 do not fit into the pool local-extranet"
    ),
    "shortages": [{**_TIMES, "cpu_millis": 500, "memory_mib": 0}],
    "collisions": [
        {
            "system_code": "tax",
            "system_zh": "个税申报",
            "system_en": "Income tax filing",
            **_TIMES,
            "cpu_millis": 6000,
            "memory_mib": 8192,
        }
    ],
    "alternatives": {
        "earlier": None,
        "later": {"starts_at": "2027-06-30T11:10:00Z", "ends_at": "2027-06-30T14:10:00Z"},
        "replicas": 4,
    },
    "expected": SIZED_EXAMPLE,
}


class ShortageView(View):
    """What the pool lacks then; CPU in thousandths of a core, memory in MiB."""

    starts_at: datetime
    ends_at: datetime
    cpu_millis: int
    memory_mib: int


class CollisionView(ShortageView):
    """What another system was promised then: the most that it takes above what it always has.

    The name of the system is told to whoever collides with it, and nothing else.
    """

    system_code: str
    system_zh: str
    system_en: str


class InsteadView(View):
    """When it would fit."""

    starts_at: datetime
    ends_at: datetime


class AlternativesView(View):
    """What would fit: the nearest times within 14 days, and the most replicas at the time asked."""

    earlier: InsteadView | None
    later: InsteadView | None
    replicas: int | None


class PromiseView(View):
    """Whether a peak fits into what its pool has beside all that it has promised, N+1 kept back.

    A shortage may begin before the peak does: capacity is there from its lead time on.
    """

    model_config = example(**PROMISE_EXAMPLE)

    component: str
    starts_at: datetime
    ends_at: datetime
    replicas: int
    pool_id: str
    pool_name: str
    fits: bool
    zh: str = Field(description="Why not; empty if it fits.")
    en: str
    shortages: list[ShortageView]
    collisions: list[CollisionView]
    alternatives: AlternativesView
    expected: ExpectedView | None = Field(
        default=None, description="What the replicas were worked out from, if they were."
    )

    @classmethod
    def of(cls, told: Told, ask: WindowAsk | None = None) -> Self:
        promise = told.answer.promise
        return cls.model_validate(
            {
                "component": promise.component,
                "starts_at": told.interval.start,
                "ends_at": told.interval.end,
                "replicas": promise.replicas,
                "pool_id": told.pool_id,
                "pool_name": told.pool_name,
                "fits": told.fits,
                "zh": "" if told.fits else told.reason.zh,
                "en": "" if told.fits else told.reason.en,
                "expected": None if ask is None else ExpectedView.of(ask),
                **members(told),
            }
        )
