"""What the waker must know of environments, and what it may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cloudmgr.hosting.workload import word
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.scaling.line import WaitsFor

if TYPE_CHECKING:
    from cloudmgr.clock import Clock
    from cloudmgr.hosting.environments import Environment, System
    from cloudmgr.scaling.line import Turn


class State(StrEnum):
    """What callers are told in the header ``cloudmgr-state``."""

    HIBERNATED = "hibernated"
    STARTING = "starting"
    SERVING = "serving"
    UNAVAILABLE = "unavailable"  # it ought to serve, and does not come up


@dataclass(frozen=True, slots=True)
class Sleeper:
    """One environment as whoever calls it may know it.

    :param startup_seconds: how long a replica may take from its start to Ready, elapsed seconds.
    :param waits: why it does not begin to wake yet, in Chinese and English, if it was called.
    :param not_counted: requests that do not wake it.
    """

    environment_id: str
    name_zh: str
    name_en: str
    health_path: str
    startup_seconds: int
    state: State
    not_counted: NotCounted = field(default_factory=NotCounted)
    waits: tuple[str, str] | None = None


class Sleepers(Protocol):
    """The environments behind the gateways. Each method may block; it is called on a thread."""

    def find(self, host: str) -> Sleeper | None:
        """The environment that is reached as ``host`` (lower case, no port), as it is now."""
        ...

    def wake(self, environment_id: str, why: str) -> None:
        """Order it to be woken; returns once that is ordered: :meth:`find` then says so.

        Success if it is awake. ``why`` is plain text of at most 200 letters.

        :raises CloudmgrError: if it cannot be now; callers are told its sentence.
        """
        ...

    def endpoint(self, environment_id: str) -> tuple[str, int] | None:
        """Where a Ready replica listens, any one; None if there is none."""
        ...


def sleeper_of(
    environment: Environment,
    system: System,
    clock: Clock,
    not_counted: NotCounted = NotCounted(),  # noqa: B008 - it is frozen
) -> Sleeper | None:
    """What the waker is to know of ``environment``; None if it must not be reached any more."""
    web = environment.web
    if web is None or environment.retiring:
        return None
    return Sleeper(
        environment_id=environment.id,
        name_zh=system.name_zh,
        name_en=system.name_en,
        health_path=web.health_path,
        startup_seconds=web.startup_seconds,
        state=_state(environment, web.startup_seconds, clock),
        not_counted=not_counted,
    )


def waiting_words(turn: Turn) -> tuple[str, str] | None:
    """What a visitor is told of a wake that waits."""
    match turn.waits:
        case None:
            return None
        case WaitsFor.TURN:
            return (
                f"许多系统正在同时启动，本系统排在第 {turn.place} 位，轮到后立即启动。",
                f"Many systems are starting at once. This one is number {turn.place} in line.",
            )
        case WaitsFor.NEEDS:
            return (
                "本系统所依赖的另一个系统正在启动，随后启动本系统。",
                "Another system that this one needs is starting. This one follows.",
            )
        case WaitsFor.ROOM:
            return (
                "目前没有空闲资源，您的请求已保留，一有空闲立即启动。",
                "There is no room for it now. Your call is kept: it starts as soon as there is.",
            )


def endpoints_of(environment: Environment) -> tuple[tuple[str, int], ...]:
    """Where the Ready replicas of its web component listen; none once it was told to sleep."""
    web = environment.web
    if web is None or environment.retiring or environment.hibernated:
        return ()
    return tuple(
        (e.address, e.port) for e in environment.status.endpoints if e.component == web.name
    )


def _state(environment: Environment, startup_seconds: int, clock: Clock) -> State:
    if environment.hibernated:
        return State.HIBERNATED
    if endpoints_of(environment):
        return State.SERVING
    if word(environment) in {"refused", "waiting"}:
        return State.UNAVAILABLE
    down = next((c for c in environment.status.conditions if c.type == "Available"), None)
    # A condition that is older than the order to wake says nothing of it yet.
    if down is None or down.observed_generation < environment.generation:
        return State.STARTING
    for_seconds = clock.elapsed(clock.now() - down.since)
    return State.UNAVAILABLE if for_seconds > startup_seconds else State.STARTING
