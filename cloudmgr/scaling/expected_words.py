"""How an expectation became replicas, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cloudmgr.hosting.expected import Unit

if TYPE_CHECKING:
    from decimal import Decimal

    from cloudmgr.hosting.expected import Expected, Sized


def explained(expected: Expected, language: Literal["zh", "en"]) -> str:
    """``3,000 users at once, about 1 request per user and minute, 0.4 s each: 20 in flight, …``.

    Empty when it was not sized.
    """
    sized = expected.sized
    if sized is None:
        return ""
    return _zh(expected, sized) if language == "zh" else _en(expected, sized)


def _en(expected: Expected, sized: Sized) -> str:
    said = {
        Unit.USERS: "{} users at once",
        Unit.REQUESTS: "{} requests per second",
        Unit.TIMES: "{} times the normal",
    }[expected.unit].format(_range(expected, " to "))
    parts = [said]
    if sized.per_user_minute is not None:
        one = "request" if sized.per_user_minute == 1 else "requests"
        parts.append(f"about {_number(sized.per_user_minute)} {one} per user and minute")
    if sized.normal is not None:
        parts.append(f"normal being {_number(sized.normal)} in flight, as measured")
    if sized.seconds is not None:
        source = "measured" if sized.measured else "as stated"
        parts.append(f"{_number(sized.seconds)} s each ({source})")
    low, likely, high = sized.replicas
    reckoned = (
        f"{_number(sized.in_flight)} in flight, {_number(sized.target)} to a replica: "
        f"{high:,} replica{'s' if high != 1 else ''}"
    )
    spread = f"; likely {likely:,}, at least {low:,}" if low != high else ""
    return f"{', '.join(parts)}: {reckoned}{spread}"


def _zh(expected: Expected, sized: Sized) -> str:
    said = {
        Unit.USERS: "同时在线 {} 人",
        Unit.REQUESTS: "每秒 {} 次请求",
        Unit.TIMES: "平常的 {} 倍",
    }[expected.unit].format(_range(expected, " 至 "))
    parts = [said]
    if sized.per_user_minute is not None:
        parts.append(f"每人每分钟约 {_number(sized.per_user_minute)} 次请求")
    if sized.normal is not None:
        parts.append(f"平常实测 {_number(sized.normal)} 个并发请求")
    if sized.seconds is not None:
        source = "实测" if sized.measured else "自报"
        parts.append(f"每次 {_number(sized.seconds)} 秒（{source}）")
    low, likely, high = sized.replicas
    reckoned = (
        f"{_number(sized.in_flight)} 个并发请求，每个副本 {_number(sized.target)} 个，"
        f"需 {high:,} 个副本"
    )
    spread = f"；很可能 {likely:,} 个，至少 {low:,} 个" if low != high else ""
    return f"{'，'.join(parts)}：{reckoned}{spread}"


def _range(expected: Expected, to: str) -> str:
    if expected.low == expected.high:
        return _number(expected.high)
    return f"{_number(expected.low)}{to}{_number(expected.high)}"


def _number(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
