"""A pool's calendar over a span as a picture, as the page draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vl_convert

from cloudmgr.portal.supposed import ENGLISH, spec

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cloudmgr.api.routes.simulation import SimulationView


def picture(found: SimulationView, zone: ZoneInfo, *, png: bool) -> bytes:
    """The bytes of an SVG, or of a PNG."""
    drawn = spec(found, ENGLISH, zone, title=found.en)
    if png:
        made: bytes = vl_convert.vegalite_to_png(drawn, scale=2, allowed_base_urls=[])
        return made
    return vl_convert.vegalite_to_svg(drawn, allowed_base_urls=[]).encode()
