"""Every message of the portal, extracted from its code and templates, as Babel finds them.

``python -m tests.portal.messages`` brings the Chinese catalogue up to date: new messages come in
without a translation (a test then fails until they have one), and those that are gone go.
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import cloudmgr.portal
from cloudmgr.portal.language import MESSAGES

PORTAL = Path(cloudmgr.portal.__file__).parent
CATALOGUE = MESSAGES / "zh_CN.po"


def extracted() -> Catalog:
    """What there is to be translated."""
    catalogue = Catalog(locale="zh_CN", project="cloudmgr", version="portal")
    found = extract_from_dir(
        PORTAL,
        [("**.py", "python"), ("templates/**.html", "jinja2")],
        {
            "templates/**.html": {
                "trimmed": "true",
                "extensions": "jinja2.ext.i18n,jinja2.ext.do",
                "silent": "false",
            }
        },
        keywords={"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)},
    )
    for _, _, message, _, context in found:
        catalogue.add(message, context=context)
    return catalogue


def kept() -> Catalog:
    """The catalogue as it is."""
    with CATALOGUE.open("rb") as source:
        return read_po(source, locale="zh_CN")


def update() -> None:
    """Write the catalogue anew, with the translations that there are."""
    old = kept() if CATALOGUE.exists() else Catalog(locale="zh_CN")
    fresh = extracted()
    for message in fresh:
        had = old.get(message.id, message.context) if message.id else None
        if had is not None:
            message.string = had.string
    with CATALOGUE.open("wb") as out:
        write_po(out, fresh, omit_header=False, no_location=True, sort_output=True, width=100)


if __name__ == "__main__":
    update()
