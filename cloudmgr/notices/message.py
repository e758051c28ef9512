"""What is sent: one message of all that waits for a target. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cloudmgr.notices.notice import Tone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from cloudmgr.notices.notice import Notice


class Tongue(Enum):
    """In which languages a message speaks."""

    ZH = ("zh",)
    EN = ("en",)
    BOTH = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Message:
    """Plain text with a title on one line; ``tone`` is the worst of what it tells."""

    title: str
    body: str
    tone: Tone


_WORST_FIRST = (Tone.BAD, Tone.WARNING, Tone.PLAIN, Tone.GOOD)


def compose(told: Sequence[Notice], tongue: Tongue, zone: ZoneInfo) -> Message:
    """``told``, at least one, the oldest first; times are those of ``zone``."""
    tones = {notice.meaning.tone for notice in told}
    return Message(
        title="cloudmgr: " + " / ".join(_title(told, language) for language in tongue.value),
        body="\n\n".join(_part(notice, tongue, zone) for notice in told),
        tone=next(tone for tone in _WORST_FIRST if tone in tones),
    )


def trial(tongue: Tongue) -> Message:
    """What an operator sends to see whether it arrives."""
    said = {
        "zh": ("测试通知", "这是一条测试通知：收到即表示通知可以送达。"),
        "en": ("Test notice", "This is a test: whoever reads it can be told of what happens."),
    }
    return Message(
        title="cloudmgr: " + " / ".join(said[language][0] for language in tongue.value),
        body="\n".join(said[language][1] for language in tongue.value),
        tone=Tone.PLAIN,
    )


def _title(told: Sequence[Notice], language: str) -> str:
    if len(told) == 1:
        return told[0].title_zh if language == "zh" else told[0].title_en
    return f"{len(told)} 条通知" if language == "zh" else f"{len(told)} notices"


def _part(notice: Notice, tongue: Tongue, zone: ZoneInfo) -> str:
    titles = {"zh": notice.title_zh, "en": notice.title_en}
    texts = {"zh": notice.zh, "en": notice.en}
    head = " / ".join(titles[language] for language in tongue.value)
    return "\n".join(
        (
            f"{notice.at.astimezone(zone):%Y-%m-%d %H:%M} {head}",
            *(texts[language] for language in tongue.value),
        )
    )
