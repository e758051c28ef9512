"""One entry of the audit trail, and how it comes to know the request that it belongs to."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.audit.store import AuditStore
    from cloudmgr.clock import Clock

# Set by whichever face takes a request in, so that use cases far below need not hand it around.
request_id: ContextVar[str] = ContextVar("cloudmgr_request_id", default="")


class Actor(Protocol):
    """Whoever did it."""

    @property
    def user_id(self) -> str: ...
    @property
    def login(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The actor when nobody asked: the control plane itself."""

    user_id: str = "system"
    login: str = "system"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """``actor`` did ``action`` to the ``object_kind`` ``object_id`` at ``at``.

    ``department_id`` is whose thing it was, None for the city's. ``detail`` holds what JSON can,
    never a secret. ``request_id`` leads to the log; it is empty when no request was behind it.
    """

    id: str
    at: datetime
    actor_id: str
    actor_login: str
    action: str
    object_kind: str
    object_id: str
    department_id: str | None
    detail: Mapping[str, object] = field(default_factory=dict)
    request_id: str = ""


class Trail:
    """Where the rest of the program notes what was done, in the transaction that does it."""

    def __init__(self, store: AuditStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(
        self,
        tx: Connection,
        actor: Actor,
        action: str,
        *,
        object_kind: str,
        object_id: str,
        department_id: str | None,
        detail: Mapping[str, object] | None = None,
    ) -> AuditEvent:
        """Append what ``actor`` just did; it stays if and only if the deed does."""
        event = AuditEvent(
            id=f"aud_{uuid.uuid4().hex[:16]}",
            at=self._clock.now(),
            actor_id=actor.user_id,
            actor_login=actor.login,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            department_id=department_id,
            detail=dict(detail or {}),
            request_id=request_id.get(),
        )
        self._store.append(tx, event)
        return event
