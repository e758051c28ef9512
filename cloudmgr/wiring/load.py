"""A bounded load on one address, sent by a thread of its own: an open model over httpx.

A request goes out when it is due, whether or not those before it were answered, so that a slow
answer flatters nobody; latencies count from when it was due.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING

import httpx

from cloudmgr.policy.rehearsing import USER_AGENT
from cloudmgr.scaling.rehearsals import Result, Underway, failing, quantiles

if TYPE_CHECKING:
    from cloudmgr.clock import Clock
    from cloudmgr.scaling.rehearsals import Load

# Elapsed seconds for which an answer is waited for.
PATIENCE = 15.0
# More are not on their way at once: what is sent must not become the fault that is looked for.
MOST_IN_FLIGHT = 200
# Nobody asked for so many seconds how it is: whoever ordered it is gone, and it ends.
UNASKED = 60.0


class Sending:
    """One load; begins with :meth:`start` and ends by itself.

    :param origin: of the gateway: ``http://127.0.0.1:8090``.
    :param host: that the environment is reached by.
    """

    def __init__(self, load: Load, origin: str, host: str, clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._url = origin + load.path
        self._host = host
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rehearsal", daemon=True)
        self._asked = self._clock.monotonic()
        self._lock = threading.Lock()
        self._latencies: list[float] = []
        self._failures: Counter[str] = Counter()
        self._sent = self._withheld = self._in_flight = self._highest = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = PATIENCE + 5) -> None:
        """Send nothing more, and wait for what is on its way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def underway(self) -> Underway:
        self._asked = self._clock.monotonic()
        with self._lock:
            return Underway(over=not self._thread.is_alive(), failing=self._failing())

    @property
    def result(self) -> Result:
        """What came of it so far."""
        with self._lock:
            return Result(
                sent=self._sent,
                answered=len(self._latencies),
                withheld=self._withheld,
                failures=dict(self._failures),
                latency={k: round(v, 6) for k, v in quantiles(self._latencies).items()},
                highest_in_flight=self._highest,
            )

    def _failing(self) -> bool:
        failed = sum(self._failures.values())
        silent = sum(count for said, count in self._failures.items() if not said.isdigit())
        return failing(len(self._latencies) + silent, failed, self._load.most_failures)

    def _run(self) -> None:
        asyncio.run(self._send_all())

    async def _send_all(self) -> None:
        limits = httpx.Limits(max_connections=MOST_IN_FLIGHT)
        headers = {"Host": self._host, "User-Agent": USER_AGENT}
        async with (
            # No proxy of the machine's, and nothing that its address leads on to.
            httpx.AsyncClient(
                headers=headers, limits=limits, timeout=PATIENCE, trust_env=False
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            began = self._clock.monotonic()
            for number in range(self._load.per_second * self._load.seconds):
                due = began + number / self._load.per_second
                await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
                if self._to_end():
                    break
                if self._in_flight >= MOST_IN_FLIGHT:
                    self._withheld += 1
                    continue
                self._sent += 1
                self._in_flight += 1
                self._highest = max(self._highest, self._in_flight)
                tasks.create_task(self._send(client, due))

    def _to_end(self) -> bool:
        with self._lock:
            bad = self._failing()
        return bad or self._stopped.is_set() or self._clock.monotonic() - self._asked > UNASKED

    async def _send(self, client: httpx.AsyncClient, due: float) -> None:
        said = ""
        try:
            answer = await client.get(self._url)
        except httpx.HTTPError as error:
            said = type(error).__name__
        else:
            if answer.status_code >= 500 or "cloudmgr-state" in answer.headers:
                said = str(answer.status_code)
        with self._lock:
            self._in_flight -= 1
            if said:
                self._failures[said] += 1
            if not said or said.isdigit():
                self._latencies.append(self._clock.monotonic() - due)
