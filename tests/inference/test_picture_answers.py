"""How answers for pictures are written."""

import json
import re

import pytest
from rich.cells import cell_len

from cnncli.inference.predict_pictures import Answer, Answers, format_answers

SMALL = Answers([Answer("a.png", {"prediction": 0.000123456}), Answer("b.png", {"prediction": 12345.678})], {})


@pytest.mark.parametrize("form", ["csv", "table"])
def test_a_predicted_number_keeps_its_digits_even_between_zero_and_one(form: str) -> None:
    lines = format_answers(SMALL, form).replace(",", " ").splitlines()
    assert [line.split() for line in lines[1:]] == [["a.png", "0.000123456"], ["b.png", "12345.68"]]
    found = json.loads(format_answers(SMALL, "json"))["predictions"]
    assert [one["prediction"] for one in found] == [0.000123456, 12345.678]


def test_a_probability_has_four_decimals_and_none_is_an_empty_cell() -> None:
    some, none = {"prediction": "a|b", "probability": 0.98765}, {"prediction": "", "probability": None}
    answers = Answers([Answer("1.png", some), Answer("2.png", none)], {})
    assert format_answers(answers, "csv") == "path,prediction,probability\n1.png,a|b,0.9877\n2.png,,\n"


@pytest.mark.parametrize("width", [60, 100])
def test_a_long_path_is_shortened_in_its_middle_so_that_a_row_is_a_line(width: int) -> None:
    long = f"photos/{'very_' * 20}long_昆蟲_name.png"
    answers = Answers([Answer(path, {"prediction": "ant", "probability": 0.5}) for path in (long, "b.png")], {})
    head, first, second = format_answers(answers, "table", width).splitlines()
    assert cell_len(first) <= width
    assert re.fullmatch(r"photos/very_\S*…\S*_昆蟲_name\.png  ant         0\.5000", first)
    assert (head.split(), second.split()) == (["path", "prediction", "probability"], ["b.png", "ant", "0.5000"])
    assert long in format_answers(answers, "table"), "in a file it is whole"
