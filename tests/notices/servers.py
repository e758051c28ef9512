"""A web server and a mail server that take what is sent to them, for this machine alone."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage


@dataclass
class Hook:
    """A web server: what came, and what it answers."""

    port: int
    status: int = 200
    delay: float = 0.0
    came: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "notices", login: str = "") -> str:
        return f"json://{login}127.0.0.1:{self.port}/{path}"


@contextmanager
def hook(status: int = 200, delay: float = 0.0) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(there.delay)
            there.came.append(json.loads(body))
            there.paths.append(self.path)
            there.headers.append(dict(self.headers))
            self.send_response(there.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Hook(server.server_address[1], status, delay)
    with _running(server):
        yield there


@dataclass
class Post:
    """A mail server: what came for whom, and whom it refuses."""

    port: int
    refuses: set[str] = field(default_factory=set)
    came: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=cloudmgr@example.gov.cn"


class _Mailbox(socketserver.StreamRequestHandler):
    """One conversation with a mail server."""

    there: Post

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self.say("220 post")
        to: list[str] = []
        for raw in self.rfile:
            line = raw.decode().strip()
            match line[:4].upper():
                case "RCPT":
                    address = line.partition("<")[2].partition(">")[0]
                    refused = address in self.there.refuses
                    self.say("550 nobody of that name" if refused else "250 ok")
                    to += [] if refused else [address]
                case "DATA":
                    self.say("354 go on")
                    self.there.came.append((tuple(to), self._message()))
                    self.say("250 taken")
                case _:
                    self.say("250 ok")

    def _message(self) -> EmailMessage:
        lines: list[bytes] = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return message_from_bytes(b"".join(lines), policy=policy.default)


@contextmanager
def post() -> Iterator[Post]:
    class Handler(_Mailbox):
        pass

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.there = Post(server.server_address[1])
    with _running(server):
        yield Handler.there


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
