"""The page in a browser: the answers of ``cnncli predict``, ``forecast`` and ``generate``, without any other host.

Needs Playwright (pip), Chromium and, for its one test, axe-core (npm; ``CNNCLI_AXE`` names its axe.min.js).
"""

import base64
import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

from cnncli.cli.app import run
from cnncli.deploy.page.files import write_page
from tests.deploy.page.browsing import AXE, ELSEWHERE, WIDTHS, Visit, chromium, folder, serving

pytestmark = pytest.mark.slow
Answer = tuple[str, float]
FOUR = [(0.62, 0.9), (0.62, 0.1), (0.2, 0.62), (0.85, 0.62)]
KINDS = ("digits", "photos", "iris", "waves", "text")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of two real photos as JPEGs of many sizes, in a folder for each."""
    made = tmp_path_factory.mktemp("photos")
    draws = np.random.default_rng(0)
    for name in ("china", "flower"):
        (made / name).mkdir()
        photo = Image.fromarray(load_sample_image(f"{name}.jpg"))
        for number in range(60):
            width, height = (int(side) for side in draws.integers(60, 400, 2))
            left, top = int(draws.integers(0, 640 - width)), int(draws.integers(0, 427 - height))
            piece = photo.crop((left, top, left + width, top + height))
            piece.save(made / name / f"{number:02}.jpg", quality=int(draws.integers(60, 95)))
    return made


@pytest.fixture(scope="module")
def exported(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint of a small network of each kind, trained at first use; ``page_of`` it is its page."""
    pytest.importorskip("onnx")
    home = tmp_path_factory.mktemp("pages")
    steps = np.arange(160)
    waves = "\n".join(["a,b", *(f"{10 + np.sin(t / 3):.4f},{5 + np.cos(t / 5):.4f}" for t in steps)])
    (home / "waves.csv").write_text(waves + "\n")
    (home / "text.txt").write_text("the quick brown fox jumps over the lazy dog; " * 60)
    configs = {
        "digits": ["digits", "train.epochs=5"],
        "photos": [config(home, "photos", f"""
dataset: {{name: image_folder, path: {photos}, image_size: 48, batch_size: 16, test_fraction: 0.1}}
model: simple_cnn
train: {{epochs: 3}}""")],
        "iris": ["classification/iris", "train.epochs=10"],
        "waves": [config(home, "waves", f"""
dataset: {{name: series_csv, path: {home / "waves.csv"}, window: 12, horizon: 6}}
model: linear
train: {{epochs: 3}}""")],
        "text": ["text/lstm", f"dataset.path={home / 'text.txt'}", "dataset.block=32", "model.hidden=32",
                 "train.epochs=3"],
    }  # fmt: skip

    def made(name: str) -> Path:
        runs, page = home / "runs", home / f"{name}-page"
        if not page.exists():
            command(["train", *configs[name], "--name", name, "--runs-dir", str(runs)])
            command(["export", "--ckpt", str(runs / name), "--format", "onnx", "--out", str(page)])
            write_page(page)
            (home / name).symlink_to(runs / name)
        return home / name

    return made


def config(home: Path, name: str, text: str) -> str:
    path = home / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def command(words: list[str]) -> str:
    """What a command prints; it has to succeed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        assert run(words) == 0, printed.getvalue()
    return printed.getvalue()


def page_of(checkpoint: Path) -> Path:
    return checkpoint.with_name(f"{checkpoint.name}-page")


def predicted(checkpoint: Path, *files: Path) -> list[Answer]:
    told = command(["predict", str(checkpoint), *map(str, files), "--format", "json"])
    return [(each["prediction"], each["probability"]) for each in json.loads(told)["predictions"]]


def close(found: list[Answer], expected: list[Answer], tolerance: float) -> None:
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=tolerance)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_drawn_digit_is_what_predict_says_of_the_picture(
    width: int, browser: Any, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    checkpoint = exported("digits")
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address, width) as visit:
        visit.draw(*FOUR)
        drawn = visit.page.evaluate("document.querySelector('.pad').toDataURL('image/png')")
        (tmp_path / "drawn.png").write_bytes(base64.b64decode(drawn.partition(",")[2]))
        close([visit.answer("[aria-label=Draw]")], predicted(checkpoint, tmp_path / "drawn.png"), 1e-3)
        visit.page.click("text=Clear")
        assert visit.page.locator("[aria-label=Draw] .answer").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_pngs_of_the_networks_size_and_of_others_are_what_predict_says(
    width: int, browser: Any, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    checkpoint = exported("digits")
    files = []
    for number, pixels in enumerate(load_digits().images[:6] * 255 / 16):
        files.append(tmp_path / f"数字 {number} 😀.png")
        picture = Image.fromarray(pixels.astype(np.uint8))
        (picture.resize((61, 97 - 15 * number)) if number > 2 else picture).save(files[-1])
    transparent = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8))
    transparent.save(tmp_path / "transparent.png")
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address, width) as visit:
        close(visit.choose(*files), predicted(checkpoint, *files), 1e-3)
        close(visit.choose(tmp_path / "transparent.png"), predicted(checkpoint, tmp_path / "transparent.png"), 0.02)


def test_fifty_photos_are_what_predict_says(
    browser: Any, exported: Callable[[str], Path], photos: Path, tmp_path: Path
) -> None:
    checkpoint = exported("photos")
    files = sorted(photos.glob("*/*.jpg"))[::2][:49]
    turned, exif = Image.open(files[0]).copy(), Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=90)
    files.append(tmp_path / "turned.jpg")
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address) as visit:
        close(visit.choose(*files), predicted(checkpoint, *files), 0.02)
        assert visit.page.text_content(".told") == "50 of 50 pictures answered."


def test_a_row_is_answered_at_once_and_after_every_change(
    browser: Any, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    checkpoint = exported("iris")
    row = {"sepal length (cm)": "6.3", "sepal width (cm)": "3.3", "petal length (cm)": "6.0", "petal width (cm)": "2.5"}
    (tmp_path / "row.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    told = json.loads(command(["predict", str(checkpoint), str(tmp_path / "row.csv"), "--format", "json"]))[0]
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address) as visit:
        assert visit.answer(".place")[0] == "versicolor"
        for name, value in row.items():
            visit.page.get_by_label(name).fill(value)
        visit.until("document.querySelector('.answer').dataset.named == 'virginica'")
        visit.page.wait_for_timeout(300)
        name, probability = visit.answer(".place")
        assert (name, probability) == (told["prediction"], pytest.approx(told["probability_virginica"], abs=1e-3))
        visit.page.get_by_label("petal width (cm)").fill("wide")
        assert "“wide” is no number" in visit.page.locator(".error").text_content()


def test_a_pasted_series_is_continued_as_forecast_does(browser: Any, exported: Callable[[str], Path]) -> None:
    checkpoint = exported("waves")
    series = (checkpoint.parent / "waves.csv").read_text()
    rows = json.loads(command(["forecast", str(checkpoint), "--steps", "6", "--json"]))["rows"]
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address) as visit:
        visit.page.fill("textarea", series)
        visit.page.get_by_role("button", name="Forecast").click()
        visit.page.wait_for_selector("tbody td")
        cells = visit.page.locator("tbody td").evaluate_all("all => all.map(cell => Number(cell.dataset.value))")
        assert cells == pytest.approx([value for row in rows for value in row.values()], rel=1e-5)
        assert visit.page.locator("svg.chart .band").count() == 2
        visit.page.fill("textarea", "a,b\n1,2")
        visit.page.get_by_role("button", name="Forecast").click()
        assert "looks at 12 steps" in visit.page.locator(".error").text_content()


def test_the_most_probable_text_is_what_generate_writes(browser: Any, exported: Callable[[str], Path]) -> None:
    checkpoint = exported("text")
    words = ["generate", str(checkpoint), "--prompt", "the qu", "--length", "60", "--temperature", "0", "--json"]
    told = json.loads(command(words))
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address) as visit:
        visit.page.fill("textarea", "the qu")
        visit.page.get_by_label("Characters").fill("60")
        visit.page.get_by_label("Temperature").fill("0")
        visit.page.get_by_role("button", name="Continue the text").click()
        visit.until("document.querySelector('.told').textContent.startsWith('Done.')")
        assert visit.page.text_content(".written") == "the qu" + told["text"]
        visit.page.get_by_label("Characters").fill("100000")
        visit.page.get_by_role("button", name="Continue the text").click()
        visit.page.get_by_role("button", name="Stop").click()
        visit.until("document.querySelector('.told').textContent.startsWith('Stopped.')")


def test_the_page_works_without_a_connection_after_its_first_visit(
    browser: Any, exported: Callable[[str], Path]
) -> None:
    checkpoint = exported("digits")
    with serving(folder(page_of(checkpoint))) as address, Visit(browser, address) as visit:
        visit.page.wait_for_selector("body[data-kept=yes]")
        assert "kept on this device" in visit.page.text_content("#offline")
        visit.context.set_offline(True)
        visit.page.reload()
        visit.page.wait_for_selector("body[data-state=ready]")
        visit.draw(*FOUR)
        assert 0 < visit.answer("[aria-label=Draw]")[1] <= 1
        visit.complaints = [text for text in visit.complaints if "ERR_INTERNET_DISCONNECTED" not in text]


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(kind: str, scheme: str, browser: Any, exported: Callable[[str], Path], photos: Path) -> None:
    checkpoint = exported(kind)
    for width in WIDTHS:
        with serving(folder(page_of(checkpoint))) as url, Visit(browser, url, width, color_scheme=scheme) as visit:
            if kind == "digits":
                visit.draw(*FOUR)
            if kind in ("digits", "photos"):
                visit.choose(photos / "china" / "01.jpg")
            if kind == "waves":
                visit.page.fill("textarea", (checkpoint.parent / "waves.csv").read_text())
                visit.page.get_by_role("button", name="Forecast").click()
                visit.page.wait_for_selector("tbody td")
            if kind == "text":
                visit.page.get_by_role("button", name="Continue the text").click()
                visit.page.wait_for_timeout(1000)
            visit.page.wait_for_timeout(300)
            assert visit.findings() == []


def test_what_is_no_picture_is_told_in_a_sentence(
    browser: Any, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "page.png").write_text("<html>")
    (tmp_path / "empty.png").write_bytes(b"")
    with serving(folder(page_of(exported("digits")))) as address, Visit(browser, address) as visit:
        visit.page.set_input_files("input[type=file]", [str(tmp_path / "page.png"), str(tmp_path / "empty.png")])
        visit.until("document.querySelectorAll('.error').length == 2")
        told = visit.page.locator(".error").all_text_contents()
        assert told[0] == "This file is empty."
        assert told[1].startswith("This file is no picture that the browser can read")


def test_the_camera_is_answered_live_and_stops(browser: Any, exported: Callable[[str], Path]) -> None:
    address = folder(page_of(exported("photos")))
    with serving(address) as url, Visit(browser, url, permissions=["camera"]) as visit:
        visit.page.get_by_role("button", name="Start the live camera").click()
        assert visit.answer(".camera")[0] in ("china", "flower")
        visit.page.get_by_role("button", name="Stop the camera").click()
        assert visit.page.locator("video").is_hidden()


def test_without_https_the_page_answers_and_says_what_browsers_do_not_allow(
    browser: Any, exported: Callable[[str], Path]
) -> None:
    handler = folder(page_of(exported("digits")))
    with serving(handler, ELSEWHERE) as address, Visit(browser, address) as visit:
        visit.draw(*FOUR)
        assert visit.answer("[aria-label=Draw]")[1] > 0
        assert "only over HTTPS or on localhost" in visit.page.text_content("main")
        assert "only over HTTPS or on localhost" in visit.page.text_content("#offline")


def test_names_in_any_script_keep_to_the_page(
    browser: Any, exported: Callable[[str], Path], photos: Path, tmp_path: Path
) -> None:
    shutil.copytree(page_of(exported("digits")), tmp_path / "page")
    description = json.loads((tmp_path / "page" / "model.json").read_text())
    description["classes"] = ["零" * 90, "واحد", "दो", "สาม", "🐝", "<b>5</b>", "", "x" * 200, "8", "9"]
    (tmp_path / "page" / "model.json").write_text(json.dumps(description))
    with serving(folder(tmp_path / "page")) as address, Visit(browser, address) as visit:
        for picture in sorted((photos / "china").iterdir())[:5]:
            visit.choose(picture)
        names = visit.page.locator(".bars .name").all_text_contents()
        assert len(names) == 25
        assert set(names) <= {name or "(empty)" for name in description["classes"]}


def test_a_page_opened_as_a_file_says_how_to_open_it(browser: Any, exported: Callable[[str], Path]) -> None:
    page = browser.new_page()
    page.goto((page_of(exported("digits")) / "index.html").as_uri())
    page.wait_for_selector("body[data-state=failed]")
    assert "python -m http.server" in page.text_content("#status")
    page.close()


@pytest.mark.parametrize(("name", "cause"), [("model.json", "model.json"), ("model.onnx", "does not load")])
def test_a_damaged_export_is_told(
    name: str, cause: str, browser: Any, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    shutil.copytree(page_of(exported("digits")), tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(b"{}x" * 100)
    with serving(folder(tmp_path)) as address, Visit(browser, address, state="failed") as visit:
        assert cause in visit.page.text_content("#status")
