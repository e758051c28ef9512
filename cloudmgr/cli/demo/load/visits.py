"""From an arrival to the HTTP request that it stands for. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from cloudmgr.cli.demo.apps.catalogue import SERVICES
from cloudmgr.cli.demo.load.schedule import Act

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.cli.demo.load.schedule import Arrival


@dataclass(frozen=True, slots=True)
class Visit:
    """One HTTP request; ``body`` is empty for GET."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""


def visit(arrival: Arrival, number: int, reference: str = "") -> Visit:
    """What the visitor with this ``number`` sends.

    Only what is filed needs a system that the demo knows.

    :param reference: of something filed before; without one the first page is asked for instead.
    """
    person = {
        "Host": arrival.host,
        "Accept": "text/html",
        "Accept-Language": "en" if number % 5 == 0 else "zh-CN,zh;q=0.9",
    }
    program = {"Host": arrival.host, "Accept": "application/json"}
    match arrival.act:
        case Act.FORM:
            form = {**person, "Content-Type": "application/x-www-form-urlencoded"}
            return Visit("POST", "/", form, urlencode(_answers(arrival.system, number)))
        case Act.FILE:
            filing = {**program, "Content-Type": "application/json"}
            answers = _answers(arrival.system, number)
            return Visit("POST", "/api/records", filing, json.dumps(answers, ensure_ascii=False))
        case Act.STATUS:
            return Visit("GET", "/api/status", program)
        case Act.LOOK_UP if reference:
            return Visit("GET", f"/records/{reference}", person)
    return Visit("GET", "/", person)


def _answers(system: str, number: int) -> dict[str, str]:
    return {
        field.name: field.choices[number % len(field.choices)][0]
        if field.choices
        else field.example
        for field in SERVICES[system].fields
    }
