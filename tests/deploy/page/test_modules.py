"""What the page computes is what cnncli computes: draws, decisions, numbers, dates, values of a series."""

from datetime import datetime
from pathlib import Path

import pytest
import torch

from cnncli.core.spec import Text
from cnncli.inference.generate import candidates, encode
from cnncli.tasks.costs import decisions
from tests.deploy.page.javascript import javascript, needs_node

pytestmark = needs_node
VOCABULARY = ["\0", "\n", "a", "b", "é", "字", "😀"]


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, None), (0.8, 5), (0.0, None), (0.01, 40), (3.0, 1)])
def test_characters_are_drawn_with_the_same_chances(temperature: float, top_k: int | None, tmp_path: Path) -> None:
    scores = torch.randn(30, generator=torch.Generator().manual_seed(0)).double().mul(4).round(decimals=1)
    code = """
import { candidates } from "./page/sampling.js";
found = candidates(given.scores, given.temperature, given.topK);
"""
    told = {"scores": scores.tolist(), "temperature": temperature, "topK": top_k}
    found = javascript(tmp_path, code, told)
    chances, ids = candidates(scores, temperature, top_k)
    assert found["ids"] == ids.tolist()
    torch.testing.assert_close(torch.tensor(found["chances"]).double(), chances, atol=1e-6, rtol=0)


def test_prompts_get_the_same_ids_and_an_empty_one_begins_with_a_line_break(tmp_path: Path) -> None:
    prompts = ["ab", "x字é😀", ""]
    code = """
import { encode } from "./page/sampling.js";
found = given.prompts.map((prompt) => encode(prompt, given.vocabulary));
found.push(encode("", ["?", "z"]));
"""
    text = Text(tuple(VOCABULARY))
    expected = [encode(prompt or "\n", text)[0] for prompt in prompts]
    assert javascript(tmp_path, code, {"prompts": prompts, "vocabulary": VOCABULARY}) == [*expected, [1]]


def test_a_text_longer_than_the_block_goes_on_from_its_last_half(tmp_path: Path) -> None:
    code = """
import { reader } from "./page/sampling.js";
const seen = [];
const run = async ({ ids }) => (seen.push([...ids.data].map(Number)), { logits: { data: new Float32Array(7) } });
const read = reader({ vocabulary: given, block: 4, state: [] }, run);
for (const ids of [[1, 2, 3], [4], [5], [6], [1], [2]]) await read(ids);
found = seen;
"""
    asked = [[1, 2, 3], [1, 2, 3, 4], [4, 5], [4, 5, 6], [4, 5, 6, 1], [1, 2]]
    assert javascript(tmp_path, code, VOCABULARY) == asked


def test_a_state_is_zero_at_first_and_then_handed_on(tmp_path: Path) -> None:
    code = """
import { continued } from "./page/sampling.js";
const seen = [];
const run = async ({ ids, hidden }) => {
  seen.push([ids.dims[1], hidden.dims, hidden.data[0]]);
  const logits = { data: Float32Array.from([9, 0, 0, ids.data[0] === 3n ? 5 : 0, 4, 0, 0]) };
  return { logits, hidden_after: { type: "float32", dims: hidden.dims, data: hidden.data.map((x) => x + 1) } };
};
const text = { vocabulary: given, block: null, state: [{ name: "hidden", shape: [2, "N", 3] }] };
let written = "";
const asked = { prompt: "ab", length: 3, temperature: 0, topK: null };
for await (const piece of continued(text, run, asked)) written += piece;
found = { written, seen };
"""
    found = javascript(tmp_path, code, VOCABULARY)
    assert found == {"written": "ééé", "seen": [[2, [2, 1, 3], 0], [1, [2, 1, 3], 1], [1, [2, 1, 3], 2]]}


def test_decisions_are_those_of_the_tasks(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.rand(50, 4, generator=generator).double()
    probabilities /= probabilities.sum(1, keepdim=True)
    probabilities[0] = 0.25
    costs = torch.rand(4, 4, generator=generator).double()
    classes = ["ant", "蜂", "نحلة", "🐝"]
    code = """
import { answersOf } from "./page/answers.js";
const data = Float64Array.from(given.probabilities.flat());
const outputs = { probabilities: { data, dims: [50, 4] } };
const named = (about) => answersOf(about, outputs).map((each) => each.named);
const { classes, costs, thresholds } = given;
const single = { probabilities: { data, dims: [200, 1] } };
const yes = (positive) => answersOf({ task: "binary", classes: ["no", "yes"], positive, thresholds: 0.3 }, single);
found = {
  plain: named({ task: "classification", classes, costs: null }),
  cheap: named({ task: "classification", classes, costs }),
  several: named({ task: "multilabel", classes, thresholds }),
  yes: yes(1).map((each) => each.named[0]), reversed: yes(0).map((each) => each.probability),
};
"""
    thresholds = [0.1, 0.3, 0.2, 0.9]
    found = javascript(tmp_path, code, {"probabilities": probabilities.tolist(), "costs": costs.tolist(),
                                        "classes": classes, "thresholds": thresholds})  # fmt: skip
    assert found["plain"] == [[classes[i]] for i in probabilities.argmax(1)]
    assert found["cheap"] == [[classes[i]] for i in decisions(probabilities, costs)]
    chosen = (probabilities >= torch.tensor(thresholds).double()).tolist()
    assert [set(names) for names in found["several"]] == [
        {name for name, yes in zip(classes, row, strict=True) if yes} for row in chosen
    ]
    flat = probabilities.flatten().tolist()
    assert found["yes"] == ["yes" if p >= 0.3 else "no" for p in flat]
    assert found["reversed"] == pytest.approx([p if p >= 0.3 else 1 - p for p in flat])


def test_numbers_and_dates_are_read_as_the_table_writes_them(tmp_path: Path) -> None:
    code = """
import { dateNumbers, numberOf } from "./page/rows.js";
found = {
  numbers: given.numbers.map(([text, decimal, thousands, unit]) => numberOf(text, { decimal, thousands, unit })),
  dates: given.dates.map(dateNumbers),
};
"""
    numbers = [["1.5", ".", "", ""], ["1.234,5", ",", ".", ""], ["-1e-3", ".", "", ""], ["12,000 €", ".", ",", "€"],
               ["abc", ".", "", ""], ["0x10", ".", "", ""], ["", ".", "", ""], ["1.2.3", ".", "", ""]]  # fmt: skip
    dates = ["2024-02-29", "1999-12-31T23:30", "1850-01-01"]
    found = javascript(tmp_path, code, {"numbers": numbers, "dates": dates})
    assert found["numbers"] == [1.5, 1234.5, -0.001, 12000, None, None, None, None]
    real = [datetime.fromisoformat(date) for date in dates]
    assert found["dates"] == [[d.year, d.month, d.weekday(), d.hour + d.minute / 60] for d in real]


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("112\n118\n132", ["y"], [[112], [118], [132]]),
        ("112 118 132", ["y"], [[112], [118], [132]]),
        ("1.5, 2, 3", ["y"], [[1.5], [2], [3]]),
        ('"Month","y"\n"1960-11",390\n"1960-12",432\n', ["y"], [[390], [432]]),
        ("b;time;a\n1,5;x;2\n3;y;4,25", ["a", "b"], [[2, 1.5], [4.25, 3]]),
        ("1960-11\t390\n1960-12\t432", ["y"], [[390], [432]]),
    ],
)
def test_values_of_a_series_are_read_from_many_forms(
    text: str, columns: list[str], rows: list[list[float]], tmp_path: Path
) -> None:
    code = """
import { parseSeries } from "./page/series.js";
found = parseSeries(given.text, given.columns);
"""
    assert javascript(tmp_path, code, {"text": text, "columns": columns}) == rows


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "Paste the values of y"),
        ("x,z\n1,2", "names no column “y”"),
        ("y\n1\nabc", "Line 3: “abc” is no number"),
        ("1\n2\n\n", "looks at 3 steps, and these are 2"),
        ("1\n0\n5", "have to be above 0"),
    ],
)
def test_values_that_cannot_be_read_are_told(text: str, cause: str, tmp_path: Path) -> None:
    code = """
import { parseSeries, windowFeeds } from "./page/series.js";
const about = { window: 3, columns: ["y"], log: true, parts: [] };
try {
  windowFeeds(about, parseSeries(given, ["y"]));
} catch (error) {
  found = error.message;
}
"""
    assert cause in javascript(tmp_path, code, text)
