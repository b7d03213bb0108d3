"""One description of each kind of data, and what a checkpoint keeps of it."""

import json
import re
from typing import Any

import pytest

from cnncli.core.errors import ConfigError
from cnncli.core.spec import (
    PICTURES,
    ROWS,
    SERIES,
    TEXT,
    Column,
    DataSpec,
    Decode,
    Kind,
    Numbers,
    Pictures,
    Preprocess,
    Series,
    Table,
    Text,
)

TABLE = Table(
    (Column("area", 50.0, 10.0, fill=48.5), Column("town", categories=("Oslo", "Rome"), missing=True)),
    ("price", "age"),
    truth=(2.0, -3.4, 4.2, 0.5, 1.0),
)
SPECS = {
    "pictures": DataSpec(
        (3, 8, 6), ("a", "b"), Pictures((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), Decode((9, 7), 3, "pad", "bicubic"))
    ),
    "rows": DataSpec((4,), (), TABLE, (2,), Numbers(("price", "age"), (250.0, 40.0), (10.0, 5.0))),
    "series": DataSpec((12, 2), (), Series(("x", "y"), ("y",), 12, True, 1, (0.0, 1.0), (1.0, 2.0), (3.0,)), (6, 1)),
    "text": DataSpec((8,), (), Text(("?", "a", "b")), (8, 3)),
}
KINDS = {"pictures": PICTURES, "rows": ROWS, "series": SERIES, "text": TEXT}


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_knows_what_its_samples_are(name: str) -> None:
    spec, kind = SPECS[name], KINDS[name]
    assert spec.kind is kind
    assert kind.name == spec.preprocess.kind == name
    assert len(kind.axes.split(", ")) == 1 + len(spec.input_shape)


@pytest.mark.parametrize("name", SPECS)
def test_the_preprocessing_is_handed_out_as_the_kind_that_is_required_and_no_other(name: str) -> None:
    required: list[tuple[type[Any], Kind]] = [(Pictures, PICTURES), (Table, ROWS), (Series, SERIES), (Text, TEXT)]
    spec = SPECS[name]
    for kind, about in required:
        if about.name == name:
            assert spec.require(kind, "mixup") is spec.preprocess
            continue
        with pytest.raises(ConfigError, match=f"^mixup is for {about.name}, the data are {name}; leave it out$"):
            spec.require(kind, "mixup")


def test_the_network_gives_a_value_for_each_output_or_at_each_position() -> None:
    shapes = {name: (spec.outputs, spec.num_outputs) for name, spec in SPECS.items()}
    assert shapes == {"pictures": ((2,), 2), "rows": ((2,), 2), "series": ((6, 1), 6), "text": ((8, 3), 3)}
    one_logit = DataSpec((3, 8, 6), ("a", "b"), SPECS["pictures"].preprocess, output_shape=(1,))
    assert (one_logit.outputs, one_logit.num_outputs) == ((1,), 1)


def test_what_there_is_to_learn_is_told_in_a_few_words() -> None:
    def learned(preprocess: Preprocess, *classes: str) -> str:
        return preprocess.learned(classes)

    assert learned(SPECS["pictures"].preprocess, "a", "b") == learned(TABLE, "a", "b") == "2 classes"
    assert learned(TABLE) == ""
    assert learned(SPECS["series"].preprocess) == "x, y → y"
    assert learned(SPECS["text"].preprocess) == "3 characters in the vocabulary"


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_comes_back_from_plain_values_as_it_was(name: str) -> None:
    plain = SPECS[name].to_dict()
    assert DataSpec.from_dict(plain) == SPECS[name]
    assert DataSpec.from_dict(json.loads(json.dumps(plain))) == SPECS[name], "lists where tuples were"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "sounds"}, "sounds"), ({"kind": "rows"}, "columns"), ({"gamma": 2.2}, "gamma"),
        ({"mean": ["x"]}, "mean"), ({"decode": {"size": [3]}}, "size"),
    ],
)  # fmt: skip
def test_a_description_of_nothing_known_is_refused(change: dict[str, Any], told: str) -> None:
    plain = SPECS["pictures"].to_dict()
    with pytest.raises(ValueError, match=re.escape(told)):
        DataSpec.from_dict({**plain, "preprocess": {**plain["preprocess"], **change}})
    with pytest.raises(ValueError, match="seen"):
        DataSpec.from_dict({**plain, "seen": 3})


def test_the_inputs_of_a_column_have_names() -> None:
    assert [column.inputs for column in TABLE.columns] == [
        ("area",), ("town=Oslo", "town=Rome", "town=(missing)"),
    ]  # fmt: skip
