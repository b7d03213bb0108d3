"""What commands write: nothing that is needed is overwritten, and every file name comes through."""

import codecs
import csv
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.cli.outputs import Output
from cnncli.core.errors import ConfigError, StorageError
from tests.cli.test_cli import process
from tests.conftest import ROOT, Answer, make_pictures

Cli = Callable[..., Answer]
QUIET = "logging: {tensorboard: false, samples: false, pictures: false}\n"
ODD = ["a b.png", "c,d.png", "über.png", "line\nbreak.png", "[1].png", "x.PNG", 'quote".png', "=1+1.png",
       "esc\x1b[2J.png", "[red]x.png", ":smile:.png", "turn\u202e.png", "csi\x9b2J.png"]  # fmt: skip


@pytest.fixture
def net(tmp_path: Path, cnncli: Cli, write_config: Callable[..., Path]) -> Path:
    """The run folder of a network that tells two classes of pictures apart; ``new`` holds oddly named ones."""
    make_pictures(tmp_path / "photos", {"cat": 12, "dog": 12})
    path = write_config(
        f"dataset: {{name: image_folder, root: photos, image_size: 8}}\nmodel: linear\ntrain: {{epochs: 1}}\n{QUIET}"
    )
    answer = cnncli("train", path, "--name", "a/1", "--json")
    assert answer.code == 0, answer.err
    (tmp_path / "new").mkdir()
    for name in ODD:
        shutil.copy("photos/cat/000.png", tmp_path / "new" / name)
    shutil.copy(b"photos/cat/000.png", os.fsencode(tmp_path / "new") + b"/\xff\xfe.png")
    return Path("runs/a/1")


EXPECTED = sorted([*(f"new/{name}" for name in ODD), os.fsdecode(b"new/\xff\xfe.png")])


@pytest.mark.parametrize("through", ["file", "pipe"])
@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.slow
def test_every_file_name_comes_back(form: str, through: str, net: Path) -> None:
    words = ["predict", "--ckpt", str(net), "new", "--format", form]
    if through == "file":
        done = process(*words, "--out", "out")
        assert done.returncode == 0, done.stderr
        content = Path("out").read_bytes()
    else:
        command = [sys.executable, "-m", "cnncli", *words]
        content = subprocess.run(command, capture_output=True, check=True, env=process_env()).stdout
    if form == "json":
        found = [answer["path"] for answer in json.loads(content.decode("utf-8"))["predictions"]]
        assert "\x1b" not in content.decode()
        assert "\u202e" not in content.decode()
    else:
        rows = csv.DictReader(content.decode("utf-8", "surrogateescape").splitlines(keepends=True))
        found = [row["path"] for row in rows]
    assert sorted(found) == EXPECTED


def process_env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_table_for_reading_steers_no_terminal(net: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", "--ckpt", net, "new")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert len(lines) == len(EXPECTED) + 1
    assert not [c for c in answer.out if c != "\n" and not c.isprintable()]
    for shown in (r"esc\x1b[2J.png", r"line\nbreak.png", "[red]x.png", ":smile:.png", r"turn\u202e.png", "über.png"):
        assert any(shown in line for line in lines), shown


@pytest.mark.parametrize("name", ["gone\x1b[2J", "gone\x9b2J", "gone\u202e", "gone\udcff"])
def test_a_name_in_an_error_steers_no_terminal(name: str, net: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", "--ckpt", net, "photos", name)
    assert answer.code == 3
    assert not [c for c in answer.err if c != "\n" and not c.isprintable()]
    assert "gone\\" in answer.err
    assert "cat" in answer.out


@pytest.mark.slow
def test_an_encoding_without_umlauts_keeps_the_bytes_of_names(net: Path) -> None:
    environment = process_env() | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, "-m", "cnncli", "predict", "--ckpt", str(net), "new", "--format", "csv"]
    done = subprocess.run(words, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "new/über.png".encode() in done.stdout
    assert b"new/\xff\xfe.png" in done.stdout


def test_a_csv_file_for_excel_begins_with_its_mark(net: Path, cnncli: Cli) -> None:
    shutil.copy("photos/cat/000.png", "new/昆蟲.png")
    words = ["predict", "--ckpt", net, "new", "--format", "csv", "--out", "out.csv"]
    assert cnncli(*words).code == 0
    plain = Path("out.csv").read_bytes()
    assert cnncli(*words, "--encoding", "UTF-8-SIG").code == 0
    assert Path("out.csv").read_bytes() == codecs.BOM_UTF8 + plain
    assert b"\xff\xfe.png" in plain, "a name that is not UTF-8"
    answer = cnncli(*words, "--encoding", "cp1252")
    assert answer.code == 2
    assert "the encoding cp1252 lacks '" in answer.err
    assert "set --encoding utf-8-sig" in answer.err
    assert Path("out.csv").read_bytes() == codecs.BOM_UTF8 + plain, "as it was"
    picture = Path("new/昆蟲.png")
    assert cnncli("predict", "--ckpt", net, picture, "--out", "one.csv", "--encoding", "gb18030").code == 0
    assert "昆蟲" in Path("one.csv").read_text("gb18030")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "a.csv", "--encoding", "utf-8sig"], "--encoding utf-8sig: unknown; did you mean 'utf-8-sig'?"),
        (["--out", "a.csv", "--encoding", "hex"], "--encoding hex: unknown; known: utf-8, utf-8-sig"),
        (["--encoding", "utf-8-sig"], "--encoding is for a file; name one with --out"),
        (["--out", "a", "--json", "--encoding", "utf-8-sig"], "JSON is UTF-8 always; leave out --encoding"),
    ],
)
def test_encodings_that_are_none_are_refused(words: list[str], message: str, net: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", "--ckpt", net, "new", *words)
    assert answer.code == 2
    assert message in answer.err
    assert not Path("a.csv").exists()


def test_class_names_in_tables_and_headers_steer_no_terminal(
    tmp_path: Path, cnncli: Cli, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pictures(tmp_path / "odd", {"[red]a": 12, "b\x1b[2J": 12, "c\tc": 12})
    path = write_config(
        "dataset: {name: image_folder, root: odd, image_size: 8, test_fraction: 0.2}\nmodel: linear\n"
        f"train: {{epochs: 1}}\n{QUIET}"
    )
    for terminal in ("", "1"):
        if terminal:
            monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal, with its own codes of colour
            monkeypatch.setenv("COLUMNS", "200")
        trained = cnncli("train", path, "--name", f"n/1{terminal}")
        judged = cnncli("eval", "--ckpt", f"runs/n/1{terminal}")
        assert (trained.code, judged.code) == (0, 0), trained.err + judged.err
        for text in (trained.err, judged.out):
            assert "\x1b[2J" not in text
        assert "[red]a" in judged.out
        assert r"b\x1b[2J" in judged.out
        assert r"c\tc" in judged.out


@pytest.mark.parametrize(
    ("out", "cause", "code"),
    [
        ("nowhere/out.csv", "there is no folder", 6),
        ("photos", "is a folder", 6),
        ("/proc/out.csv", "nothing can be written there", 6),
        ("circle", "link in a circle", 6),
        ("x" * 300, "cannot be written", 6),
        ("file/out.csv", "there is no folder", 6),
    ],
)
def test_the_place_is_looked_at_before_the_work(
    out: str, cause: str, code: int, net: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("circle").symlink_to("circle")
    Path("file").write_text("")
    monkeypatch.setattr("cnncli.inference.predictor.load_predictor", None)  # the work
    answer = cnncli("predict", "--ckpt", net, "new", "--out", out)
    assert answer.code == code
    assert cause in answer.err
    assert len(answer.complaint.splitlines()) == 1


def test_the_advice_to_make_the_folder_helps(net: Path, cnncli: Cli) -> None:
    answer = cnncli("predict", "--ckpt", net, "new", "--out", "nowhere/deep/out.csv")
    assert "mkdir -p" in answer.err
    Path("nowhere/deep").mkdir(parents=True)
    assert cnncli("predict", "--ckpt", net, "new", "--out", "nowhere/deep/out.csv").code == 0


def spellings(file: str) -> list[str]:
    """Paths that mean the same file."""
    path = Path(file)
    if not Path("soft").exists():
        Path("soft").symlink_to(file)
        os.link(file, "hard")
        Path("folder").symlink_to(path.absolute().parent)
    return [file, f"./{file}", str(path.absolute()), f"{path.parent}/../{path.absolute().parent.name}/{path.name}",
            "soft", "hard", f"folder/{path.name}"]  # fmt: skip


@pytest.mark.parametrize("file", ["new/[1].png", "photos/dog/003.png", "runs/a/1/best.pt", "runs/a/1/last.pt",
                                  "runs/a/1/config.yaml", "runs/a/1/result.json", "renamed"])  # fmt: skip
def test_predict_overwrites_nothing_that_is_needed(file: str, net: Path, cnncli: Cli) -> None:
    Path("other").mkdir()
    shutil.copy(net / "best.pt", "renamed")
    before = Path(file).read_bytes()
    for out in spellings(file) if file.count("/") < 3 else [file]:
        answer = cnncli("predict", "--ckpt", net, "new", "--out", out)
        assert answer.code == 2, (out, answer.err)
        assert "choose another name" in answer.err
        assert Path(file).read_bytes() == before


@pytest.fixture
def series(tmp_path: Path, cnncli: Cli, write_config: Callable[..., Path]) -> Path:
    (tmp_path / "live.csv").write_text("sales\n" + "".join(f"{i % 7}\n" for i in range(100)))
    shutil.copy(tmp_path / "live.csv", tmp_path / "mine.csv")
    path = write_config(
        "dataset: {name: series_csv, file: live.csv, window: 8, horizon: 3}\nmodel: linear\n"
        f"train: {{epochs: 1}}\n{QUIET}"
    )
    answer = cnncli("train", path, "--name", "s/1", "--json")
    assert answer.code == 0, answer.err
    return Path("runs/s/1/best.pt")


@pytest.mark.parametrize("option", ["--out", "--plot"])
@pytest.mark.parametrize("file", ["live.csv", "mine.csv"])
def test_forecast_overwrites_nothing_that_is_needed(option: str, file: str, series: Path, cnncli: Cli) -> None:
    before = Path(file).read_bytes()
    Path("soft.png").symlink_to(file)
    os.link(file, "hard.png")
    for out in ["soft.png", "hard.png"] if option == "--plot" else [file, f"./{file}", "soft.png", "hard.png"]:
        answer = cnncli("forecast", "--ckpt", series, "--steps", 2, "--csv", "mine.csv", option, out)
        assert answer.code == 2, answer.err
        assert Path(file).read_bytes() == before
    good = cnncli("forecast", "--ckpt", series, "--steps", 2, "--csv", "mine.csv", option, "other.png")
    assert good.code == 0, good.err
    assert Path("other.png").stat().st_size > 10


def test_forecast_says_where_its_files_are(series: Path, cnncli: Cli) -> None:
    words = ["forecast", "--ckpt", series, "--steps", 3, "--out", "out.csv", "--plot", "plot.png"]
    answer = cnncli(*words)
    assert answer.out == "forecast  out.csv\npicture   plot.png\n"
    assert Path("out.csv").is_file()
    assert Path("plot.png").is_file()
    assert set(cnncli(*words, "--json").json) >= {"rows"}, "JSON alone"
    shown = cnncli("forecast", "--ckpt", series, "--steps", 3, "--plot", "plot.png").out.splitlines()
    assert shown[-1] == "picture   plot.png"
    assert len(shown) == 5


def test_the_plot_is_not_the_table(series: Path, cnncli: Cli) -> None:
    words = ("forecast", "--ckpt", series, "--out", "f.png", "--plot")
    assert cnncli(*words, "./f.png").code == 2
    assert cnncli(*words, "g.png").code == 0


def test_a_table_is_not_written_over_those_that_are_read(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    Path("t.csv").write_text("x,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(60)))
    Path("few.csv").write_text("x,y\n1,a\n2,b\n")
    path = write_config(f"dataset: {{name: csv, file: t.csv, target: y}}\nmodel: linear\ntrain: {{epochs: 1}}\n{QUIET}")
    assert cnncli("train", path, "--name", "t/1", "--json").code == 0
    for out in ("few.csv", "t.csv"):
        before = Path(out).read_bytes()
        answer = cnncli("predict", "--ckpt", "runs/t/1", "few.csv", "--out", out)
        assert answer.code == 2
        assert Path(out).read_bytes() == before
    assert cnncli("predict", "--ckpt", "runs/t/1", "few.csv", "--out", "answers.csv").code == 0
    assert cnncli("predict", "--ckpt", "runs/t/1", "few.csv", "--out", "answers.csv").code == 0  # its own it may
    for name in ("prediction", "probability_a", "probability_b"):
        Path("taken.csv").write_text(f"x,{name}\n1,2\n")
        answer = cnncli("predict", "--ckpt", "runs/t/1", "taken.csv")
        assert answer.code == 3
        assert f"'{name}'" in answer.err
        assert "rename it" in answer.err
        Path("taken.csv").write_text(f"x,my_{name}\n1,2\n")
        assert cnncli("predict", "--ckpt", "runs/t/1", "taken.csv").code == 0


def test_a_training_column_with_the_name_of_an_answer_is_explained(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    rows = [f"{i},{'ab'[i % 2]}\n" for i in range(60)]
    Path("t.csv").write_text("prediction,y\n" + "".join(rows))
    path = write_config(f"dataset: {{name: csv, file: t.csv, target: y}}\nmodel: linear\ntrain: {{epochs: 1}}\n{QUIET}")
    cnncli("train", path, "--name", "t/1", "--json")
    answer = cnncli("predict", "--ckpt", "runs/t/1", "t.csv")
    assert answer.code == 3
    assert "rename it in the training data and train again" in answer.err
    Path("t.csv").write_text("guess,y\n" + "".join(rows))
    assert cnncli("train", path, "--name", "t/2", "--json").code == 0
    assert cnncli("predict", "--ckpt", "runs/t/2", "t.csv").code == 0


def test_samples_are_not_drawn_over_a_picture_of_the_data(tmp_path: Path, cnncli: Cli) -> None:
    make_pictures(tmp_path / "photos", {"cat": 8, "dog": 8})
    before = Path("photos/cat/000.png").read_bytes()
    Path("soft.png").symlink_to("photos/cat/000.png")
    for out in ("photos/cat/000.png", "soft.png"):
        answer = cnncli("data", "show", "photos", "--out", out)
        assert answer.code == 2
        assert Path("photos/cat/000.png").read_bytes() == before
    for _ in range(2):
        assert cnncli("data", "show", "photos", "--out", "grid.png").code == 0


def test_what_is_written_keeps_rights_and_goes_through_links(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "real.csv").chmod(0o640)
    (tmp_path / "link.csv").symlink_to("real.csv")
    Output("--out", tmp_path / "link.csv").write_text("new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real.csv").stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.csv", "real.csv"]


def test_a_longest_name_can_be_written(tmp_path: Path) -> None:
    Output("--out", tmp_path / ("x" * 251 + ".csv")).write_text("new")
    assert [len(p.name) for p in tmp_path.iterdir()] == [255]


def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    Output("--out", Path("/dev/null")).write_text("new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    Output("--out", tmp_path / "pipe").write_text("new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    output = Output("--out", tmp_path / "a.csv")

    def fail(_file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="--out"):
        output.write(fail)
    assert (tmp_path / "a.csv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"\x93NUMPY\x01\0", "a,b".encode("utf-16")])
def test_what_is_no_text_is_not_overwritten_by_text(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a,b\n")
    Output("--out", tmp_path / "a")
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ConfigError, match="holds something else"):
        Output("--out", tmp_path / "a")


@pytest.mark.parametrize("link", ["dangling", "circle"])
def test_a_link_that_leads_nowhere_is_listed_and_the_rest_answered(link: str, net: Path, cnncli: Cli) -> None:
    target = {"dangling": "gone.png", "circle": "circle.png"}[link]
    Path(f"{link}.png").symlink_to(target)
    Path(f"photos/{link}.png").symlink_to(target if link == "dangling" else f"{link}.png")
    for words in ([f"{link}.png", "photos/cat"], ["*.png", "photos/cat"], ["photos"], [f"**/{link}.png", "photos/cat"]):
        answer = cnncli("predict", "--ckpt", net, *words, "--format", "csv")
        assert answer.code == 3, answer.err
        assert len(answer.out.splitlines()) >= 13
        assert f"{link}.png" in answer.err


def test_folders_that_link_to_themselves_end(net: Path, cnncli: Cli) -> None:
    for name in "abc":
        Path(f"photos/{name}").symlink_to(".")
    answer = cnncli("predict", "--ckpt", net, "photos/**/*.png", "--format", "csv")
    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()) >= 25
