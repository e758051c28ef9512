"""What the ledger at rest says in English, as :mod:`cloudmgr.portal.sentences` has all the rest."""

from __future__ import annotations

from cloudmgr.portal.language import N_

LEDGER = (
    N_(
        "%(meter)s of %(resource)s from %(start)s to %(end)s: "
        "it was held, and is not in the ledger at rest"
    ),
    N_("%(meter)s of %(resource)s from %(start)s to %(end)s: the ledger at rest has nothing of it"),
    N_(
        "%(meter)s of %(resource)s from %(start)s to %(end)s: "
        "the ledger at rest has this time twice"
    ),
    N_(
        "%(meter)s of %(resource)s from %(start)s to %(end)s: "
        "the ledger at rest has it, and nothing says that it was held"
    ),
    N_(
        "%(meter)s of %(resource)s from %(start)s to %(end)s: "
        "the ledger at rest has %(found)s, %(wanted)s was held"
    ),
    N_("%(path)s: this file is not as it was written"),
    N_("%(path)s: this file is not there"),
    N_("%(path)s: nobody of ours wrote this file"),
    N_("%(path)s: the ledger does not list this file any more"),
    N_(
        "batch %(number)s was written with %(wanted)s lines; "
        "%(found)s are there, or quantities differ"
    ),
    N_("the ledger at rest is damaged: %(what)s"),
    N_("the ledger at rest cannot be read: %(why)s"),
    N_("the ledger at %(directory)s cannot be written: %(why)s"),
    N_("the ledger at %(directory)s cannot be read: %(why)s"),
    N_("the ledger at %(directory)s ends with batch %(have)s, and %(next)s is next"),
    N_("it is an older copy: bring back one that was made later"),
    N_("nothing is lost: it is written as soon as it can be; see disk space and rights"),
    N_("see that it is mounted, and its rights"),
    N_("see `cloudmgr usage ledger check`"),
    N_("see `cloudmgr usage ledger check`; mend it, or accept the gaps"),
    N_("see `cloudmgr usage ledger check`; the database still has every line"),
    N_(
        "there is another ledger at %(directory)s: batches up to %(last)s went to the one with the "
        "id %(id)s"
    ),
    N_(
        "there is no ledger at %(directory)s: batches up to %(last)s went to the one with the "
        "id %(id)s"
    ),
    N_("set CLOUDMGR_LEDGER to where that one lies, or bring it back from a backup"),
)
