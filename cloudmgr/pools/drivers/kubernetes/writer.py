"""Writes to a cluster what a workload takes, and keeps the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudmgr.errors import NotFound, Temporary
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes import reading, seen, storage
from cloudmgr.pools.drivers.kubernetes.kinds import (
    BARE,
    COUNTS,
    SCALABLE,
    Kind,
    collection_in,
    path,
)
from cloudmgr.pools.drivers.kubernetes.manifests import registry_secret, room

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.kubernetes.cluster import Cluster
    from cloudmgr.pools.drivers.kubernetes.manifests import Manifest
    from cloudmgr.pools.drivers.kubernetes.mirror import Mirror
    from cloudmgr.pools.drivers.kubernetes.seen import Owned
    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings


class Writer:
    """Any thread may call.

    :param registry: what stands in the file of ``settings.registry_config``.
    """

    def __init__(
        self,
        cluster: Cluster,
        mirror: Mirror,
        clock: Clock,
        settings: KubernetesSettings,
        registry: bytes,
    ) -> None:
        self._cluster = cluster
        self._mirror = mirror
        self._clock = clock
        self._settings = settings
        self._registry = registry

    def converge(
        self,
        workload: Workload,
        wanted: Sequence[Manifest],
        lacking: Collection[tuple[Kind, str]],
        found: Mapping[tuple[Kind, str], Owned],
    ) -> None:
        """Write what is ``lacking`` of what is ``wanted``, scale the rest, take away what is not.

        :raises Temporary: it must be begun again.
        """
        try:
            for manifest in wanted:
                if manifest.key in lacking:
                    self._fewer(manifest, found)
                    if manifest.kind is Kind.STATEFUL:
                        self._make_room(manifest.name, workload, found)
                    self._write(manifest, found.get(manifest.key))
                elif manifest.replicas is not None:
                    self._scale(manifest, found[manifest.key])
        except NotFound as error:
            raise Temporary(
                f"somebody has just removed what was there: {error.message}", code="still-ending"
            ) from error
        for extra in reading.surplus(wanted, found):
            self._cluster.delete(path(extra.kind, extra.namespace, extra.name), extra.uid)

    def _write(self, manifest: Manifest, there: Owned | None) -> None:
        if manifest.kind is Kind.ACCOUNT and self._registry:
            # It is written with the account and never read: no right to list secrets is needed.
            secret = registry_secret(manifest, self._registry)
            self._cluster.apply(path(Kind.SECRET, manifest.namespace, words.REGISTRY), secret)
        if manifest.holds:
            where = path(Kind.NAMESPACE, "", manifest.namespace)
            self._cluster.apply(where, room(self._settings))
        where = path(manifest.kind, manifest.namespace, manifest.name)
        body, bare = manifest.body_beside(there), manifest.kind in BARE
        self._take(manifest.kind, self._cluster.apply(where, body, bare=bare))

    def give_room_back(self, environment_id: str) -> None:
        """Asked of the cluster itself: the watch may not have told of them yet."""
        where = words.room_of(self._settings.prefix)
        page = self._cluster.list(
            collection_in(Kind.DEPLOYMENT, where),
            bare=True,
            labelSelector=f"{words.HOLDS}={environment_id}",
        )
        for item in page["items"] or ():
            name, uid = item["metadata"]["name"], item["metadata"]["uid"]
            self._cluster.delete(path(Kind.DEPLOYMENT, where, name), uid)

    def _scale(self, manifest: Manifest, there: Owned) -> None:
        assert manifest.replicas is not None  # noqa: S101 - for mypy
        if manifest.fits(there.replicas):
            return
        self._fewer(manifest, {manifest.key: there})
        part = "scale" if manifest.kind in SCALABLE else ""
        answer = self._cluster.merge(
            path(manifest.kind, manifest.namespace, manifest.name, part),
            {"spec": {COUNTS[manifest.kind]: manifest.replicas}},
        )
        version = int(answer["metadata"]["resourceVersion"])
        after = replace(there, replicas=manifest.replicas, version=version)
        self._mirror.put(manifest.kind, after)

    def _make_room(
        self, name: str, workload: Workload, found: Mapping[tuple[Kind, str], Owned]
    ) -> None:
        gib = next(c.storage_gib for c in workload.components if c.name == name)
        claims = self._mirror.claims(workload.environment_id)
        for claim in storage.smaller(claims, name, gib):
            where = path(Kind.CLAIM, claim.namespace, claim.name)
            answer = self._cluster.merge(where, storage.grown(claim, gib, self._clock.now()))
            grown = seen.claim(answer)
            if grown is not None:
                self._mirror.put(Kind.CLAIM, grown)
        there = found.get((Kind.STATEFUL, name))
        if there is None or (there.storage_gib == gib and not there.deleting):
            return
        # What it asks for never changes: it goes, its pods stay, and the next one adopts them.
        if not there.deleting:
            where = path(there.kind, there.namespace, there.name)
            self._cluster.delete(where, there.uid, alone=True)
        raise Temporary(f"the storage of {name} is being enlarged", code="still-ending")

    def _fewer(self, manifest: Manifest, found: Mapping[tuple[Kind, str], Owned]) -> None:
        """Tell a Deployment which replicas are to go: by itself it takes any."""
        there = found.get(manifest.key)
        if manifest.kind is not Kind.DEPLOYMENT or there is None or not manifest.replicas:
            return
        if manifest.replicas >= there.replicas or manifest.fits(there.replicas):
            return
        pods = self._mirror.pods(there.environment_id)
        going = reading.victims(pods, manifest.name, manifest.replicas)
        for pod in reading.victims(pods, manifest.name, 0):
            if pod.chosen == (pod in going):
                continue
            # One that was to go, and then was not, is not to go before younger ones.
            cost = words.FIRST_TO_GO if pod in going else None
            try:
                answer = self._cluster.merge(
                    path(Kind.POD, pod.namespace, pod.name),
                    {"metadata": {"annotations": {words.COST: cost}}},
                )
            except NotFound:
                continue  # it has gone already
            self._mirror.put(Kind.POD, seen.pod(answer, self._settings.prefix))

    def _take(self, kind: Kind, answer: dict[str, object]) -> None:
        taken = seen.owned(kind, answer)
        if taken is not None:
            self._mirror.put(kind, taken)
