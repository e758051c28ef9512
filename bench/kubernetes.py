"""A Kubernetes pool at the size of a city, against what a person would do by hand.

Runs the lab of ``tests/labs/kubernetes``: a real control plane, and a hundred nodes that only claim
that their pods run, so that what is measured is the control planes' work and nobody's application.
cloudmgr has the rights that its chart gives; what it is compared with is an administrator.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench import city
from bench.table import machine, show, verdict
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import upgrade
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.hosting.workload import workload
from cloudmgr.pools.drivers.kubernetes.driver import KubernetesDriver
from cloudmgr.pools.drivers.kubernetes.manifests import manifests
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.loop import Loop
from cloudmgr.wiring.stores import Stores
from tests.conftest import PRIORITIES, chart_rules
from tests.labs.kubernetes import build
from tests.labs.kubernetes.controlplane import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloudmgr.hosting.environments import Environment

NODES = 100
COUNT = 1_000
PEAK, PEAK_REPLICAS = 200, 10
MANY = 5_000
IDLE_SECONDS = 60.0
_WORKERS = 4  # as `cloudmgr serve` has
_WITHIN = 900.0
_COMPONENT = replace(
    city.COMPONENT, command=(), image="lab/nothing:1", storage_gib=0, max_replicas=PEAK_REPLICAS
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A lab, and how a pool on it is reached."""

    lab: ControlPlane
    binary: Path
    rights: Path

    def settings(self, prefix: str) -> KubernetesSettings:
        return KubernetesSettings(kubeconfig=str(self.rights), prefix=prefix)

    def ready(self, prefix: str, namespaces: Sequence[str], replicas: int) -> set[str]:
        """Those of ``namespaces`` whose Deployment has as many Ready replicas as it ought to."""
        one = f"/namespaces/{namespaces[0]}" if len(namespaces) == 1 else ""
        with self.lab.client() as api:
            found = api.get(
                f"/apis/apps/v1{one}/deployments",
                params={"labelSelector": f"cloudmgr.io/pool={prefix}"},
                timeout=120,
            ).json()["items"]
        return {
            d["metadata"]["namespace"]
            for d in found
            if d["status"].get("observedGeneration") == d["metadata"]["generation"]
            and d["status"].get("availableReplicas", 0) == d["spec"]["replicas"] == replicas
        }

    def await_ready(self, prefix: str, namespaces: Sequence[str], replicas: int) -> None:
        wait(namespaces, lambda some: self.ready(prefix, some, replicas))


def wait(names: Sequence[str], ready: Callable[[Sequence[str]], set[str]]) -> None:
    """Until all of ``names`` are ready; which of some are, is for ``ready`` to say.

    Only the first that is not is asked for, and all of them once it is: reading a thousand every
    half second takes a tenth of the machine, and would be counted as work of who is measured.
    """
    deadline = time.monotonic() + _WITHIN
    waiting = list(names)
    while time.monotonic() < deadline:
        if ready(waiting[:1]):
            known = ready(waiting)
            waiting = [name for name in waiting if name not in known]
        if not waiting:
            return
        time.sleep(0.5)
    message = f"{len(waiting)} of {len(names)} environments were not Ready within {_WITHIN} s"
    raise SystemExit(message)


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    lab = ControlPlane(directory / "lab", build.binary())
    try:
        lab.start()
        lab.create(PRIORITIES)
        for number in range(NODES):
            lab.add_node(f"node-{number:03}", cpu="64", memory="256Gi")
        yield Cluster(lab, build.binary(), lab.account("cloudmgr", chart_rules()))
    finally:
        lab.stop()


@contextmanager
def working(
    directory: Path, found: Cluster, prefix: str
) -> Iterator[tuple[Database, Stores, Loop, KubernetesDriver]]:
    """A reconcile loop on a database of its own, with a Kubernetes pool."""
    database, stores, clock = (
        Database(f"sqlite:///{directory / prefix}.db"),
        Stores(),
        SystemClock(),
    )
    upgrade(database)
    driver = KubernetesDriver("bench", clock, found.settings(prefix))
    key_file = KeyFile(directory / "no-key")
    secrets = Secrets(stores.environments, stores.secrets, key_file, clock)
    reconciler = EnvironmentReconciler(
        database, stores.environments, {"pool_local-extranet": driver}, clock, secrets=secrets
    )
    leases = Leases(database, stores.leases, clock, "bench")
    loop = Loop(reconciler, leases.fence, clock, workers=_WORKERS, resync_seconds=3600)
    leases.start()
    driver.start(loop.wake)
    loop.start()
    try:
        yield database, stores, loop, driver
    finally:
        loop.stop()
        driver.close()
        leases.stop()
        database.close()


def await_status(database: Database, stores: Stores, ids: Sequence[str], replicas: int) -> None:
    """Until cloudmgr itself says so of each."""

    def ready(some: Sequence[str]) -> set[str]:
        with database.read() as tx:
            seen = stores.environments.by_ids(tx, some)
        return {e.id for e in seen if e.status.ready.get("web") == replicas}

    wait(ids, ready)


def at_once(directory: Path, found: Cluster) -> tuple[float, float, list[Environment]]:
    """Seconds until a thousand new environments are Ready: ours, and ``kubectl apply``'s."""
    with working(directory, found, "ours") as (database, stores, loop, _):
        began = time.perf_counter()
        with database.write() as tx:
            made = city.found(tx, stores, COUNT, replicas=1, component=_COMPONENT)
        for environment in made:
            loop.wake(environment.id)
        await_status(database, stores, [e.id for e in made], 1)
        ours = time.perf_counter() - began

    settings = found.settings("theirs")
    namespaces, first, rest = [], [], []
    for environment in made:
        namespaces.append(namespace_of("theirs", environment.id))
        head, *tail = (m.body for m in manifests(workload(environment), settings, 5))
        first.append(head)
        rest += tail
    # Namespaces first, as a person would: kubectl stops at what has none yet.
    files = []
    for name, items in (("namespaces", first), ("all", rest)):
        file = directory / f"{name}.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        files.append(file)
    began = time.perf_counter()
    for file in files:
        kubectl(found, "apply", "--server-side", "--field-manager=cloudmgr", "-f", str(file))
    found.await_ready("theirs", namespaces, 1)
    return ours, time.perf_counter() - began, made


def kubectl(found: Cluster, *words: str) -> None:
    done = subprocess.run(
        [str(found.binary), "kubectl", f"--kubeconfig={found.lab.kubeconfig()}", *words],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        message = f"kubectl {words[0]}: {done.stderr[-500:]}"
        raise SystemExit(message)


def one_peak(directory: Path, found: Cluster, made: Sequence[Environment]) -> tuple[float, float]:
    """Seconds from the order to the last replica of a peak: ours, and a bare loop's."""
    some = made[:PEAK]
    with working(directory, found, "ours") as (database, stores, loop, _):
        began = time.perf_counter()
        with database.write() as tx:
            for environment in stores.environments.by_ids(tx, [e.id for e in some]):
                stores.environments.set_target(tx, environment, {"web": PEAK_REPLICAS})
        for environment in some:
            loop.wake(environment.id)
        await_status(database, stores, [e.id for e in some], PEAK_REPLICAS)
        ours = time.perf_counter() - began

    namespaces = [namespace_of("theirs", e.id) for e in some]
    began = time.perf_counter()
    with found.lab.client() as api, ThreadPoolExecutor(_WORKERS) as threads:

        def scale(namespace: str) -> None:
            api.patch(
                f"/apis/apps/v1/namespaces/{namespace}/deployments/web/scale",
                json={"spec": {"replicas": PEAK_REPLICAS}},
                headers={"Content-Type": "application/merge-patch+json"},
                timeout=120,
            ).raise_for_status()

        for _ in threads.map(scale, namespaces):
            pass
    found.await_ready("theirs", namespaces, PEAK_REPLICAS)
    return ours, time.perf_counter() - began


def at_rest(directory: Path, found: Cluster, made: Sequence[Environment]) -> tuple[float, float]:
    """Calls a minute of an idle pool, and the memory in MiB of a process with 5,000 of them."""
    settings = found.settings("ours")
    driver = KubernetesDriver("bench", SystemClock(), settings)
    driver.start(lambda _: None)
    more = [
        replace(made[n % len(made)], id=f"env_{n:016x}", target={"web": 0})
        for n in range(MANY - len(made))
    ]
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(lambda e: driver.apply(workload(e)), more):
            pass
    driver.close()
    with working(directory, found, "ours"):
        time.sleep(10)
        before = len(_ours(found))
        time.sleep(IDLE_SECONDS)
        calls = (len(_ours(found)) - before) * 60 / IDLE_SECONDS
    return calls, _memory(found)


def _ours(found: Cluster) -> list[dict[str, Any]]:
    return [entry for entry in found.lab.requests() if entry["userAgent"] == "cloudmgr"]


def _memory(found: Cluster) -> float:
    """Of a fresh process that has seen them all and been asked for each once."""
    code = (
        "import sys; from bench.kubernetes import remember; remember(sys.argv[1], int(sys.argv[2]))"
    )
    kubeconfig = str(found.rights)
    done = subprocess.run(
        [sys.executable, "-c", code, kubeconfig, str(MANY)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.strip())


def remember(kubeconfig: str, count: int) -> None:
    """Print the memory that a pool with ``count`` environments takes, all else included."""
    settings = KubernetesSettings(kubeconfig=kubeconfig, prefix="ours")
    driver = KubernetesDriver("bench", SystemClock(), settings)
    driver.start(lambda _: None)
    seen = list(driver.observe_all())
    if len(seen) < count:
        message = f"{len(seen)} environments of {count} were seen"
        raise SystemExit(message)
    print(psutil.Process().memory_info().rss / 2**20)
    driver.close()


def said(sentence: str) -> None:
    """Progress: the whole takes a quarter of an hour."""
    print(sentence, file=sys.stderr, flush=True)


def main() -> None:
    logging.disable(logging.WARNING)
    about = machine()
    with tempfile.TemporaryDirectory() as name, cluster(Path(name)) as found:
        directory = Path(name)
        ours, theirs, made = at_once(directory, found)
        said(f"{COUNT:,} at once: {ours:.1f} s, by hand {theirs:.1f} s")
        peak, bare = one_peak(directory, found, made)
        said(f"{PEAK} to {PEAK_REPLICAS} replicas: {peak:.1f} s, by hand {bare:.1f} s")
        calls, memory = at_rest(directory, found, made)
    show(
        f"Kubernetes pool, {NODES} nodes",
        ["", "cloudmgr s", "by hand s", "ratio", "goal 1.2"],
        [
            (
                f"{COUNT:,} new environments, until all are Ready",
                f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}",
                verdict(held=ours <= 1.2 * theirs),
            ),
            (
                f"{PEAK} environments to {PEAK_REPLICAS} replicas each",
                f"{peak:.1f}", f"{bare:.1f}", f"{peak / bare:.2f}",
                verdict(held=peak <= 1.2 * bare),
            ),
        ],
        "by hand: kubectl apply --server-side of the same manifests; a bare loop of as many",
        "threads that patches the scale of the same Deployments. Until all replicas are available.",
        f"idle, {MANY:,} environments: {calls:.1f} calls a minute to the apiserver "
        f"(goal 10: {verdict(held=calls <= 10)}), "
        f"{memory:.0f} MiB (goal 400: {verdict(held=memory <= 400)})",
        about,
    )  # fmt: skip


if __name__ == "__main__":
    main()
