"""``cloudmgr window readiness`` and ``check-readiness``: will a peak find what it needs."""

from __future__ import annotations

import typer

from cloudmgr.cli.options import Machine, connect
from cloudmgr.cli.show import Column, Json, as_json, err, rows

_CHECKS: list[Column] = [
    ("what", lambda c: c["kind"]),
    ("stands", lambda c: c["word"]),
    ("why", lambda c: c["en"]),
    ("原因", lambda c: c["zh"]),
    ("what to do", lambda c: c["do_en"] or None),
    ("怎么办", lambda c: c["do_zh"] or None),
]


def readiness(context: typer.Context, window: str, machine: Machine = False) -> None:
    """Whether a peak will find what it needs, as it was seen last."""
    found = connect(context).get(f"/windows/{window}/readiness")
    if machine:
        as_json(found)
        return
    if found["next_at"]:
        err.print(f"It is looked at next at {found['next_at']}.", markup=False)
    if not found["items"]:
        err.print("It was not looked at yet: window check-readiness does.", markup=False)
        return
    _seen(found["items"][0])


def check_readiness(context: typer.Context, window: str, machine: Machine = False) -> None:
    """Look now whether a peak will find what it needs; that is done a week and a day ahead too."""
    found = connect(context).post(f"/windows/{window}/readiness", {})
    if machine:
        as_json(found)
        return
    _seen(found)


def _seen(seen: Json) -> None:
    err.print(f"{seen['word']}, seen at {seen['at']} ({seen['moment']})", markup=False)
    rows(seen["checks"], _CHECKS, machine=False, empty="")
