"""Keeps what runs equal to what was approved, one environment at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent, Temporary
from cloudmgr.hosting.bindings import unbound
from cloudmgr.hosting.workload import (
    NO_DRIVER,
    Apply,
    Forget,
    Remove,
    failed,
    plan,
    settled,
    status,
    unchanged_since,
)
from cloudmgr.reconcile.loop import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.db.engine import Database
    from cloudmgr.hosting.environments import Environment, EnvironmentStatus
    from cloudmgr.hosting.secrets import Secrets
    from cloudmgr.hosting.store import EnvironmentStore
    from cloudmgr.hosting.workload import Action
    from cloudmgr.pools.drivers.driver import Driver
    from cloudmgr.reconcile.loop import Fence

# While something is under way; events of the driver usually come first. What has been as it is for
# long (crashing, refused, no room) is looked at ever more rarely: there may be hundreds of those.
_SOON, _AT_LAST, _SHARE = 0.25, 5.0, 0.25


class EnvironmentReconciler:
    """Key: the environment's id.

    :param drivers: by pool id.
    :param changed: told of an environment whose status was written: its zone's gateway may have to
        follow.
    :param lacking: a sentence on each shared service that an environment is bound to and cannot
        use; asked only of one that lacks some.
    """

    name = "environment"

    def __init__(
        self,
        database: Database,
        environments: EnvironmentStore,
        drivers: Mapping[str, Driver],
        clock: Clock,
        changed: Callable[[Environment], None] = lambda _environment: None,
        *,
        secrets: Secrets,
        lacking: Callable[[Connection, Environment], Mapping[str, str]] = lambda _tx, _one: {},
    ) -> None:
        self._database = database
        self._environments = environments
        self._secrets = secrets
        self._drivers = drivers
        self._clock = clock
        self._changed = changed
        self._lacking = lacking

    def keys(self) -> Iterable[str]:
        with self._database.read() as tx:
            return self._environments.ids(tx)

    def reconcile(self, key: str, fence: Fence) -> Result:
        """:raises NotFound: the row is gone. :raises Temporary: the pool cannot be reached now."""
        with self._database.read() as tx:
            environment = self._environments.get(tx, key)
            lacking = self._lacking(tx, environment) if unbound(environment) else {}
        driver = self._drivers.get(environment.pool_id)
        try:
            if driver is None:
                raise Permanent(  # noqa: TRY301 - said in the same words as the pool's own refusals
                    "this control plane has no driver for the pool of this environment",
                    code=NO_DRIVER,
                    hint="see that the pool is configured and its driver installed",
                )
            observed = driver.observe(key)
            action = plan(environment, observed)
            if action is not None:
                action = self._ready(environment, action, fence)
            match action:
                case Apply(workload):
                    driver.apply(workload)
                    observed = driver.observe(key)
                case Remove():
                    driver.remove(key)
                case Forget():
                    with self._database.write() as tx:
                        fence.check(tx)
                        self._environments.delete(tx, environment)
                    self._changed(environment)
                    return Result()
                case None:
                    pass
        except (Permanent, Temporary) as error:
            self._write(environment, failed(environment, error, self._clock.now()), fence)
            if isinstance(error, Temporary):
                raise
            return Result()
        now = self._clock.now()
        seen = status(environment, observed, now, lacking)
        self._write(environment, seen, fence)
        if settled(environment, observed):
            return Result()
        quiet = self._clock.elapsed(now - (unchanged_since(seen) or now))
        return Result(min(max(_SOON, quiet * _SHARE), _AT_LAST))

    def _ready(self, environment: Environment, action: Action, fence: Fence) -> Action:
        """``action`` as it can be taken: ours to take still, and with the values of secrets.

        That the row is ours, too, is seen when the status is written.
        """
        with self._database.read() as tx:
            fence.check(tx)
            if isinstance(action, Apply):
                return Apply(self._secrets.told(tx, environment, action.workload))
        return action

    def _write(self, environment: Environment, status: EnvironmentStatus, fence: Fence) -> None:
        if status == environment.status:
            return
        with self._database.write() as tx:
            fence.check(tx)
            after = self._environments.set_status(tx, environment, status)
        self._changed(after)
