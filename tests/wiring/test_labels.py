"""Who pays: also for the hour in which a department began."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import NotFound
from cloudmgr.wiring.labels import Labels
from cloudmgr.wiring.stores import Stores
from tests.builders import CREATED, a_department, a_version, an_account

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database
    from tests.fakes import ManualClock

HALF_AN_HOUR = timedelta(minutes=30)


def test_requests_of_the_hour_in_which_a_department_began_are_its_first_accounts(
    sqlite: Database, clock: ManualClock
) -> None:
    stores = Stores()
    first = a_version(valid_from=CREATED + HALF_AN_HOUR, billing_account_id="acc_one")
    second = a_version(valid_from=CREATED + 2 * HALF_AN_HOUR, billing_account_id="acc_two")
    with sqlite.write() as tx:
        for account in ("acc_one", "acc_two"):
            stores.accounts.create(tx, an_account(id=account))
        stores.departments.create(tx, a_department(id="dep_exam", versions=(first, second)))
        account_of = Labels(stores, clock).accounts(tx)
        # Requests are counted by the hour, and that began before the department did.
        assert account_of("dep_exam", CREATED) == "acc_one"
        assert account_of("dep_exam", CREATED + 2 * HALF_AN_HOUR) == "acc_two"
        with pytest.raises(NotFound):
            account_of("dep_nobody", CREATED)
