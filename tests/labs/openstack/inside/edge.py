"""The edge of a service: every request is logged, and some are answered badly when it is told to.

What it is told is the file ``faults.json`` of the cloud's directory; see ``Cloud.fault``. While a
file ``listening`` is there, what is asked is logged whole, with the token that it is asked with.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cheroot import wsgi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_CONNECTION = "lab.connection"
_NO_CONTENT = "0"


class Edge:
    """A WSGI application around the one of ``service``."""

    def __init__(self, app: Callable[..., Iterable[bytes]], service: str, directory: Path) -> None:
        self._app = app
        self._service = service
        self._log = (directory / "requests.log").open("a", buffering=1)
        self._told = directory / "faults.json"
        self._listening = directory / "listening"
        self._stamp: tuple[int, int] | None = None
        self._faults: list[dict[str, Any]] = []
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
        entry = {
            "service": self._service,
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "query": environ["QUERY_STRING"],
            "agent": environ.get("HTTP_USER_AGENT", ""),
            "time": time.time(),
            "status": 0,
        }
        if self._listening.exists():
            entry |= {"token": environ.get("HTTP_X_AUTH_TOKEN", ""), "body": _body(environ)}
        fault = self._fault(entry)

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            entry["status"] = int(status.split(maxsplit=1)[0])
            return start_response(status, headers, *more)

        try:
            time.sleep(fault.get("delay") or 0)
            if fault.get("status"):
                begin(f"{fault['status']} Fault", [("Content-Length", _NO_CONTENT)])
                return []
            answer = self._app(environ, begin)
            try:
                content = list(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
            if fault.get("lose_answer"):
                environ[_CONNECTION].shutdown(socket.SHUT_RDWR)
                return []
            return content
        finally:
            self._log.write(json.dumps(entry) + "\n")

    def _fault(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The first that hits this request, once more used."""
        with self._lock:
            self._look()
            for fault in self._faults:
                if (
                    fault["service"] in {self._service, None}
                    and fault["method"] in {entry["method"], None}
                    and re.search(fault["path"], f"{entry['path']}?{entry['query']}")
                    and entry["agent"].startswith(fault["agent"])
                    and self._used.get(fault["id"], 0) < (fault["times"] or float("inf"))
                ):
                    self._used[fault["id"]] = self._used.get(fault["id"], 0) + 1
                    return fault
        return {}

    def _look(self) -> None:
        with suppress(FileNotFoundError):
            found = self._told.stat()
            stamp = (found.st_ino, found.st_mtime_ns)
            if stamp != self._stamp:
                self._faults = json.loads(self._told.read_text())
                self._stamp = stamp


def _body(environ: dict[str, Any]) -> str:
    """What was sent, left in its place for the service; empty if it is no text."""
    if not environ.get("CONTENT_TYPE", "").startswith("application/json"):
        return ""
    sent: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(sent)
    return sent.decode(errors="replace")


class Gateway(wsgi.Gateway_10):
    """Hands the application its connection, so that it can cut it."""

    def get_environ(self) -> dict[str, Any]:
        # Glance closes what it reads chunks from, and with it the connection's own reader.
        if self.req.chunked_read:
            self.req.close_connection = True
        return {**super().get_environ(), _CONNECTION: self.req.conn.socket}


def end_with_parent(first: Callable[[], None] = lambda: None) -> None:
    """However it ends: a test run that is killed leaves no services behind.

    :param first: done before.
    """
    # Not who is the parent now: that may have ended meanwhile.
    parent = os.environ["LAB_PARENT"]

    def watch() -> None:
        while str(os.getppid()) == parent:
            time.sleep(1)
        first()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def serve(app: Callable[..., Iterable[bytes]], port: int, threads: int) -> None:
    """Until the process ends."""
    server = wsgi.Server(("127.0.0.1", port), app, numthreads=threads, request_queue_size=64)
    server.gateway = Gateway
    server.start()
