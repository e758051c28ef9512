"""What a gateway has counted, read from its Prometheus metrics.

``prometheus_client``'s parser takes 290 ms for 1,000 environments, so only the two families that
matter are picked out here, in 15 ms. Counters are those of *routers*: each request once, however
often Traefik tried a server. What changed between two readings is told by
:mod:`cloudmgr.scaling.activity`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloudmgr.errors import Temporary
from cloudmgr.scaling.gateway.admin import ask
from cloudmgr.scaling.gateway.routes import HEALTH, MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAMPLE = re.compile(
    r"^traefik_router_(requests_total|request_duration_seconds_sum)\{([^}\n]*)\} (\S+)$",
    re.MULTILINE,
)
_LABEL = re.compile(r'(code|router)="([^"\\]*)"')
_MARK = "traefik_config_reloads_total"
_NOT_TRAFFIC = frozenset({MARKER, "ping"})


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the gateway's process began, without health probes and what policy does not count:
    requests answered and the seconds that they took altogether, ``by_code`` how many of them were
    answered with which status.
    """

    requests: int
    seconds: float
    by_code: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GatewayReading:
    """One reading, by environment id. An environment without a request so far is not in it.

    ``epoch`` names the run of the process: in another one all counters began again at zero.
    """

    epoch: str
    counters: Mapping[str, Counters]


def read(url: str) -> Mapping[str, Counters]:
    """The counters at ``url``, for instance ``http://127.0.0.1:8092/metrics``.

    Whose they are is for :meth:`~cloudmgr.scaling.gateway.traefik.Gateway.read` to say: the start
    of the process that the metrics themselves tell moves whenever the machine's clock is set.

    :raises Temporary: ``gateway-unreachable`` if nobody answers, or not with a gateway's metrics.
    """
    parts = urlsplit(url)
    status, body = ask(parts.hostname or "", parts.port or 80, parts.path or "/")
    try:
        if status == 200:
            return parse(body.decode())
    except ValueError:
        pass
    raise Temporary(f"what {url} answers are not a gateway's metrics", code="gateway-unreachable")


def parse(text: str) -> Mapping[str, Counters]:
    """By environment id. :raises ValueError: if this is not what Traefik says of itself."""
    if _MARK not in text:
        message = f"there is no {_MARK}"
        raise ValueError(message)
    requests: dict[str, dict[str, int]] = {}
    seconds: dict[str, float] = {}
    for family, labels, value in _SAMPLE.findall(text):
        found = dict(_LABEL.findall(labels))
        name = found.get("router", "").removesuffix("@file")
        if not name or name.endswith(HEALTH) or name in _NOT_TRAFFIC:
            continue
        if family == "requests_total":
            codes = requests.setdefault(name, {})
            code = found.get("code", "")
            codes[code] = codes.get(code, 0) + round(float(value))
        else:
            seconds[name] = seconds.get(name, 0.0) + float(value)
    return {
        name: Counters(sum(codes.values()), seconds.get(name, 0.0), codes)
        for name, codes in requests.items()
    }
