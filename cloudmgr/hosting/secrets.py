"""What components are told and nobody may read: set, dropped, and opened for the pool alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudmgr.errors import Conflict, Invalid, NotFound, Permanent
from cloudmgr.hosting.sealing import opened, resealed, seal
from cloudmgr.hosting.workload import SEALED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Environment
    from cloudmgr.hosting.sealing import KeyFile
    from cloudmgr.hosting.store import EnvironmentStore, SecretStore
    from cloudmgr.pools.drivers.driver import SecretValue, Workload

LONGEST = 32 * 1024
"""Bytes of a value in UTF-8."""


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """The value of ``name``, sealed; ``revision`` names it, ``set_by`` is a user's id."""

    environment_id: str
    name: str
    revision: str
    sealed: str = field(repr=False)
    set_at: datetime
    set_by: str
    set_by_login: str


@dataclass(frozen=True, slots=True)
class Secret:
    """What may be said of a secret; ``components`` are told it, ``kept`` is its value if any."""

    name: str
    components: tuple[str, ...]
    kept: KeptSecret | None


class Secrets:
    """The secrets of environments.

    :param wake: has the environment looked at once the transaction is through.
    :param check_change: refuses while changes of an environment are frozen.
    """

    def __init__(
        self,
        environments: EnvironmentStore,
        store: SecretStore,
        key_file: KeyFile,
        clock: Clock,
        *,
        wake: Callable[[Connection, str], None] = lambda _tx, _environment_id: None,
        check_change: Callable[[Connection, Environment], None] = lambda _tx, _environment: None,
    ) -> None:
        self._environments = environments
        self._store = store
        self._key_file = key_file
        self._clock = clock
        self._wake = wake
        self._check_change = check_change

    def list(self, tx: Connection, environment: Environment) -> list[Secret]:
        """Those that components name, and those that have a value still, by name."""
        kept = self._store.of(tx, environment.id)
        users: dict[str, list[str]] = {name: [] for name in kept}
        for component in environment.components:
            for name in component.secrets:
                users.setdefault(name, []).append(component.name)
        return [Secret(name, tuple(users[name]), kept.get(name)) for name in sorted(users)]

    def set(
        self,
        tx: Connection,
        environment: Environment,
        name: str,
        value: str,
        *,
        by: str,
        login: str,
    ) -> Environment:
        """Give ``name`` a value: a new generation, whose replicas are told it.

        :raises Invalid: ``invalid-secret``. :raises Conflict: ``retiring``, ``no-such-secret``,
            ``secrets-sealed`` when nothing can be sealed here, ``stale-version``,
            ``change-frozen``.
        """
        _alive(environment)
        # The first value is no change: without it nothing runs when the peak comes.
        if name in self._store.of(tx, environment.id):
            self._check_change(tx, environment)
        if all(name not in component.secrets for component in environment.components):
            raise Conflict(
                f"no component of this environment is told a secret {name[:100]}",
                code="no-such-secret",
                hint="ask for it with a resize that names it among a component's secrets",
            )
        _plain(value)
        revision = secrets.token_hex(8)
        try:
            sealed = seal(self._key_file.keys(), value, environment.id, name, revision)
        except Permanent as error:
            raise Conflict(error.message, code=error.code, hint=error.hint) from None
        after = self._environments.set_secrets(
            tx, environment, {**environment.secrets, name: revision}
        )
        now = self._clock.now()
        self._store.put(tx, KeptSecret(environment.id, name, revision, sealed, now, by, login))
        self._wake(tx, environment.id)
        return after

    def drop(self, tx: Connection, environment: Environment, name: str) -> Environment:
        """Forget the value of ``name``, which no component may be told any more.

        :raises NotFound: ``no-such-secret``. :raises Conflict: ``retiring``, ``secret-in-use``,
            ``stale-version``, ``change-frozen``.
        """
        _alive(environment)
        self._check_change(tx, environment)
        users = [c.name for c in environment.components if name in c.secrets]
        if users:
            raise Conflict(
                f"{name} is told to {', '.join(users)}",
                code="secret-in-use",
                hint="ask for a resize without it first, or set another value",
            )
        if name not in environment.secrets:
            raise NotFound(f"there is no secret {name[:100]}", code="no-such-secret")
        rest = {other: of for other, of in environment.secrets.items() if other != name}
        after = self._environments.set_secrets(tx, environment, rest)
        self._store.drop(tx, environment.id, name)
        self._wake(tx, environment.id)
        return after

    def told(self, tx: Connection, environment: Environment, workload: Workload) -> Workload:
        """``workload`` of ``environment`` with the values of its secrets: for its pool alone.

        :raises Permanent: ``secrets-sealed`` when one cannot be opened. :raises Conflict:
            ``stale-version`` when one was set since ``environment`` was read.
        """
        if not any(component.secrets for component in workload.components):
            return workload
        keys = self._key_file.keys()
        kept = self._store.of(tx, environment.id)

        def value(name: str, wanted: SecretValue) -> SecretValue:
            text, found = None, kept.get(name)
            if found is not None:
                if found.revision != wanted.revision:
                    raise Conflict(
                        f"the secret {name} was set anew meanwhile",
                        code="stale-version",
                        hint="read it again and repeat the change",
                    )
                text = opened(keys, found.sealed, environment.id, name, wanted.revision)
            if text is None:
                raise Permanent(
                    f"the value of the secret {name} cannot be opened",
                    code=SEALED,
                    hint="set it anew, or an operator puts the key back with which it was sealed",
                )
            return replace(wanted, value=text)

        return replace(
            workload,
            components=tuple(
                replace(c, secrets={name: value(name, s) for name, s in c.secrets.items()})
                for c in workload.components
            ),
        )

    def reseal(self, tx: Connection) -> tuple[int, int]:
        """Seal all with the first key, so that the others may go: how many were, and were not.

        :raises Permanent: ``secrets-sealed`` without a key.
        """
        keys = self._key_file.keys()
        done = failed = 0
        for kept in self._store.all(tx):
            sealed = resealed(keys, kept.sealed)
            if sealed is None:
                failed += 1
            else:
                self._store.put(tx, replace(kept, sealed=sealed))
                done += 1
        return done, failed


def _alive(environment: Environment) -> None:
    if environment.retiring:
        raise Conflict("the environment is being retired", code="retiring")


def _plain(value: str) -> None:
    """:raises Invalid: which never quotes the value."""
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        length = 0
    if not 1 <= length <= LONGEST or "\0" in value:
        raise Invalid(
            f"a secret is a text of 1 to {LONGEST:,} bytes without NUL",
            code="invalid-secret",
            path="value",
        )
