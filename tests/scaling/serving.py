"""Real HTTP servers to stand behind a gateway: on a thread, or as a process that can be killed."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

ROOT = Path(__file__).parents[2]

_TLS = ssl.create_default_context()  # made once: it takes longer than a request


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for ``condition``. :raises AssertionError: if it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


def request(url: str, host: str, method: str = "GET", **options: Any) -> httpx.Response:
    """Ask for ``url`` as if ``host`` were its name; on a connection of its own, from any thread."""
    headers = {"host": host, **options.pop("headers", {})}
    with httpx.Client(trust_env=False, timeout=30, verify=_TLS) as client:
        return client.request(method, url, headers=headers, **options)


class Replica:
    """A small system: says who it is, echoes, and takes its time if asked to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["raw_path"].decode() + (
            "?" + scope["query_string"].decode() if scope["query_string"] else ""
        )
        self.paths.append(path)
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        query = dict(p.split("=") for p in scope["query_string"].decode().split("&") if "=" in p)
        if "seconds" in query:
            await asyncio.sleep(float(query["seconds"]))
        answer = json.dumps({
            "name": self.name, "method": scope["method"], "path": path,
            "headers": [[k.decode(), v.decode()] for k, v in scope["headers"]],
            "body": body.decode("latin-1") if len(body) < 10_000 else "", "length": len(body),
        }).encode()  # fmt: skip
        await send({
            "type": "http.response.start", "status": int(query.get("status", 200)),
            "headers": [(b"content-type", b"application/json"),
                        (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")],
        })  # fmt: skip
        for start in range(0, len(answer), 1000):
            await send(
                {"type": "http.response.body", "body": answer[start:][:1000], "more_body": True}
            )
        await send({"type": "http.response.body", "body": b""})


class Server:
    """An ASGI application on a thread; ``stop`` lets requests in flight finish."""

    def __init__(self, app: ASGIApp, port: int = 0, **settings: Any) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options: Mapping[str, Any] = {
            "host": "127.0.0.1", "port": self.port, "log_config": None, "ws": "none",
            "lifespan": "off", "access_log": False, **settings,
        }  # fmt: skip
        self._server = uvicorn.Server(uvicorn.Config(app, **options))
        # A test that fails half-way must not keep the whole suite from ending.
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @classmethod
    def of(cls, config: uvicorn.Config) -> Server:
        server = cls(config.app, config.port)  # type: ignore[arg-type]
        server._server = uvicorn.Server(config)
        server._thread = threading.Thread(target=server._server.run, daemon=True)
        return server

    def start(self) -> Server:
        self._thread.start()
        until(lambda: self._server.started)
        return self

    def end(self) -> None:
        """Begin to stop."""
        self._server.should_exit = True

    def stop(self) -> None:
        self.end()
        self._thread.join()


@contextmanager
def serving(app: ASGIApp, **settings: Any) -> Iterator[Server]:
    server = Server(app, **settings).start()
    try:
        yield server
    finally:
        server.stop()


class ReplicaProcess:
    """A replica as a process of its own; ``diary`` gets one line for each POST carried out."""

    def __init__(self, diary: Path) -> None:
        self.port = free_port()
        script = Path(__file__).with_name("replica_process.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script), str(self.port), str(diary)],
            stdin=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
