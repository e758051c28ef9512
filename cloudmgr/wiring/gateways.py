"""The gateway of each zone, as settings have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.scaling.gateway.traefik import Gateway

if TYPE_CHECKING:
    from cloudmgr.clock import Clock
    from cloudmgr.pools.pool import Zone
    from cloudmgr.wiring.settings import Settings


def make_gateways(settings: Settings, clock: Clock) -> dict[Zone, Gateway]:
    """By zone; none is told anything yet."""
    return {
        zone: Gateway(
            zone,
            settings.state_dir / "gateway" / zone.value,
            port,
            clock,
            host=settings.gateway_host,
        )
        for zone, port in settings.gateway_ports.items()
    }
