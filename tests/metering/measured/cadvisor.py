"""A day of a small cluster, as its kubelets tell it, with all that must not be counted."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.kubernetes.measured import measurement
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudmgr.pools.drivers.besides import Measurement

TEN = datetime(2026, 6, 1, 10, tzinfo=UTC)
# A web pod that works from ten to one, and a worker whose node was not scraped from 11:10 to 11:40.
WEB, JOB = "3d1b3f0e-52a1-4b77-9c1d-0a6a3f7d1c01", "77c0b8de-14f0-4a8f-8f8e-5f0e6ad90b02"
MIB = 2**20


def at(minutes: float) -> datetime:
    return TEN + timedelta(minutes=minutes)


def labels(pod: str, run: int, container: str = "app", namespace: str = "cloudmgr-env-exam") -> str:
    """As the kubelet has them where systemd makes the cgroups."""
    below = f"/cri-containerd-{run}.scope" if container else ""
    group = f"/kubepods.slice/kubepods-burstable-pod{pod.replace('-', '_')}.slice{below}"
    image = "lab/web:1" if container and container != "POD" else ""
    return (
        f'namespace="{namespace}",pod="web-{pod[:4]}",container="{container}",id="{group}",'
        f'image="{image}",name="{run if container else ""}"'
    )


def cadvisor() -> Iterator[str]:
    """Every half minute from 9:50 to 14:00, with all that must not be counted."""
    cpu: list[str] = []
    memory: list[str] = []
    started: list[str] = []

    def tell(pod: str, run: int, since: float, moment: float, **more: str) -> None:
        name = labels(pod, run, **more)
        stamp = f"{at(moment).timestamp():.3f}"
        # A quarter of a core, and 512 MiB, from its start on.
        cpu.append(
            "container_cpu_usage_seconds_total"
            f'{{{name},cpu="total",job="kubelet"}} {(moment - since) * 15} {stamp}'
        )
        memory.append(f"container_memory_working_set_bytes{{{name}}} {512 * MIB} {stamp}")
        started.append(f"container_start_time_seconds{{{name}}} {at(since).timestamp()} {stamp}")

    for half in range(-20, 480):
        moment = half / 2 + 0.1
        if 0 <= moment < 180:
            # It is started anew at 10:30.2: another container, whose counter begins at zero.
            run, since = (1, 0.05) if moment < 30.2 else (2, 30.2)
            tell(WEB, run, since, moment)
            tell(WEB, 9, 0, moment, container="POD")
            tell(WEB, 0, 0, moment, container="")
        if moment < 70 or moment >= 100:
            tell(JOB, 3, -120, moment)
        tell(WEB.replace("3", "5"), 8, 0, moment, namespace="elsewhere")
    yield from ("# TYPE container_cpu_usage_seconds counter", *sorted(cpu, key=_series))
    yield from ("# TYPE container_memory_working_set_bytes gauge", *sorted(memory, key=_series))
    yield from ("# TYPE container_start_time_seconds gauge", *sorted(started, key=_series))


def _series(line: str) -> str:
    return line.split("} ", maxsplit=1)[0]


def measured_by(url: str, **more: str) -> Measurement:
    found = measurement(KubernetesSettings.parse({"prometheus_url": url, **more}))
    assert found is not None
    return found


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield http.server_port
        http.shutdown()
        thread.join()
