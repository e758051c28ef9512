"""A web application that starts in a few milliseconds and misbehaves on demand.

Run it as ``python -I -S web.py``. On SIGTERM it finishes the request that it is at, and ends.
Its environment:

- ``PORT``, ``HOST``: where to listen (127.0.0.1 unless said).
- ``START_AFTER``: seconds to wait before listening.
- ``HEALTH``: the status that ``/health`` answers (200).
- ``IGNORE_TERM``: anything makes it deaf to SIGTERM.

Any path that is not in ``PAGES`` answers with its environment, as lines of ``name=value``.
"""

import os
import signal
import sys
import time
from _socket import SO_REUSEADDR, SOL_SOCKET  # the socket module costs 20 ms more
from _socket import socket as raw_socket

TYPE_CHECKING = False  # the typing module costs 5 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

BALLAST: list[bytes] = []
NOW = {"busy": False, "ending": False}


def leave(status: str) -> str:
    os._exit(int(status))


def health(status: str) -> str:
    """Answer this status from now on."""
    os.environ["HEALTH"] = status
    return "noted"


def slow(_: str) -> str:
    time.sleep(0.5)
    return "slow"


def hang(_: str) -> str:
    while True:
        time.sleep(60)


def fill(mib: str) -> str:
    """Occupy so much memory."""
    BALLAST.append(os.urandom(4096) * (256 * int(mib)))
    return "filled"


def fork(_: str) -> str:
    """Leave a process behind, in a session of its own and nobody's child."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            hang("")
        os._exit(0)
    return "forked"


def notes() -> str:
    return os.path.join(os.environ["DATA_DIR"], "notes")  # noqa: PTH118 - pathlib costs 20 ms


def put(text: str) -> str:
    with open(notes(), "a") as file:  # noqa: PTH123
        file.write(text)
    return "put"


def get(_: str) -> str:
    with open(notes()) as file:  # noqa: PTH123
        return file.read()


def read(name: str) -> str:
    with open(os.path.join(os.environ["CONFIG_DIR"], name), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        return file.read()


PAGES: "dict[str, Callable[[str], str]]" = {
    "/exit": leave,
    "/fill": fill,
    "/fork": fork,
    "/get": get,
    "/hang": hang,
    "/put": put,
    "/read": read,
    "/sick": lambda _: health("503"),
    "/slow": slow,
    "/well": lambda _: health("200"),
}


def answer(path: str) -> bytes:
    page, _, argument = path.partition("?")
    status = os.environ.get("HEALTH", "200") if page == "/health" else "200"
    if page in PAGES:
        body = PAGES[page](argument).encode()
    else:
        own = {**os.environ, "pid": str(os.getpid())}
        body = "\n".join(f"{name}={value}" for name, value in sorted(own.items())).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def end(*_: object) -> None:
    NOW["ending"] = True
    if not NOW["busy"]:
        os._exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "IGNORE_TERM" in os.environ else end)
    time.sleep(float(os.environ.get("START_AFTER", "0")))
    server: Any = raw_socket()
    server.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    server.bind((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])))
    server.listen(64)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    while not NOW["ending"]:
        NOW["busy"] = False
        descriptor, _ = server._accept()
        NOW["busy"] = True
        connection = raw_socket(fileno=descriptor)
        try:
            request = connection.recv(65536).decode("latin-1")
            connection.sendall(answer(request.split(" ")[1] if " " in request else "/"))
        except OSError as error:
            sys.stderr.write(f"lost a connection: {error}\n")
        finally:
            connection.close()


if __name__ == "__main__":
    main()
