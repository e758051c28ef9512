"""The usage ledger at rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import View
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action
from cloudmgr.metering.lake.checking import Damage, Verdict
from cloudmgr.metering.lake.keeper import Keeper, MonthAtRest, State
from cloudmgr.metering.lake.lapses import Lapse, LapseKind

router = APIRouter(prefix="/api/v1/usage/ledger", tags=["usage"])

_MONTH: dict[str, Any] = {"month": "2026-06", "files": 3, "records": 43200, "size": 1048576}
_STATE: dict[str, Any] = {
    "directory": "/var/lib/cloudmgr/ledger",
    "batches": 12,
    "written_at": "2026-06-30T08:00:00Z",
    "waiting": 40,
    "months": [_MONTH],
    "problem": "",
}
_DAMAGE: dict[str, Any] = {
    "path": "month=2026-06/part-00000.zstd.parquet",
    "month": "2026-06",
    "sentence": "month=2026-06/part-00000.zstd.parquet: this file is not as it was written",
}
_LAPSE: dict[str, Any] = {
    "kind": "gap",
    "source": "pool/pool_local-extranet",
    "resource": "env_0123456789abcdef/web/0/1",
    "meter": "vcpu",
    "environment_id": "env_0123456789abcdef",
    "starts_at": "2026-06-30T08:00:00Z",
    "ends_at": "2026-06-30T09:00:00Z",
    "sentence": "vcpu of env_0123456789abcdef/web/0/1: it was held, and is not in the ledger",
}


class MonthAtRestView(View):
    """The files of a month; ``size`` in bytes."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MONTH]})

    month: str
    files: int
    records: int
    size: int

    @classmethod
    def of(cls, month: MonthAtRest) -> Self:
        return cls(month=month.month, files=month.files, records=month.records, size=month.size)


class LedgerView(View):
    """What is at rest as Parquet under Delta Lake, and how much waits.

    ``batches`` is the number of the last batch that is there for certain; lines of it and of those
    before it never change. ``problem`` is why it is not written or not sound.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_STATE]})

    directory: str
    batches: int
    written_at: datetime | None
    waiting: int
    months: list[MonthAtRestView]
    problem: str

    @classmethod
    def of(cls, state: State) -> Self:
        return cls(
            directory=state.directory,
            batches=state.batches,
            written_at=state.written_at,
            waiting=state.waiting,
            months=[MonthAtRestView.of(month) for month in state.months],
            problem=state.problem,
        )


class DamageView(View):
    """A file that is not as it was written (``path``), or a batch of which lines lack."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DAMAGE]})

    path: str
    month: str
    sentence: str

    @classmethod
    def of(cls, damage: Damage) -> Self:
        return cls(path=damage.path, month=damage.month, sentence=damage.sentence)


class LapseView(View):
    """What the ledger says otherwise than what is on record as held.

    ``kind``: it was held and is not there (``gap``), is there twice (``overlap``), with another
    ``quantity``, or was never held (``unknown``).
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_LAPSE]})

    kind: LapseKind
    source: str
    resource: str
    meter: str
    environment_id: str
    starts_at: datetime
    ends_at: datetime
    sentence: str

    @classmethod
    def of(cls, lapse: Lapse) -> Self:
        return cls(
            kind=lapse.kind,
            source=lapse.source,
            resource=lapse.resource,
            meter=lapse.meter,
            environment_id=lapse.environment_id,
            starts_at=lapse.interval.start,
            ends_at=lapse.interval.end,
            sentence=lapse.sentence,
        )


class LedgerCheckView(View):
    """Whether the ledger is sound. ``lapses`` is null where damage kept it from being told."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"sound": True, "files": 3, "records": 43200, "damages": [], "lapses": []},
                {
                    "sound": False,
                    "files": 3,
                    "records": 43200,
                    "damages": [_DAMAGE],
                    "lapses": None,
                },
            ]
        }
    )

    sound: bool
    files: int
    records: int
    damages: list[DamageView]
    lapses: list[LapseView] | None

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        return cls(
            sound=verdict.sound,
            files=verdict.files,
            records=verdict.records,
            damages=[DamageView.of(damage) for damage in verdict.damages],
            lapses=None
            if verdict.lapses is None
            else [LapseView.of(lapse) for lapse in verdict.lapses],
        )


def _keeper(caller: Caller) -> Keeper:
    keeper = caller.services.ledger
    if keeper is None:
        raise NotFound(
            "usage is not brought to rest: nobody said where the ledger is to lie",
            code="no-ledger",
            hint="set CLOUDMGR_LEDGER to a directory that all control planes share",
        )
    return keeper


@router.get("", response_model=LedgerView, summary="See the ledger at rest")
def see_ledger(caller: Annotated[Caller, Access(Action.RECONCILIATION_READ)]) -> LedgerView:
    """What is at rest, by month, and what waits: each ten minutes all that waits is written."""
    return LedgerView.of(_keeper(caller).state())


@router.get("/check", response_model=LedgerCheckView, summary="Check the ledger at rest")
def check_ledger(
    caller: Annotated[Caller, Access(Action.RECONCILIATION_READ)],
    month: Annotated[
        str | None, Query(description="Only this month, as in 2026-06.", max_length=40)
    ] = None,
) -> LedgerCheckView:
    """Each file by its checksum; and whether all that was held is there, once, to the last digit.

    What waits is brought to rest first. At most a thousand lapses of a month are told.
    """
    return LedgerCheckView.of(_keeper(caller).check(month))
