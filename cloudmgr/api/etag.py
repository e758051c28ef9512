"""Versions of things in HTTP: ETag out, If-None-Match and If-Match in (RFC 9110 §13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Header
from starlette.responses import Response

from cloudmgr.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.api.values import View

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=500,
        description="The ETag of what you saw; without it 428, and 412 if it was changed since.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=500,
        description="The ETag of what you have; 304 if it is still so.",
    ),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers, before it is bytes: it can be kept, to be given again."""

    status: int
    body: View | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The answer as HTTP; without a body it has no content type either."""
        if self.body is None:
            return Response(status_code=self.status, headers=dict(self.headers))
        return Response(
            self.body.model_dump_json(),
            self.status,
            headers=dict(self.headers),
            media_type="application/json",
        )


def etag(version: int, *more: object) -> str:
    """The strong ETag of a row at ``version``.

    :param more: whatever else changes what is shown, such as which dated version holds now.
    """
    return '"' + "-".join(str(part) for part in (version, *more)) + '"'


def seen(view: View, tag: str, if_none_match: str | None) -> Response:
    """``view`` with its ETag, or 304 for whoever has it."""
    headers = {"ETag": tag}
    if if_none_match is not None and _listed(if_none_match, tag, weak=True):
        return Answer(304, None, headers).response()
    return Answer(200, view, headers).response()


def expect(if_match: str | None, tag: str) -> None:
    """Go on only if the caller saw what is there now.

    :raises Conflict: ``precondition-required`` without If-Match, ``stale-version`` for another.
    """
    if if_match is None:
        raise Conflict(
            "say which version you saw",
            code="precondition-required",
            hint="read it first and send its ETag as If-Match",
        )
    if not _listed(if_match, tag, weak=False):
        raise Conflict(
            "it was changed since you saw it",
            code="stale-version",
            hint="read it again and repeat the change",
        )


def _listed(header: str, tag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    # Our tags hold no comma, so a list can be taken apart at each.
    given = (part.strip() for part in header.split(","))
    return any((part.removeprefix("W/") if weak else part) == tag for part in given)
