"""Answers kept for Idempotency-Key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import JSON, Column, Integer, String, Table, Text, delete, insert, select, update

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

KEPT = timedelta(hours=24)
# A claim without an answer this old belongs to a process that died: see cloudmgr.api.idempotency.
CLAIM_LIFE = timedelta(minutes=1)

kept_answers = Table(
    "idempotent_answer",
    metadata,
    Column("user_id", String(40), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("claim", String(32), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False, index=True),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", Text),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """``user_id`` does the request ``digest`` under ``key``; ``id`` is this attempt's."""

    user_id: str
    key: str
    digest: str
    id: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer as it was given."""

    status: int
    headers: Mapping[str, str]
    body: str


class IdempotencyStore:
    """Claims and the answers that came of them."""

    def claim(self, tx: Connection, claim: Claim, now: datetime) -> KeptAnswer | None:
        """The answer that was given before, or None: the claim stands, do the work.

        :raises Invalid: ``idempotency-key-reused`` for another request under the same key.
        :raises Conflict: ``idempotency-in-progress`` while the first attempt is still at it.
        """
        columns = kept_answers.c
        mine = (columns.user_id == claim.user_id) & (columns.key == claim.key)
        values = {
            "digest": claim.digest,
            "claim": claim.id,
            "claimed_at": now,
            "status": None,
            "headers": None,
            "body": None,
        }
        row = tx.execute(select(kept_answers).where(mine)).one_or_none()
        if row is None:
            tx.execute(insert(kept_answers).values(user_id=claim.user_id, key=claim.key, **values))
            return None
        if row.claimed_at + KEPT > now:
            if row.digest != claim.digest:
                raise Invalid(
                    "this Idempotency-Key was used for another request",
                    code="idempotency-key-reused",
                    hint="take a new key for each new request",
                )
            if row.status is not None:
                return KeptAnswer(row.status, row.headers, row.body)
            if row.claimed_at + CLAIM_LIFE > now:
                raise _in_progress()
        taken = tx.execute(
            update(kept_answers).where(mine, columns.claim == row.claim).values(**values)
        )
        if taken.rowcount != 1:
            raise _in_progress()
        return None

    def settle(self, tx: Connection, claim: Claim, answer: KeptAnswer) -> None:
        """Keep ``answer``, in the transaction of the work itself.

        :raises Conflict: ``idempotency-in-progress`` if another attempt has taken the claim over;
            the work is then undone with its transaction.
        """
        settled = tx.execute(
            update(kept_answers)
            .where(
                kept_answers.c.user_id == claim.user_id,
                kept_answers.c.key == claim.key,
                kept_answers.c.claim == claim.id,
            )
            .values(status=answer.status, headers=dict(answer.headers), body=answer.body)
        )
        if settled.rowcount != 1:
            raise _in_progress()

    def release(self, tx: Connection, claim: Claim) -> None:
        """The work failed and changed nothing: the key may be used again at once."""
        tx.execute(
            delete(kept_answers).where(
                kept_answers.c.user_id == claim.user_id,
                kept_answers.c.key == claim.key,
                kept_answers.c.claim == claim.id,
                kept_answers.c.status.is_(None),
            )
        )

    def purge(self, tx: Connection, now: datetime) -> int:
        """Forget what is over 24 hours old; gives the number of answers forgotten."""
        gone = tx.execute(delete(kept_answers).where(kept_answers.c.claimed_at < now - KEPT))
        return gone.rowcount


def _in_progress() -> Conflict:
    return Conflict(
        "the first request with this Idempotency-Key is still being done",
        code="idempotency-in-progress",
        hint="ask again in a moment, with the same key",
    )
