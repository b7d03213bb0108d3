"""Tables as they are on the web, by configs of six lines; and what commands say of what is worth a look."""

import csv
import io
import math
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cnncli.core.spec import Table
from cnncli.inference.predictor import load_predictor
from tests.conftest import Answer

Run = Callable[..., Answer]
DRAW = random.Random(0)


def banknote() -> str:
    """Four measurements and 0 or 1, no header."""
    return "".join(",".join(f"{DRAW.gauss(0, 3):.5g}" for _ in range(4)) + f",{n % 2}\n" for n in range(120))


def pima() -> str:
    """Eight numbers and 0 or 1, no header."""
    return "".join(
        f"{n % 14},{80 + n % 90},{50 + n % 40},{n % 50},{n % 300},{20 + n % 20 + 0.1 * (n % 9):.1f},"
        f"{0.1 + DRAW.random():.3f},{21 + n % 50},{n % 2}\n"
        for n in range(120)
    )


def sonar() -> str:
    """Sixty fractions and R or M, no header."""
    return "".join(",".join(f"{DRAW.random():.4f}" for _ in range(60)) + f",{'RM'[n % 2]}\n" for n in range(104))


def housing() -> str:
    """Fourteen columns, blanks of any number between and before them, no header."""
    rows = ([DRAW.random() * 10**k for k in (0, 1, 1, 0, 0, 1, 2, 1, 1, 2, 1, 2, 1, 1)] for _ in range(120))
    return "".join(" " + "  ".join(f"{value:8.4f}" for value in row) + "\n" for row in rows)


def wine() -> str:
    """The class first, then thirteen measurements, no header."""
    return "".join(
        f"{1 + n % 3}," + ",".join(f"{DRAW.random() * 10:.4g}" for _ in range(13)) + "\n" for n in range(120)
    )


WEB = {
    "banknote_authentication.csv": (banknote, "{{name: csv, file: {}, target: -1, header: false}}", "classification"),
    "pima-indians-diabetes.data": (pima, "{{name: csv, file: {}, target: 8, header: false}}", "binary"),
    "sonar.all-data": (sonar, "{{name: csv, file: {}, target: -1, header: false}}", "classification"),
    "housing.data": (housing, "{{name: csv, file: {}, target: -1, header: false}}", "regression"),
    "wine.data": (wine, "{{name: csv, file: {}, target: 0, header: false}}", "classification"),
}


@pytest.mark.parametrize("file", WEB)
def test_tables_of_the_web_are_trained_by_six_lines_as_they_are(cnncli: Run, file: str) -> None:
    make, dataset, task = WEB[file]
    text = make()
    Path(file).write_text(text)
    config = f"dataset: {dataset.format(file)}\nmodel: {{name: mlp, hidden: [8]}}\ntask: {task}\ntrain: {{epochs: 1}}\n"
    assert len(config.splitlines()) <= 6
    Path("web.yaml").write_text(config)
    answer = cnncli("train", "web.yaml", "--name", "web/one", "logging.tensorboard=false")
    assert answer.code == 0, answer.err
    assert f"reading {file}" in answer.err
    spec = load_predictor(Path("runs/web/one")).spec
    assert spec.input_shape == (len(text.splitlines()[0].replace(",", " ").split()) - 1,)
    if "," in text:  # without its header line the file is refused, with advice that helps
        refused = cnncli("train", "web.yaml", "--name", "web/two", "dataset.header=auto")
        assert refused.code == 3
        assert f"{file}:1: line 1 is numbers; set header: false" in refused.err
    rows = "\n".join(text.splitlines()[:3]) + "\n"
    Path("new.csv").write_text(rows)
    predicted = cnncli("predict", "--ckpt", "runs/web/one", "new.csv", "--out", "answers.csv")
    assert predicted.code == 0, predicted.err
    found = list(csv.reader(io.StringIO(Path("answers.csv").read_text())))
    assert len(found) == 4
    assert [row[: spec.input_shape[0] + 1] for row in found[1:]] == [
        line.replace(",", " ").split() for line in rows.splitlines()
    ]
    assert cnncli("eval", "--ckpt", "runs/web/one").code == 0


CONFIG = (
    "name: a\ndataset: {{name: csv, file: {}, target: y, batch_size: 32, {}}}\nmodel: {}\n{}\ntrain: {{epochs: 2}}\n"
)


def trained(
    cnncli: Run, text: str, options: str = "", model: str = "{name: mlp, hidden: [8]}", more: str = ""
) -> Answer:
    Path("t.csv").write_text(text)
    Path("t.yaml").write_text(CONFIG.format("t.csv", options, model, more))
    answer = cnncli("train", "t.yaml", "--name", "a/a", "--overwrite", "logging.tensorboard=false")
    assert answer.code == 0, answer.err
    return answer


def test_new_rows_are_read_as_the_trained_ones_were(cnncli: Run) -> None:
    rows = [f"{20 + n % 7},{n % 10};{40 + n % 9},{n % 8};{n % 2}" for n in range(80)]
    answer = trained(cnncli, "\n".join(["temp;hum;y", *rows]) + "\n")
    assert "note: t.csv: the cells are parted by ';'" in answer.err
    assert "note: t.csv: numbers have a decimal comma" in answer.err
    Path("new.csv").write_text("temp;hum\n22,87;51,3\n")
    Path("point.csv").write_text("temp,hum\n22.87,51.3\n")
    one = cnncli("predict", "--ckpt", "runs/a/a", "new.csv").out.splitlines()[1]
    assert one.startswith('"22,87","51,3",')
    refused = cnncli("predict", "--ckpt", "runs/a/a", "point.csv")
    assert refused.code == 3
    assert "has '22.87' where a number with a decimal comma is expected" in refused.err
    frame = pd.DataFrame({"temp": [22.87], "hum": [51.3]})
    from cnncli.inference.predict import predict_rows

    assert f"{predict_rows(load_predictor(Path('runs/a/a')), frame)['probability_1'][0]:.5g}" in one


def test_labels_answer_as_they_are_written(cnncli: Run) -> None:
    trained(cnncli, "x,y\n" + "".join(f"{n % 9},{('01', '1', '007')[n % 3]}\n" for n in range(90)))
    Path("new.csv").write_text("x\n1\n2\n")
    frame = pd.read_csv(io.StringIO(cnncli("predict", "--ckpt", "runs/a/a", "new.csv").out), dtype=str)
    assert list(frame.columns[2:]) == ["probability_007", "probability_01", "probability_1"]
    assert set(frame["prediction"]) <= {"007", "01", "1"}


@pytest.mark.parametrize("model", ["linear", "{name: mlp, hidden: [8]}"])
def test_an_unseen_category_gets_no_answer_unless_one_was_trained(cnncli: Run, model: str) -> None:
    cities = ["Oslo", "Rome", "Lima"] * 40 + ["Bonn", "Gent", "Turku"] * 3
    text = "city,size,y\n" + "".join(f"{city},{n % 80},{n % 30}\n" for n, city in enumerate(cities))
    Path("new.csv").write_text("city,size\nOslo,60\nRome,60\nKyiv,60\n")
    Path("rare.csv").write_text("city,size\nOslo,60\nRome,60\nBonn,60\n")
    trained(cnncli, text, "missing: fill", model, "task: regression")
    refused = cnncli("predict", "--ckpt", "runs/a/a", "new.csv")
    assert refused.code == 3
    assert "new.csv:4: column 'city' has 'Kyiv', unknown in training" in refused.err
    assert "set dataset.rare" in refused.err
    trained(cnncli, text, "missing: fill, rare: 5", model, "task: regression")
    answers = [
        pd.read_csv(io.StringIO(cnncli("predict", "--ckpt", "runs/a/a", name).out)) for name in ("new.csv", "rare.csv")
    ]
    assert answers[0]["prediction"].tolist() == answers[1]["prediction"].tolist()


def test_a_constant_column_is_said_in_training_and_where_it_moves(cnncli: Run) -> None:
    answer = trained(
        cnncli, "budget,size,y\n" + "".join(f"0,{n},{n / 10}\n" for n in range(90)), "", "linear", "task: regression"
    )
    assert "note: t.csv: one value in all training rows, so ignored: 'budget' (0)" in answer.err
    Path("new.csv").write_text("budget,size\n0,60\n1500,60\n250000,60\n")
    answer = cnncli("predict", "--ckpt", "runs/a/a", "new.csv")
    frame = pd.read_csv(io.StringIO(answer.out))
    assert frame["prediction"].nunique() == 1
    assert "column 'budget' was 0 in all training rows" in answer.err
    assert "2 rows have another, first 1500" in answer.err
    assert not cnncli("eval", "--ckpt", "runs/a/a").err.count("budget")


@pytest.mark.parametrize(("delimiter", "word"), [("\t", "\\t"), ("|", "|"), ("|", "'|'")])
def test_a_delimiter_can_be_said_on_the_command_line(cnncli: Run, delimiter: str, word: str) -> None:
    trained(cnncli, delimiter.join("xy") + "\n" + "".join(f"{n}{delimiter}{n % 2}\n" for n in range(40)))
    answer = cnncli("train", "t.yaml", "--name", "a/b", f"dataset.delimiter={word}", "logging.tensorboard=false")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_rows_of_any_form_stay_as_they_are_written(cnncli: Run, form: str) -> None:
    trained(cnncli, "x,y\n" + "".join(f"{n % 9},{'pq'[n % 2]}\n" for n in range(60)))
    Path("plain.csv").write_text("code,x\n007,1.50\n,2\n")
    Path("quoted.csv").write_text('code,x\n"a, ""b""",1.50\n"two\nlines",2\n')
    Path("semi.csv").write_text("code;x\n007;1.50\n1,5;2\n")
    for name, codes in (("plain", ["007", ""]), ("quoted", ['a, "b"', "two\nlines"]), ("semi", ["007", "1,5"])):
        answer = cnncli("predict", "--ckpt", "runs/a/a", f"{name}.csv", "--format", form)
        assert answer.code == 0, answer.err
        if form == "csv":
            rows = list(csv.DictReader(io.StringIO(answer.out)))
            assert [row["code"] for row in rows] == codes
            assert [row["x"] for row in rows] == ["1.50", "2"]
            assert math.isclose(sum(float(rows[0][f"probability_{c}"]) for c in "pq"), 1, abs_tol=1e-5)
        else:
            assert "007" in answer.out or name == "quoted"


@pytest.mark.slow
def test_a_column_of_many_texts_costs_no_memory_but_a_line(cnncli: Run) -> None:
    Path("t.csv").write_text("user,x,y\n" + "".join(f"u{n},{n % 13},{n % 2}\n" for n in range(60_000)))
    Path("t.yaml").write_text(CONFIG.format("t.csv", "categorical: [user], missing: fill", "mlp", ""))
    answer = cnncli("train", "t.yaml")
    assert answer.code == 3
    assert "column 'user' has 43,200 different texts" in answer.err
    assert "GiB, more than 2; name it in ignore, or set dataset.rare" in answer.err
    assert cnncli("train", "t.yaml", "dataset.categorical=[]", "dataset.ignore=[user]", "train.epochs=1").code == 0


def test_a_table_of_before_keeps_what_was_missing_and_how_its_classes_were_joined() -> None:
    from cnncli.core.notices import collecting
    from cnncli.core.spec import Column
    from cnncli.data.columns import encode_rows
    from cnncli.data.labels import encode_labels
    from cnncli.data.table_file import open_table

    before = Table((Column("x", 1.0, 2.0, fill=1.0), Column("town", categories=("Oslo",), missing=True)), ("y",))
    Path("new.csv").write_text("x,town\n?,Oslo\nNA,NA\n3,Kyiv\n")
    with collecting() as found:
        encoded = encode_rows(open_table(Path("new.csv")).frame, before)
    assert encoded.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 1]]
    assert [notice.kind for notice in found] == ["unseen"]
    labels = pd.Series(["01", "1.0", "2"], dtype=object)
    assert encode_labels(labels, ("1", "2"), "rows", before=True)[1].tolist() == [0, 0, 1]
