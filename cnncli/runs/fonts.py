"""The fonts of all pictures, for names in every script: the only place that knows them.

DejaVu Sans comes with matplotlib (Latin, Greek, Cyrillic, Arabic, Hebrew, …), others with cnncli; installed fonts are
asked for what none of these has.
"""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from cnncli.core.graphemes import clusters

FOLDER = Path(__file__).parent.parent / "fonts"
BUNDLED = (
    "DroidSansFallback.ttf",
    "NotoEmoji-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
)
ELLIPSIS = "…"
_SHOWS_NOTHING = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters and line breaks


@contextmanager
def lettering() -> Iterator[None]:
    """Draw and save in this: names are drawn as they are, whatever their script, and no sign of theirs is a formula."""
    import matplotlib

    settings: Any = {"font.family": list(_own_families()), "text.parse_math": False, "text.usetex": False}
    with matplotlib.rc_context(settings):
        yield


def drawable(text: str) -> str:
    """``text`` as one line that can be drawn; what no font has is escaped, as ``\\u1234``. Inside ``lettering``."""
    return "".join(sign if _found(sign) else sign.encode("unicode_escape").decode() for sign in _composed(text))


def shorten(text: str, points: float, size: float) -> str:
    """``drawable(text)`` in at most so many points (1/72 inch) at a font size; where it is cut, an ellipsis ends it."""
    text = drawable(text)
    if width(text, size) <= points:
        return text
    signs = clusters(text)
    low, high = 0, len(signs) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if width(_cut(signs, middle), size) <= points:
            low = middle
        else:
            high = middle - 1
    return _cut(signs, low)


def width(text: str, size: float) -> float:
    """The width of a text in points at a font size. Inside ``lettering``."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    return float(RendererAgg(1, 1, 72).get_text_width_height_descent(text, FontProperties(size=size), False)[0])


def _cut(signs: list[str], count: int) -> str:
    return "".join(signs[:count]).rstrip() + ELLIPSIS


def _composed(text: str) -> str:
    """With accents in one character where there is one: more fonts have these."""
    return unicodedata.normalize("NFC", text)


def _found(sign: str) -> bool:
    """Whether a sign can be drawn; a font that is needed for it is added to those of the picture."""
    import matplotlib

    if unicodedata.category(sign) in _SHOWS_NOTHING:
        return False
    family = _family_with(ord(sign))
    families: list[str] = matplotlib.rcParams["font.family"]
    if family is not None and family not in families:
        matplotlib.rcParams["font.family"] = [*families, family]
    return family is not None


@cache
def _own_families() -> tuple[str, ...]:
    """The names of the fonts that are there on every machine; the first time they are made known to matplotlib."""
    import matplotlib

    dejavu = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return tuple(_family(path) for path in (dejavu, *(FOLDER / name for name in BUNDLED)))


@cache
def _family(path: Path) -> str:
    """A name that matplotlib knows this very file by: names of installed fonts stand for several files."""
    from matplotlib import font_manager

    name = f"cnncli {path.stem}"
    entry = font_manager.ttfFontProperty(font_manager.get_font(str(path)))
    font_manager.fontManager.ttflist.append(replace(entry, name=name))
    _FILES[name] = path
    return name


_FILES: dict[str, Path] = {}


@cache
def _family_with(point: int) -> str | None:
    """The first font that has a character; installed ones are looked through only for what the others lack."""
    for name in _own_families():
        if point in _characters(_FILES[name]):
            return name
    return next((_family(path) for path in _installed() if point in _characters(path)), None)


@cache
def _characters(path: Path) -> frozenset[int]:
    """The code points that a font has; none where it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        return frozenset(get_font(str(path)).get_charmap())
    except (RuntimeError, OSError):  # FreeType cannot read it, or it is gone
        return frozenset()


@cache
def _installed() -> tuple[Path, ...]:
    """The upright fonts of normal weight that matplotlib finds, without those that draw a box for everything."""
    from matplotlib.font_manager import fontManager

    return tuple(
        Path(entry.fname)
        for entry in fontManager.ttflist
        if entry.style == "normal" and entry.weight in (400, "normal", "regular") and "last" not in entry.name.lower()
    )
