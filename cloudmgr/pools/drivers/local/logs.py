"""What replicas wrote: kept within bounds, read from the end."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
_BLOCK = 65536
_MOST = 8 * 2**20


def previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def rotate(path: Path, limit: int) -> bool:
    """Move what ``path`` holds aside once it has more than ``limit`` bytes.

    By copy and truncation, since the program that writes holds the file open and appends: what it
    writes between the two, some microseconds, is lost. On a full disk the old part goes.
    """
    try:
        if path.stat().st_size <= limit:
            return False
        try:
            shutil.copyfile(path, previous(path))
        except OSError as error:
            _log.warning("the older part of %s is lost: %s", path, error)
            previous(path).unlink(missing_ok=True)
        os.truncate(path, 0)
    except FileNotFoundError:
        return False
    return True


def tail(path: Path, lines: int) -> list[str]:
    """The last ``lines`` lines of ``path`` and of what was moved aside from it, oldest first.

    Bytes that are no UTF-8 become U+FFFD. At most 8 MiB are read, however long the lines.

    :raises FileNotFoundError: if nothing was ever written there.
    """
    newest, more = _last(path, lines, _MOST)
    if not more and len(newest) < lines:
        with suppress(FileNotFoundError):
            older, _ = _last(previous(path), lines - len(newest), _MOST)
            return older + newest
    return newest


def _last(path: Path, lines: int, most: int) -> tuple[list[str], bool]:
    """The last lines of one file, and whether there were more than were asked for."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        data = b""
        while end > 0 and len(data) < most and data.count(b"\n") <= lines:
            step = min(_BLOCK, end)
            end -= step
            file.seek(end)
            data = file.read(step) + data
    found = [line.rstrip(b"\r").decode("utf-8", "replace") for line in data.split(b"\n")]
    if not found[-1]:
        found.pop()
    # Where the file was not read to its start, the first line is the end of one.
    whole = found[1:] if end > 0 and len(found) > 1 else found
    return (whole[-lines:] if lines > 0 else []), end > 0 or len(whole) > lines
