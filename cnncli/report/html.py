"""A page as one file of HTML that asks nothing of any other place."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from cnncli import __version__
from cnncli.report.parts import Page


def html(page: Page) -> bytes:
    """The page in UTF-8, with style and script inside."""
    found: str = _environment().get_template("page.html").render(page=page, version=__version__)
    return found.encode("utf-8", "backslashreplace")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("cnncli.report", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
