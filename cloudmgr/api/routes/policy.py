"""The policy in force: which it is, and reading it anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from pydantic import ConfigDict
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.values import View
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from cloudmgr.policy.holder import PolicyHolder

router = APIRouter(prefix="/api/v1/policy", tags=["policy"])

_KNOWN: dict[str, Any] = {
    "digest": "5f0c1d2e3a4b5c6d",
    "scaling_classes": ["standard", "critical", "dormant"],
    "currency": "CNY",
    "last_error": None,
}


class PolicyView(View):
    """Which rules decide now; `last_error` says why newer ones in the directory do not."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KNOWN]})

    digest: str
    scaling_classes: list[str]
    currency: str
    last_error: str | None


@router.get("", response_model=PolicyView, summary="The policy in force")
def get_policy(caller: Annotated[Caller, Access(Action.POLICY_READ)]) -> PolicyView:
    """Every decision names the digest of the policy that it was made by."""
    return _view(caller.services.policies)


@router.post("/reload", response_model=PolicyView, summary="Read the policy anew")
def reload_policy(caller: Annotated[Caller, Access(Action.POLICY_RELOAD)]) -> Response:
    """A broken one is refused with every fault, and the old one stays."""
    services = caller.services
    before = services.policies.current.digest
    services.policies.reload()
    after = services.policies.current.digest
    with services.database.write() as tx:
        caller.record(
            tx,
            "policy.reload",
            object_kind="policy",
            object_id=after,
            department_id=None,
            detail={"before": before},
        )
    return Answer(200, _view(services.policies)).response()


def _view(policies: PolicyHolder) -> PolicyView:
    bundle = policies.current
    error = policies.last_error
    return PolicyView(
        digest=bundle.digest,
        scaling_classes=sorted(bundle.scaling_classes),
        currency=bundle.price_list.currency,
        last_error=error.message if error else None,
    )
