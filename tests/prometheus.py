"""Throw-away Prometheus servers, from the program that the system's package installs."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.conftest import absent
from tests.ports import free_port
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def program(name: str) -> str:
    """Where ``prometheus`` or ``promtool`` is; skips where it is not."""
    found = shutil.which(name)
    if found is None:
        absent("Prometheus (prometheus)")
        raise AssertionError
    return found


def history(home: Path, lines: Iterable[str]) -> None:
    """Make ``home`` know samples of the past: lines of OpenMetrics, each with its time.

    All samples of a name stand together, below a line with its type.
    """
    text = home.parent / f"{home.name}.om"
    text.write_text("\n".join((*lines, "# EOF", "")))
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    # One block for all of it: by default there is one for every two hours.
    command += ["--quiet", "--max-block-duration=48h", str(text), str(home)]
    subprocess.run(command, check=True, timeout=60)


@contextmanager
def server(home: Path, *options: str, scrapes: int | None = None) -> Iterator[str]:
    """Its address, for as long as the block lasts; it listens on the loopback alone.

    :param scrapes: a port here whose ``/metrics/cadvisor`` it reads five times a second.
    """
    config = home.parent / f"{home.name}.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        + (
            f"scrape_configs: [{{job_name: kubelet, metrics_path: /metrics/cadvisor,"
            f' static_configs: [{{targets: ["127.0.0.1:{scrapes}"]}}]}}]\n'
            if scrapes
            else ""
        )
    )
    port = free_port()
    said = home.parent / f"{home.name}.log"
    command = [program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={home}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y"]
    with said.open("wb") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
    try:
        until(lambda: b"Server is ready" in said.read_bytes() or process.poll(), what="Prometheus")
        assert process.poll() is None, said.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
