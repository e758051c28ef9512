"""Calls to the API, with errors that a person can act on."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from cloudmgr.errors import CloudmgrError, Invalid, Temporary, Unauthenticated

Json = dict[str, Any]


class Refused(CloudmgrError):
    """The control plane said no; ``code``, ``hint`` and the faults are its own."""

    def __init__(self, status: int, problem: Json) -> None:
        faults = "; ".join(
            f"{fault.get('path', '')}: {fault.get('message', '')}".strip(": ")
            for fault in problem.get("errors") or ()
        )
        detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        message = f"{detail} ({faults})" if faults and faults != detail else detail
        super().__init__(
            message, code=str(problem.get("code", status)), hint=str(problem.get("hint") or "")
        )
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body, and the ETag that the next change must name."""

    body: Any
    etag: str


class Remote:
    """One control plane, spoken to with one token.

    :raises Invalid: ``no-token`` when neither the option nor ``CLOUDMGR_TOKEN`` gives one;
        ``no-address``.
    """

    def __init__(self, url: str | None, token: str | None) -> None:
        address = url or os.environ.get("CLOUDMGR_URL") or "http://127.0.0.1:8080"
        secret = (token or os.environ.get("CLOUDMGR_TOKEN") or "").strip()
        if not secret:
            raise Invalid(
                "no token was given",
                code="no-token",
                hint="set CLOUDMGR_TOKEN to a token made in the portal or with `cloudmgr init`",
            )
        if not (secret.isascii() and secret.isprintable()):
            raise Invalid(
                "the token holds what no token does",
                code="no-token",
                hint="copy it again: one word that begins with cmt_",
            )
        try:
            self._client = httpx.Client(
                base_url=f"{address.rstrip('/')}/api/v1",
                headers={"Authorization": f"Bearer {secret}", "Accept": "application/json"},
                timeout=60,
            )
        except httpx.InvalidURL as error:
            raise Invalid(
                f"{address!r} is not an address: {error}",
                code="no-address",
                hint="give one such as http://127.0.0.1:8080",
            ) from None

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def get(self, path: str, **parameters: object) -> Any:
        return self.call("GET", path, parameters=parameters).body

    def all(self, path: str, **parameters: object) -> Iterator[Json]:
        """Every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, cursor=cursor, **parameters)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def post(self, path: str, body: Json | None = None, *, etag: str = "") -> Any:
        return self.call("POST", path, body=body or {}, etag=etag).body

    def raw(self, path: str, **parameters: object) -> bytes:
        """A file, as it comes."""
        return self._send("GET", path, parameters, None, {}).content

    def call(
        self,
        method: str,
        path: str,
        *,
        parameters: Json | None = None,
        body: Json | None = None,
        etag: str = "",
    ) -> Answer:
        """:raises Refused: with the problem. :raises Temporary: when nobody answers.
        :raises Invalid: ``no-control-plane`` when somebody else does.
        """
        headers = {"If-Match": etag} if etag else {}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        response = self._send(method, path, parameters or {}, body, headers)
        try:
            content = response.json() if response.content else None
        except ValueError:
            raise self._no_plane() from None
        return Answer(content, response.headers.get("etag", ""))

    def _send(
        self, method: str, path: str, parameters: Json, body: Json | None, headers: dict[str, str]
    ) -> httpx.Response:
        query = {name: value for name, value in parameters.items() if value is not None}
        try:
            response = self._client.request(method, path, params=query, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Temporary(
                f"{self._client.base_url} does not answer: {error}",
                code="unreachable",
                hint="see that the control plane runs and that CLOUDMGR_URL is its address",
            ) from None
        if response.is_error:
            raise _refusal(response)
        if not response.is_success:
            raise self._no_plane()
        return response

    def _no_plane(self) -> Invalid:
        return Invalid(
            f"what answers at {self._client.base_url} is no control plane",
            code="no-control-plane",
            hint="see that CLOUDMGR_URL is the control plane's address, not a gateway's",
        )


def _refusal(response: httpx.Response) -> CloudmgrError:
    try:
        problem = response.json()
    except json.JSONDecodeError:
        problem = {"detail": response.text[:300]}
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return Unauthenticated(
            str(problem.get("detail", "the token is not accepted")),
            code=str(problem.get("code", "unauthenticated")),
            hint="set CLOUDMGR_TOKEN to a token that is valid now",
        )
    return Refused(response.status_code, problem if isinstance(problem, dict) else {})
