"""Settings from the environment (``CLOUDMGR_…``) or an env file named by ``CLOUDMGR_CONFIG``."""

from __future__ import annotations

import os
from datetime import datetime  # noqa: TC003 - pydantic reads it
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

import psutil
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from cloudmgr.clock import AcceleratedClock, Clock, SystemClock
from cloudmgr.errors import Invalid, Permanent
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.pools.pool import Pool, Zone

Port = Annotated[int, Field(ge=1, le=65_535)]


class PoolSettings(BaseModel):
    """One pool that this control plane drives; ``settings`` are its driver's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
    kind: str = "local"
    zone: Zone
    protection_level: Annotated[int, Field(ge=1, le=5)] = 3
    settings: dict[str, Any] = Field(default_factory=dict)

    def pool(self) -> Pool:
        """As it is kept."""
        return Pool(
            f"pool_{self.name}",
            self.name,
            self.kind,
            self.zone,
            self.protection_level,
            self.settings,
        )


class ClockSettings(BaseModel):
    """Business time that runs ``speed`` times as fast as the machine's: for demonstrations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: AwareDatetime
    epoch: AwareDatetime
    speed: Annotated[float, Field(gt=0, le=100_000)]

    def clock(self) -> Clock:
        start: datetime = self.start
        return AcceleratedClock(start, self.epoch, self.speed)


def _default_pools() -> tuple[PoolSettings, ...]:
    """One pool in each zone, each with half of this machine.

    Processors are promised four times over: small systems are rarely busy together, and windows
    and the reactive rule ask for room before they are.
    """
    half = {
        "cpu_millis": (os.cpu_count() or 2) * 500,
        "cpu_overcommit": 4.0,
        "memory_mib": psutil.virtual_memory().total // 2**21,
        "storage_gib": psutil.disk_usage("/").total * 2 // 5 // 2**30,
    }
    return tuple(
        PoolSettings(name=f"local-{zone.value}", zone=zone, protection_level=3, settings=half)
        for zone in Zone
    )


class Settings(BaseSettings):
    """All that one control plane must be told; every default is the embedded one."""

    model_config = SettingsConfigDict(
        env_prefix="CLOUDMGR_", extra="ignore", frozen=True, env_file_encoding="utf-8"
    )

    state_dir: Path = Path("state")
    database_url: str = ""
    secrets_key_file: Path | None = None
    # Where usage lies at rest. Of several control planes it is one directory that all of them have.
    ledger: Path | None = None
    policy_dir: Path | None = None
    host: str = "127.0.0.1"
    port: Port = 8080
    waker_port: Port = 8081
    waker_urls: tuple[str, ...] = ()
    gateway_host: str = "127.0.0.1"
    gateway_ports: dict[Zone, Port] = Field(
        default_factory=lambda: {Zone.EXTRANET: 8090, Zone.INTRANET: 8091}
    )
    gateway_domain: Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,180}$")] = "localhost"
    time_zone: str = "Asia/Shanghai"
    pools: tuple[PoolSettings, ...] = Field(default_factory=_default_pools)
    clock: ClockSettings | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 4
    shards: Annotated[int, Field(ge=1, le=256)] = 16
    lease_ttl: Annotated[float, Field(ge=1, le=60)] = 8.0
    resync_seconds: Annotated[float, Field(ge=1, le=3600)] = 300.0
    secure_cookies: bool = False
    # Apprise URLs; both are seen to where they are used, and never shown.
    notice_targets: tuple[SecretStr, ...] = ()
    notice_mail: SecretStr = SecretStr("")

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in available_timezones():
            message = f"{value!r} is not an IANA time zone"
            raise ValueError(message)
        return value

    @property
    def database(self) -> str:
        """The database's address; SQLite in the state directory unless said otherwise."""
        return self.database_url or f"sqlite:///{(self.state_dir / 'cloudmgr.db').resolve()}"

    @property
    def embedded(self) -> bool:
        """Whether the database is this control plane's own file."""
        return self.database.startswith("sqlite")

    @property
    def ledger_dir(self) -> Path | None:
        """Where usage lies at rest; None while nobody said so of a database that others may share:
        each control plane would have a part of it.
        """
        return self.ledger or (self.state_dir / "ledger" if self.embedded else None)

    @property
    def key_file(self) -> KeyFile:
        """What secrets are sealed with."""
        return KeyFile(self.secrets_key_file or self.state_dir / "secrets.key")

    @property
    def wakers(self) -> tuple[str, ...]:
        """The wakers of all control planes, as gateways reach them; this one's unless said."""
        return self.waker_urls or (f"http://{self.host}:{self.waker_port}",)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def make_state_dir(self) -> None:
        """For this user alone. :raises Permanent: ``state-directory`` when it cannot be made."""
        try:
            self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Permanent(
                f"the state directory {self.state_dir} cannot be made: {error.strerror}",
                code="state-directory",
                hint="set CLOUDMGR_STATE_DIR to a directory that this user may write to",
            ) from None

    def make_key(self) -> None:
        """See to the key file; made only beside a database of our own, and only where none is said.

        Control planes that share a database need one key for all. Where they are given none,
        everything but secrets goes on.

        :raises Permanent: ``secrets-sealed`` when a key file that is said, or there, is no good.
        """
        file = self.key_file
        if self.secrets_key_file is None:
            if self.embedded:
                file.make()
            elif not file.path.exists():
                return
        file.keys()

    def make_clock(self) -> Clock:
        return self.clock.clock() if self.clock else SystemClock()


def load(**overrides: Any) -> Settings:
    """The settings of this process.

    :raises Invalid: ``invalid-settings`` with every wrong variable by its name.
    """
    try:
        return Settings(_env_file=os.environ.get("CLOUDMGR_CONFIG"), **overrides)
    except ValidationError as error:
        problems = tuple(
            (f"CLOUDMGR_{'.'.join(str(part) for part in fault['loc']).upper()}", fault["msg"])
            for fault in error.errors()
        )
        raise Invalid(
            "; ".join(f"{path}: {message}" for path, message in problems),
            code="invalid-settings",
            hint="correct the environment variable and start again",
            problems=problems,
        ) from None
