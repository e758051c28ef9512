"""How long before a peak an environment starts, as the API tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from cloudmgr.api.values import View, example

if TYPE_CHECKING:
    from datetime import timedelta

    from cloudmgr.scaling.lead import Lead

LEAD: dict[str, Any] = {
    "minutes": 12.0,
    "class_minutes": 10.0,
    "measured_minutes": 9.0,
    "starts": 14,
    "slower_than_class": True,
    "capped": False,
    "zh": "高峰前 12 分钟开始准备：14 次启动实测 9 分钟；比其类别的 10 分钟慢",
    "en": (
        "starts 12 minutes before a peak: measured 9 min over 14 starts; "
        "slower than the 10 min of its class"
    ),
}


class LeadView(View):
    """How long before a peak it starts, and what that comes of."""

    model_config = example(**LEAD)

    minutes: float
    class_minutes: float = Field(description="What its scaling class says.")
    measured_minutes: float | None = Field(
        description="What nearly all of its starts took at most; null: too few were measured."
    )
    starts: int = Field(description="How many were measured, of those that count.")
    slower_than_class: bool = Field(description="Whether it needs longer than its class allows.")
    capped: bool = Field(description="Whether policy allows less than it would need.")
    zh: str
    en: str

    @classmethod
    def of(cls, lead: Lead) -> Self:
        zh, en = lead.words
        return cls(
            minutes=_minutes(lead.time),
            class_minutes=_minutes(lead.of_class),
            measured_minutes=None if lead.measured is None else _minutes(lead.measured),
            starts=lead.starts,
            slower_than_class=lead.slower,
            capped=lead.capped,
            zh=zh,
            en=en,
        )


def _minutes(span: timedelta) -> float:
    return round(span.total_seconds() / 60, 2)
