"""What a department expects of a peak in its own terms, and what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Unit(StrEnum):
    """What is counted: requests a second, people at once, or times what is normal."""

    REQUESTS = "requests"
    USERS = "users"
    TIMES = "times"


@dataclass(frozen=True, slots=True)
class Sized:
    """How an expectation became replicas; kept, since what is measured goes on to change.

    :param in_flight: requests in flight at the high end.
    :param target: requests in flight that one replica carries.
    :param replicas: at the low end, when it goes as is likely, and at the high end.
    :param seconds: that a request takes; None where they were not needed.
    :param per_user_minute: requests of one user in a minute; None where nobody counts users.
    :param normal: requests in flight that are normal; None where that was not needed.
    :param measured: whether ``seconds`` were measured; else somebody said them.
    """

    in_flight: Decimal
    target: Decimal
    replicas: tuple[int, int, int]
    seconds: Decimal | None = None
    per_user_minute: Decimal | None = None
    normal: Decimal | None = None
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """From ``low`` to ``high`` of ``unit``, ``likely`` in between.

    :param seconds_per_request: as its department says; None: as measured.
    :param requests_per_user_minute: as its department says; None: as policy supposes.
    """

    unit: Unit
    low: Decimal
    likely: Decimal
    high: Decimal
    seconds_per_request: Decimal | None = None
    requests_per_user_minute: Decimal | None = None
    sized: Sized | None = None
