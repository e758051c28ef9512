"""Calls that are due later, by name, all of which can be called off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Alarms:
    """On the running event loop. A name has one alarm at most: a later one takes its place."""

    def __init__(self) -> None:
        self._set: dict[str, asyncio.TimerHandle] = {}

    def set(self, name: str, delay: float, call: Callable[[], None]) -> None:
        """Call ``call`` in ``delay`` seconds of elapsed time."""
        self.cancel(name)
        self._set[name] = asyncio.get_running_loop().call_later(delay, call)

    def cancel(self, name: str) -> None:
        if name in self._set:
            self._set.pop(name).cancel()

    def cancel_all(self) -> None:
        for name in list(self._set):
            self.cancel(name)
