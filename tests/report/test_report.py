"""The page about a run: what stands in it, what never does, and what happens where something is missing."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cnncli.cli.app import run as cnncli_run
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]
QUIET = "logging: {tensorboard: false, pictures: false, report: false}\n"
HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """What a page consists of; ``faults`` are tags that do not fit together."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.pictures = 0
        self.headings: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(self.text)
        self.faults += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.pictures += tag == "img"
        self.ids += [values["id"]] if values.get("id") else []
        self.addresses += [values[name] or "" for name in ("src", "href", "xlink:href") if name in values]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("h2", "h3"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of each kind, and their data."""
    place = tmp_path_factory.mktemp("reports")
    before, cache = Path.cwd(), os.environ["CNNCLI_CACHE"]
    os.chdir(place)
    os.environ["CNNCLI_CACHE"] = str(place / "cache")
    try:
        make_pictures(Path("photos"), {HOSTILE.replace("/", "∕"): 14, "赤": 14, "b": 14})
        rows = "".join(f"{i % 7},{'xy'[i % 2]},{i % 7 + 2 * (i % 2)}\n" for i in range(80))
        Path("rows.csv").write_text(f"size,colour,price\n{rows}")
        Path("series.csv").write_text("value\n" + "".join(f"{i % 12 + i / 10}\n" for i in range(150)))
        Path("text.txt").write_text("the cat sat on the mat. " * 200)
        labels = "".join(f"{p},{p.parent.name.replace(HOSTILE, 'a')}|all\n" for p in Path("photos").rglob("*.png"))
        Path("several.csv").write_text(f"path,labels\n{labels}")
        for name, config in CONFIGS.items():
            Path(f"{name}.yaml").write_text(config + QUIET)
            assert cnncli_run(["train", f"{name}.yaml", "--name", f"{name}/one"]) == 0
        yield place
    finally:
        os.chdir(before)
        os.environ["CNNCLI_CACHE"] = cache


CONFIGS = {
    "pictures": "dataset: {name: image_folder, path: photos, image_size: 16, val_fraction: 0.3, batch_size: 8}\n"
    "model: {name: simple_cnn}\ntrain: {epochs: 2}\noptimizer: {lr: 1e-5}\n",
    "rows": "dataset: {name: csv, path: rows.csv, target: price}\ntask: regression\nmodel: linear\n"
    "train: {epochs: 5}\n",
    "series": "dataset: {name: series_csv, path: series.csv, window: 12, horizon: 3}\nmodel: linear\n"
    "train: {epochs: 5}\n",
    "text": "dataset: {name: text, path: text.txt, block: 32}\nmodel: {name: lstm, hidden: 16}\ntrain: {epochs: 1}\n",
    "several": "dataset: {name: image_csv, path: several.csv, label: labels, image_size: 16}\ntask: multilabel\n"
    "model: {name: simple_cnn}\ntrain: {epochs: 1}\n",
}
EXPECTED = {
    "pictures": ["Confusion (row: true class, column: predicted)", "Most confident mistakes", "Training"],
    "rows": ["Largest errors", "By colour, the worst rmse first"],
    "series": ["Predicted and true values"],
    "text": ["Written by the network, temperature 1.0", "Text"],
    "several": ["Each class", "Worst mistakes"],
}


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.mark.parametrize("name", CONFIGS)
def test_the_page_of_each_kind_is_one_sound_file_that_loads_nothing(here: Path, cnncli: Cli, name: str) -> None:
    answer = cnncli("report", f"{name}/one", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["report"] == f"runs/{name}/one/report.html"
    page = Page(Path(answer.json["report"]))
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    for heading in (*EXPECTED[name], "Metrics", "How it was made"):
        assert heading in page.headings
    assert "url(http" not in page.text
    assert "@import" not in page.text


def test_names_are_shown_as_they_are_and_never_run(here: Path, cnncli: Cli) -> None:
    assert cnncli("report", "pictures/one").code == 0
    text = Path("runs/pictures/one/report.html").read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;∕script&gt;" in text
    assert "赤" in text


def test_mistakes_have_their_picture_its_heat_and_similar_training_pictures(here: Path, cnncli: Cli) -> None:
    assert cnncli("report", "pictures/one", "--out", "near.html").code == 0
    assert cnncli("report", "pictures/one", "--brief", "--out", "far.html").code == 0
    near, far = Page(Path("near.html")), Page(Path("far.html"))
    mistakes = json.loads(Path("runs/pictures/one/result.json").read_text())["mistakes"]
    assert len(mistakes) >= 3
    assert far.pictures == 2 * len(mistakes) + 1  # and the picture of training samples
    assert near.pictures == far.pictures + 3 * len(mistakes)
    assert "Grad-CAM" in far.text
    assert Path("runs/pictures/one/outputs/train.npz").is_file()


def test_no_pictures_leaves_out_all_that_was_in_the_data(here: Path, cnncli: Cli) -> None:
    assert cnncli("report", "pictures/one", "--no-pictures", "--out", "public.html").code == 0
    page = Page(Path("public.html"))
    assert page.pictures == 0
    assert "photos" not in page.text
    assert ".png" not in page.text
    assert cnncli("report", "text/one", "--no-pictures", "--out", "public.html").code == 0
    assert "the cat" not in Path("public.html").read_text()
    assert "text.txt" not in Path("public.html").read_text()
    assert cnncli("report", "rows/one", "--no-pictures", "--out", "public.html").code == 0
    assert "rows.csv" not in Path("public.html").read_text()
    assert "By colour" not in Path("public.html").read_text()


def test_slices_are_those_that_are_asked_for(here: Path, cnncli: Cli) -> None:
    assert cnncli("report", "rows/one", "--by", "size", "--out", "sliced.html").code == 0
    headings = Page(Path("sliced.html")).headings
    assert "By size, the worst rmse first" in headings
    assert "By colour, the worst rmse first" not in headings
    wrong = cnncli("report", "rows/one", "--by", "sise")
    assert wrong.code == 3
    assert "there is no column 'sise' to slice by; did you mean 'size'" in wrong.err
    none = cnncli("report", "series/one", "--by", "colour")
    assert none.code == 3
    assert "has neither columns nor folders" in none.err


def test_several_runs_are_compared(here: Path, cnncli: Cli) -> None:
    assert cnncli("train", "rows.yaml", "optimizer.lr=0.5", "--name", "rows/two").code == 0
    answer = cnncli("report", "rows/one", "rows/two", "--out", "both.html")
    assert answer.code == 0, answer.err
    page = Page(Path("both.html"))
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert {"Results side by side", "Settings", "Against rows/one"} <= set(page.headings)
    assert "optimizer.lr" in page.text
    pattern = cnncli("report", "runs/rows/*", "--out", "pattern.html")
    assert pattern.code == 0, pattern.err
    assert "Against runs/rows/one" in Page(Path("pattern.html")).headings
    kinds = cnncli("report", "rows/one", "pictures/one")
    assert kinds.code == 2
    assert "compare runs of the same task" in kinds.err


def test_without_its_data_the_page_says_so_and_shows_the_rest(here: Path, cnncli: Cli) -> None:
    shutil.copytree("runs/pictures/one", "runs/moved/one")
    Path("photos").rename("elsewhere")
    try:
        answer = cnncli("report", "moved/one")
    finally:
        Path("elsewhere").rename("photos")
    assert answer.code == 0, answer.err
    page = Page(Path("runs/moved/one/report.html"))
    assert "are not at hand, so that no samples are shown: " in page.text
    assert "Most confident mistakes" in page.headings  # as a table


def test_a_damaged_file_of_outputs_costs_only_what_stands_on_it(here: Path, cnncli: Cli) -> None:
    shutil.copytree("runs/rows/one", "runs/damaged/one")
    split = json.loads(Path("runs/rows/one/result.json").read_text())["split"]
    Path(f"runs/damaged/one/outputs/{split}.npz").write_bytes(b"PK no more")
    answer = cnncli("report", "damaged/one")
    assert answer.code == 0
    assert "holds no outputs, or is damaged" in answer.err
    assert "Largest errors" not in Page(Path("runs/damaged/one/report.html")).headings


def test_what_is_no_finished_run_is_refused_in_one_line(here: Path, cnncli: Cli) -> None:
    Path("runs/begun/one").mkdir(parents=True)
    shutil.copy("runs/rows/one/last.pt", "runs/begun/one")
    shutil.copy("runs/rows/one/best.pt", "runs/begun/one")
    begun = cnncli("report", "begun/one")
    assert begun.code == 4
    assert "has no result yet; finish it with: cnncli train --resume runs/begun/one" in begun.err
    assert "no run given" in cnncli("report").err
    assert "no run fits this pattern" in cnncli("report", "runs/none*").err
    assert cnncli("report", "nothing").code == 4
    assert cnncli("report", "rows/one", "--out", "no/folder/page.html").code == 6
    assert "choose val or test" in cnncli("report", "rows/one", "--split", "train").err


@pytest.mark.usefixtures("reports")
def test_a_training_ends_with_its_page(here: Path, cnncli: Cli) -> None:
    answer = cnncli("train", "rows.yaml", "logging.report=true", "--name", "ended/one")
    assert answer.code == 0
    assert "report    runs/ended/one/report.html" in answer.out
    assert "Metrics" in Page(Path("runs/ended/one/report.html")).headings
    none = cnncli("train", "rows.yaml", "logging.report=false", "--name", "ended/two", "--json")
    assert none.code == 0
    assert not Path("runs/ended/two/report.html").exists()


@pytest.mark.usefixtures("reports")
def test_a_page_that_cannot_be_written_is_a_warning(here: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> str:
        raise MemoryError("no room for it")

    monkeypatch.setattr("cnncli.report.write.html", fails)
    answer = cnncli("train", "rows.yaml", "logging.report=true", "--name", "lost/one")
    assert answer.code == 0
    assert "warning: no report was written (no room for it); try: cnncli report runs/lost/one" in answer.err
    assert Path("runs/lost/one/result.json").is_file()


def test_the_figures_have_the_page_s_colours_and_no_address_of_a_dtd(here: Path, cnncli: Cli) -> None:
    assert cnncli("report", "rows/one").code == 0
    text = Path("runs/rows/one/report.html").read_text()
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) >= 3
    for drawing in drawings:
        assert "var(--" in drawing
        assert "#1f4e79" not in drawing
        assert "<metadata" not in drawing
        assert "DTD" not in drawing
