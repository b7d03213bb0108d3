"""The usual ways to write a time, as formats that pandas reads: found from one value, tried on a whole column."""

import re
from dataclasses import dataclass, replace

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
WEEKDAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)([a-z]*)(,? )", re.IGNORECASE)
DATES = tuple(
    (re.compile(pattern), formats)
    for pattern, formats in (
        (r"\d{4}([-/. ])\d{1,2}\1\d{1,2}(?!\d)", ("%Y{0}%m{0}%d",)),
        (r"\d{1,2}([-/. ])\d{1,2}\1\d{4}(?!\d)", ("%d{0}%m{0}%Y", "%m{0}%d{0}%Y")),
        (r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?!\d)", ("%d{0}%m{0}%y", "%m{0}%d{0}%y")),
        (r"\d{4}([-/.])\d{1,2}(?!\d)", ("%Y{0}%m",)),
        (r"\d{1,2}([-/.])\d{4}(?!\d)", ("%m{0}%Y",)),
        (r"()\d{14}(?!\d)", ("%Y%m%d%H%M%S",)),
        (r"()\d{12}(?!\d)", ("%Y%m%d%H%M",)),
        (r"()\d{8}T\d{6}(?!\d)", ("%Y%m%dT%H%M%S",)),
        (r"()\d{8}T\d{4}(?!\d)", ("%Y%m%dT%H%M",)),
        (r"()\d{8}(?!\d)", ("%Y%m%d",)),
    )
)
WORDED = re.compile(
    rf"(?:(?P<number>\d{{1,4}})(?P<gap>\W*))?(?P<month>{MONTH})(?:(?P<to>\W*)(?P<then>\d{{1,4}}))?"
    r"(?:(?P<on>,? |-|/)(?P<year>\d{4})(?!\d|:))?",
    re.IGNORECASE,
)
CLOCK = re.compile(
    r"(?P<before>T| |, ?|:| - )(?P<hour>\d{1,2})(?P<minutes>:\d{2}(?P<seconds>:\d{2}(?:(?P<point>[.,])\d{1,9})?)?)?"
    r"(?P<half> ?[ap]m)?(?P<zone> ?(?:Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?$",
    re.IGNORECASE,
)
FOUR_DIGITS = re.compile(r"\d{4}$")


@dataclass(frozen=True)
class Form:
    """How times are written: a format of ``strptime``, and which of its numbers have no zero in front.

    ``unit`` is set for numbers since 1970 instead (``s``, ``ms``, ``us``, ``ns``), ``quarter`` for 2024Q3.
    """

    format: str
    unit: str = ""
    quarter: bool = False
    bare: bool = False  # 3/5/2024, not 03/05/2024
    bare_hour: bool = False

    @property
    def zoned(self) -> bool:
        """Whether the times are points in time everywhere, not what a clock on a wall shows."""
        return bool(self.unit) or self.format.endswith(("%z", "UTC", "GMT"))

    @property
    def clock(self) -> bool:
        """Whether there is a time of the day."""
        return bool(self.unit) or "%H" in self.format or "%I" in self.format

    @property
    def numeric(self) -> bool:
        """Whether day and month are numbers before the year, so that their order is a question."""
        return self.format.startswith(("%d", "%m")) and "%m" in self.format and "%d" in self.format

    @property
    def day_first(self) -> bool:
        """Whether the day comes before the month."""
        return self.format.find("%d") < self.format.find("%m")

    @property
    def dayless(self) -> bool:
        """Whether months or years are all that is told."""
        return not self.unit and "%d" not in self.format


def forms_of(text: str) -> list[Form]:
    """The forms that ``text`` may have, none where it is no time: two where day and month cannot be told apart."""
    day = WEEKDAY.match(text)
    if day:
        weekday = ("%A" if day[2] else "%a") + day[3]
        return [replace(form, format=weekday + form.format) for form in forms_of(text[day.end() :]) if not form.quarter]
    if re.match(r"\d{4}[- ]?Q[1-4]$", text, re.IGNORECASE):
        return [Form(text[4:-2].replace("%", "%%") + text[-2], quarter=True)]
    if FOUR_DIGITS.match(text):
        return [Form("%Y")]
    for pattern, formats in DATES:
        if (found := pattern.match(text)) is not None:
            bare = re.search(r"(?<!\d)\d(?!\d)", found[0]) is not None
            return _with_clock([Form(each.format(found[1]), bare=bare) for each in formats], text[found.end() :])
    if (found := WORDED.match(text)) is not None:
        return _with_clock(_worded(found), text[found.end() :])
    return []


def _worded(found: re.Match[str]) -> list[Form]:
    """Mar 5, 2024; 5 March 2024; 05-Mar-24; Mar-24; March 2024; 2024 March 5; none for a date without a year."""
    number, then, year = found["number"], found["then"], found["year"]
    bare = any(part is not None and len(part) == 1 for part in (number, then))
    parts = [] if number is None else ["%Y" if len(number) == 4 else "%d", found["gap"]]
    parts.append("%b" if len(found["month"]) == 3 else "%B")
    if then is not None:
        if number is None and year is None:  # Mar 2024, Mar-24: "March 15" has no year
            if len(then) == 3 or (len(then) <= 2 and not found["to"].strip()):
                return []
            kind = "%Y" if len(then) == 4 else "%y"
        elif number is None or len(number) == 4:
            kind = "%d"
        else:
            kind = "%Y" if len(then) == 4 else "%y"
        parts += [found["to"], kind]
    if year is not None:
        parts += [found["on"], "%Y"]
    form = "".join(parts)
    if form.count("%Y") + form.count("%y") != 1:
        return []
    forms = [Form(form, bare=bare)]
    if len(found["month"]) == 3 and found["month"].lower() == "may":
        forms.append(Form(form.replace("%b", "%B"), bare=bare))
    return forms


def _with_clock(forms: list[Form], rest: str) -> list[Form]:
    """The forms with the time of the day that follows the date; none where something else does."""
    if not rest:
        return forms
    if not forms or (found := CLOCK.match(rest)) is None or "%d" not in forms[0].format or forms[0].clock:
        return []
    if found["minutes"] is None and found["before"] == ":":
        return []
    hour = ("%I" if found["half"] else "%H") + (":%M" if found["minutes"] else "") + (":%S" if found["seconds"] else "")
    hour += f"{found['point']}%f" if found["point"] else ""
    if found["half"]:
        hour += " %p" if found["half"].startswith(" ") else "%p"
    if found["zone"]:
        named = found["zone"].strip() in ("UTC", "GMT")
        hour += found["zone"] if named else (" " if found["zone"].startswith(" ") else "") + "%z"
    single = len(found["hour"]) == 1
    return [replace(form, format=f"{form.format}{found['before']}{hour}", bare_hour=single) for form in forms]
