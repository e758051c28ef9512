"""Notices at rest, and what each person has read and does not want to be mailed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from cloudmgr.db.types import UtcDateTime, metadata
from cloudmgr.errors import NotFound
from cloudmgr.notices.notice import Kind, Notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

# No foreign keys: what was told stays true of what is gone.
notices = Table(
    "notice",
    metadata,
    # The order of writing, which pages go by: several things may happen at one instant.
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("id", String(40), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("about_kind", String(40), nullable=False),
    Column("about_id", String(80), nullable=False),
    Column("department_id", String(40)),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("zh", String(2000), nullable=False),
    Column("en", String(2000), nullable=False),
    Column("key", String(120), nullable=False),
    # How often something was said of this key before. Of two who say it at once, one does.
    Column("turn", Integer, nullable=False),
    Column("fact", String(200), nullable=False),
    Column("lapses_at", UtcDateTime),
    # Whether its deliveries are made out.
    Column("spread", Boolean, nullable=False, index=True),
    UniqueConstraint("key", "turn", name="uq_notice_key_turn"),
    Index("ix_notice_department", "department_id", "number"),
    Index("ix_notice_kind", "kind", "number"),
)

readings = Table(
    "notice_reading",
    metadata,
    Column("user_id", String(40), primary_key=True),
    Column("notice_id", String(40), primary_key=True, index=True),
    Column("at", UtcDateTime, nullable=False),
)

preferences = Table(
    "notice_preference",
    metadata,
    Column("user_id", String(40), primary_key=True),
    Column("muted", JSON, nullable=False),
)


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """What to look for; None looks for anything. ``unread_by`` is the id of a user."""

    department_id: str | None = None
    kind: Kind | None = None
    unread_by: str | None = None
    about_id: str | None = None


class NoticeStore:
    """Notices are added and forgotten after long; none is changed."""

    def put(self, tx: Connection, notice: Notice) -> Notice | None:
        """Tell ``notice``, unless it says what was said last of its key; None then."""
        c = notices.c
        last = tx.execute(
            select(c.turn, c.fact).where(c.key == notice.key).order_by(c.turn.desc()).limit(1)
        ).first()
        if last is not None and last.fact == notice.fact:
            return None
        made = replace(notice, id=f"ntc_{uuid.uuid4().hex[:16]}")
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        row = {
            "id": made.id,
            "kind": made.kind.value,
            "about_kind": made.about_kind,
            "about_id": made.about_id,
            "department_id": made.department_id,
            "at": made.at,
            "zh": made.zh,
            "en": made.en,
            "key": made.key,
            "turn": 0 if last is None else last.turn + 1,
            "fact": made.fact,
            "lapses_at": made.lapses_at,
            "spread": False,
        }
        # Somebody may tell it this instant; whoever looks again sees whether it is the same.
        tx.execute(for_dialect(notices).values(row).on_conflict_do_nothing())
        if tx.execute(select(c.id).where(c.id == made.id)).first() is None:
            return None
        return made

    def get(self, tx: Connection, notice_id: str) -> Notice:
        """:raises NotFound: ``no-such-notice``."""
        row = tx.execute(select(notices).where(notices.c.id == notice_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no notice {notice_id}", code="no-such-notice")
        return _notice(row)

    def standing(self, tx: Connection, kinds: Iterable[Kind], now: datetime) -> list[Notice]:
        """What was said last of its key, is of ``kinds``, and still matters; oldest first."""
        c, later = notices.c, notices.alias()
        query = (
            select(notices)
            .where(
                c.kind.in_([kind.value for kind in kinds]),
                or_(c.lapses_at.is_(None), c.lapses_at > now),
                not_(exists().where(later.c.key == c.key, later.c.turn > c.turn)),
            )
            .order_by(c.number)
        )
        return [_notice(row) for row in tx.execute(query)]

    def unspread(self, tx: Connection, limit: int) -> list[Notice]:
        """Those whose deliveries are not made out yet, the oldest first."""
        query = select(notices).where(notices.c.spread.is_(False))
        return [_notice(row) for row in tx.execute(query.order_by(notices.c.number).limit(limit))]

    def list(
        self,
        tx: Connection,
        wanted: NoticeFilter | None = None,
        *,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[tuple[int, Notice]]:
        """The newest first, each with its number; with ``before``, those of a lower number."""
        query = select(notices).order_by(notices.c.number.desc()).limit(limit)
        query = query.where(*_wanted(wanted or NoticeFilter()))
        if before is not None:
            query = query.where(notices.c.number < before)
        return [(row.number, _notice(row)) for row in tx.execute(query)]

    def by_ids(self, tx: Connection, ids: Iterable[str]) -> Mapping[str, Notice]:
        """Those that are there, by id."""
        query = select(notices).where(notices.c.id.in_(sorted(set(ids))))
        return {row.id: _notice(row) for row in tx.execute(query)}

    # ---------------------------------------------------------------------- what is read

    def unread(
        self, tx: Connection, user_id: str, department_id: str | None, *, most: int = 100
    ) -> int:
        """How many of what a person sees are unread, counted up to ``most``.

        :param department_id: whose it must be; None for all.
        """
        wanted = NoticeFilter(department_id=department_id, unread_by=user_id)
        found = select(notices.c.number).where(*_wanted(wanted)).limit(most).subquery()
        return tx.execute(select(func.count()).select_from(found)).scalar_one()

    def read_of(self, tx: Connection, user_id: str, ids: Iterable[str]) -> frozenset[str]:
        """Those of ``ids`` that a person has read."""
        query = select(readings.c.notice_id).where(
            readings.c.user_id == user_id, readings.c.notice_id.in_(sorted(set(ids)))
        )
        return frozenset(tx.execute(query).scalars())

    def read(
        self,
        tx: Connection,
        user_id: str,
        now: datetime,
        *,
        department_id: str | None,
        ids: Iterable[str] | None = None,
    ) -> None:
        """Note that a person has read ``ids``, or all (None), of what he sees; it stays so."""
        c = notices.c
        wanted = _wanted(NoticeFilter(department_id=department_id, unread_by=user_id))
        query = select(literal(user_id, String), c.id, literal(now, UtcDateTime)).where(*wanted)
        if ids is not None:
            query = query.where(c.id.in_(sorted(set(ids))))
        for_dialect = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
        rows = for_dialect(readings).from_select(["user_id", "notice_id", "at"], query)
        tx.execute(rows.on_conflict_do_nothing())

    # ------------------------------------------------------------------- what is wanted

    def muted(self, tx: Connection, user_ids: Iterable[str]) -> Mapping[str, frozenset[Kind]]:
        """The kinds that each does not want to be mailed, of those who have said so."""
        query = select(preferences).where(preferences.c.user_id.in_(sorted(set(user_ids))))
        known = {kind.value for kind in Kind}
        return {
            row.user_id: frozenset(Kind(kind) for kind in row.muted if kind in known)
            for row in tx.execute(query)
        }

    def mute(self, tx: Connection, user_id: str, kinds: Iterable[Kind]) -> None:
        """From now on a person is mailed all but ``kinds``."""
        tx.execute(delete(preferences).where(preferences.c.user_id == user_id))
        muted = sorted(kind.value for kind in kinds)
        tx.execute(insert(preferences).values(user_id=user_id, muted=muted))

    # ------------------------------------------------------------------------ deliveries

    def set_spread(self, tx: Connection, ids: Iterable[str]) -> None:
        tx.execute(update(notices).where(notices.c.id.in_(sorted(set(ids)))).values(spread=True))

    def purge(self, tx: Connection, before: datetime) -> int:
        """Forget what was told before then, who read it, and gives how many.

        What was said last of a key stays while it still matters, or it would be told anew.
        """
        c, later = notices.c, notices.alias()
        old = and_(
            c.at < before,
            or_(
                c.lapses_at < before,
                exists().where(later.c.key == c.key, later.c.turn > c.turn),
                c.lapses_at.is_(None),
            ),
        )
        gone = [row.id for row in tx.execute(select(c.id).where(old))]
        for start in range(0, len(gone), 500):
            some = gone[start : start + 500]
            tx.execute(delete(readings).where(readings.c.notice_id.in_(some)))
            tx.execute(delete(notices).where(c.id.in_(some)))
        return len(gone)


def _wanted(wanted: NoticeFilter) -> list[ColumnElement[bool]]:
    c = notices.c
    found: list[ColumnElement[bool]] = []
    if wanted.department_id is not None:
        found.append(c.department_id == wanted.department_id)
    if wanted.kind is not None:
        found.append(c.kind == wanted.kind.value)
    if wanted.about_id is not None:
        found.append(c.about_id == wanted.about_id)
    if wanted.unread_by is not None:
        found.append(not_(_read_by(wanted.unread_by)))
    return found


def _read_by(user_id: str) -> ColumnElement[bool]:
    return exists().where(readings.c.notice_id == notices.c.id, readings.c.user_id == user_id)


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        kind=Kind(row.kind),
        about_kind=row.about_kind,
        about_id=row.about_id,
        department_id=row.department_id,
        at=row.at,
        zh=row.zh,
        en=row.en,
        key=row.key,
        fact=row.fact,
        lapses_at=row.lapses_at,
        id=row.id,
    )
