"""Stands between a client and the apiserver, and answers badly when it is told to."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.labs.kubernetes.controlplane import ControlPlane

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WORDS = {409: "Conflict", 429: "Too Many Requests", 503: "Service Unavailable"}
# An answer that is no answer: the connection is cut.
CUT = b""
# How an apiserver says that it cannot go on from a version: in a watch that began well.
EXPIRED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired",'
    b'"message":"too old resource version"}}\n'
)


def refusal(status: int, message: str = "a fault") -> bytes:
    """An answer with ``status``, as the apiserver words it."""
    said = {"kind": "Status", "status": "Failure", "code": status, "message": message}
    content = json.dumps(said).encode()
    retry = "Retry-After: 1\r\n" if status == 429 else ""
    head = f"HTTP/1.1 {status} {_WORDS.get(status, 'Fault')}\r\n{retry}"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


class FaultyApiserver:
    """An address that passes everything on to the lab's apiserver, credentials included.

    ``fault`` is asked of each request, by method and path: what to answer instead of passing it on,
    or None. ``watches`` is how many seconds a watch lasts before it is cut off, ``cuts`` how many
    were, ``connections`` how many were made to here.
    """

    def __init__(self, lab: ControlPlane) -> None:
        self.fault: Callable[[str, str], bytes | None] = lambda _method, _path: None
        self.watches: float | None = None
        self.cuts = 0
        self.connections = 0
        self._lab = lab
        self._serving = lab.serving
        self._trusting = ssl.create_default_context(cadata=lab.authority)
        self._live: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    @property
    def port(self) -> int:
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def kubeconfig(self, original: Path) -> Path:
        """As ``original``, but through here."""
        path = original.with_suffix(f".{self.port}")
        path.write_text(
            original.read_text().replace(self._lab.url, f"https://127.0.0.1:{self.port}")
        )
        return path

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --------------------------------------------------------------------------------- inside

    async def _listen(self) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._serving)
        return await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=context)

    async def _end(self) -> None:
        self._server.close()
        live = list(self._live)
        for task in live:
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._keep(self._serve(reader, writer))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._live.add(task)
        task.add_done_callback(self._live.discard)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """One connection, with one of its own to the apiserver once something is passed on."""
        apiserver: asyncio.StreamWriter | None = None
        try:
            while True:
                request, method, path = await _read(reader)
                answer = self.fault(method, path)
                if answer is not None:
                    client.write(answer)
                    await client.drain()
                    if answer == CUT:
                        break
                    if answer == EXPIRED:
                        client.close()
                        await client.wait_closed()
                    continue
                if apiserver is None:
                    back, apiserver = await asyncio.open_connection(
                        "127.0.0.1", urlsplit(self._lab.url).port, ssl=self._trusting
                    )
                    self._keep(_pass_back(back, client))
                apiserver.write(request)
                await apiserver.drain()
                if "watch=" in path and self.watches is not None:
                    self._loop.call_later(self.watches, self._cut, client)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two has gone
        finally:
            client.transport.abort()
            if apiserver is not None:
                apiserver.transport.abort()

    def _cut(self, client: asyncio.StreamWriter) -> None:
        if not client.is_closing():
            self.cuts += 1
            client.transport.abort()


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, str, str]:
    """One request whole, its method and its path."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = _LENGTH.search(head)
    body = await reader.readexactly(int(found[1])) if found else b""
    method, path, _ = head.decode().split(" ", 2)
    return head + body, method, path


async def _pass_back(apiserver: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while chunk := await apiserver.read(65536):
                client.write(chunk)
                await client.drain()
    finally:
        client.close()


def every(number: int, answer: bytes, *methods: str) -> Callable[[str, str], bytes | None]:
    """Answers each ``number``-th request of these methods so."""
    seen = count(1)  # all are asked on one thread

    def fault(method: str, _path: str) -> bytes | None:
        return answer if method in methods and next(seen) % number == 0 else None

    return fault
