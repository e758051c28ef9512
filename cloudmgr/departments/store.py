"""Departments and billing accounts at rest. Nothing here rewrites or deletes what was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, insert, select, update

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.departments.department import BillingAccount, Department, DepartmentVersion
from cloudmgr.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

billing_accounts = Table(
    "billing_account",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name_zh", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column("currency", String(3), nullable=False),
)

departments = Table(
    "department",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("code", String(40), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)

department_versions = Table(
    "department_version",
    metadata,
    Column("department_id", String(40), ForeignKey("department.id"), primary_key=True),
    # With the department it is the key: two versions cannot begin at one instant.
    Column("valid_from", UtcDateTime, primary_key=True),
    Column("name_zh", String(200), nullable=False),
    Column("name_en", String(200), nullable=False),
    Column(
        "billing_account_id",
        String(40),
        ForeignKey("billing_account.id"),
        nullable=False,
        index=True,
    ),
    Column("active", Boolean, nullable=False),
)


class BillingAccountStore:
    """Billing accounts; they are not changed once made."""

    def create(self, tx: Connection, account: BillingAccount) -> None:
        """:raises Conflict: ``already-exists``."""
        tx.execute(
            insert(billing_accounts).values(
                id=account.id,
                name_zh=account.name_zh,
                name_en=account.name_en,
                currency=account.currency,
            )
        )

    def get(self, tx: Connection, account_id: str) -> BillingAccount:
        """:raises NotFound: ``no-such-billing-account``."""
        row = tx.execute(
            select(billing_accounts).where(billing_accounts.c.id == account_id)
        ).one_or_none()
        if row is None:
            raise NotFound(
                f"there is no billing account {account_id}", code="no-such-billing-account"
            )
        return _account(row)

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[BillingAccount]:
        """By id, after the id ``after``; with ``department_id``, those ever behind it."""
        query = select(billing_accounts).order_by(billing_accounts.c.id).limit(limit)
        if department_id is not None:
            query = query.where(
                billing_accounts.c.id.in_(
                    select(department_versions.c.billing_account_id).where(
                        department_versions.c.department_id == department_id
                    )
                )
            )
        if after is not None:
            query = query.where(billing_accounts.c.id > after)
        return [_account(row) for row in tx.execute(query)]


class DepartmentStore:
    """Departments with all their versions."""

    def create(self, tx: Connection, department: Department) -> None:
        """:raises Conflict: ``code-taken``. :raises Invalid: ``no-such-billing-account``."""
        self._check_accounts(tx, department.versions)
        if tx.execute(
            select(departments.c.id).where(departments.c.code == department.code)
        ).first():
            raise Conflict(
                f"there is a department {department.code} already",
                code="code-taken",
                path="code",
                hint="choose another code, or add a version to that department",
            )
        tx.execute(
            insert(departments).values(
                id=department.id,
                code=department.code,
                created_at=department.created_at,
                version=department.version,
            )
        )
        for version in department.versions:
            self._append(tx, department.id, version)

    def get(self, tx: Connection, department_id: str) -> Department:
        """:raises NotFound: ``no-such-department``."""
        return self._one(tx, departments.c.id == department_id, department_id)

    def by_code(self, tx: Connection, code: str) -> Department:
        """:raises NotFound: ``no-such-department``."""
        return self._one(tx, departments.c.code == code, code)

    def by_ids(self, tx: Connection, ids: Collection[str]) -> dict[str, Department]:
        """Those of ``ids`` that exist, by id."""
        rows = tx.execute(select(departments).where(departments.c.id.in_(set(ids)))).all()
        return {department.id: department for department in self._whole(tx, rows)}

    def list(
        self,
        tx: Connection,
        *,
        department_id: str | None = None,
        code: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Department]:
        """By code, after the code ``after``; with ``department_id`` or ``code``, that one alone."""
        query = select(departments).order_by(departments.c.code).limit(limit)
        if code is not None:
            query = query.where(departments.c.code == code)
        if department_id is not None:
            query = query.where(departments.c.id == department_id)
        if after is not None:
            query = query.where(departments.c.code > after)
        return list(self._whole(tx, tx.execute(query).all()))

    def add_version(
        self, tx: Connection, department: Department, version: DepartmentVersion, now: datetime
    ) -> Department:
        """Append ``version`` to ``department`` as it was read; gives it back as it is then.

        :raises Conflict: ``stale-version`` when it was changed since, ``not-the-latest``.
        :raises Invalid: ``begins-in-the-past``, ``no-such-billing-account``.
        """
        self._check_accounts(tx, (version,))
        after = department.revised(version, now)
        changed = tx.execute(
            update(departments)
            .where(departments.c.id == department.id, departments.c.version == department.version)
            .values(version=after.version)
        )
        if changed.rowcount != 1:
            raise Conflict(
                f"the department {department.code} was changed meanwhile",
                code="stale-version",
                hint="read it again and repeat the change",
            )
        self._append(tx, department.id, version)
        return after

    @staticmethod
    def _append(tx: Connection, department_id: str, version: DepartmentVersion) -> None:
        tx.execute(
            insert(department_versions).values(
                department_id=department_id,
                valid_from=version.valid_from,
                name_zh=version.name_zh,
                name_en=version.name_en,
                billing_account_id=version.billing_account_id,
                active=version.active,
            )
        )

    @staticmethod
    def _check_accounts(tx: Connection, versions: Sequence[DepartmentVersion]) -> None:
        wanted = {version.billing_account_id for version in versions}
        found = set(
            tx.scalars(select(billing_accounts.c.id).where(billing_accounts.c.id.in_(wanted)))
        )
        for missing in sorted(wanted - found):
            raise Invalid(
                f"there is no billing account {missing}",
                code="no-such-billing-account",
                path="billing_account_id",
                hint="create the billing account first",
            )

    def _one(self, tx: Connection, condition: ColumnElement[bool], name: str) -> Department:
        row = tx.execute(select(departments).where(condition)).one_or_none()
        if row is None:
            raise NotFound(f"there is no department {name}", code="no-such-department")
        return self._whole(tx, [row])[0]

    @staticmethod
    def _whole(tx: Connection, rows: Sequence[Row[Any]]) -> Sequence[Department]:
        versions: dict[str, list[DepartmentVersion]] = {row.id: [] for row in rows}
        for row in tx.execute(
            select(department_versions)
            .where(department_versions.c.department_id.in_(list(versions)))
            .order_by(department_versions.c.valid_from)
        ):
            versions[row.department_id].append(
                DepartmentVersion(
                    row.valid_from, row.name_zh, row.name_en, row.billing_account_id, row.active
                )
            )
        return [
            Department(row.id, row.code, row.created_at, tuple(versions[row.id]), row.version)
            for row in rows
        ]


def _account(row: Row[Any]) -> BillingAccount:
    return BillingAccount(row.id, row.name_zh, row.name_en, row.currency)
