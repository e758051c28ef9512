"""Users, tokens, and the principal: who acts, in which roles, with which scopes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from datetime import datetime


class Role(StrEnum):
    """What a person is in the city; :mod:`cloudmgr.identity.access` says what each may do."""

    DEPARTMENT_OFFICER = "department-officer"
    APPROVER = "approver"
    OPERATOR = "operator"
    FINANCE = "finance"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


class Scope(StrEnum):
    """What a token may be used for, within what its user may do. None of them implies another.

    ``read``: look at things. ``write``: ask, approve, scale, announce. ``billing``: billing
    accounts, closing a month. ``admin``: departments, users, pools, policy. ``metrics``: the
    control plane's own metrics and nothing else. ``portal``: all of them; only signing in gives
    it, for a short time.
    """

    READ = "read"
    WRITE = "write"
    BILLING = "billing"
    ADMIN = "admin"
    METRICS = "metrics"
    PORTAL = "portal"


class Locale(StrEnum):
    """The language in which the control plane speaks to a person."""

    ZH_CN = "zh-CN"
    EN = "en"


@dataclass(frozen=True, slots=True)
class User:
    """A person. ``login`` is unique; ``department_id`` is None for the city's own staff.

    ``email`` is where notices are mailed to; empty for nowhere. ``version`` counts changes of the
    row and is what an ETag speaks of.

    :raises Invalid: ``department-missing`` for a department officer without a department.
    """

    id: str
    login: str
    name: str
    roles: frozenset[Role]
    department_id: str | None
    locale: Locale
    created_at: datetime
    active: bool = True
    version: int = 1
    email: str = ""

    def __post_init__(self) -> None:
        if Role.DEPARTMENT_OFFICER in self.roles and self.department_id is None:
            raise Invalid(
                "a department officer belongs to a department",
                code="department-missing",
                path="department_id",
                hint="name the department, or leave the role out",
            )


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A secret that acts for a user. The secret itself is shown once and kept nowhere."""

    id: str
    user_id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def alive(self, now: datetime) -> bool:
        """Neither revoked nor expired; at ``expires_at`` itself it has expired."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts now: a user, seen through the token that was used."""

    user_id: str
    login: str
    name: str
    roles: frozenset[Role]
    department_id: str | None
    scopes: frozenset[Scope]
    locale: Locale
    token_id: str = ""
