"""Sentences that the domain says of peaks: what is expected, and when they come round."""

from __future__ import annotations

from cloudmgr.portal.language import N_

PEAKS = (
    N_("it must be above 0 and below %(most)s"),
    N_("give low, likely and high in this order"),
    N_("it must be %(least)s to %(most)s"),
    N_("what is normal for it was not measured yet"),
    N_("say how many users at once or requests per second you expect"),
    N_("how long one of its requests takes was not measured yet"),
    N_("say how many seconds a request takes, or how many replicas you need"),
    N_("that takes %(count)s replicas of %(component)s, and %(ceiling)s are approved at most"),
    N_("ask for a resize with a higher ceiling first, or expect less"),
    N_("give either replicas or what is expected"),
    N_("say how many replicas a supposed peak takes"),
    N_("it ends at %(when)s"),
    N_("look back on it then"),
    N_("it was cancelled before it began"),
    N_("checking the peak works them out from what is expected"),
)
