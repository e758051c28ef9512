"""What came, or would come, of an iCalendar file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.cli.show import Json, as_json, facts, out, rows
from cloudmgr.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path


def read_calendar(file: Path) -> str:
    """:raises Invalid: ``unreadable-file``."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}", code="unreadable-file") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8", code="unreadable-file") from None


def drafted(sheet: Json, *, machine: bool) -> None:
    """Each event as a peak, or why nothing comes of it."""
    if machine:
        as_json(sheet)
        return
    rows(
        sheet["items"],
        [
            ("line", lambda r: r["line"]),
            ("summary", lambda r: r["summary"]),
            ("from", lambda r: r["starts_at"]),
            ("to", lambda r: r["ends_at"]),
            ("comes round", lambda r: r["en"] or None),
            ("replicas", lambda r: r["replicas"]),
            ("fits", lambda r: r["fits"]),
            ("why not", lambda r: r["why_en"] or None),
        ],
        machine=False,
        empty="Nothing of it can be asked for.",
    )
    _refused(sheet["refused"])


def told(made: Json, *, machine: bool) -> None:
    """The request, and what was left out of it."""
    if machine:
        as_json(made)
        return
    facts(
        made["request"],
        [
            ("request", lambda r: r["id"]),
            ("state", lambda r: r["state"]),
            ("windows", lambda r: len(r["windows"])),
            ("series", lambda r: len(r["series"])),
            ("because", lambda r: "\n".join(w["en"] for w in r["decision"]["reasons"])),
            ("message", lambda r: r["message"]),
        ],
        machine=False,
    )
    _refused(made["left_out"])


def _refused(events: list[Json]) -> None:
    for one in events:
        name = one["summary"] or one["uid"]
        out.print(f"refused, line {one['line']} ({name}): {one['message']}", markup=False)
