"""The pages that come with cnncli: which there are, where they lie, and one of them in the terminal."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from cnncli.cli.console import print_text, say
from cnncli.config.shipped import folder
from cnncli.core.errors import ConfigError, did_you_mean

WIDEST = 100  # columns of running text, in a terminal however wide


def pages() -> dict[str, Path]:
    """Every page by its name."""
    return {path.stem: path for path in sorted(folder("docs").glob("*.md"))}


def docs(
    page: Annotated[
        str | None, typer.Argument(metavar="[PAGE]", help="PAGE\tThe name of a page. Without one: list all pages.")
    ] = None,
    path: Annotated[bool, typer.Option("--path", help="Print the path of its file instead of the page.")] = False,
) -> None:
    """Read the pages that come with cnncli, for the version that is installed.

    In a terminal, the page is formatted. Otherwise its Markdown text is printed unchanged.
    """
    found = pages()
    if page is None:
        for name, file in found.items():
            say(str(file) if path else f"{name:<20} {title(file)}")
        return
    name = page.removeprefix("docs/").removesuffix(".md")
    if name not in found:
        raise ConfigError(f"there is no page '{page}'; {did_you_mean(page, list(found))}")
    if path:
        say(str(found[name]))
    elif sys.stdout.isatty():
        _show(found[name].read_text(encoding="utf-8"))
    else:
        print_text(found[name].read_text(encoding="utf-8"))


def title(file: Path) -> str:
    """The first heading of a page."""
    with file.open(encoding="utf-8") as lines:
        return next((line.lstrip("# ").strip() for line in lines if line.startswith("# ")), file.stem)


def with_commands(text: str) -> str:
    """``text`` of a page in which a link to another page is the command that shows it."""
    return re.sub(r"\[([^\]]+)\]\(([\w-]+)\.md(?:#[\w-]+)?\)", _command, text)


def _command(link: re.Match[str]) -> str:
    label, page = link[1], link[2]
    command = f"`cnncli docs {page}`"
    return command if label.removeprefix("docs/") == f"{page}.md" else f"{label} ({command})"


def _show(text: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(with_commands(text), hyperlinks=False), width=min(WIDEST, console.width))
