"""Departments and billing accounts. Departments merge, split, are renamed: all that is dated."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import pairwise
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Invalid

if TYPE_CHECKING:
    from datetime import datetime

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """Who pays; it may cover several departments. ``currency`` is a code of ISO 4217, for ever.

    :raises Invalid: ``no-currency``.
    """

    id: str
    name_zh: str
    name_en: str
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise Invalid(
                f"{self.currency!r} is not a currency of ISO 4217",
                code="no-currency",
                hint="give three capital letters, such as CNY",
                path="currency",
            )


@dataclass(frozen=True, slots=True)
class DepartmentVersion:
    """What a department is from ``valid_from`` (aware) until the next version begins.

    Only the beginning is kept: two versions can then neither overlap nor leave a gap.

    :raises Invalid: ``naive-time``.
    """

    valid_from: datetime
    name_zh: str
    name_en: str
    billing_account_id: str
    active: bool = True

    def __post_init__(self) -> None:
        if self.valid_from.tzinfo is None:
            raise Invalid("valid_from has no time zone", code="naive-time", path="valid_from")
        object.__setattr__(self, "valid_from", self.valid_from.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Department:
    """The tenant. ``code`` is a DNS label, unique in the city; ``versions`` are in order of time.

    ``version`` counts changes of the row and is what an ETag speaks of.

    :raises ValueError: without a version, or when they are not strictly in order.
    """

    id: str
    code: str
    created_at: datetime
    versions: tuple[DepartmentVersion, ...]
    version: int = 1

    def __post_init__(self) -> None:
        if not self.versions:
            message = "a department has at least one version"
            raise ValueError(message)
        if any(a.valid_from >= b.valid_from for a, b in pairwise(self.versions)):
            message = "the versions of a department are strictly in order of time"
            raise ValueError(message)

    def in_force(self, moment: datetime) -> DepartmentVersion | None:
        """The version that holds at ``moment``, or None before the first begins."""
        held = None
        for version in self.versions:
            if version.valid_from > moment:
                break
            held = version
        return held

    def at(self, moment: datetime) -> DepartmentVersion:
        """The version that holds at ``moment``, and before the first begins that one.

        Requests are counted by the hour, and the hour in which a department begins began before it.
        """
        return self.in_force(moment) or self.versions[0]

    def revised(self, version: DepartmentVersion, now: datetime) -> Department:
        """This department with ``version`` appended; what was, stays as it was.

        A version must begin now or later, so that usage already counted keeps its payer, and after
        every other version, so that nothing already promised is rewritten.

        :raises Invalid: ``begins-in-the-past``. :raises Conflict: ``not-the-latest``.
        """
        last = self.versions[-1]
        if version.valid_from < now:
            raise Invalid(
                f"it would begin at {version.valid_from.isoformat()}, which is past",
                code="begins-in-the-past",
                path="valid_from",
                hint="let it begin now or later; what was counted until now keeps its payer",
            )
        if version.valid_from <= last.valid_from:
            raise Conflict(
                f"a version that begins at {last.valid_from.isoformat()} exists already",
                code="not-the-latest",
                path="valid_from",
                hint="versions are only appended: begin later than the last one",
            )
        return replace(self, versions=(*self.versions, version), version=self.version + 1)
