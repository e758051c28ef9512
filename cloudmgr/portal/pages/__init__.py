"""The pages, one file for each subject. Each declares at the gate who may see it."""

from __future__ import annotations

from cloudmgr.portal.pages import home, sign_in

ALL = tuple(module.router for module in (sign_in, home))
