"""Typed statements on an object, as Kubernetes has them; ``Ready`` is derived, never stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NEVER = datetime.min.replace(tzinfo=UTC)


class Status(StrEnum):
    """Whether a condition holds; Unknown is neither, and never counts as True."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """``type`` is so since ``since``, because of ``reason`` (CamelCase), in words: ``message``."""

    type: str
    status: Status
    reason: str
    message: str
    observed_generation: int
    since: datetime


def merge(current: Iterable[Condition], changed: Iterable[Condition]) -> tuple[Condition, ...]:
    """``current`` with each of ``changed`` put in place, sorted by type.

    ``since`` moves only when the status does, so that a person sees how long it has been so.
    """
    merged = {condition.type: condition for condition in current}
    for new in changed:
        old = merged.get(new.type)
        if old is not None and old.status is new.status:
            new = replace(new, since=old.since)  # noqa: PLW2901 - the same condition, older
        merged[new.type] = new
    return tuple(merged[key] for key in sorted(merged))


def ready(conditions: Iterable[Condition], required: Iterable[str], generation: int) -> Condition:
    """``Ready``, derived: True when every ``required`` condition is True for this ``generation``.

    A missing or stale condition makes it Unknown; a False one makes it False and lends its reason.
    ``since`` is the latest change among what it was derived from.

    :raises ValueError: if nothing is required.
    """
    have = {condition.type: condition for condition in conditions}
    names = list(required)
    if not names:
        message = "Ready must be derived from something"
        raise ValueError(message)
    found = [have[name] for name in names if name in have]
    for condition in found:
        if condition.status is Status.FALSE and condition.observed_generation >= generation:
            return replace(condition, type="Ready")
    for condition in found:
        if condition.observed_generation < generation:
            return replace(
                condition,
                type="Ready",
                status=Status.UNKNOWN,
                reason="Stale",
                message="the latest change has not been seen yet",
            )
        if condition.status is not Status.TRUE:
            return replace(condition, type="Ready")
    if len(found) < len(names):
        missing = ", ".join(name for name in names if name not in have)
        since = max((c.since for c in found), default=None)
        return Condition(
            "Ready",
            Status.UNKNOWN,
            "NotObserved",
            f"not observed yet: {missing}",
            generation,
            since or _NEVER,
        )
    return Condition("Ready", Status.TRUE, "AllTrue", "", generation, max(c.since for c in found))
