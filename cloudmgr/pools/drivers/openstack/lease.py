"""Who converges a pool: one control plane at a time, agreed upon in the cloud itself.

A network without subnets bears the name of who it is in its description. Neutron compares and sets:
a write names the revision that it follows, and is refused if there was another meanwhile (header
``If-Match``, extension ``revision-if-match``). No clock is compared with another machine's: who
sees no new revision for the length of a lease takes over.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import CloudmgrError, Conflict, NotFound
from cloudmgr.pools.drivers.openstack import names as words

if TYPE_CHECKING:
    from cloudmgr.clock import Clock
    from cloudmgr.pools.drivers.openstack.cloud import Cloud
    from cloudmgr.pools.drivers.openstack.settings import Timing

_NOBODY = "nobody"


class Lease:
    """One thread uses it."""

    def __init__(self, cloud: Cloud, prefix: str, clock: Clock, timing: Timing) -> None:
        self._cloud = cloud
        self._name = words.lease_of(prefix)
        self._clock = clock
        self._timing = timing
        self._me = uuid.uuid4().hex
        self._id = ""
        self._revision = -1
        self._seen = 0.0
        self._asked = -1e9
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether we may act; false well before another one would take over."""
        return self._clock.monotonic() < self._until

    def keep(self) -> bool:
        """Renew or try to take it, when it is time to; whether we have it.

        :raises CloudmgrError: the cloud does not answer.
        """
        now = self._clock.monotonic()
        if now - self._asked < self._timing.renew:
            return self.held
        self._asked = now
        if self.held and self._write(self._me):
            return True
        there = self._find()
        holder, revision = there.get("description", ""), int(there["revision_number"])
        if revision != self._revision:
            self._revision, self._seen = revision, self._clock.monotonic()
        free = holder in {"", _NOBODY, self._me}
        if free or self._clock.monotonic() - self._seen >= self._timing.lease:
            return self._write(self._me)
        return False

    def give_back(self) -> None:
        """Another one need not wait."""
        if self.held:
            with suppress(CloudmgrError):
                self._write(_NOBODY)
        self._until = 0.0

    def _write(self, holder: str) -> bool:
        began = self._clock.monotonic()
        # What is written anew has a new revision only where it differs.
        said = f"{holder} {uuid.uuid4().hex[:8]}" if holder == self._me else holder
        try:
            answer = self._cloud.send(
                "network",
                "PUT",
                f"/networks/{self._id}",
                {"network": {"description": said}},
                headers={"If-Match": f"revision_number={self._revision}"},
            )
        except (Conflict, NotFound):
            self._until = 0.0
            self._revision = -1
            return False
        assert answer is not None  # noqa: S101 - it answers with the network
        self._revision, self._seen = int(answer["network"]["revision_number"]), began
        # A third less than what others wait, since our clock and theirs need not agree.
        self._until = began + self._timing.lease * 2 / 3
        return True

    def _find(self) -> dict[str, Any]:
        """The network; of two that were made at once everybody takes the same."""
        found = self._cloud.list("network", "/networks", "networks", name=self._name)
        if not found:
            body = {"network": {"name": self._name, "admin_state_up": False}}
            self._cloud.send("network", "POST", "/networks", body)
            found = self._cloud.list("network", "/networks", "networks", name=self._name)
        first: dict[str, Any] = min(found, key=lambda n: (n.get("created_at", ""), n["id"]))
        first["description"] = str(first.get("description") or "").split(" ")[0]
        self._id = first["id"]
        return first
