"""Links between the pages lead somewhere, to the heading too; pages that the code names are there."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub writes them in links."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_pages_that_the_code_names_are_there() -> None:
    named = set()
    for file in (ROOT / "cnncli").rglob("*.py"):
        named |= set(re.findall(r"docs/([\w-]+)\.md(?:#([\w-]+))?", file.read_text(encoding="utf-8")))
    assert named
    for name, anchor in named:
        page = ROOT / "docs" / f"{name}.md"
        assert page.is_file(), name
        assert not anchor or anchor in anchors(page), f"{name}#{anchor}"
