"""Sentences that the domain says of reports and of what is made of closed months."""

from __future__ import annotations

from cloudmgr.portal.language import N_

REPORTS = (
    N_("%(month)s is not closed"),
    N_("close it first: until then nothing of it is final"),
    N_("%(first)s comes after %(last)s"),
    N_("a report has %(most)s months at most"),
    N_("a report is in one currency, not %(currencies)s"),
    N_("ask for fewer months"),
    N_("a report is not by %(text)s"),
)
