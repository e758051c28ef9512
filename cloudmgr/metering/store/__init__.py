"""The usage ledger at rest, what is held and counted, its gaps, and how far sources are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudmgr.metering.store.batches import Batches
from cloudmgr.metering.store.counters import RequestCounters
from cloudmgr.metering.store.gaps import Gaps
from cloudmgr.metering.store.holdings import Holdings
from cloudmgr.metering.store.ledger import Ledger
from cloudmgr.metering.store.sources import Source, Sources

__all__ = [
    "Batches",
    "Gaps",
    "Holdings",
    "Ledger",
    "MeteringStores",
    "RequestCounters",
    "Source",
    "Sources",
]


@dataclass(frozen=True, slots=True)
class MeteringStores:
    """The tables of metering, handed around together since they change together."""

    ledger: Ledger = field(default_factory=Ledger)
    holdings: Holdings = field(default_factory=Holdings)
    counters: RequestCounters = field(default_factory=RequestCounters)
    sources: Sources = field(default_factory=Sources)
    gaps: Gaps = field(default_factory=Gaps)
    batches: Batches = field(default_factory=Batches)
