"""The driver of a Kubernetes pool: writes by server-side apply, and answers from what it watches.

Nothing converges here: Deployments do that in the cluster. What somebody else removed or changed
is seen in the digest that :meth:`KubernetesDriver.observe` tells, and the environment's reconciler
applies again.
"""

from __future__ import annotations

import logging
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cloudmgr.errors import NotFound, Permanent, Temporary
from cloudmgr.pools.drivers.admission import is_name, require_host, require_valid
from cloudmgr.pools.drivers.besides import Change
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes import reading, seen, storage
from cloudmgr.pools.drivers.kubernetes.cluster import Cluster
from cloudmgr.pools.drivers.kubernetes.kinds import (
    BARE,
    COUNTS,
    SCALABLE,
    WATCHED,
    Kind,
    collection,
    collection_in,
    path,
)
from cloudmgr.pools.drivers.kubernetes.manifests import manifests
from cloudmgr.pools.drivers.kubernetes.measured import measurement
from cloudmgr.pools.drivers.kubernetes.mirror import Mirror
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from cloudmgr.pools.drivers.kubernetes.pods import require_images
from cloudmgr.pools.drivers.kubernetes.preview import changes
from cloudmgr.pools.drivers.kubernetes.reflector import Reflector
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings, Timing
from cloudmgr.pools.drivers.kubernetes.writer import Writer
from cloudmgr.pools.drivers.written import load_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloudmgr.clock import Clock
    from cloudmgr.pools.capacity import Capacity
    from cloudmgr.pools.drivers.besides import Measurement
    from cloudmgr.pools.drivers.driver import Allocation, ObservedWorkload, Workload
    from cloudmgr.pools.drivers.kubernetes.manifests import Manifest
    from cloudmgr.pools.drivers.kubernetes.seen import Owned, SeenPod
    from cloudmgr.pools.pool import Pool

_log = logging.getLogger(__name__)
_FIRST_LIST = 10.0
# Environments whose manifests are kept made: each takes some 10 KiB.
_REMEMBERED = 2_000


class KubernetesDriver:
    """A pool of nodes of a cluster; one namespace for each environment.

    A replica is a pod, and stays the same one over restarts of its container: its room is kept for
    it meanwhile, so that the allocation goes on.

    :param name: the pool's, for messages.
    """

    kind = "kubernetes"

    def __init__(
        self,
        name: str,
        clock: Clock,
        settings: KubernetesSettings,
        timing: Timing | None = None,
    ) -> None:
        """:raises Invalid: ``invalid-pool-settings``."""
        self._name = name
        self._settings = settings
        self._timing = timing or Timing()
        registry = settings.registry_config
        self._registry = Path(registry).read_bytes() if registry else b""
        self._cluster = Cluster(name, settings, self._timing)
        self._listener: Callable[[str], None] = lambda _environment_id: None
        self._mirror = Mirror(clock, self._tell)
        self._writer = Writer(self._cluster, self._mirror, clock, settings, self._registry)
        self._reflectors = [self._reflector(kind, clock) for kind in WATCHED]
        self._manifests = lru_cache(_REMEMBERED)(self._made)
        self._capacity: tuple[int, Capacity | None] = 0, None
        self._started = False

    @classmethod
    def for_pool(cls, pool: Pool, directory: Path, clock: Clock) -> Self:  # noqa: ARG003
        """The driver of ``pool``. :raises Invalid: ``invalid-pool-settings``."""
        return cls(pool.name, clock, KubernetesSettings.parse(pool.settings))

    def start(self, changed: Callable[[str], None]) -> None:
        """As :meth:`Driver.start`. A cluster that does not answer yet is no error."""
        if self._started:
            return
        self._started = True
        self._listener = changed
        for reflector in self._reflectors:
            reflector.start()
        for reflector in self._reflectors:
            if not reflector.wait(_FIRST_LIST):
                _log.warning("pool %s: %s: %s", self._name, reflector.kind, reflector.trouble)
                break

    def close(self) -> None:
        if self._started:
            self._started = False
            for reflector in self._reflectors:
                reflector.stop()
            for reflector in self._reflectors:
                reflector.close()
        self._cluster.close()

    def capacity(self) -> Capacity:
        self._require_fresh()
        # Asked at each write, and rarely another: what moves meanwhile is taken in the next time.
        moves, (known, found) = self._mirror.moves, self._capacity
        if found is None or known != moves:
            found = reading.capacity(
                self._mirror.nodes(),
                self._mirror.strangers(),
                self._settings.storage_gib,
                self._settings.spare_nodes,
            )
            self._capacity = moves, found
        return found

    def apply(self, workload: Workload) -> None:
        found, wanted, lacking = self._planned(workload)
        namespace = namespace_of(self._settings.prefix, workload.environment_id)
        there = found.get((Kind.NAMESPACE, namespace))
        if there is not None and there.deleting:
            raise Temporary("what was there before is still being removed", code="still-ending")
        self._writer.converge(workload, wanted, lacking, found)

    def preview(self, workload: Workload) -> Sequence[Change]:
        """As :meth:`Previewing.preview`: the cluster itself is asked, with a dry run."""
        found, wanted, lacking = self._planned(workload)
        told: list[Change] = []
        for manifest in wanted:
            there = found.get(manifest.key)
            what = f"{manifest.kind} {manifest.name}"
            scaled = manifest.replicas is not None and there and not manifest.fits(there.replicas)
            if manifest.key not in lacking and not scaled:
                continue
            live = self._live(manifest) if there else None
            if live is None:
                told.append(Change(what, "", "", "{}"))
                continue
            where = path(manifest.kind, manifest.namespace, manifest.name)
            after = self._cluster.apply(where, manifest.body_beside(there), dry_run=True)
            told += changes(what, live, after)
        extra = reading.surplus(wanted, found)
        return [*told, *(Change(f"{one.kind} {one.name}", "", "{}", "") for one in extra)]

    def remove(self, environment_id: str) -> None:
        if not is_name(environment_id):
            return
        self._require_fresh()
        namespace = namespace_of(self._settings.prefix, environment_id)
        there = self._mirror.owned(environment_id).get((Kind.NAMESPACE, namespace))
        if there is None:
            there = self._listed(namespace)
        if there is not None and not there.deleting:
            self._cluster.delete(path(Kind.NAMESPACE, "", namespace), there.uid)
        self._writer.give_room_back(environment_id)

    def observe(self, environment_id: str) -> ObservedWorkload | None:
        if not is_name(environment_id):
            return None
        self._require_fresh()
        found = self._mirror.owned(environment_id)
        pods = self._mirror.pods(environment_id)
        if not found and not pods and not self._mirror.claims(environment_id):
            return None
        namespace = found.get((Kind.NAMESPACE, namespace_of(self._settings.prefix, environment_id)))
        digest, drift = "", []
        if namespace is not None and not namespace.deleting and namespace.workload:
            workload, expected = self._manifests(namespace.workload)
            drift = reading.drifted(expected, found)
            if not drift or (workload and not workload.corrects_drift):
                digest = reading.applied(workload, expected, found)
            if reading.without_secret(pods):
                digest = ""
        return reading.observed(
            environment_id,
            digest,
            pods,
            found,
            warning=self._mirror.warning,
            drift=drift,
            holding=self._mirror.holding(environment_id),
        )

    def observe_all(self) -> Iterable[ObservedWorkload]:
        found = [self.observe(environment_id) for environment_id in self._mirror.environments()]
        return [observed for observed in found if observed is not None]

    def allocations(self) -> Iterable[Allocation]:
        self._require_fresh()
        return self._mirror.allocations()

    @property
    def measurement(self) -> Measurement | None:
        """As :attr:`Measured.measurement`."""
        return measurement(self._settings)

    def forget(self, allocation_ids: Iterable[str]) -> None:
        self._mirror.forget(allocation_ids)

    def log(self, environment_id: str, component: str, slot: int, lines: int) -> Sequence[str]:
        """As :meth:`Driver.log`, over the last restart: a cluster keeps no more."""
        self._require_fresh()
        pods = self._mirror.pods(environment_id)
        uid = next(
            (
                replica.id
                for replica in reading.replicas(pods, lambda _uid: "")
                if (replica.component, replica.slot) == (component, slot)
            ),
            None,
        )
        pod = next((pod for pod in pods if pod.uid == uid), None)
        if pod is None:
            raise NotFound(f"there is no log of slot {slot} of this component", code="no-such-log")
        text = self._log_of(pod, lines, previous=False)
        if pod.restarts and not pod.waiting:
            # While it waits, what ended last is what is shown as its log.
            text = self._log_of(pod, lines, previous=True) + text
        return text.splitlines()[-lines:]

    # --------------------------------------------------------------------------------- writing

    def _planned(
        self, workload: Workload
    ) -> tuple[dict[tuple[Kind, str], Owned], tuple[Manifest, ...], set[tuple[Kind, str]]]:
        """What there is, what ought to be, and what of that is to be written.

        :raises Permanent: as :meth:`Driver.apply`.
        """
        require_valid(workload)
        require_images(workload)
        require_host(workload, self.capacity())
        found = self._mirror.owned(workload.environment_id)
        storage.require_no_less(workload, found)
        wanted = self._objects(workload)
        lacking = reading.lacking(workload, wanted, found)
        for component in reading.without_secret(self._mirror.pods(workload.environment_id)):
            lacking |= {m.key for m in wanted if m.kind in SCALABLE and m.name == component}
        return found, wanted, lacking

    def _live(self, manifest: Manifest) -> dict[str, object] | None:
        page = self._cluster.list(
            collection(manifest.kind)
            if manifest.kind is Kind.NAMESPACE
            else collection_in(manifest.kind, manifest.namespace),
            bare=False,
            fieldSelector=f"metadata.name={manifest.name}",
        )
        # A list names the kind of its items once.
        kind = {"apiVersion": manifest.body["apiVersion"], "kind": manifest.body["kind"]}
        return next(({**kind, **item} for item in page["items"] or ()), None)

    def _listed(self, namespace: str) -> Owned | None:
        """A namespace of ours that the watch may not have told of yet."""
        page = self._cluster.list(
            collection(Kind.NAMESPACE),
            bare=True,
            labelSelector=f"{words.POOL}={self._settings.prefix}",
            fieldSelector=f"metadata.name={namespace}",
        )
        return next((seen.owned(Kind.NAMESPACE, item) for item in page["items"] or ()), None)

    # --------------------------------------------------------------------------------- reading

    def _require_fresh(self) -> None:
        """:raises Temporary: ``pool-unreachable`` when what is known may be old."""
        for reflector in self._reflectors:
            trouble = reflector.trouble
            if trouble:
                raise Temporary(
                    trouble if self._started else f"the pool {self._name} is not watched",
                    code="pool-unreachable",
                    hint=reflector.hint,
                )

    def _made(self, text: str) -> tuple[Workload | None, tuple[Manifest, ...]]:
        """The workload that a namespace names, and its objects."""
        try:
            workload = load_workload(text)
        except ValueError:
            return None, ()  # somebody else wrote there: it is written anew
        return workload, self._objects(workload)

    def _objects(self, workload: Workload) -> tuple[Manifest, ...]:
        return manifests(workload, self._settings, self._timing.settle, self._registry)

    def _log_of(self, pod: SeenPod, lines: int, *, previous: bool) -> str:
        query: dict[str, object] = {"container": pod.component, "tailLines": lines}
        if previous:
            query["previous"] = "true"
        try:
            return self._cluster.text(path(Kind.POD, pod.namespace, pod.name, "log"), **query)
        except (NotFound, Permanent):
            return ""  # its container has not begun yet, or nothing is left of the last one

    def _reflector(self, kind: Kind, clock: Clock) -> Reflector:
        ours = {"labelSelector": f"{words.POOL}={self._settings.prefix}"}
        selectors: dict[str, str] = ours
        reduced: Callable[[dict[str, object]], seen.Seen | None] = partial(seen.owned, kind)
        match kind:
            case Kind.POD:
                # All of them: others take room on our nodes too.
                selectors, reduced = {}, partial(seen.pod, pool=self._settings.prefix)
            case Kind.NODE:
                selectors, reduced = {}, partial(seen.node, selector=self._settings.node_selector)
            case Kind.CLAIM:
                reduced = seen.claim
            case Kind.EVENT:
                selectors = {"fieldSelector": "type=Warning"}
                reduced = seen.warned
            case _:
                assert kind in BARE or kind in COUNTS  # noqa: S101 - a new kind must say how
        return Reflector(
            kind,
            self._cluster,
            self._mirror,
            selectors=selectors,
            reduced=reduced,
            clock=clock,
            timing=self._timing,
        )

    def _tell(self, environment_id: str) -> None:
        if not environment_id:
            return
        try:
            self._listener(environment_id)
        except Exception:  # noqa: BLE001 - it must not end a watch
            _log.exception("what listens to pool %s failed on %s", self._name, environment_id)
