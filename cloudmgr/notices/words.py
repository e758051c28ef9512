"""What is told of each fact, in both languages. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cloudmgr.notices.notice import Kind, Notice

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cloudmgr.interval import Interval
    from cloudmgr.notices.notice import Subject

LONGEST = 2000
# For as long it is told when what was not Ready is so again.
_LOOKED_AFTER = timedelta(days=90)
_ASKED_ZH = {"new": "新建环境", "resize": "调整规格", "peak": "高峰期", "retire": "停用"}
_ASKED_EN = {
    "new": "a new environment",
    "resize": "another size",
    "peak": "a peak",
    "retire": "retirement",
}


def refused(
    subject: Subject, request_id: str, asked: str, why: tuple[str, str], at: datetime
) -> Notice:
    """``why`` in Chinese and in English: by policy, by who signs, or for want of room."""
    return _of_request(
        Kind.REFUSED,
        subject,
        request_id,
        at,
        (
            f"{subject.zh}：{_ASKED_ZH.get(asked, asked)}申请被拒绝。{why[0]}",
            f"{subject.en}: the request for {_ASKED_EN.get(asked, asked)} was refused. {why[1]}",
        ),
    )


def approved(subject: Subject, request_id: str, asked: str, at: datetime) -> Notice:
    return _of_request(
        Kind.APPROVED,
        subject,
        request_id,
        at,
        (
            f"{subject.zh}：{_ASKED_ZH.get(asked, asked)}申请已批准并办理。",
            f"{subject.en}: {_ASKED_EN.get(asked, asked)} was approved and carried out.",
        ),
    )


def booked(
    subject: Subject,
    window_id: str,
    promise: tuple[str, int, Interval],
    at: datetime,
    zone: ZoneInfo,
    *,
    series_id: str | None = None,
    alike: int = 0,
) -> Notice:
    """``promise``: the component, its replicas and when; ``alike``: how many more of a series."""
    component, replicas, interval = promise
    more_zh = f"同一系列另有 {alike} 个高峰期。" if alike else ""
    more_en = f" So {'is' if alike == 1 else 'are'} {alike} more of its series." if alike else ""
    return Notice(
        kind=Kind.BOOKED,
        about_kind="window",
        about_id=window_id,
        department_id=subject.department_id,
        at=at,
        zh=(
            f"{subject.zh}：{_span_zh(interval, zone)} 的高峰期已预留，"
            f"{component} 共 {replicas} 个副本。{more_zh}"
        ),
        en=(
            f"{subject.en}: the peak from {_span_en(interval, zone)} is booked, "
            f"with {_replicas(replicas)} of {component}.{more_en}"
        ),
        key=f"booked:{series_id or window_id}",
        fact="booked",
    )


def at_risk(
    subject: Subject,
    window_id: str,
    promise: tuple[str, int, Interval],
    why: tuple[str, str],
    at: datetime,
) -> Notice:
    """``why`` names when it was promised; an edited window is another fact."""
    return Notice(
        kind=Kind.AT_RISK,
        about_kind="window",
        about_id=window_id,
        department_id=subject.department_id,
        at=at,
        zh=_short(f"{subject.zh}：已承诺的高峰期有风险。{why[0]}"),
        en=_short(f"{subject.en}: a peak that was promised is at risk. {why[1]}"),
        key=_promise(window_id),
        fact=_fact("at-risk", promise),
        lapses_at=promise[2].end,
    )


def safe(
    subject: Subject, window_id: str, interval: Interval, at: datetime, zone: ZoneInfo
) -> Notice:
    """What was told to be at risk can be kept again."""
    return Notice(
        kind=Kind.SAFE,
        about_kind="window",
        about_id=window_id,
        department_id=subject.department_id,
        at=at,
        zh=f"{subject.zh}：{_span_zh(interval, zone)} 的高峰期不再有风险，资源池可以兑现承诺。",
        en=(
            f"{subject.en}: the peak from {_span_en(interval, zone)} is no longer at risk; "
            "the pool can keep its promise."
        ),
        key=_promise(window_id),
        fact="safe",
        lapses_at=interval.end,
    )


def prepared(
    subject: Subject,
    window_id: str,
    interval: Interval,
    at: datetime,
    zone: ZoneInfo,
    *,
    but: tuple[str, str] = ("", ""),
) -> Notice:
    """What a peak needs is as it should be; ``but`` is what somebody is to know besides."""
    said = (
        f"{subject.zh}：{_span_zh(interval, zone)} 的高峰期，事前检查全部就绪。",
        f"{subject.en}: all is ready for the peak from {_span_en(interval, zone)}.",
    )
    if but != ("", ""):
        said = f"{said[0]}请注意：{but[0]}", f"{said[1]} Mind: {but[1]}."
    return _of_checks(Kind.PREPARED, subject, window_id, interval, at, said)


def unprepared(
    subject: Subject,
    window_id: str,
    interval: Interval,
    at: datetime,
    zone: ZoneInfo,
    *,
    why: tuple[str, str],
) -> Notice:
    """Something that was looked at ahead of a peak is not: ``why``, in Chinese and English."""
    said = (
        f"{subject.zh}：{_span_zh(interval, zone)} 的高峰期，事前检查发现问题。{why[0]}",
        f"{subject.en}: not all is ready for the peak from {_span_en(interval, zone)}. {why[1]}",
    )
    return _of_checks(Kind.UNPREPARED, subject, window_id, interval, at, said)


def late(subject: Subject, wake_id: str, by: datetime, at: datetime, zone: ZoneInfo) -> Notice:
    """It ought to be Ready, and is not yet."""
    return _of_environment(
        Kind.LATE,
        subject,
        f"wake:{wake_id}",
        at,
        (
            f"{subject.zh}：应于 {_at(by, zone)} 前唤醒就绪，目前仍未就绪。",
            f"{subject.en}: it was to be awake by {_at(by, zone)}, and is not yet.",
        ),
    )


def missed(
    subject: Subject,
    wake_id: str,
    by: datetime,
    at: datetime,
    zone: ZoneInfo,
    *,
    ready_at: datetime | None,
) -> Notice:
    """It was Ready too late, or never (None)."""
    if ready_at is None:
        zh, en = "最终未能就绪", "and never was"
    else:
        zh, en = f"{_at(ready_at, zone)} 才就绪", f"and was at {_at(ready_at, zone)}"
    return _of_environment(
        Kind.MISSED,
        subject,
        f"wake:{wake_id}",
        at,
        (
            f"{subject.zh}：应于 {_at(by, zone)} 前唤醒就绪，{zh}。",
            f"{subject.en}: it was to be awake by {_at(by, zone)}, {en}.",
        ),
    )


def test_failed(
    subject: Subject,
    wake_id: str,
    by: datetime,
    at: datetime,
    zone: ZoneInfo,
    *,
    ready_at: datetime | None,
) -> Notice:
    """Woken to see whether it would, it was Ready too late, or never (None)."""
    if ready_at is None:
        zh, en = "未能就绪", "and was not"
    else:
        zh, en = f"{_at(ready_at, zone)} 才就绪", f"and was at {_at(ready_at, zone)}"
    return _of_environment(
        Kind.TEST_FAILED,
        subject,
        f"wake:{wake_id}",
        at,
        (
            f"{subject.zh}：试唤醒时应于 {_at(by, zone)} 前就绪，{zh}。",
            f"{subject.en}: woken for a test, it was to be ready by {_at(by, zone)}, {en}.",
        ),
    )


def unmet(
    subject: Subject,
    series_id: str,
    interval: Interval,
    at: datetime,
    zone: ZoneInfo,
    *,
    why: tuple[str, str],
) -> Notice:
    """A date of a series that its pool cannot promise; ``why`` in Chinese and in English."""
    return Notice(
        kind=Kind.UNMET,
        about_kind="series",
        about_id=series_id,
        department_id=subject.department_id,
        at=at,
        zh=_short(f"{subject.zh}：周期高峰中 {_span_zh(interval, zone)} 一次无法预留。{why[0]}"),
        en=_short(
            f"{subject.en}: of its series the peak from {_span_en(interval, zone)} cannot be "
            f"promised. {why[1]}"
        ),
        key=f"unmet:{series_id}:{interval.start.isoformat()}",
        fact="unmet",
        lapses_at=interval.end,
    )


def not_ready(subject: Subject, since: datetime, at: datetime, zone: ZoneInfo) -> Notice:
    """It has not been Ready ``since`` then, which is for long."""
    minutes = minutes_of(at - since)
    told = _of_environment(
        Kind.NOT_READY,
        subject,
        _readiness(subject),
        at,
        (
            f"{subject.zh}：自 {_at(since, zone)} 起未就绪，已 {minutes} 分钟。",
            f"{subject.en}: it has not been ready since {_at(since, zone)}, for {minutes} minutes.",
        ),
    )
    return replace(told, lapses_at=at + _LOOKED_AFTER)


def ready(subject: Subject, since: datetime, at: datetime, zone: ZoneInfo) -> Notice:
    """What was told not to be Ready is so again."""
    return _of_environment(
        Kind.READY,
        subject,
        _readiness(subject),
        at,
        (
            f"{subject.zh}：自 {_at(since, zone)} 起已恢复就绪。",
            f"{subject.en}: it has been ready again since {_at(since, zone)}.",
        ),
    )


def minutes_of(length: timedelta) -> int:
    return int(length.total_seconds() // 60)


def _of_request(
    kind: Kind, subject: Subject, request_id: str, at: datetime, said: tuple[str, str]
) -> Notice:
    return Notice(
        kind=kind,
        about_kind="request",
        about_id=request_id,
        department_id=subject.department_id,
        at=at,
        zh=_short(said[0]),
        en=_short(said[1]),
        key=f"request:{request_id}",
        fact=kind.value,
    )


def _of_environment(
    kind: Kind, subject: Subject, key: str, at: datetime, said: tuple[str, str]
) -> Notice:
    return Notice(
        kind=kind,
        about_kind="environment",
        about_id=subject.environment_id,
        department_id=subject.department_id,
        at=at,
        zh=said[0],
        en=said[1],
        key=key,
        fact=kind.value,
    )


def _of_checks(  # noqa: PLR0917 - one fact with its words
    kind: Kind,
    subject: Subject,
    window_id: str,
    interval: Interval,
    at: datetime,
    said: tuple[str, str],
) -> Notice:
    return Notice(
        kind=kind,
        about_kind="window",
        about_id=window_id,
        department_id=subject.department_id,
        at=at,
        zh=_short(said[0]),
        en=_short(said[1]),
        key=f"checks:{window_id}",
        fact=kind.value,
        lapses_at=interval.end,
    )


def _readiness(subject: Subject) -> str:
    return f"readiness:{subject.environment_id}"


def _promise(window_id: str) -> str:
    return f"promise:{window_id}"


def _fact(word: str, promise: tuple[str, int, Interval]) -> str:
    component, replicas, interval = promise
    times = f"{interval.start:%Y%m%dT%H%M%S}-{interval.end:%Y%m%dT%H%M%S}"
    return f"{word} {component} {replicas} {times}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _span_zh(interval: Interval, zone: ZoneInfo) -> str:
    return f"{_at(interval.start, zone)} 至 {_last(interval, zone)}"


def _span_en(interval: Interval, zone: ZoneInfo) -> str:
    return f"{_at(interval.start, zone)} to {_last(interval, zone)}"


def _last(interval: Interval, zone: ZoneInfo) -> str:
    first, last = interval.start.astimezone(zone), interval.end.astimezone(zone)
    return f"{last:%H:%M}" if first.date() == last.date() else _at(last, zone)
