"""The times of a series: found in whatever column and form they were written, and written again in that form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnncli.core.errors import ConfigError, DataError
from cnncli.data.columns import LINE
from cnncli.data.time_forms import Form, forms_of

if TYPE_CHECKING:
    import pandas as pd

Moments = NDArray[np.datetime64]  # datetime64[us]
SAMPLE = 64  # values that a form is tried on before the whole column
BLOCK = 100_000  # texts that are parsed at once
CENTURY = 2040  # two digits of a year later than this are of the century before
OFFSET = r"(Z|[+-]\d{2}(?::?\d{2})?)\s*$"
MOSTLY = 0.5  # of the values: the others are errors in a column of times, not words in another


@dataclass(frozen=True)
class Times:
    """When each row was: ``values`` datetime64[us] ``[N]``, UTC where ``form.zoned`` or a ``zone`` is given.

    ``wall`` is what a clock on the spot showed, where that differs. ``offset`` is the text behind the last time,
    ``shift`` what it stands for in microseconds.
    """

    column: str
    values: Moments
    form: Form
    zone: str | None = None
    wall: Moments | None = None
    offset: str = ""
    shift: int = 0

    @cached_property
    def different(self) -> bool:
        """Whether no time is there twice."""
        later = np.diff(self.values).astype(np.int64)
        if (later > 0).all() or (later < 0).all():
            return True
        return len(np.unique(self.values)) == len(self.values)

    def text(self, moments: Moments, local: bool = False) -> list[str]:
        """``moments`` in the form that was read; ``local``: they are of ``wall`` already."""
        import pandas as pd

        form = self.form
        if form.unit:
            return [str(value) for value in moments.astype(f"datetime64[{form.unit}]").astype(np.int64).tolist()]
        index = pd.DatetimeIndex(moments)
        if self.zone is not None and not local:
            index = index.tz_localize("UTC").tz_convert(self.zone).tz_localize(None)
        elif not local:
            index = index + pd.Timedelta(self.shift, "us")
        if form.quarter:
            return [f"{time.year}{form.format}{time.quarter}" for time in index]
        pattern = form.format.replace("%z", self.offset)
        return [_bare(text, form) for text in index.strftime(pattern)]


def _bare(text: str, form: Form) -> str:
    """Without the zeros that the file does not have either."""
    if form.bare or form.bare_hour:
        date, clock = text, ""
        if form.clock and (found := re.search(r"[T ,:-]+\d\d(:\d\d|$| ?[AP]M)", text)):
            date, clock = text[: found.start()], text[found.start() :]
        if form.bare:
            date = re.sub(r"(?<!\d)0(?=\d(?!\d))", "", date)
        if form.bare_hour:
            clock = re.sub(r"^(\D*)0(?=\d)", r"\1", clock)
        text = date + clock
    return text


def read_times(column: "pd.Series[Any]", name: str, day_first: bool | None, zone: str | None) -> Times | None:
    """The times of a column of texts, None where it holds something else; ``name`` is the file's.

    Raises ``DataError`` where day and month could be exchanged, or a few values are no times.
    """
    parsed = [(form, _in_blocks(column, form)) for form in _candidates(column)]
    found = [(form, times) for form, times in parsed if times.notna().all()]
    if not found:
        best = max((times for _, times in parsed), key=lambda times: times.notna().sum(), default=None)
        if best is None or best.notna().mean() < MOSTLY or len(column) == 1:
            return None
        raise no_time(column, best.isna().to_numpy(), name)
    first = str(column.iloc[0]).strip()
    if day_first is not None and any(form.numeric for form, _ in found):
        found = [(form, times) for form, times in found if form.day_first == day_first]
        if not found:
            told = str(day_first).lower()
            raise DataError(
                f"{name}: column '{column.name}' has times such as {first}, which dataset.day_first: {told} "
                "does not fit; leave it out"
            )
    if len(found) > 1 and not found[0][1].equals(found[1][1]):
        raise DataError(
            f"{name}: column '{column.name}' has days and months that could be exchanged, such as "
            f"{first}; set dataset.day_first: true or false"
        )
    return _placed(column, *found[0], zone, name)


def no_time(column: "pd.Series[Any]", wrong: NDArray[np.bool_], name: str) -> DataError:
    """The error that names the first of the values that are ``wrong``."""
    position = int(wrong.argmax())
    where = f"{name}:{column.index[position]}" if column.index.name == LINE else name
    return DataError(
        f"{where}: column '{column.name}' has '{column.iloc[position]}', no time in the form of the others; fix it, or "
        "set dataset.time: false, which takes the lines as they lie"
    )


def _stripped(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.astype(str).str.strip()


def _candidates(column: "pd.Series[Any]") -> list[Form]:
    """The forms that a sample of the texts could have, the flags of their zeros as any of them has it."""
    positions = np.unique(np.linspace(0, len(column) - 1, SAMPLE).astype(int))
    sample = _stripped(column.iloc[positions]).tolist()
    each = [forms_of(value) for value in sample]
    known: dict[str, Form] = {}
    counts: dict[str, int] = {}
    for forms in each:
        for form in forms:
            before = known.get(form.format, form)
            known[form.format] = replace(
                before, bare=before.bare or form.bare, bare_hour=before.bare_hour or form.bare_hour
            )
            counts[form.format] = counts.get(form.format, 0) + 1
    enough = [form for key, form in known.items() if counts[key] >= MOSTLY * len(sample)]
    if not enough and known and sum(map(bool, each)) == len(each):  # with and without fractions, or zeros
        enough = [next(iter(known.values()))]
    return enough


def _in_blocks(column: "pd.Series[Any]", form: Form) -> "pd.Series[Any]":
    """Times of a whole column, block by block: every step of it makes new texts."""
    import pandas as pd

    begins = range(0, len(column), BLOCK)
    blocks = [_parsed(_stripped(column.iloc[begin : begin + BLOCK]), form) for begin in begins]
    return pd.concat(blocks) if len(blocks) > 1 else blocks[0]


def _parsed(text: "pd.Series[Any]", form: Form) -> "pd.Series[Any]":
    """Times of texts, NaT where one has another form; with offsets in UTC."""
    import pandas as pd

    if form.quarter:
        quarter = pd.to_numeric(text.str[-1], errors="coerce")
        year = pd.to_numeric(text.str[:4], errors="coerce")
        written = text.str[4:-1].str.upper() == form.format.upper()
        months = year.where(written & quarter.between(1, 4)).astype("Float64") * 12 + (quarter - 1) * 3
        plain = months.fillna(0).astype(np.int64).to_numpy()
        values = pd.Series((plain - 1970 * 12).astype("datetime64[M]").astype("datetime64[us]"), index=text.index)
        return values.where(months.notna().to_numpy())
    utc = form.zoned
    parsed = pd.to_datetime(text, format=form.format, errors="coerce", utc=utc)
    if parsed.isna().any() and form.format.startswith("%Y-%m-%d") and form.clock:
        parsed = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=utc)  # fractions here and there
    if "%y" in form.format:
        late = parsed.dt.year > CENTURY
        parsed = parsed.where(~late, parsed - pd.DateOffset(years=100))
    return parsed


def _placed(texts: "pd.Series[Any]", form: Form, parsed: "pd.Series[Any]", zone: str | None, name: str) -> Times:
    """The times as they are ordered: UTC where offsets or a zone say how."""
    column = str(texts.name)
    if form.zoned:
        values = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        if not form.format.endswith("%z"):
            return Times(column, values, form)
        last = re.search(OFFSET, str(texts.iloc[int(values.argmax())]), re.IGNORECASE)
        offset = last[1] if last else ""
        wall = _wall(texts, values)
        return Times(column, values, form, None, wall, offset, _microseconds(offset))
    values = parsed.to_numpy().astype("datetime64[us]")
    if zone is None:
        return Times(column, values, form)
    return Times(column, located(values, zone, column, name), form, zone, values)


def _microseconds(offset: str) -> int:
    digits = re.sub(r"\D", "", offset)
    if not digits:
        return 0
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-minutes if offset.startswith("-") else minutes) * 60_000_000


def _wall(texts: "pd.Series[Any]", values: Moments) -> Moments | None:
    """The local times, None where all offsets are the same."""
    ends = texts.astype(str).str.extract(OFFSET, flags=re.IGNORECASE)[0]
    codes, known = ends.factorize()
    if len(known) == 1:
        return None
    shifts = np.array([_microseconds(str(each)) for each in known] + [0])
    wall: Moments = values + shifts[codes].astype("timedelta64[us]")
    return wall


def located(values: Moments, zone: str, column: str, name: str) -> Moments:
    """Local times of ``zone`` in UTC: the hour that comes twice is told by the order of the rows.

    Raises ``ConfigError`` for an unknown zone, ``DataError`` for a time that no clock there showed.
    """
    import pandas as pd

    back = len(values) > 1 and values[-1] < values[0]
    index = pd.DatetimeIndex(values[::-1] if back else values)
    try:
        index.tz_localize("UTC").tz_convert(zone)
    except (KeyError, ValueError) as error:  # zoneinfo's own errors are of these
        raise ConfigError(
            f"dataset.zone: '{zone}' is no time zone; such as Europe/Berlin or America/New_York"
        ) from error
    try:
        local = index.tz_localize(zone, ambiguous="infer", nonexistent="raise")
    except ValueError as error:
        cause = str(error).split(",")[0].split(". ")[0]
        raise DataError(
            f"{name}: column '{column}' does not hold times of {zone} ({cause}); leave dataset.zone out or name another"
        ) from error
    found: Moments = local.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    return found[::-1] if back else found


def joined(frame: "pd.DataFrame", columns: Sequence[str]) -> "pd.Series[Any]":
    """Columns of date and time, or of year, month, day (and hour), as one column of texts."""
    texts = [frame[name].astype(str).str.strip().str.replace(r"\.0$", "", regex=True) for name in columns]
    parts = [str(name).lower() for name in columns]
    if parts == ["year", "quarter"]:
        whole = texts[0] + "Q" + texts[1].str.upper().str.removeprefix("Q")
    elif parts[:2] == ["year", "month"] or parts[:2] == ["yr", "mo"]:
        whole = texts[0] + "-" + texts[1].str.zfill(2)
        for number, text in enumerate(texts[2:]):
            whole = whole + ("-", " ", ":", ":")[number] + text.str.zfill(2)
        if len(texts) == 4:
            whole = whole + ":00"
    else:
        whole = texts[0]
        for text in texts[1:]:
            plain = text.str.fullmatch(r"\d{1,2}").all()
            whole = whole + " " + (text.str.zfill(2) + ":00" if plain else text)
    whole.name = "+".join(map(str, columns))
    return whole
