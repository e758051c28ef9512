"""A web application that works at only so many requests at once, as an office has so many counters.

Run it as ``python -I -S counters.py``. Each request takes the same time; who finds no counter free
waits. On SIGTERM it goes on for a second, in which a gateway hears that it leaves, finishes what it
has, and ends. Its environment:

- ``PORT``: where to listen, on 127.0.0.1.
- ``START_SECONDS``: before it listens.
- ``COUNTERS``, ``SERVICE_SECONDS``: how many requests at once, and how long each takes.
- ``DIARY_DIR``: where it notes, in the file ``diary``, that it ``starts``, ``serves`` and has
  ``ended``, as lines of that, pid and seconds since the epoch; all replicas write the same one.
"""

import asyncio
import os
import signal
import time

_LEAVING_SECONDS = 1.0


def note(what: str) -> None:
    """One write of one short line, which no other replica's gets into."""
    line = f"{what} {os.getpid()} {time.time()}\n".encode()
    path = os.path.join(os.environ["DIARY_DIR"], "diary")  # noqa: PTH118 - pathlib costs 20 ms
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


class Office:
    """What is open, who is at a counter, and who waits."""

    def __init__(self, counters: int, seconds: float) -> None:
        self._counters = asyncio.Semaphore(counters)
        self._seconds = seconds
        self._inside: set[asyncio.Task[None]] = set()

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._inside.add(task)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if not request.startswith(b"GET /health "):
                async with self._counters:
                    await asyncio.sleep(self._seconds)
            body = str(os.getpid()).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # whoever asked has gone
        finally:
            writer.close()
            self._inside.discard(task)

    async def emptied(self) -> None:
        while self._inside:
            await asyncio.wait(self._inside)


async def main() -> None:
    note("starts")
    await asyncio.sleep(float(os.environ["START_SECONDS"]))
    office = Office(int(os.environ["COUNTERS"]), float(os.environ["SERVICE_SECONDS"]))
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    server = await asyncio.start_server(
        office.visit, "127.0.0.1", int(os.environ["PORT"]), backlog=512
    )
    note("serves")
    await ending.wait()
    await asyncio.sleep(_LEAVING_SECONDS)
    server.close()
    await office.emptied()
    note("ended")


if __name__ == "__main__":
    asyncio.run(main())
