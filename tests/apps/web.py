"""A web application that starts in a few milliseconds and misbehaves on demand.

Run it as ``python -I -S web.py``. Environment:

- ``PORT``: where to listen.
- ``START_AFTER``: seconds to wait before listening.
- ``BALLAST_MIB``: memory to fill at the start.
- ``HEALTH``: the status that ``/health`` answers (200).
- ``IGNORE_TERM``: anything makes it deaf to SIGTERM.

It answers ``/`` with its environment as JSON lines of ``name=value``, ``/slow`` after half a second,
``/exit?N`` by exiting with status N, ``/fill?N`` after filling N MiB, ``/sick`` and ``/well`` change
what ``/health`` answers, ``/hang`` stops answering anything, ``/fork`` leaves a child of its own
session behind, ``/put?text`` appends to ``$DATA_DIR/notes`` and ``/get`` reads it back.
"""

import os
import signal
import sys
import time
from _socket import SO_REUSEADDR, SOL_SOCKET, socket as raw_socket  # noqa: PLC2701 - 20 ms less

BALLAST: list[bytearray] = []


def fill(mib: int) -> None:
    BALLAST.append(bytearray(os.urandom(4096)) * (256 * mib))


def fork_away() -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                time.sleep(60)
        os._exit(0)


def notes() -> str:
    return os.path.join(os.environ["DATA_DIR"], "notes")  # noqa: PTH118 - pathlib costs 20 ms


def answer(path: str) -> tuple[int, str]:  # noqa: PLR0911 - a table of pages
    page, _, argument = path.partition("?")
    if page == "/exit":
        os._exit(int(argument))
    if page == "/health":
        return int(os.environ.get("HEALTH", "200")), "health"
    if page in {"/sick", "/well"}:
        os.environ["HEALTH"] = "503" if page == "/sick" else "200"
        return 200, page
    if page == "/slow":
        time.sleep(0.5)
        return 200, "slow"
    if page == "/hang":
        while True:
            time.sleep(60)
    if page == "/fill":
        fill(int(argument))
        return 200, "filled"
    if page == "/fork":
        fork_away()
        return 200, "forked"
    if page == "/put":
        with open(notes(), "a") as file:  # noqa: PTH123
            file.write(argument)
        return 200, "put"
    if page == "/get":
        with open(notes()) as file:  # noqa: PTH123
            return 200, file.read()
    lines = [f"{name}={value}" for name, value in sorted(os.environ.items())]
    return 200, "\n".join([*lines, f"pid={os.getpid()}"])


def main() -> None:
    if "IGNORE_TERM" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "BALLAST_MIB" in os.environ:
        fill(int(os.environ["BALLAST_MIB"]))
    time.sleep(float(os.environ.get("START_AFTER", "0")))
    server = raw_socket()
    server.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(os.environ["PORT"])))
    server.listen(64)
    print("listening", flush=True)
    while True:
        descriptor, _ = server._accept()  # noqa: SLF001
        connection = raw_socket(fileno=descriptor)
        try:
            request = connection.recv(65536).decode("latin-1")
            status, text = answer(request.split(" ")[1] if " " in request else "/")
            body = text.encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.encode() + body)
        except OSError as error:
            print("lost a connection:", error, file=sys.stderr, flush=True)
        finally:
            connection.close()


if __name__ == "__main__":
    main()
