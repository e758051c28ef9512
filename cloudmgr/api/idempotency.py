"""``Idempotency-Key``: a POST that was sent twice is done once.

How it is made certain. First the key is *claimed* in a transaction of its own, so that a second
request sees at once that the first is under way (409). Then the work is done and its answer kept
*in one transaction*: either both are there or neither. Whoever dies in between leaves a claim
without an answer, hence without its work; after a minute another attempt takes it over, and should
the first still be alive, it finds its claim gone when it comes to keep its answer, and its work is
undone. Work that fails changes nothing and gives the key free.

An answer that was given is given again for 24 hours, word for word, to the same user and the
same request (method, path, query and body byte for byte); another request under the key is 422.
Answers that hold a secret must not be kept: such a route does without.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Header, Request
from starlette.responses import Response

from cloudmgr.api.store import Claim, KeptAnswer
from cloudmgr.errors import CloudmgrError, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from cloudmgr.api.etag import Answer
    from cloudmgr.api.gate import Caller

REPLAYED = "Idempotency-Replayed"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A POST that may be repeated; ``key`` is None when the client does not care."""

    key: str | None
    digest: str

    def once(self, caller: Caller, work: Callable[[Connection], Answer]) -> Response:
        """Do ``work`` in one transaction and answer; or answer as before, without doing it.

        All that is to happen once must happen in that transaction: preconditions included, so that
        a repeated request is not refused for what the first one changed.

        :raises CloudmgrError: what ``work`` raises, and what :meth:`IdempotencyStore.claim` does.
        """
        services = caller.services
        if self.key is None:
            with services.database.write() as tx:
                answer = work(tx)
            return answer.response()
        claim = Claim(caller.principal.user_id, self.key, self.digest, uuid.uuid4().hex)
        kept = self._claimed(caller, claim)
        if kept is not None:
            return Response(
                kept.body,
                kept.status,
                headers={**kept.headers, REPLAYED: "true"},
                media_type="application/json" if kept.body else None,
            )
        try:
            with services.database.write() as tx:
                answer = work(tx)
                services.idempotency.settle(tx, claim, _kept(answer))
        except Exception:
            self._release(caller, claim)
            raise
        return answer.response()

    @staticmethod
    def _claimed(caller: Caller, claim: Claim) -> KeptAnswer | None:
        services = caller.services
        try:
            with services.database.write() as tx:
                return services.idempotency.claim(tx, claim, services.clock.now())
        except Conflict as error:
            if error.code != "already-exists":
                raise
            # Two came at one instant, and the other's row was first.
            raise Conflict(
                "the first request with this Idempotency-Key is still being done",
                code="idempotency-in-progress",
                hint="ask again in a moment, with the same key",
            ) from error

    @staticmethod
    def _release(caller: Caller, claim: Claim) -> None:
        try:
            with caller.services.database.write() as tx:
                caller.services.idempotency.release(tx, claim)
        except CloudmgrError as error:
            # The claim ends by itself after a minute; what made the work fail is what counts.
            _log.warning("a claim on an Idempotency-Key could not be released: %s", error)


def _kept(answer: Answer) -> KeptAnswer:
    body = answer.body.model_dump_json() if answer.body is not None else ""
    return KeptAnswer(answer.status, answer.headers, body)


async def _repeatable(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[\x21-\x7e]+$",
            description="A name for this very request: sent again, it is not done again.",
        ),
    ] = None,
) -> Repeatable:
    digest = hashlib.sha256()
    for part in (
        request.method.encode(),
        request.url.path.encode(),
        request.scope["query_string"],
        await request.body(),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return Repeatable(key, digest.hexdigest())


Once = Annotated[Repeatable, Depends(_repeatable)]
"""Declares ``Idempotency-Key`` on a POST."""
