from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cloudmgr.departments.store import BillingAccountStore, DepartmentStore
from cloudmgr.errors import Conflict, Invalid, NotFound
from tests.builders import CREATED, a_department, a_version, an_account

if TYPE_CHECKING:
    from cloudmgr.db.engine import Database

accounts, departments = BillingAccountStore(), DepartmentStore()


def with_account(database: Database) -> None:
    with database.write() as tx:
        accounts.create(tx, an_account())


def test_a_department_comes_back_as_it_went_in(database: Database) -> None:
    with_account(database)
    later = a_version(valid_from=CREATED + timedelta(days=30, microseconds=1), active=False)
    department = a_department(versions=(a_version(), later))
    with database.write() as tx:
        departments.create(tx, department)
    with database.read() as tx:
        assert departments.get(tx, department.id) == department
        assert departments.by_code(tx, "exam") == department
        assert departments.by_ids(tx, ["dep_exam", "dep_none"]) == {"dep_exam": department}


def test_what_is_not_there_is_not_found(database: Database) -> None:
    with database.read() as tx:
        for look in (
            lambda: departments.get(tx, "dep_none"),
            lambda: departments.by_code(tx, "none"),
            lambda: accounts.get(tx, "acc_none"),
        ):
            with pytest.raises(NotFound):
                look()


def test_a_code_is_taken_once(database: Database) -> None:
    with_account(database)
    with database.write() as tx:
        departments.create(tx, a_department())
    with pytest.raises(Conflict) as refused, database.write() as tx:
        departments.create(tx, a_department(id="dep_other"))
    assert refused.value.code == "code-taken"


def test_an_account_that_is_not_there_pays_for_nobody(database: Database) -> None:
    with pytest.raises(Invalid) as refused, database.write() as tx:
        departments.create(tx, a_department())
    assert refused.value.code == "no-such-billing-account"
    assert refused.value.path == "billing_account_id"


def test_versions_are_appended_and_counted(database: Database) -> None:
    with_account(database)
    version = a_version(valid_from=CREATED + timedelta(days=1), name_zh="新名")
    with database.write() as tx:
        departments.create(tx, a_department())
        after = departments.add_version(tx, a_department(), version, CREATED)
    assert after.version == 2
    with database.read() as tx:
        assert departments.get(tx, "dep_exam") == after


def test_of_two_who_change_one_version_the_second_is_refused(database: Database) -> None:
    with_account(database)
    with database.write() as tx:
        departments.create(tx, a_department())
        seen = departments.get(tx, "dep_exam")
    with database.write() as tx:
        departments.add_version(
            tx, seen, a_version(valid_from=CREATED + timedelta(days=1)), CREATED
        )
    with pytest.raises(Conflict) as refused, database.write() as tx:
        departments.add_version(
            tx, seen, a_version(valid_from=CREATED + timedelta(days=2)), CREATED
        )
    assert refused.value.code == "stale-version"
    with database.read() as tx:
        assert len(departments.get(tx, "dep_exam").versions) == 2


def test_lists_go_on_after_a_key_and_keep_to_a_department(database: Database) -> None:
    with database.write() as tx:
        accounts.create(tx, an_account())
        accounts.create(tx, an_account(id="acc_tax"))
        for code in ("tax", "exam", "roads"):
            payer = "acc_tax" if code == "tax" else "acc_city"
            departments.create(
                tx,
                a_department(
                    id=f"dep_{code}", code=code, versions=(a_version(billing_account_id=payer),)
                ),
            )
    with database.read() as tx:
        assert [d.code for d in departments.list(tx, limit=2)] == ["exam", "roads"]
        assert [d.code for d in departments.list(tx, after="roads")] == ["tax"]
        assert [d.code for d in departments.list(tx, department_id="dep_tax")] == ["tax"]
        assert [d.code for d in departments.list(tx, code="exam")] == ["exam"]
        assert [a.id for a in accounts.list(tx)] == ["acc_city", "acc_tax"]
        assert [a.id for a in accounts.list(tx, after="acc_city")] == ["acc_tax"]
        assert [a.id for a in accounts.list(tx, department_id="dep_tax")] == ["acc_tax"]
