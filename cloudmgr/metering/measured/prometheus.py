"""Asks a Prometheus what cAdvisor told it: each meter of all environments in one question."""

from __future__ import annotations

import json
import ssl
from decimal import Decimal, InvalidOperation
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from cloudmgr.errors import Temporary
from cloudmgr.metering.measured.measuring import Series, micros
from cloudmgr.metering.meters import MEMORY_USED, VCPU_USED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudmgr.interval import Interval
    from cloudmgr.metering.measured.measuring import Samples
    from cloudmgr.pools.drivers.besides import Measurement

_METRICS = {
    VCPU_USED.name: "container_cpu_usage_seconds_total",
    MEMORY_USED.name: "container_memory_working_set_bytes",
}
_STARTED = "container_start_time_seconds"
# These tell two runs, and the counters of two CPUs, apart. Who scraped them must not: a container
# that two jobs scrape is one. A run is called otherwise by the runtime than the one before it.
_RUN = ("container", "id", "name")
_SECONDS = 60.0
# Five thousand containers, every fifteen seconds, come to some 40 MB an hour.
_LIMIT = 512 * 1024 * 1024


def read(measurement: Measurement, around: Interval) -> Samples:
    """Every sample in ``around``, by the name of the meter.

    :raises Temporary: ``prometheus-unreachable``, with what it said.
    """
    try:
        return _read(measurement, around)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise _unreachable(measurement, f"its answer cannot be read: {error!r}") from error


def _read(measurement: Measurement, around: Interval) -> Samples:
    seconds = int(around.seconds)
    at = micros(around.end) / 1e6

    def ask(query: str) -> list[Any]:
        return _ask(measurement, {"query": query, "time": f"{at:.3f}"})

    selected = f"{{{measurement.matchers}}}[{seconds}s]"
    began: dict[tuple[str, ...], int] = {}
    for one in ask(f"last_over_time({_STARTED}{selected})"):
        value = _number(one["value"][1])
        if value:
            began[_run(one["metric"])] = int(value * 1_000_000)
    return {
        meter: [
            found
            for one in ask(f"{metric}{selected}")
            if (found := _series(one, measurement.allocation_of, began)) is not None
        ]
        for meter, metric in _METRICS.items()
    }


def _run(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in ("namespace", "pod", *_RUN))


def _series(
    one: Mapping[str, Any],
    allocation_of: Callable[[Mapping[str, str]], str],
    began: Mapping[tuple[str, ...], int],
) -> Series | None:
    """None for what is of no allocation."""
    labels = one["metric"]
    resource = allocation_of(labels)
    if not resource:
        return None
    container = json.dumps([labels.get(name, "") for name in (*_RUN, "cpu")])
    samples = [
        (int(at * 1_000_000), number)
        for at, value in one["values"]
        if (number := _number(value)) is not None
    ]
    return Series(resource, container, began.get(_run(labels)), samples)


def _number(text: str) -> Decimal | None:
    """None for what is no finite number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _ask(measurement: Measurement, parameters: Mapping[str, str]) -> list[Any]:
    """What the query gives, as Prometheus' API has it."""
    try:
        status, body = _post(measurement, "/api/v1/query", urlencode(parameters))
    except (OSError, HTTPException) as error:
        raise _unreachable(measurement, str(error)) from error
    if len(body) > _LIMIT:
        raise _unreachable(measurement, "it answers more than can be read")
    try:
        answer = json.loads(body, parse_float=Decimal)
        if answer["status"] != "success":
            raise _unreachable(measurement, str(answer.get("error", answer))[:300])
        found: list[Any] = answer["data"]["result"]
    except (ValueError, KeyError, TypeError) as error:
        said = body[:200].decode(errors="replace")
        raise _unreachable(measurement, f"HTTP {status}: {said}") from error
    return found


def _post(measurement: Measurement, path: str, form: str) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if measurement.token_file:
        # Read each time: where tokens expire, their file is written anew.
        token = Path(measurement.token_file).read_text(encoding="utf-8").strip()
        headers["Authorization"] = f"Bearer {token}"
    connection = _connection(measurement)
    try:
        connection.request("POST", urlsplit(measurement.url).path + path, form, headers)
        response = connection.getresponse()
        return response.status, response.read(_LIMIT + 1)
    finally:
        connection.close()


def _connection(measurement: Measurement) -> HTTPConnection:
    parts = urlsplit(measurement.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=_SECONDS)
    trusted = ssl.create_default_context(cafile=measurement.ca_file or None)
    return HTTPSConnection(host, parts.port, timeout=_SECONDS, context=trusted)


def _unreachable(measurement: Measurement, why: str) -> Temporary:
    return Temporary(
        f"the Prometheus at {measurement.url} does not tell: {why}", code="prometheus-unreachable"
    )
