"""Rows of tables: what is fitted sees the training part only, and every fault is named with its line."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import CnncliError, ConfigError, DataError
from cnncli.core.notices import collecting
from cnncli.core.registry import datasets
from cnncli.core.spec import Column, DataSpec, Pictures, Table, Wants
from cnncli.data.contract import Opened
from cnncli.data.sources import ArraySource
from cnncli.data.splits import random_split
from cnncli.data.table_file import open_table
from cnncli.data.table_rows import row_hashes
from cnncli.data.tables import encode_rows

PEOPLE = """\
age,town,height,job
31,Oslo,1.72,cook
45,Rome,1.65,cook
28,Oslo,1.80,poet
52,Rome,1.58,poet
39,Bern,1.77,cook
44,Oslo,1.69,poet
23,Rome,1.91,cook
61,Bern,1.75,poet
35,Oslo,1.62,cook
50,Rome,1.70,poet
"""


def untracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


def write(text: str | bytes, name: str = "rows.csv") -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def opened(text: str, wants: Wants = "classes", spec: DataSpec | None = None, **options: Any) -> Opened:
    """The CSV ``text`` opened; what the dataset section itself knows goes to it, the rest to the data set."""
    section = {key: options.pop(key) for key in ("val_fraction", "split_seed", "normalize") if key in options}
    raw = datasets.build("csv", file=write(text), **options)
    return opened_raw(raw, wants, spec, **section)


def opened_raw(raw: Any, wants: Wants = "classes", spec: DataSpec | None = None, **section: Any) -> Opened:
    config = DatasetConfig.model_validate({"name": "csv", **section})
    answer = raw.open(config, wants, untracked, spec)
    assert isinstance(answer, Opened)
    return answer


def failure(text: str, wants: Wants = "classes", kind: type[CnncliError] = DataError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        opened(text, wants, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def table_of(answer: Opened) -> Table:
    assert isinstance(answer.spec.preprocess, Table)
    return answer.spec.preprocess


def rows_of(answer: Opened, split: Any) -> ArraySource:
    source = answer.sources[split]
    assert isinstance(source, ArraySource)
    return source


def told(train: Sequence[str], test: Sequence[str]) -> str:
    """A table ``a,town,y,part`` with such rows in its parts."""
    return "a,town,y,part\n" + "".join(f"{row},train\n" for row in train) + "".join(f"{row},test\n" for row in test)


def test_a_table_becomes_inputs_classes_and_splits() -> None:
    answer = opened(PEOPLE, target="job")
    assert answer.spec.classes == ("cook", "poet")
    assert answer.spec.input_shape == (1 + 3 + 1,)
    assert answer.spec.outputs == (2,)
    assert {split: len(source) for split, source in answer.sources.items()} == {"train": 6, "val": 2, "test": 2}
    rows = rows_of(answer, "train")
    assert rows.inputs.dtype == torch.float32
    assert rows.targets.dtype == torch.int64
    assert [name for column in table_of(answer).columns for name in column.inputs] == [
        "age", "town=Bern", "town=Oslo", "town=Rome", "height"
    ]  # fmt: skip
    assert rows.inputs[:, 0].mean().item() == pytest.approx(0, abs=1e-6)
    assert rows.inputs[:, 4].std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(rows.inputs[:, 1:4].sum(1), torch.ones(6))


def test_no_statistic_knows_the_test_rows() -> None:
    train = [f"{n},{town},{n % 2}" for n, town in enumerate(["Oslo", "Rome"] * 10)]
    for wants in ("classes", "numbers"):
        one = opened(told(train, ["5,Oslo,1", "6,Rome,0"]), wants, target="y", split_column="part", missing="fill")
        two = opened(told(train, ["9e9,Oslo,1", ",Rome,1", "-7,,0"]), wants, target="y", split_column="part",
                     missing="fill")  # fmt: skip
        assert one.spec == two.spec
        assert torch.equal(rows_of(one, "train").inputs, rows_of(two, "train").inputs)
        assert torch.equal(rows_of(one, "val").inputs, rows_of(two, "val").inputs)


def test_validation_rows_are_not_fitted_on_either() -> None:
    answer = opened_raw(datasets.build("diabetes"), "numbers")
    parts = {split: rows_of(answer, split) for split in ("train", "val", "test")}
    table = table_of(answer)
    for position, column in enumerate(table.columns):
        assert parts["train"].inputs[:, position].double().mean().item() == pytest.approx(0, abs=1e-5)
        assert column.std > 0
    targets = parts["train"].targets.double()
    learned = answer.spec.numbers
    assert learned is not None
    assert learned.names == table.targets
    assert learned.mean == pytest.approx([targets.mean().item()])
    assert learned.std == pytest.approx([targets.std(correction=0).item()])
    assert abs(parts["val"].inputs.mean().item()) > 1e-4


def test_numbers_keep_their_unit_and_several_targets_their_order() -> None:
    answer = opened(PEOPLE, "numbers", target=["height", "age"], ignore=["town"])
    assert answer.spec.outputs == (2,)
    assert answer.spec.classes == ()
    table = table_of(answer)
    assert table.targets == ("height", "age")
    learned, trained = answer.spec.numbers, rows_of(answer, "train").targets
    assert learned is not None
    assert learned.names == ("height", "age")
    assert learned.mean == pytest.approx(trained.mean(0).tolist())
    assert learned.std == pytest.approx(trained.std(0, correction=0).tolist())
    everything = torch.cat([rows_of(answer, split).targets for split in ("train", "val", "test")])
    assert everything.dtype == torch.float64
    assert everything.shape == (10, 2)
    assert sorted(everything[:, 1].tolist()) == [23, 28, 31, 35, 39, 44, 45, 50, 52, 61]


def test_what_can_be_learned_follows_from_the_target() -> None:
    path = write(PEOPLE)
    assert datasets.build("csv", file=path, target="job").offers == ("classes",)
    assert datasets.build("csv", file=path, target="age").offers == ("classes", "numbers")
    assert datasets.build("csv", file=path, target=["age", "height"]).offers == ("numbers",)


def test_the_split_column_tells_the_splits() -> None:
    text = "x,y,part\n" + "".join(f"{n},{n % 2},{part}\n" for n, part in enumerate(["train"] * 8 + ["val"] * 3))
    answer = opened(text, target="y", split_column="part")
    assert {split: len(source) for split, source in answer.sources.items()} == {"train": 8, "val": 3}
    assert [column.name for column in table_of(answer).columns] == ["x"]
    message = failure(text.replace("val", "dev"), target="y", split_column="part")
    assert message == "rows.csv:10: column 'part' has 'dev'; it tells the splits: write train, val or test"
    assert "calls no row train" in failure(text.replace("train", "test"), target="y", split_column="part")


def test_test_and_validation_are_stratified_for_classes_and_do_not_move_with_the_seed() -> None:
    text = "x,y\n" + "".join(f"{n},{'rare' if n % 10 == 0 else 'common'}\n" for n in range(200))
    answer, other = opened(text, target="y"), opened(text, target="y", split_seed=1)
    counts = {split: torch.bincount(source.targets).tolist() for split, source in answer.sources.items()}
    assert counts == {"train": [130, 14], "val": [14, 2], "test": [36, 4]}
    for split, same in (("test", True), ("val", False), ("train", False)):
        one, two = (table_values(a, split) for a in (answer, other))
        assert (one == two) is same
    values = [value for split in answer.sources for value in table_values(answer, split)]
    assert sorted(values) == list(range(200)), "every row is in one split"


def table_values(answer: Opened, split: str) -> list[int]:
    """The values of a table's first column, undone."""
    column = table_of(answer).columns[0]
    return [round(value * column.std + column.mean) for value in rows_of(answer, split).inputs[:, 0].tolist()]


def test_a_random_split_is_seeded_and_leaves_something_on_both_sides() -> None:
    kept, taken = random_split(100, 0.2, seed=0)
    assert sorted([*kept.tolist(), *taken.tolist()]) == list(range(100))
    assert len(taken) == 20
    assert torch.equal(taken, random_split(100, 0.2, seed=0)[1])
    assert not torch.equal(taken, random_split(100, 0.2, seed=1)[1])
    assert [len(part) for part in random_split(2, 0.01, seed=0)] == [1, 1]
    assert [len(part) for part in random_split(2, 0.99, seed=0)] == [1, 1]
    with pytest.raises(DataError, match=r"set dataset\.test_fraction: 0"):
        random_split(1, 0.5, 0, "test_fraction")


def test_a_fraction_of_nothing_leaves_out_the_split() -> None:
    assert set(opened(PEOPLE, target="job", test_fraction=0.0).sources) == {"train", "val"}
    assert set(opened(PEOPLE, target="job", val_fraction=0.0).sources) == {"train", "test"}


def test_classes_of_whole_numbers_are_sorted_as_numbers() -> None:
    text = "x,y\n" + "".join(f"{n},{grade}\n" for n, grade in enumerate(["10", "9.0", "2"] * 10))
    assert opened(text, target="y").spec.classes == ("2", "9", "10")


def test_measurements_are_no_classes() -> None:
    many = "x,y\n" + "".join(f"1,{n}\n" for n in range(150))
    assert failure(many, target="y") == "rows.csv: target column 'y' has 150 distinct numbers; set task: regression"
    assert "has 2 distinct numbers; set task: regression" in failure("x,y\n1,0.5\n2,1\n" * 1, target="y")
    assert "has 1 class" in failure("x,y\n1,a\n2,a\n", target="y")


def test_a_text_is_no_number_to_learn() -> None:
    message = failure(PEOPLE, "numbers", target="job", ignore=["town"])
    assert message.startswith("rows.csv:2: column 'job' has 'cook' where a number is learned")


def test_every_class_is_in_the_training_part() -> None:
    message = failure(told(["1,a,p", "2,b,q"], ["3,a,new"]), target="y", split_column="part", val_fraction=0.0)
    assert "no training row has the class 'new'" in message


@pytest.mark.parametrize(("text", "where"), [("1,Oslo,p\n,Rome,q\n", "age"), ("1,Oslo,p\n2,,q\n", "town")])
def test_a_missing_value_is_an_error_unless_chosen_otherwise(text: str, where: str) -> None:
    message = failure("age,town,y\n" + "3,Rome,p\n" * 3 + text, target="y", test_fraction=0.0, val_fraction=0.0)
    assert message.startswith(f"rows.csv:6: column '{where}' has no value; ")
    assert "set missing: fill or drop" in message


def test_rows_with_missing_values_are_dropped() -> None:
    text = PEOPLE + ",Oslo,1.7,cook\n40,,1.7,cook\n40,Oslo,1.7,\n41,Oslo,,poet\n"
    answer, whole = opened(text, target="job", missing="drop"), opened(PEOPLE, target="job")
    assert answer.spec == whole.spec
    assert "no row has all its values" in failure("a,y\n,p\n,q\n", target="y", missing="drop")


def test_missing_values_are_filled_with_the_training_mean_or_a_category_of_their_own() -> None:
    train = ["1,Oslo,p", "3,Rome,q", ",Oslo,p", "8,,q"]
    answer = opened(told(train, [",,p"]), target="y", split_column="part", missing="fill", val_fraction=0.0)
    age, town = table_of(answer).columns
    assert age.fill == age.mean == 4
    assert age.std == pytest.approx(np.std([1, 3, 8]))
    assert town.inputs == ("town=Oslo", "town=Rome", "town=(missing)")
    assert rows_of(answer, "train").inputs[2].tolist() == [0, 1, 0, 0]
    assert rows_of(answer, "train").inputs[3, 1:].tolist() == [0, 0, 1]
    assert rows_of(answer, "test").inputs[0].tolist() == [0, 0, 0, 1]
    message = failure(told(train, ["1,Paris,p"]), target="y", split_column="part", missing="fill", val_fraction=0.0)
    assert "column 'town' has 'Paris', unknown in training" in message, "a town never seen is not like none"


@pytest.mark.parametrize("missing", ["error", "fill"])
def test_a_missing_target_is_never_filled(missing: str) -> None:
    assert failure(PEOPLE + "40,Oslo,1.7,\n", target="job", missing=missing) == (
        "rows.csv:12: column 'job' has no value to learn; remove the row, or set missing: drop"
    )


def test_a_column_that_never_changes_is_ignored_with_a_notice_and_said_when_it_moves() -> None:
    text = "a,c,b,y\n" + "0.1,EUR,1,p\n0.1,EUR,2,q\n0.1,EUR,3,p\n" * 5
    with collecting() as found:
        table = table_of(opened(text, target="y"))
    assert [column.name for column in table.columns] == ["b"]
    assert [(constant.name, float(constant.value)) for constant in table.constants[:1]] == [("a", 0.1)]
    assert [notice.kind for notice in found] == ["constant", "equal_rows"]
    assert "'a' (0.1), 'c' (EUR)" in found[0].text
    with collecting() as found:
        same = encode_rows(open_table(Path(write("a,c,b\n0.1,EUR,1\n"))).frame, table)
    assert not found
    with collecting() as found:
        moved = encode_rows(open_table(Path(write("a,c,b\n0.1,USD,1\n0.2,EUR,1\n0.3,EUR,1\n"))).frame, table)
    assert torch.equal(moved[:1], same)
    assert [notice.kind for notice in found] == ["moved", "moved"]
    assert "column 'a' was 0.1 in all training rows" in found[0].text
    assert "2 rows have another, first 0.2" in found[0].text
    assert "1 row has another, first USD" in found[1].text
    assert encode_rows(open_table(Path(write("b\n1\n"))).frame, table).shape == (1, 1), "it is not needed"
    assert "every feature has one value in all training rows" in failure("a,y\n" + "1,p\n1,q\n" * 9, target="y")


def test_numbers_can_stay_as_they_are() -> None:
    answer = opened(PEOPLE, target="job", normalize="none", missing="fill")
    age = table_of(answer).columns[0]
    assert (age.mean, age.std) == (0, 1)
    assert age.fill is not None
    assert age.fill > 20, "the mean still stands in"
    assert rows_of(answer, "train").inputs[:, 0].min() >= 23


@pytest.mark.parametrize("normalize", ["half", "imagenet", {"mean": [0.0], "std": [1.0]}])
def test_statistics_of_pictures_are_refused(normalize: object) -> None:
    assert failure(PEOPLE, kind=ConfigError, target="job", normalize=normalize) == (
        "normalize: rows of a table take dataset or none"
    )


def test_a_checkpoint_brings_table_and_classes() -> None:
    spec = opened(PEOPLE, target="job").spec
    assert spec.numbers is None
    shuffled = "extra,job,height,town,age\n" + "".join(
        f"0,{job},{height},{town},{age}\n"
        for age, town, height, job in (row.split(",") for row in PEOPLE.splitlines()[1:4])
    )
    answer = opened(shuffled, spec=spec, target="job", val_fraction=0.0, test_fraction=0.0)
    assert answer.spec is spec
    expected = encode_rows(open_table(Path(write(PEOPLE))).frame, table_of(answer))[:3]
    assert torch.equal(rows_of(answer, "train").inputs, expected)
    again = DataSpec.from_dict(spec.to_dict())
    assert again == spec
    one: dict[str, Any] = {"target": "job", "spec": spec, "val_fraction": 0.0, "test_fraction": 0.0}
    assert "has the class 'king', unknown in training (known: cook, poet)" in failure(PEOPLE + "1,Oslo,1,king\n", **one)
    assert "the checkpoint was trained for job" in failure(PEOPLE, **{**one, "target": "age"})
    assert "'town' is missing" in failure(PEOPLE.replace("town", "city"), **one)
    pictures = DataSpec((1, 2, 2), ("a", "b"), Pictures((0.0,), (1.0,)))
    assert "csv: has rows of a table, the checkpoint was trained on pictures; use the data it was trained on" in (
        failure(PEOPLE, **{**one, "spec": pictures})
    )


TABLE = Table((Column("age", 30.0, 10.0), Column("town", categories=("Oslo", "Rome"))), ("y",))


def test_the_order_of_columns_does_not_matter_and_others_are_passed_over() -> None:
    frame = pd.DataFrame({"town": ["Rome", "Oslo"], "name": ["a", "b"], "age": [40, 25.0], "y": [1, 2]})
    expected = torch.tensor([[1.0, 0, 1], [-0.5, 1, 0]])
    assert torch.equal(encode_rows(frame, TABLE), expected)
    assert torch.equal(encode_rows(frame[["y", "age", "town"]].astype(str), TABLE), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Age,town\n1,Oslo\n", "rows.csv: column 'age' is missing (extra: 'Age'); did you mean 'Age'?"),
        ("x\n1\n", "rows.csv: columns 'age' and 'town' are missing (extra: 'x'); add them"),
        ("age,y\n1,2\n", "rows.csv: column 'town' is missing; add it"),
        ("town,age\nOslo,1\nRome,old\n", "rows.csv:3: column 'age' has 'old' where a number is expected; fix it"),
        ("town,age\nOslo,1\nRome,-inf\n", "rows.csv:3: column 'age' has '-inf' where a number is expected; fix it"),
        ("town,age\nOslo,1\n\nParis,2\n", "rows.csv:4: column 'town' has 'Paris', unknown in training "
                                          "(known: Oslo, Rome); fix it, or set dataset.rare"),
        ("town,age\nOslo,\n", "rows.csv:2: column 'age' has no value; give one, or set missing: fill or drop"),
        ("town,age\n ,1\n", "rows.csv:2: column 'town' has no value; give one, or set missing: fill or drop"),
    ],
)  # fmt: skip
def test_what_cannot_be_encoded_is_named(text: str, message: str) -> None:
    frame = open_table(Path(write(text))).frame
    with pytest.raises(DataError) as caught:
        encode_rows(frame, TABLE, "rows.csv")
    assert str(caught.value).startswith(message)


def test_rows_that_come_from_no_file_are_counted_by_their_index() -> None:
    frame = pd.DataFrame({"age": [1.0, None], "town": ["Oslo", "Rome"]}, index=[7, 8])
    with pytest.raises(DataError, match="rows: row 8: column 'age' has no value"):
        encode_rows(frame, TABLE)
    double = pd.DataFrame([[1, 2, "Oslo"]], columns=["age", "age", "town"])
    with pytest.raises(DataError, match="2 columns called 'age'"):
        encode_rows(double, TABLE)


def test_a_slip_among_numbers_is_no_category() -> None:
    text = PEOPLE.replace("1.69", "1,69".replace(",", ";"))
    message = failure(text, target="job", test_fraction=0.0, val_fraction=0.0)
    assert message.startswith("rows.csv:7: column 'height' has '1;69' where a number is expected")


def test_texts_that_are_all_different_are_not_made_categories_unasked() -> None:
    text = "name,x,y\n" + "".join(f"n{n},{n},{n % 2}\n" for n in range(150))
    options: dict[str, Any] = {"target": "y", "test_fraction": 0.0, "val_fraction": 0.0}
    assert "column 'name' has 150 different texts in 150 rows; name it in ignore" in failure(text, **options)
    assert opened(text, **options, categorical=["name"]).spec.input_shape == (151,)


def test_rows_whose_targets_are_interchanged_have_different_hashes() -> None:
    pairs = torch.cartesian_prod(torch.arange(40.0), torch.arange(40.0))
    hashes = row_hashes(torch.zeros(len(pairs), 1), pairs)
    assert len(set(hashes.tolist())) == len(pairs)
