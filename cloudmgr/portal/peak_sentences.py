"""Sentences that the domain says of peaks: what is expected, and when they come round."""

from __future__ import annotations

from cloudmgr.portal.language import N_

PEAKS = (
    N_("give month and day, such as 06-30"),
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
    N_("the peak was cancelled"),
    N_("the peak has begun: there is nothing to get ready for any more"),
    N_("look at its environment, or look back on it when it is over"),
    N_("changes are frozen for a peak until %(when)s"),
    N_("wait until it is over, or have an operator lift the freeze"),
    N_("no freeze holds for it now"),
    N_("nobody has lifted a freeze of it"),
    N_("checking the peak works them out from what is expected"),
    N_("nothing was decided on %(day)s: it is as its series says"),
    N_("the series has no date on %(day)s"),
    N_("its dates are those within the time that is booked ahead"),
    N_("the date has begun: cancel its window instead"),
    N_("the series has ended"),
    N_("have it go on first"),
    N_("it does not come round within the time that is booked ahead"),
    N_("the rule of the series cannot be read"),
    N_(
        "it comes round %(count)s times in the time that is booked ahead, and %"
        "(most)s times at most"
    ),
    N_("announce it as longer windows"),
    N_("a request to %(kind)s announces no peak"),
    N_("give one of days, yearly, lunar or rule"),
    N_("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY"),
    N_("of %(count)s events nothing comes: %(why)s"),
    N_("put them right, or have them left out"),
    N_("nothing is left to ask for"),
    N_(
        "it announces %(windows)s windows and %(series)s series; a request has %(most)s and "
        "%(few)s at most"
    ),
    N_("split the calendar"),
    N_("it is of another environment"),
    N_("it does not say how many replicas it needs, and nothing is said of all"),
    N_("no time of it lies in the time that can be announced"),
    N_("the event has no beginning"),
    N_("the event has no end"),
    N_("the event ends before it begins"),
    N_("it comes round more than once a day: make it several"),
    N_("it cannot be read: %(why)s"),
    N_("this is no iCalendar: %(why)s"),
)
