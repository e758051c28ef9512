"""One health check: ``GET path`` of a replica, as cheap as it can be."""

from __future__ import annotations

import asyncio
from typing import cast

_LINGER = 1.0
_LONGEST_LINE = 4096


class _Check(asyncio.Protocol):
    """Sends the request, takes the first line of the answer, and lets the rest run out.

    Closing at once would reset the connection under a server that is still writing, and fill its
    log with complaints about us.
    """

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._line = b""
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.answer.done():
            return
        self._line += data
        head, found, _ = self._line.partition(b"\n")
        if found or len(self._line) > _LONGEST_LINE:
            self.answer.set_result(head.strip())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("closed without an answer"))
            self.answer.exception()  # whoever waited may have given up: that is no fault


class Checker:
    """Makes health checks on the running event loop."""

    def __init__(self) -> None:
        self._lingering: set[asyncio.Transport] = set()
        self._closed = False

    async def check(self, port: int, path: str, seconds: float, address: str = "127.0.0.1") -> str:
        """What is wrong with the server on ``port``, in words; empty when it answers 2xx or 3xx.

        :param seconds: elapsed time within which the first line must be here.
        """
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {_host(address)}:{port}\r\n"
            "User-Agent: cloudmgr-health\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n"
        )
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(seconds):
                transport, protocol = await asyncio.get_running_loop().create_connection(
                    lambda: _Check(request.encode("utf-8", "replace")), address, port
                )
                line = await protocol.answer
        except TimeoutError:
            return f"no answer on port {port} to GET {path} within {seconds:g} s"
        except ConnectionRefusedError:
            return f"nothing listens on port {port}"
        except OSError as error:
            return f"port {port} broke off: {error.strerror or error}"
        finally:
            if transport is not None:
                self._let_run_out(transport)
        return _fault(line, path)

    def close(self) -> None:
        """Break off what is still running out, and from now on every check that is cancelled."""
        self._closed = True
        for transport in list(self._lingering):
            transport.abort()
        self._lingering.clear()

    def _let_run_out(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            return
        if self._closed:
            transport.abort()
            return
        self._lingering.add(transport)
        asyncio.get_running_loop().call_later(_LINGER, self._abort, transport)

    def _abort(self, transport: asyncio.Transport) -> None:
        self._lingering.discard(transport)
        transport.abort()


def _host(address: str) -> str:
    return "localhost" if address == "127.0.0.1" else address


def _fault(line: bytes, path: str) -> str:
    """What the status line says: RFC 9112, section 4."""
    parts = line.split(maxsplit=2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        return f"GET {path} was not answered in HTTP"
    status = int(parts[1])
    return "" if 200 <= status < 400 else f"GET {path} answers {status}"
