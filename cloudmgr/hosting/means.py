"""What the desk needs of the floors above and beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from cloudmgr.hosting.assessment import Asker, Location, Prospect
    from cloudmgr.hosting.bindings import Place, Resolved
    from cloudmgr.hosting.environments import Component, Environment
    from cloudmgr.hosting.requests import Coming, Estimate, HostingRequest, SeriesAsk, WindowAsk
    from cloudmgr.planning.promise_words import Told
    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.decision import Reason
    from cloudmgr.policy.services import CityService
    from cloudmgr.pools.capacity import Sizes
    from cloudmgr.pools.pool import Pool, Zone


class Means(Protocol):
    """What the desk needs of the floors above and beside it; the composition root supplies it."""

    def policy(self) -> PolicyBundle:
        """The bundle in force now."""
        ...

    def department_code(self, tx: Connection, department_id: str) -> str: ...

    def department_active(self, tx: Connection, department_id: str) -> bool:
        """Whether it exists now: it has begun and has not ended."""
        ...

    def locate(
        self,
        tx: Connection,
        components: Sequence[Component],
        accepts: Callable[[Pool], tuple[Reason, ...]],
        zone: Zone,
        resized: Environment | None = None,
        *,
        promise: bool = False,
    ) -> Location:
        """Choose a pool of ``zone``.

        With ``resized``, its own pool alone is considered, and what it holds counts as free. With
        ``promise``, in a transaction that writes, nobody else gives that room away until it ends.

        :raises Temporary: none can take it now, and one that might does not answer.
        """
        ...

    def sizes(self, pool_id: str | None) -> Sizes:
        """The sizes that a replica may have there, as far as that is known now."""
        ...

    def place(self, tx: Connection, service: CityService) -> Place | None:
        """Where a shared service lies that is hosted here; None if it is not there."""
        ...

    def resolve(self, tx: Connection, environment: Environment) -> Resolved:
        """What policy makes of the bindings of ``environment``."""
        ...

    def frozen(self, tx: Connection, environment: Environment) -> Reason | None:
        """Why no change of it is carried out now; None if nothing is in the way."""
        ...

    def check_change(self, tx: Connection, environment: Environment) -> None:
        """:raises Conflict: ``change-frozen``."""
        ...

    def hold(self, tx: Connection, environment_id: str) -> None:
        """Until ``tx``, which writes, ends nobody else scales this environment."""
        ...

    def estimate(self, components: Sequence[Component], zone: Zone) -> Estimate: ...

    def sized(
        self,
        tx: Connection,
        environment_id: str | None,
        scaling_class: str,
        components: Sequence[Component],
        asks: Sequence[WindowAsk],
    ) -> tuple[WindowAsk, ...]:
        """``asks`` with the replicas of those that say what they expect instead.

        :param environment_id: None of a new one, of which nothing was measured.
        :raises Invalid: ``invalid-expectation``, ``nothing-measured``, ``above-the-ceiling``.
        """
        ...

    def coming(
        self, tx: Connection, environment_id: str | None, asks: Sequence[SeriesAsk]
    ) -> tuple[Coming, ...]:
        """What each of ``asks`` announces within the time that is booked ahead.

        :raises Invalid: ``invalid-recurrence``, ``too-many-dates``. :raises NotFound:
            ``no-such-series`` of the environment that one is to replace.
        """
        ...

    def promises(
        self, tx: Connection, environment: Environment, asks: Iterable[WindowAsk]
    ) -> tuple[Told, ...]:
        """Whether the environment's pool can promise each of these peaks.

        :raises Temporary: ``pool-unreachable``.
        """
        ...

    def promised(self, tx: Connection, pool: Pool, prospect: Prospect) -> tuple[Reason, ...]:
        """Why ``pool`` cannot take ``prospect``, for all that it has promised."""
        ...

    def announce(self, tx: Connection, request: HostingRequest, environment: Environment) -> None:
        """Put the announced peaks of a fulfilled request into the calendar, and its series.

        Of a series what fits is booked; what does not is told, and refuses nothing.

        :raises Conflict: ``promise-does-not-fit``. :raises Temporary: ``pool-unreachable``.
        """
        ...

    def record(self, tx: Connection, actor: Asker, action: str, request: HostingRequest) -> None:
        """Append to the audit trail."""
        ...

    def wake(self, tx: Connection, environment_id: str) -> None:
        """Look at this environment as soon as ``tx`` is committed."""
        ...
