"""The application itself, as plain ASGI: no framework, so that it is up in tenths of a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from cloudmgr.cli.demo.apps import pages
from cloudmgr.cli.demo.apps.catalogue import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.cli.demo.apps.catalogue import Service
    from cloudmgr.cli.demo.apps.records import Records

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 64 * 1024
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_NO_PAGE = Words("没有这个页面。", "There is no such page.")
_NO_RECORD = Words("没有该受理编号的记录。", "Nothing was filed under this reference.")
_FULL = Words("该时段名额已满，请选择其他时段。", "No place is left at this time; choose another.")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one replica takes on.

    ``concurrency`` requests are worked on at once, each for ``work_seconds`` at least: the time
    that the city's identity service and registries, which the demo does not run, take to answer.
    ``queue`` more may wait; beyond that the replica says 503, as a real one must.
    """

    concurrency: int = 4
    work_seconds: float = 0.05
    queue: int = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: status, content type, body, and where to if it is a redirect."""

    status: int
    kind: str
    body: bytes
    location: str = ""


class Application:
    """One service, as an ASGI application.

    :param about: what ``/api/about`` tells of this replica.
    """

    def __init__(
        self, service: Service, records: Records, limits: Limits, about: Mapping[str, object]
    ) -> None:
        self._service = service
        self._records = records
        self._limits = limits
        self._about = about
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._waiting = 0
        self.leaving = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path == "/healthz":
            answer = _json(200, {"status": "leaving" if self.leaving else "ok"})
        elif path == "/api/about":
            answer = _json(200, dict(self._about))
        else:
            body = await _body(receive)
            answer = (
                _json(413, {"error": "too large"})
                if body is None
                else await self._work(scope, method, path, body)
            )
        await self._send(send, answer)

    async def _work(self, scope: Scope, method: str, path: str, body: bytes) -> Answer:
        if self._waiting >= self._limits.queue:
            return _json(503, {"error": "busy"})
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            await asyncio.sleep(self._limits.work_seconds)
            return self._answer(scope, method, path, body)
        finally:
            self._slots.release()

    def _answer(  # noqa: PLR0911 - a table of routes
        self, scope: Scope, method: str, path: str, body: bytes
    ) -> Answer:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        english = _english(scope, query)
        asked = "GET" if method == "HEAD" else method
        match asked, path.strip("/").split("/"):
            case "GET", [""]:
                return _page(200, pages.form(self._service, english, count=self._records.count()))
            case "POST", [""]:
                return self._file_form(body, english)
            case "GET", ["records"]:
                reference = query.get("reference", "").strip()[:40]
                return self._show(reference, english)
            case "GET", ["records", reference]:
                return self._show(reference, english)
            case "POST", ["api", "records"]:
                return self._file_json(body)
            case "GET", ["api", "records", reference]:
                found = self._records.find(reference)
                return _json(200, found) if found else _json(404, {"error": _NO_RECORD.en})
            case "GET", ["api", "status"]:
                return _json(200, self._status())
            case "GET" | "POST", _:
                return self._absent(english)
        return _json(405, {"error": "method not allowed"})

    def _status(self) -> dict[str, object]:
        service = self._service
        status: dict[str, object] = {"service": service.code, "records": self._records.count()}
        if service.limited:
            taken = self._records.taken()
            field = next(f for f in service.fields if f.name == service.limited)
            status["free"] = {
                value: service.places - taken.get(value, 0) for value, _ in field.choices
            }
        return status

    def _file_form(self, body: bytes, english: bool) -> Answer:
        answers, problems = self._read(dict(parse_qsl(body.decode("utf-8", "replace"))))
        reference = None if problems else self._records.add(answers)
        if reference is None:
            shown = problems or {"": _FULL}
            page = pages.form(
                self._service, english, count=self._records.count(), answers=answers, problems=shown
            )
            return _page(422 if problems else 409, page)
        return Answer(303, _HTML, b"", location=f"/records/{reference}")

    def _file_json(self, body: bytes) -> Answer:
        try:
            given = json.loads(body)
        except ValueError:
            return _json(400, {"error": "the body is not JSON"})
        if not isinstance(given, dict):
            return _json(400, {"error": "the body is not an object"})
        answers, problems = self._read({str(k): str(v) for k, v in given.items()})
        if problems:
            return _json(422, {"problems": {name: what.en for name, what in problems.items()}})
        reference = self._records.add(answers)
        if reference is None:
            return _json(409, {"error": _FULL.en})
        return _json(201, {"reference": reference})

    def _read(self, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Words]]:
        answers = {f.name: given.get(f.name, "").strip() for f in self._service.fields}
        found = ((f.name, f.problem(answers[f.name])) for f in self._service.fields)
        return answers, {name: problem for name, problem in found if problem}

    def _show(self, reference: str, english: bool) -> Answer:
        found = self._records.find(reference)
        if found is None:
            return self._absent(english, _NO_RECORD)
        return _page(200, pages.record(self._service, english, found))

    def _absent(self, english: bool, text: Words = _NO_PAGE) -> Answer:
        title = Words("未找到", "Not found")
        return _page(404, pages.notice(self._service, english, title, text))

    async def _send(self, send: Send, answer: Answer) -> None:
        headers = [
            (b"content-type", answer.kind.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if answer.location:
            headers.append((b"location", answer.location.encode()))
        if self.leaving:
            # The gateway keeps connections; one that is about to go must not be used again.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when it is larger than :data:`MAX_BODY`."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _english(scope: Scope, query: Mapping[str, str]) -> bool:
    if "lang" in query:
        return query["lang"] == "en"
    accepted = next((v for k, v in scope["headers"] if k == b"accept-language"), b"")
    return bool(accepted.lower().startswith(b"en"))


def _page(status: int, text: str) -> Answer:
    return Answer(status, _HTML, text.encode())


def _json(status: int, content: Mapping[str, object]) -> Answer:
    return Answer(status, _JSON, json.dumps(content, ensure_ascii=False).encode())
