"""Notices: what people are told without asking. Pure.

Whoever has something new to tell adds a member to :class:`Kind` and to :data:`MEANINGS`, says it in
a function as those of :mod:`cloudmgr.notices.words`, and hands that to
:meth:`cloudmgr.notices.store.NoticeStore.put`, as often as it likes: a fact is told once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Kind(StrEnum):
    """What happened."""

    REFUSED = "refused"
    APPROVED = "approved"
    BOOKED = "booked"
    AT_RISK = "at-risk"
    SAFE = "safe"
    PREPARED = "prepared"
    UNPREPARED = "unprepared"
    LATE = "late"
    MISSED = "missed"
    TEST_FAILED = "test-failed"
    UNMET = "unmet"
    NOT_READY = "not-ready"
    READY = "ready"
    BUDGET_USED = "budget-used"
    BUDGET_PROJECTED = "budget-projected"


class Tone(StrEnum):
    """How it is to be taken."""

    GOOD = "good"
    PLAIN = "plain"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A kind in the words of a title."""

    zh: str
    en: str
    tone: Tone


MEANINGS: Mapping[Kind, Meaning] = MappingProxyType(
    {
        Kind.REFUSED: Meaning("申请被拒绝", "Request refused", Tone.BAD),
        Kind.APPROVED: Meaning("申请已批准", "Request approved", Tone.GOOD),
        Kind.BOOKED: Meaning("高峰期已预留", "Peak booked", Tone.PLAIN),
        Kind.AT_RISK: Meaning("高峰期有风险", "Peak at risk", Tone.BAD),
        Kind.SAFE: Meaning("高峰期风险解除", "Peak no longer at risk", Tone.GOOD),
        Kind.PREPARED: Meaning("高峰期准备就绪", "Ready for its peak", Tone.GOOD),
        Kind.UNPREPARED: Meaning("高峰期准备不足", "Not ready for its peak", Tone.BAD),
        Kind.LATE: Meaning("唤醒已晚", "Wake late", Tone.BAD),
        Kind.MISSED: Meaning("未按时唤醒", "Wake missed", Tone.BAD),
        Kind.TEST_FAILED: Meaning("试唤醒未通过", "Test wake failed", Tone.WARNING),
        Kind.UNMET: Meaning("周期高峰无法预留", "Date of a series cannot be promised", Tone.BAD),
        Kind.NOT_READY: Meaning("长时间未就绪", "Not ready for long", Tone.WARNING),
        Kind.READY: Meaning("已就绪", "Ready", Tone.GOOD),
        Kind.BUDGET_USED: Meaning("预算使用提醒", "Budget used", Tone.WARNING),
        Kind.BUDGET_PROJECTED: Meaning("预算超支预警", "Budget will be reached", Tone.WARNING),
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """The environment that something is told of, and whose it is."""

    environment_id: str
    department_id: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that is told, in both languages.

    :param about_kind: what it is about: ``request``, ``window`` or ``environment``, …
    :param department_id: whose officers hear of it, beside the operators; None: operators alone.
    :param at: when it came to be so, or was seen.
    :param key: what it says something of. Of what has one key, only what differs from the last is
        told: ``promise:win_1`` is at risk, or safe, and then perhaps at risk again.
    :param fact: what it says, as it is compared.
    :param lapses_at: from then on it does not matter any more; None: it always does.
    """

    kind: Kind
    about_kind: str
    about_id: str
    department_id: str | None
    at: datetime
    zh: str
    en: str
    key: str
    fact: str
    lapses_at: datetime | None = None
    id: str = ""

    @property
    def meaning(self) -> Meaning:
        return MEANINGS[self.kind]

    @property
    def title_zh(self) -> str:
        return self.meaning.zh

    @property
    def title_en(self) -> str:
        return self.meaning.en
