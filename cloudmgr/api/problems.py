"""Every error as ``application/problem+json`` (RFC 9457), with a stable code and a hint."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cloudmgr.api.values import View, example
from cloudmgr.errors import (
    CloudmgrError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Permanent,
    Temporary,
    Unauthenticated,
    Unpriced,
)
from cloudmgr.identity.access import Action, Reach, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

    Renderer = Callable[[Request, "Problem", Mapping[str, str]], Response | None]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_STATUS: Mapping[type[CloudmgrError], int] = {
    Invalid: 422,
    NotFound: 404,
    Conflict: 409,
    Forbidden: 403,
    Unauthenticated: 401,
    Temporary: 503,
    Permanent: 422,
    Unpriced: 409,
}
_STATUS_BY_CODE = {
    "stale-version": 412,
    "precondition-required": 428,
    "not-json": 400,
    # It may pass, but nothing here is out of order: a crowd of 503 would alarm the wrong people.
    "pool-full": 409,
}
_TITLES = {
    400: "The request cannot be read",
    401: "Sign in first",
    403: "You may not do this",
    404: "There is no such thing",
    405: "This cannot be done to that",
    409: "It is not in the state for this",
    412: "It was changed meanwhile",
    413: "The request is too large",
    415: "The body is of a kind that is not understood",
    422: "Something in the request is wrong",
    428: "Say which version you saw",
    500: "Something is wrong here",
    503: "Not now",
}
# What a database says of itself is for the log, not for whoever asks.
_WITHHELD = {
    "already-exists": "something with this name or key exists already",
    "database-unavailable": "the database cannot do this now; nothing was changed",
}

_log = logging.getLogger(__name__)


class Fault(View):
    """One thing that is wrong with the input, and where."""

    model_config = example(path="name_zh", message="must not be blank")

    path: str = Field(description="Where: `components[0].cpu_millis`; empty for the whole.")
    message: str


class Problem(View):
    """Why a request was not done (RFC 9457). Programs look at `code`, people read the rest."""

    model_config = example(
        type="urn:cloudmgr:problem:code-taken",
        title="It is not in the state for this",
        status=409,
        detail="there is a department education already",
        code="code-taken",
        hint="choose another code, or add a version to that department",
        errors=[{"path": "code", "message": "there is a department education already"}],
        request_id="0b3e7c2a5f8d4c61",
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    errors: tuple[Fault, ...]
    request_id: str
    # RFC 9457 lets a type of problem have members of its own.
    members: SkipJsonSchema[dict[str, Any]] = Field(default_factory=dict, exclude=True)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    errors: Sequence[tuple[str, str]] = (),
    request_id: str = "",
    members: Mapping[str, Any] | None = None,
) -> Problem:
    """A problem with its title and type; ``members`` are those of this type alone."""
    return Problem(
        type=f"urn:cloudmgr:problem:{code}",
        title=_TITLES.get(status, HTTPStatus(status).phrase),
        status=status,
        detail=detail,
        code=code,
        hint=hint,
        errors=tuple(Fault(path=path, message=message) for path, message in errors),
        request_id=request_id,
        members=dict(members or {}),
    )


def as_json(found: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that programs get."""
    body = {**found.members, **found.model_dump(mode="json")}
    return Response(
        json.dumps(body, ensure_ascii=False),
        found.status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def status_of(error: CloudmgrError) -> int:
    """The status that ``error`` is answered with; 500 for one that nobody foresaw."""
    if error.code in _STATUS_BY_CODE:
        return _STATUS_BY_CODE[error.code]
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)


def install(app: FastAPI, render: Renderer | None = None) -> None:
    """Answer every error of ``app`` with a problem.

    :param render: asked first; a face for people gives a page where a person asks, else None.
    """

    def answer(request: Request, found: Problem, headers: Mapping[str, str]) -> Response:
        page = render(request, found, headers) if render else None
        return page or as_json(found, headers)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, CloudmgrError)  # noqa: S101 - registered for these alone
        return answer(request, _from_error(request, error), _headers(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return answer(request, _from_validation(request, error), {})

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = _allowed(request)
        return answer(request, _from_http(request, error), headers)

    app.add_exception_handler(CloudmgrError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _headers(error: CloudmgrError) -> dict[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, Temporary):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {}


def _from_error(request: Request, error: CloudmgrError) -> Problem:
    identity = _request_id(request)
    status = status_of(error)
    if status == 404 and _hides(request):
        # Word for word the same, whether it is another's or nobody's.
        return problem(
            404,
            "not-found",
            "there is no such thing, or not for you",
            hint="check the id; what belongs to another department is not shown",
            request_id=identity,
        )
    if status >= 500 or error.code in _WITHHELD:
        _log.warning("request %s: %s: %s", identity, error.code, error.message, exc_info=error)
    return problem(
        status,
        error.code,
        _WITHHELD.get(error.code, error.message),
        hint=error.hint,
        errors=error.problems,
        request_id=identity,
        members=error.members,
    )


def _hides(request: Request) -> bool:
    """Whether there is something that the caller does not see, so that it must not be told of."""
    caller = getattr(request.state, "caller", None)
    if caller is None:
        return False
    one_sees_ones_own = caller.action in {Action.SELF_READ, Action.SELF_WRITE}
    return one_sees_ones_own or reach(caller.principal, caller.action) is not Reach.ALL


def _from_validation(request: Request, error: RequestValidationError) -> Problem:
    faults: list[tuple[str, str]] = []
    for fault in error.errors():
        if fault["type"] == "json_invalid":
            return problem(
                400,
                "not-json",
                f"the body is not JSON: {fault['ctx']['error']}",
                hint=f"see character {fault['loc'][-1]}",
                request_id=_request_id(request),
            )
        faults.append((_path(fault["loc"]), _sentence(fault["msg"])))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if ("", "must be an object") in faults and kind and not kind.endswith("json"):
        return problem(
            415,
            "unsupported-media-type",
            f"the body is {kind}, not JSON",
            hint="send Content-Type: application/json",
            request_id=_request_id(request),
        )
    first = f"{faults[0][0]}: {faults[0][1]}".removeprefix(": ")
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return problem(
        422,
        "invalid",
        first + more,
        hint="see errors for each field",
        errors=faults,
        request_id=_request_id(request),
    )


def _path(location: Sequence[int | str]) -> str:
    """``("body", "components", 0, "cpu")`` as ``components[0].cpu``."""
    path = ""
    for part in location[1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _sentence(message: str) -> str:
    if message.startswith("Input should be a valid dictionary"):
        return "must be an object"
    message = message.replace("Input should", "must").replace("String should", "must")
    return message[:1].lower() + message[1:]


def _from_http(request: Request, error: HTTPException) -> Problem:
    status = error.status_code
    code, hint = {
        400: ("unreadable", "send JSON with Content-Type: application/json"),
        404: ("not-found", "the API's document lists every path: /api/v1/openapi.json"),
        405: ("method-not-allowed", "the header Allow lists what can be done here"),
        413: ("too-large", "send at most 1 MiB"),
    }.get(status, ("http-error", ""))
    detail: dict[int, str] = {
        404: "there is nothing at this address",
        405: f"{request.method} cannot be done here",
        413: "the body is larger than 1 MiB",
    }
    return problem(
        status,
        code,
        detail.get(status, _plain(error.detail)),
        hint=hint,
        request_id=_request_id(request),
    )


def _allowed(request: Request) -> str:
    """Every method of this path; each is a route of its own, and the router names but one.

    Where several templates fit, the one that leaves least open is meant.
    """
    path, found = request.scope["path"], dict[str, set[str]]()
    for context in iter_route_contexts(request.app.routes):
        if isinstance(context.original_route, APIRoute) and context.path_regex.match(path):
            found.setdefault(context.path or "", set()).update(context.methods or ())
    meant = min(found, key=lambda template: template.count("{"), default="")
    return ", ".join(sorted(found.get(meant, ())))


def _plain(detail: Any) -> str:
    return detail if isinstance(detail, str) else ""


def _request_id(request: Request) -> str:
    found: str = getattr(request.state, "request_id", "")
    return found
