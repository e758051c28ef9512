"""Invoices as PDF, in Chinese and English: the same bytes for the same invoice and fonts.

Nothing is fetched: the type is set by a library, with a Chinese font that the machine has.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cloudmgr.billing.digits import plain
from cloudmgr.billing.export import category_in, in_language
from cloudmgr.billing.invoices import document
from cloudmgr.errors import Permanent
from cloudmgr.money import exact_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typst

    from cloudmgr.billing.invoices import Invoice, InvoiceLine
    from cloudmgr.billing.sheets import Language

# Families with Chinese and Latin letters, the best first, which is Debian's fonts-noto-cjk.
FAMILIES = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Noto Sans SC",
    "Noto Serif CJK SC",
)
_HINT = "install Debian's package fonts-noto-cjk, or what your system calls it, where cloudmgr runs"
_WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "title": "账单 {number}",
        "page": "第 {n} 页 / 共 {m} 页",
        "account": "结算账户",
        "month": "账期",
        "period": "起止时间",
        "currency": "币种",
        "fingerprint": "账单指纹",
        "total": "合计",
        "sum": "明细合计",
        "rounding": "舍入差额",
        "shares": "按委办局分摊",
        "department": "委办局",
        "amount": "金额",
        "note": "金额 = 数量 × 单价，每行四舍五入到分；合计为精确总额一次性四舍五入，"
        "舍入差额使两者一致。数量保留六位小数，仅供阅读；全部精确数值见 CSV 文件。",
    },
    "en": {
        "title": "Invoice {number}",
        "page": "Page {n} of {m}",
        "account": "Billing account",
        "month": "Month",
        "period": "Period",
        "currency": "Currency",
        "fingerprint": "Fingerprint",
        "total": "Total",
        "sum": "Sum of the lines",
        "rounding": "Rounding",
        "shares": "By department",
        "department": "Department",
        "amount": "Amount",
        "note": "Amount = quantity × unit price, each line rounded half up to the cent. The total"
        " is the exact sum rounded once; the rounding makes both agree. Quantities have six"
        " decimals here, for reading; the CSV file has every digit.",
    },
}
_HEAD: dict[Language, tuple[str, ...]] = {
    "zh": ("行号", "委办局", "托管环境", "类型", "计量项", "数量", "单位", "单价", "金额"),
    "en": (
        "Line",
        "Department",
        "Environment",
        "Category",
        "Meter",
        "Quantity",
        "Unit",
        "Unit price",
        "Amount",
    ),
}


@dataclass(frozen=True, slots=True)
class Font:
    """A family that was found, and the folders in which its files are."""

    family: str
    folders: tuple[Path, ...]


def invoice_pdf(bill: Invoice, language: Language, font: Font | None = None) -> bytes:
    """The invoice, to print and to file; pages are numbered and each repeats the headings.

    :param font: None: the first of :data:`FAMILIES` that the machine has.
    :raises Permanent: ``no-font`` when there is none; ``not-printable`` when it could not be set as
        it should.
    """
    # Imported where it is used: a control plane that prints nothing should stay small.
    import typst  # noqa: PLC0415

    chosen = font or installed_font()
    fonts = _fonts(chosen.folders)
    if chosen.family not in fonts.families():
        raise _no_font(f"the font {chosen.family} is not where it was")
    content = json.dumps(_content(bill, language, chosen.family), ensure_ascii=False)
    template = files("cloudmgr.billing").joinpath("invoice.typ").read_bytes()
    try:
        made, warnings = typst.compile_with_warnings(
            template,
            font_paths=fonts,
            ignore_system_fonts=True,
            sys_inputs={"invoice": content},
            timestamp=int(bill.interval.end.timestamp()),
        )
    except typst.TypstError as error:
        raise Permanent(
            f"the invoice {bill.id} cannot be set: {error.message}", code="not-printable"
        ) from error
    if warnings:
        # A font that is not there is a warning only, and letters that it lacks would be boxes.
        said = "; ".join(warning.message for warning in warnings)
        raise Permanent(f"the invoice {bill.id} cannot be set: {said}", code="not-printable")
    return made


def installed_font() -> Font:
    """The first of :data:`FAMILIES` that is among the fonts of the system.

    :raises Permanent: ``no-font``.
    """
    return _among(FAMILIES)


@cache
def _fonts(folders: tuple[Path, ...]) -> typst.Fonts:
    """What is in ``folders`` and nothing else, so that no other font can step in."""
    import typst  # noqa: PLC0415 - see invoice_pdf

    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(folder) for folder in folders],
    )


@cache
def _among(families: Sequence[str]) -> Font:
    import typst  # noqa: PLC0415 - see invoice_pdf

    found: dict[str, set[Path]] = {}
    for one in typst.Fonts(include_embedded_fonts=False).fonts():
        if one.path is not None:
            found.setdefault(one.family, set()).add(Path(one.path).parent)
    for family in families:
        if family in found:
            return Font(family, tuple(sorted(found[family])))
    raise _no_font("there is no Chinese font to print with: none of " + ", ".join(families))


def _no_font(message: str) -> Permanent:
    return Permanent(message, code="no-font", hint=_HINT)


def _content(bill: Invoice, language: Language, family: str) -> dict[str, Any]:
    words = _WORDS[language]
    zone = ZoneInfo(bill.time_zone)
    start, end = (
        f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
        for moment in (bill.interval.start, bill.interval.end)
    )
    names = {line.key.department_id: line.department for line in bill.lines}
    return {
        "font": family,
        "lang": language,
        "region": "cn" if language == "zh" else "gb",
        "title": words["title"].format(number=bill.number or bill.id),
        "page": words["page"],
        "words": {
            name: words[name] for name in ("total", "shares", "department", "amount", "note")
        },
        "facts": [
            [words["account"], in_language(bill.account, language)],
            [words["month"], bill.month],
            [words["period"], f"{start} – {end} ({bill.time_zone})"],
            [words["currency"], bill.currency],
            # Of the document that was kept when the month was closed.
            [words["fingerprint"], hashlib.sha256(document(bill).encode()).hexdigest()],
        ],
        "total": f"{bill.total:,.2f} {bill.currency}",
        "head": _HEAD[language],
        "lines": [_line(bill, line, language) for line in bill.lines],
        "sums": [
            [words["sum"], f"{exact_sum([line.amount for line in bill.lines]):,.2f}"],
            [words["rounding"], f"{bill.rounding:,.2f}"],
            [words["total"], f"{bill.total:,.2f}"],
        ],
        "shares": [
            [in_language(names[name], language), f"{share:,.2f}"]
            for name, share in bill.shares.items()
        ],
    }


def _line(bill: Invoice, line: InvoiceLine, language: Language) -> list[str]:
    category = category_in(line.key.category, language)
    if line.key.month != bill.month:
        category = f"{category} {line.key.month}"
    return [
        str(line.number),
        in_language(line.department, language),
        in_language(line.environment, language),
        category,
        in_language(line.meter, language),
        f"{line.displayed:,.6f}",
        in_language(line.unit, language),
        plain(line.key.unit_price),
        f"{line.amount:,.2f}",
    ]
