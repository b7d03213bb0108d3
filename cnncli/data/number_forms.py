"""Numbers as people write them: with a decimal comma, marks between thousands, a currency or a percent sign."""

import re
from collections.abc import Sequence
from functools import cache
from math import inf, nan
from typing import Literal
from unicodedata import normalize

from cnncli.core.columns import Form
from cnncli.core.notices import notice

Decimal = Literal[".", ","]
Thousands = Literal[",", ".", " ", "'", "_"]
PLAIN = Form()
_FORMS = [
    PLAIN, Form(".", ","), Form(","), Form(",", "."), Form(".", " "), Form(",", " "), Form(".", "'"), Form(",", "'"),
    Form(".", "_"), Form(",", "_"),
]  # fmt: skip
_CODES = (
    "USD|EUR|GBP|CHF|JPY|CNY|RMB|INR|KRW|RUB|BRL|MXN|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|TRY|ZAR|SGD|HKD|TWD|THB|ILS"
    "|kr|zł|Kč|Ft|Fr|Rs|R|US\\$|A\\$|C\\$|HK\\$|R\\$"
)
_MONEY = rf"(?:(?:{_CODES})\.?|[$€£¥₹₩₽₺₫฿₪₴₱元円])"
_OUTSIDE = re.compile(rf"(?P<open>\()?(?P<sign>[-+]?)\s*(?P<money>{_MONEY})?\s*(?P<sign2>[-+]?)(?P<body>[\d.,'_\s]*\d"
                      rf"[.,]?(?:[eE][-+]?\d+)?)\s*(?P<after>%|‰|{_MONEY})?(?P<close>\))?")  # fmt: skip

_IN_DOUBT = re.compile(r"[-+]?(0|[1-9]\d{0,2}(\.\d{3})?)")


@cache
def _body(decimal: str, thousands: str) -> re.Pattern[str]:
    point = re.escape(decimal)
    whole = r"\d+"
    if thousands:
        mark = re.escape(thousands)
        lakh = rf"|\d{{1,2}}(?:{mark}\d\d)+{mark}\d{{3}}" if thousands == "," else ""
        whole = rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+{lakh}|\d+)"
    return re.compile(rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?")


def tidy(text: str) -> str:
    """Without blanks around, odd blanks as blanks, wide digits and signs as the usual ones."""
    if text.isascii():
        return text.strip()
    for sign, usual in (("−", "-"), ("–", "-"), ("’", "'"), ("´", "'")):
        text = text.replace(sign, usual)
    return normalize("NFKC", text).strip()


def _parts(text: str) -> tuple[str, str, str] | None:
    """Sign, digits and unit of a text that may be a number in some form."""
    match = _OUTSIDE.fullmatch(tidy(text))
    if match is None or bool(match["open"]) != bool(match["close"]) or (match["sign"] and match["sign2"]):
        return None
    if match["money"] and match["after"]:
        return None
    unit = match["money"] or match["after"] or ""
    negative = match["open"] or "-" in (match["sign"], match["sign2"])
    return "-" if negative else "", match["body"].strip(), unit


def read_number(text: str, form: Form) -> float:
    """The number that ``text`` is in this form, NaN where it is none; a percent or currency sign is left out."""
    parts = _parts(text)
    if parts is None or not _same_unit(parts[2], form.unit):
        return nan
    sign, body, _ = parts
    body = re.sub(r"\s", " ", body)
    if not _body(form.decimal, form.thousands).fullmatch(body):
        return nan
    if form.thousands:
        body = body.replace(form.thousands, "")
    try:
        return float(sign + body.replace(form.decimal, "."))
    except (ValueError, OverflowError):
        return inf


def _same_unit(found: str, unit: str) -> bool:
    """A currency may be left out in a row, a per cent sign changes the value."""
    return found == unit or (not found and unit not in ("%", "‰"))


def find_forms(texts: Sequence[str], allowed: Sequence[Form] | None = None) -> list[Form]:
    """The forms in which the most of ``texts`` are numbers and at least half of them; several where they differ.

    Forms that give the same numbers are one: the plainest.
    """
    parts = [found for found in map(_parts, texts) if found is not None]
    if 2 * len(parts) < len(texts) or not parts:
        return []
    units = [unit for _, _, unit in parts if unit]
    unit = max(set(units), key=units.count) if units else ""
    bodies = [re.sub(r"\s", " ", body) for _, body, found in parts if _same_unit(found, unit)]
    counts = {form: sum(_fits(body, form) for body in bodies) for form in allowed or _FORMS}
    most = max(counts.values(), default=0)
    if 2 * most < len(texts):
        return []
    best, seen = [], set()
    for form, count in counts.items():
        read = tuple(read_number(body, form) for body in bodies if _fits(body, form)) if count == most else None
        if read is not None and read not in seen:
            seen.add(read)
            best.append(Form(form.decimal, form.thousands, unit))
    return best


def _fits(body: str, form: Form) -> bool:
    return _body(form.decimal, form.thousands).fullmatch(body) is not None


def allowed_forms(decimal: str | None, thousands: str | None) -> list[Form]:
    """The forms that agree with what is stated."""
    return [
        form
        for form in _FORMS
        if form.decimal in ((decimal,) if decimal else (".", ","))
        and form.decimal != thousands
        and form.thousands in ("", thousands or form.thousands)
    ]


def table_sign(decimal: Decimal | None, thousands: Thousands | None) -> Decimal | None:
    """The decimal sign of a whole table, where it is stated or follows from the mark between thousands."""
    return decimal or ("," if thousands == "." else None)


def tell_points_in_doubt(columns: Sequence[Sequence[str]], names: Sequence[str], where: str) -> None:
    """Say where points may part thousands: 1.988 beside 950, never 1.98 or 0.988, is 1988 in much of Europe."""
    for cells, name in zip(columns, names, strict=True):
        given = [cell for cell in cells if cell]
        pointed = [cell for cell in given if "." in cell]
        if len(pointed) >= 3 and len(pointed) < len(given) and all(map(_IN_DOUBT.fullmatch, given)):
            cause = f"column '{name}' has '{pointed[0]}' beside whole numbers, read with a decimal point"
            advice = "if points part thousands, set dataset.thousands: '.'"
            notice("points", f"{where}: {cause}; {advice}")


def shows_decimal_comma(cells: Sequence[str]) -> bool:
    """Whether most of the cells can only be numbers with a decimal comma, as ``20,5`` is and ``1,234`` is not."""
    given = [cell for cell in cells if cell]
    found = find_forms(given)
    return bool(given) and bool(found) and all(form.decimal == "," for form in found)
