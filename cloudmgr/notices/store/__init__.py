"""Notices, who has read them, and their deliveries at rest."""

from __future__ import annotations

from cloudmgr.notices.store.deliveries import DeliveryStore
from cloudmgr.notices.store.notices import NoticeFilter, NoticeStore

__all__ = ["DeliveryStore", "NoticeFilter", "NoticeStore"]
