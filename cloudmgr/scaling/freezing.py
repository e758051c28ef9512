"""The use cases of the change freeze: whether it holds, letting changes through, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloudmgr.errors import Conflict, Invalid
from cloudmgr.scaling.freeze import Freeze, Lift, check, freeze, lifted, reason
from cloudmgr.scaling.orders import check_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.policy.decision import Reason
    from cloudmgr.policy.scaling_class import ScalingClass
    from cloudmgr.scaling.store import ScalingStores


class Classes(Protocol):
    """What of policy counts here."""

    @property
    def scaling_classes(self) -> Mapping[str, ScalingClass]: ...
    @property
    def scaling_default(self) -> str: ...


class Freezing:
    """See above."""

    def __init__(self, stores: ScalingStores, policy: Callable[[], Classes], clock: Clock) -> None:
        self._stores = stores
        self._policy = policy
        self._clock = clock

    def of(self, tx: Connection, environment: Environment) -> tuple[Freeze | None, Lift | None]:
        """The freeze that holds now, lifted or not, and the lift that is in force."""
        policy, now = self._policy(), self._clock.now()
        usual = policy.scaling_classes[policy.scaling_default]
        kind = policy.scaling_classes.get(environment.scaling_class, usual)
        windows = self._stores.windows.ahead(tx, environment.id, now)
        found = freeze(windows, now, kind.freeze_before)
        lift = self._stores.freezes.lift(tx, environment.id) if found else None
        return found, lift if lifted(lift, now) else None

    def frozen(self, tx: Connection, environment: Environment) -> Reason | None:
        """Why no change of it is carried out now; None if nothing is in the way."""
        found, lift = self.of(tx, environment)
        return None if found is None or lift else reason(found)

    def check(self, tx: Connection, environment: Environment) -> None:
        """:raises Conflict: ``change-frozen``."""
        found, lift = self.of(tx, environment)
        check(found, lift, self._clock.now())

    def lift(
        self,
        tx: Connection,
        environment: Environment,
        *,
        actor: str,
        why: str,
        until: datetime | None = None,
    ) -> Lift:
        """Let changes through until ``until``; None: until the freeze is over.

        :raises Conflict: ``not-frozen``. :raises Invalid: ``in-the-past``, ``reason-missing``.
        """
        check_reason(why)
        now = self._clock.now()
        found, _ = self.of(tx, environment)
        if found is None:
            raise Conflict("no freeze holds for it now", code="not-frozen")
        if until is not None and until <= now:
            raise Invalid("it is over already", code="in-the-past", path="until")
        end = found.until if until is None else min(until, found.until)
        made = Lift(environment.id, end, actor, why, now)
        self._stores.freezes.put(tx, made)
        return made

    def restore(self, tx: Connection, environment: Environment) -> None:
        """Let the freeze hold again. :raises Conflict: ``not-lifted``."""
        if self.of(tx, environment)[1] is None:
            raise Conflict("nobody has lifted a freeze of it", code="not-lifted")
        self._stores.freezes.forget(tx, environment.id)
