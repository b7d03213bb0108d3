"""What a task wants and what the data have must fit together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer


@pytest.mark.parametrize(
    ("dataset", "task", "said"),
    [
        ("digits", "regression", "digits has classes to learn, the task wants numbers; set task: "),
        ("python_stdlib", "classification", "has characters to learn, the task wants classes; "
                                            "set task: language_modeling"),
    ],
)  # fmt: skip
def test_a_task_for_other_data_is_refused_with_those_that_fit(
    cnncli: Callable[..., Answer], write_config: Callable[..., Path], dataset: str, task: str, said: str
) -> None:
    answer = cnncli("train", write_config(f"dataset: {dataset}\nmodel: mlp\ntask: {task}\n"))
    assert answer.code == 2
    assert said in answer.err
    assert answer.complaint.count("\n") == 1
