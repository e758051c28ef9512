"""Billing accounts: list, get, create."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from cloudmgr.api.etag import Answer
from cloudmgr.api.gate import Access, Caller
from cloudmgr.api.idempotency import Once
from cloudmgr.api.pages import Page, Paged
from cloudmgr.api.values import Currency, Entry, Id, Name, View, example
from cloudmgr.departments.department import BillingAccount
from cloudmgr.errors import NotFound
from cloudmgr.identity.access import Action

if TYPE_CHECKING:
    from sqlalchemy import Connection

router = APIRouter(prefix="/api/v1/billing-accounts", tags=["billing accounts"])

_GIVEN = {"name_zh": "市级财政", "name_en": "City treasury", "currency": "CNY"}


class NewBillingAccount(Entry):
    """A billing account to be made."""

    model_config = example(**_GIVEN)

    name_zh: Name
    name_en: Name
    currency: Currency = "CNY"


class BillingAccountView(View):
    """Who pays."""

    model_config = example(id="acc_5f0c1d2e3a4b5c6d", **_GIVEN)

    id: str
    name_zh: str
    name_en: str
    currency: str


@router.get("", response_model=Page[BillingAccountView], summary="List billing accounts")
def list_billing_accounts(
    caller: Annotated[Caller, Access(Action.ACCOUNT_READ)],
    paging: Paged,
    department_id: Annotated[
        Id | None, Query(description="Those that stand, stood or will stand behind it.")
    ] = None,
) -> Page[BillingAccountView]:
    """By id. A department sees those behind itself."""
    services = caller.services
    held_to = caller.confine(department_id)
    with services.database.read() as tx:
        rows = services.billing_accounts.list(
            tx, department_id=held_to, after=paging.after("billing-accounts"), limit=paging.fetch
        )
    return paging.page("billing-accounts", rows, lambda a: a.id, _view)


@router.get(
    "/{billing_account_id}", response_model=BillingAccountView, summary="Get a billing account"
)
def get_billing_account(
    caller: Annotated[Caller, Access(Action.ACCOUNT_READ)], billing_account_id: str
) -> BillingAccountView:
    """It never changes."""
    services = caller.services
    held_to = caller.confine()
    with services.database.read() as tx:
        account = services.billing_accounts.get(tx, billing_account_id)
        behind = services.billing_accounts.list(tx, department_id=held_to) if held_to else [account]
    if account not in behind:
        raise NotFound("it stands behind another department", code="no-such-billing-account")
    return _view(account)


@router.post(
    "", status_code=201, response_model=BillingAccountView, summary="Create a billing account"
)
def create_billing_account(
    caller: Annotated[Caller, Access(Action.ACCOUNT_WRITE)],
    body: NewBillingAccount,
    repeatable: Once,
) -> Response:
    """Its currency is for ever."""

    def work(tx: Connection) -> Answer:
        account = BillingAccount(
            id=f"acc_{uuid.uuid4().hex[:16]}",
            name_zh=body.name_zh,
            name_en=body.name_en,
            currency=body.currency,
        )
        caller.services.billing_accounts.create(tx, account)
        caller.record(
            tx,
            "billing-account.create",
            object_kind="billing-account",
            object_id=account.id,
            department_id=None,
            detail=body.model_dump(),
        )
        return Answer(201, _view(account), {"Location": f"{router.prefix}/{account.id}"})

    return repeatable.once(caller, work)


def _view(account: BillingAccount) -> BillingAccountView:
    return BillingAccountView(
        id=account.id, name_zh=account.name_zh, name_en=account.name_en, currency=account.currency
    )
