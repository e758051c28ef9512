"""What a driver may do besides its contract, each a Protocol that a face asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from cloudmgr.pools.capacity import Resources
    from cloudmgr.pools.drivers.driver import Workload


@dataclass(frozen=True, slots=True)
class Change:
    """One field of what a pool holds that an apply would change.

    ``path`` is empty where the thing ``what`` itself would come or go; ``before`` and ``after`` are
    JSON, empty where there is nothing.
    """

    what: str
    path: str
    before: str
    after: str


@runtime_checkable
class Previewing(Protocol):
    """What a driver may do besides: tell beforehand what an apply would change."""

    def preview(self, workload: Workload) -> Sequence[Change]:
        """What :meth:`Driver.apply` would change now; nothing is written.

        :raises Permanent: and :raises Temporary: as :meth:`Driver.apply`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Measurement:
    """A Prometheus that scrapes cAdvisor on every host of a pool.

    ``url`` is its address, with the path that its API hangs on; ``token_file`` holds a bearer
    token, ``ca_file`` the certificates to trust; both may be empty. ``matchers`` are those of
    PromQL that leave the series of this pool. ``allocation_of`` tells from the labels of a series
    the id of the :class:`Allocation` that it is of; empty for none.
    """

    url: str
    token_file: str
    ca_file: str
    matchers: str
    allocation_of: Callable[[Mapping[str, str]], str]


@runtime_checkable
class Measured(Protocol):
    """What a :class:`Driver` may be besides: one whose pool is also measured."""

    @property
    def measurement(self) -> Measurement | None:
        """Where what its replicas really use is measured; None where nobody does."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """What a pool's own accounting has of one server, from whatever it counts as its beginning.

    It counts from ``started_at`` to ``ended_at`` (None: it still does), whatever lies between.
    ``idle_from`` is since when it has counted though the server has held nothing, by the marks that
    the driver keeps on it; None for never. ``ours`` says that it bears the marks of this pool, and
    is no stranger's in an environment's place. ``state`` is the pool's own word.
    """

    server_id: str
    environment_id: str
    name: str
    size: Resources
    started_at: datetime
    ended_at: datetime | None
    state: str
    ours: bool
    idle_from: datetime | None = None


@runtime_checkable
class Accounted(Protocol):
    """What a :class:`Driver` may be besides: one whose pool keeps accounts of its own."""

    def accounts(self, since: datetime) -> Sequence[Account]:
        """All servers of this pool that it has counted at any time after ``since``, once each.

        Also those of environments that are retired, and of strangers in an environment's place.

        :raises Permanent: and :raises Temporary: as all of :class:`Driver`.
        """
        ...

    def server_of(self, allocation_id: str) -> str:
        """The :attr:`Account.server_id` of what an :class:`Allocation` is of."""
        ...
