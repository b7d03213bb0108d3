"""Labels that are not there: named as missing, with their line, and the advice helps when followed."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from tests.conftest import Answer
from tests.data.test_tables import opened, rows_of

Run = Callable[..., Answer]
WHOLE: dict[str, Any] = {"val_fraction": 0.0, "test_fraction": 0.0}


def table(labels: list[str]) -> str:
    return "x,y\n" + "".join(f"{n * 7 % 11}.5,{label}\n" for n, label in enumerate(labels))


def advised(text: str) -> dict[str, Any]:
    """The keys that a message says to set."""
    match = re.search(r"set dataset\.na_values: \[(.*)\] and dataset\.missing: drop$", text)
    assert match is not None, text
    return {"na_values": tuple(word.strip("'") for word in match[1].split(", ")), "missing": "drop"}


@pytest.mark.parametrize("labels", [["0", "1"], ["0.0", "1.0"], ["1", "2", "3"], ["-1", "1"], ["007", "01"]])
@pytest.mark.parametrize("word", ["nan", "NaN", "NAN"])
@pytest.mark.parametrize("times", [1, 3])
def test_nan_among_numbers_is_a_missing_label(labels: list[str], word: str, times: int) -> None:
    given = (labels * 10)[:12]
    text = table([*given[:4], *[word] * times, *given[4:]])
    with pytest.raises(DataError) as refused:
        opened(text, target="y", **WHOLE)
    assert str(refused.value).startswith(f"rows.csv:6: column 'y' has '{word}' among numbers, a missing label; give")
    answer = opened(text, target="y", **WHOLE, **advised(str(refused.value)))
    expected = opened(table(given), target="y", **WHOLE)
    assert answer.spec.classes == expected.spec.classes
    assert (
        rows_of(answer, "train").targets.bincount().tolist() == rows_of(expected, "train").targets.bincount().tolist()
    )


@pytest.mark.parametrize(
    ("labels", "words"),
    [(["cat", "dog"], ["nan"]), (["cat", "dog"], ["NULL", "?"]), (["0", "1"], ["NA"]), (["NZ", "DE"], ["NA"])],
)
def test_other_words_are_classes_and_a_notice_says_what_makes_them_missing(labels: list[str], words: list[str]) -> None:
    text = table([*labels * 5, *words, *words])
    with collecting() as told:
        answer = opened(text, target="y", **WHOLE)
    assert set(answer.spec.classes) == {*labels, *words}
    (found,) = [each for each in told if each.kind == "missing_labels"]
    shown = ", ".join(map(repr, words))
    assert found.text.startswith(f"rows.csv:12: column 'y' has {shown} as a class, in {2 * len(words)} rows; if that")
    with collecting() as told:
        answer = opened(text, target="y", **WHOLE, **advised(found.text))
    assert set(answer.spec.classes) == set(labels)
    assert "missing_labels" not in Counter(each.kind for each in told)


def test_measurements_with_a_nan_are_measurements_and_the_nan_is_missing() -> None:
    text = table([f"{n * 1.3:.2f}" for n in range(30)] + ["nan"])
    with pytest.raises(DataError, match=r"target column 'y' has 30 distinct numbers; set task: regression"):
        opened(text, target="y", **WHOLE)
    for missing in ("error", "drop", "fill"):
        with pytest.raises(
            DataError, match=r"rows\.csv:32: column 'y' has 'nan', no value to learn; remove"
        ) as refused:
            opened(text, "numbers", target="y", missing=missing, **WHOLE)
        answer = opened(text, "numbers", target="y", **WHOLE, **advised(str(refused.value)))
        assert len(rows_of(answer, "train")) == 30


def test_the_command_line_names_the_line_and_the_advice_trains(cnncli: Run) -> None:
    labels = [str(n * 5 % 7 % 2) for n in range(60)]
    Path("rows.csv").write_text(table([*labels[:9], "nan", *labels[9:]]))
    Path("c.yaml").write_text("dataset: {name: csv, file: rows.csv, target: y}\nmodel: linear\ntrain: {epochs: 1}\n")
    for command in (("train", "c.yaml"), ("data", "check", "c.yaml")):
        answer = cnncli(*command)
        assert answer.code == 3
        assert "rows.csv:11: column 'y' has 'nan' among numbers, a missing label" in answer.out + answer.err
    assert cnncli("train", "c.yaml", "dataset.na_values=['nan']", "dataset.missing=drop").code == 0
