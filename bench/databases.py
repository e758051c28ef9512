"""Databases to measure on: a file of SQLite's, and a PostgreSQL server that waits for its disk."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fresh = Callable[[], str]


@contextmanager
def databases() -> Iterator[dict[str, Fresh]]:
    """By name, what gives the address of a new and empty one; all gone after the block.

    PostgreSQL is left out, and that is said, where it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="cloudmgr-bench-") as directory:
        names = (f"{directory}/{number}.db" for number in range(1_000_000))
        found: dict[str, Fresh] = {"SQLite": lambda: f"sqlite:///{Path(next(names))}"}
        programs = postgres.binaries()
        if programs is None:
            print("PostgreSQL is not installed and is left out: run `make test-deps`")
            yield found
            return
        with postgres.server(programs, durable=True) as url:
            found["PostgreSQL"] = lambda: postgres.fresh(url)
            yield found
