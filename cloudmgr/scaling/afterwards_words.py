"""What came of a window, in a sentence of each language. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudmgr.scaling.afterwards import Afterwards


def said(found: Afterwards) -> tuple[str, str]:
    """In Chinese and in English: what was there and when, what was asked for, and what to do."""
    parts = [_there(found), *_short(found), _asked(found), *_advice(found)]
    return "；".join(zh for zh, _ in parts), "; ".join(en for _, en in parts)


def _there(found: Afterwards) -> tuple[str, str]:
    promised, early = found.window.replicas, found.early
    if early is None:
        return (
            f"承诺的 {promised} 个副本始终没有到齐，最少时 {found.least} 个",
            f"the {promised} replicas promised were never all there, at least {found.least} were",
        )
    length = _minutes(abs(early))
    if early < timedelta():
        return (
            f"承诺的 {promised} 个副本晚 {length} 分钟到齐",
            f"the {promised} replicas that were promised were there {length} min late",
        )
    return (
        f"承诺的 {promised} 个副本提前 {length} 分钟到齐",
        f"the {promised} replicas that were promised were there {length} min early",
    )


def _short(found: Afterwards) -> list[tuple[str, str]]:
    if found.early is None or not found.short:
        return []
    length = _minutes(found.short)
    return [
        (
            f"其间有 {length} 分钟不足，最少时 {found.least} 个",
            f"for {length} min there were fewer, at least {found.least}",
        )
    ]


def _asked(found: Afterwards) -> tuple[str, str]:
    asked, gap = found.asked, found.uncounted
    if asked is None:
        return "没有需求记录", "what was asked for is not on record"
    zh = (
        f"共 {asked.requests:,} 次请求，最高时需要 {asked.highest:.1f} 个副本，"
        f"平均 {asked.mean:.1f} 个"
    )
    en = (
        f"{asked.requests:,} requests asked for {asked.highest:.1f} replicas at the highest, "
        f"{asked.mean:.1f} on average"
    )
    if asked.share:
        zh += f"，其中 {asked.share:.1%} 超出当时的副本"
        en += f", {asked.share:.1%} of it beyond what ran"
    if gap:
        zh += f"（有 {_minutes(gap)} 分钟没有计数）"
        en += f" (for {_minutes(gap)} min nobody counted)"
    return zh, en


def _advice(found: Afterwards) -> list[tuple[str, str]]:
    advice, promised = found.advice, found.window.replicas
    if advice is None:
        return []
    if advice == promised:
        return [("下次仍按此数预约即可", "the same size would do next time")]
    return [
        (
            f"下次预约 {advice} 个副本即可（留有一成余量）",
            f"{advice} would do next time, a tenth kept in hand",
        )
        if advice < promised
        else (
            f"下次应预约 {advice} 个副本（留有一成余量）",
            f"{advice} are needed next time, a tenth kept in hand",
        )
    ]


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:,.0f}"
