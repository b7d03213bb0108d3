"""Figures of matplotlib as inline SVG: their colours are the page's, so that they are light or dark with it."""

import re
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING

from markupsafe import Markup

from cnncli.report.parts import Drawing
from cnncli.runs.fonts import lettering
from cnncli.runs.panels import ACCENT, INK, MUTED, Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (5.0, 4.0)  # inches of a narrow figure: on a phone its letters are as large as the page's small ones
WIDE = (9.0, 3.4)
VARIABLES = {
    INK: "--ink", ACCENT: "--accent", MUTED: "--muted", "#000000": "--text", "#ffffff": "--page",
    "#e5e5e5": "--line", "#eeeeee": "--line", "#d9d9d9": "--line", "#cccccc": "--line",
}  # fmt: skip
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)  # names a DTD by an address
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_IDENTITY = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(xlink:href="#|url\(#)([^")]+)')


def draw(title: str, make: Callable[[], "Figure"], name: str, wide: bool = False) -> Drawing:
    """What ``make`` draws; ``name`` is one that no other figure of the page has."""
    import matplotlib

    with lettering(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        file = StringIO()
        make().savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return Drawing(title, Markup(inline(file.getvalue(), title, name)), wide)  # matplotlib escapes texts


def draw_panel(title: str, panel: Panel, name: str) -> Drawing:
    """A panel of a run's picture on a figure of its own."""

    def make() -> "Figure":
        from matplotlib.figure import Figure

        figure = Figure(figsize=WIDE if panel.wide else SIZE, layout="constrained")
        panel.draw(figure)
        return figure

    return draw(title, make, name, panel.wide)


def inline(svg: str, title: str, name: str) -> str:
    """An SVG file as a part of a page: without prologue and metadata, in the page's colours, with ids of its own."""
    from html import escape

    svg = _METADATA.sub("", _PROLOGUE.sub("", svg))
    svg = _COLOUR.sub(lambda found: _variable(found[0]), svg)
    svg = _IDENTITY.sub(lambda found: f'id="{name}-{found[1]}"', svg)
    svg = _REFERENCE.sub(lambda found: f"{found[1]}{name}-{found[2]}", svg)
    return re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', lambda found: _opened(found[1], escape(title)), svg, count=1)


def _variable(colour: str) -> str:
    name = VARIABLES.get(colour)
    return colour if name is None else f"var({name})"


def _opened(box: str, title: str) -> str:
    return f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" role="img" aria-label="{title}">'
