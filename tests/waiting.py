"""Waiting for something to become so, instead of for a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# How much longer than elsewhere everything takes here: what stands on a slow thing sets it.
PATIENCE = {"times": 1.0}


def until(condition: Callable[[], T | None], seconds: float = 30.0, what: str = "it") -> T:
    """The first true value of ``condition``, asked again and again.

    :param what: what is waited for, in words.
    :param seconds: far more than it ever takes; it only ends a test that has failed.
    :raises AssertionError: when it never becomes true, with the last value.
    """
    end = time.monotonic() + seconds * PATIENCE["times"]
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} never became so; at last it was {value!r}"
        time.sleep(0.01)
