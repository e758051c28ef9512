"""How a notice gets to those who do not look at the pages: tries, patience, giving up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cloudmgr.notices.notice import Kind, Notice

MAIL = "mail:"
MOST_TRIES = 12
_FIRST = timedelta(minutes=1)
_LONGEST = timedelta(hours=4)


class State(StrEnum):
    """Where a delivery stands. The last two are final."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one target. Times are the machine's, however fast business runs.

    :param target: a target's id, or ``mail:`` and the id of a user.
    :param tries: how often it was tried.
    :param next_try_at: not before; None once it is over.
    :param ended_at: when it was sent or given up.
    :param reason: why the last try failed; it never holds a secret of the target.
    """

    notice_id: str
    target: str
    state: State = State.WAITING
    tries: int = 0
    next_try_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    number: int = 0

    @property
    def user_id(self) -> str | None:
        return mailed(self.target)


@dataclass(frozen=True, slots=True)
class Officer:
    """One who may be mailed.

    :param muted: kinds that are not mailed to this person.
    """

    user_id: str
    department_id: str
    muted: frozenset[Kind]


def mailed(target: str) -> str | None:
    """The id of the user whom ``target`` is the mail of; None for a target of the operators."""
    return target.removeprefix(MAIL) if target.startswith(MAIL) else None


def spread(
    notice: Notice, targets: Iterable[str], officers: Iterable[Officer], now: datetime
) -> list[Delivery]:
    """To every target of the operators, and to the officers of its own department."""
    wanted = [*targets]
    wanted += [
        f"{MAIL}{officer.user_id}"
        for officer in officers
        if officer.department_id == notice.department_id and notice.kind not in officer.muted
    ]
    return [Delivery(notice.id, target, next_try_at=now) for target in wanted]


def tried(delivery: Delivery, failure: str | None, now: datetime) -> Delivery:
    """``delivery`` after one more try; ``failure`` says why it failed, None that it did not."""
    tries = delivery.tries + 1
    if failure is None:
        return replace(
            delivery, state=State.SENT, tries=tries, next_try_at=None, ended_at=now, reason=""
        )
    if tries >= MOST_TRIES:
        return replace(
            delivery,
            state=State.GIVEN_UP,
            tries=tries,
            next_try_at=None,
            ended_at=now,
            reason=failure,
        )
    return replace(delivery, tries=tries, next_try_at=now + patience(tries), reason=failure)


def dropped(delivery: Delivery, why: str, now: datetime) -> Delivery:
    """``delivery`` given up without a try: there is nowhere to send it to."""
    return replace(delivery, state=State.GIVEN_UP, next_try_at=None, ended_at=now, reason=why)


def patience(tries: int) -> timedelta:
    """How long after as many failures it is tried again: doubled each time, up to four hours."""
    return min(_FIRST * (1 << (tries - 1)), _LONGEST)


def by_target(deliveries: Iterable[Delivery]) -> Mapping[str, list[Delivery]]:
    """Deliveries of one target together: they go as one message."""
    found: dict[str, list[Delivery]] = {}
    for delivery in deliveries:
        found.setdefault(delivery.target, []).append(delivery)
    return found
