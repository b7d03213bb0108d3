"""Whatever stands in a config, the answer is a line a fault: never a traceback, never a wait."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cnncli.config.checking import MAX_FAULTS
from cnncli.config.yaml_source import MAX_BYTES
from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.training.configs import load_config, load_finetune
from tests.conftest import Answer

Write = Callable[..., Path]
Cli = Callable[..., Answer]
SMALL = "dataset: digits\nmodel: mlp\n"
LONG = "x" * 5000


def only_fault(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    (line,) = caught.value.lines()
    assert line.isprintable()
    assert len(line) <= 1000
    return line


@pytest.mark.parametrize("value", ["1e-320", "3", "true", "{a: 1}", "{name: random_crop}"])
def test_augment_is_a_list(write_config: Write, value: str) -> None:
    path = write_config(f"dataset: {{name: digits, augment: {value}}}\nmodel: mlp\n")
    assert only_fault(path).startswith(f"{path}:1: dataset.augment: ")


@pytest.mark.parametrize(
    ("written", "key", "cause"),
    [
        ('extends: "a\\0b"\n', "extends", "holds the character NUL; take it out"),
        (f"extends: {LONG}\n", "extends", "no such file"),
        ("extends: circle.yaml\n", "extends", "no such file"),
        ('plugins: ["a\\0b"]\n', "plugins.0", "holds the character NUL; take it out"),
        (f"plugins: [{LONG}]\n", "plugins", "no such plug-in"),
        ("plugins: [circle.yaml]\n", "plugins", "no such plug-in"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused_with_its_line(
    write_config: Write, tmp_path: Path, written: str, key: str, cause: str
) -> None:
    (tmp_path / "circle.yaml").symlink_to("circle.yaml")
    path = write_config(written + SMALL)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}:1: {key}: ")
    assert cause in str(caught.value)
    assert only_fault(path)


@pytest.mark.parametrize("path", ["a\0b.yaml", f"{LONG}.yaml", "/dev/zero"])
def test_a_config_that_is_no_file_is_refused(path: str) -> None:
    assert only_fault(Path(path))


def test_a_config_is_not_larger_than_a_megabyte(write_config: Write) -> None:
    assert "larger than 1 MiB" in only_fault(write_config(SMALL + "#" * MAX_BYTES))


@pytest.mark.parametrize(
    "override",
    [".".join(["a"] * 3000) + "=1", f"model.{'9' * 5000}=1", f"name={LONG}", 'name="\\e[31m"', "plugins=[\\]"],
)
def test_an_override_of_any_length_and_depth_is_one_fault(write_config: Write, override: str) -> None:
    assert only_fault(write_config(SMALL), override)


def test_a_key_of_thousands_of_digits_is_a_fault_of_its_line(write_config: Write) -> None:
    path = write_config(f"{SMALL}? '{'9' * 5000}'\n: 1\n")
    assert only_fault(path).startswith(f"{path}:3: 99")


def test_of_thousands_of_faults_the_first_are_told_at_once(write_config: Write) -> None:
    many = 8000
    keys = "".join(f"k{number}: 1\n" for number in range(many))
    write_config(keys, "base.yaml")
    unknown = write_config(f"extends: base.yaml\n{SMALL}{keys}", "unknown.yaml")
    augment = write_config(f"dataset: {{name: digits, augment: [{'x, ' * many}]}}\nmodel: mlp\n", "augment.yaml")
    start = time.process_time()
    for path in (unknown, augment):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        *lines, last = caught.value.lines()
        assert len(lines) == MAX_FAULTS
        assert last == "there are more; fix these first"
    assert time.process_time() - start < 15


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        (SMALL, ["model=3"]), (SMALL, ["finetune=3"]), (SMALL, ["dataset=3"]),
        (f"{SMALL}finetune: [1]\n", []), (None, ["finetune=3"]), (None, ["dataset=3"]), (None, ["model=3"]),
    ],
)  # fmt: skip
def test_finetune_refuses_sections_that_are_none(write_config: Write, text: str | None, overrides: list[str]) -> None:
    path = write_config(text) if text else None
    with pytest.raises(ConfigError) as caught:
        load_finetune("resnet18", path, Path("photos"), {"strategy": "head"}, overrides)
    assert all(line.isprintable() for line in caught.value.lines())


def test_pretrained_can_be_no_path_of_any_length(write_config: Write) -> None:
    path = write_config(f"dataset: digits\nfinetune: {{pretrained: {LONG}/best.pt}}\n")
    with pytest.raises(CheckpointError, match=r"/best\.pt: no such checkpoint or run; there are no runs in"):
        load_config(path)


@pytest.mark.parametrize(
    ("section", "name", "called"),
    [
        ("loss", "x", "loss"), ("dataset", "x", "data set"), ("model", "x", "model"), ("optimizer", "x", "optimizer"),
        ("model", "{name: layers, layers: [x]}", "layer"), ("model", "{name: mlp, activation: x}", "activation"),
        ("dataset", "{name: digits, augment: [x]}", "transform"), ("scheduler", "x", "scheduler"),
        ("task", "x", "task"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_called_what_it_is(write_config: Write, section: str, name: str, called: str) -> None:
    sections = {"dataset": "digits", "model": "mlp", section: name}
    path = write_config("".join(f"{key}: {value}\n" for key, value in sections.items()))
    assert f": unknown {called} 'x'; " in only_fault(path)


BALANCED = "dataset: {name: digits, sampler: balanced}\nmodel: mlp\nloss: {class_weights: balanced}\n"


def test_classes_that_are_balanced_twice_are_noted(write_config: Write, cnncli: Cli) -> None:
    path = write_config(BALANCED)
    note = (
        "loss.class_weights: 'balanced' beside dataset.sampler: 'balanced' makes up for rare classes twice; "
        "leave one of them out"
    )
    assert load_config(path).notices == [note]
    answer = cnncli("train", path, "--dry-run")
    assert answer.code == 0, answer.err
    assert f"note: {note}\n" in answer.err
    assert not load_config(path, ["loss.class_weights=null"]).notices
    assert not load_config(path, ["dataset.sampler=shuffle"]).notices


def test_a_folder_that_is_a_file_and_names_that_are_too_long_are_faults_of_the_data(
    cnncli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("dataset: {name: image_folder, root: c.yaml}\nmodel: mlp\n")
    answer = cnncli("train", "c.yaml", "--dry-run")
    assert (answer.code, answer.complaint) == (
        3,
        "error: c.yaml: is a file where a folder is expected; name the folder\n",
    )
    answer = cnncli("train", "c.yaml", "--dry-run", f"dataset.root={LONG}")
    assert answer.code == 3
    assert answer.complaint.count("\n") == 1
    (tmp_path / "photos.csv").write_text(f"path,label\n{LONG},a\nb.png,b\n")
    answer = cnncli("train", "c.yaml", "--dry-run", "dataset={name: image_csv, file: photos.csv}")
    assert answer.code == 3
    assert "2 files are not there" in answer.err


@pytest.mark.parametrize(
    ("overrides", "code", "cause"),
    [
        (["scheduler={name: cosine, warmup_epochs: 1e308}"], 2, "leave none of 2; shorten it"),
        (["dataset=diabetes", "loss={name: smooth_l1, beta: -0.5}"], 2, "does not support negative values for beta"),
    ],
)
def test_values_that_only_the_arithmetic_refuses_are_config_errors(
    tiny: Path, cnncli: Cli, overrides: list[str], code: int, cause: str
) -> None:
    answer = cnncli("train", tiny, "--dry-run", *overrides)
    assert answer.code == code
    assert cause in answer.err
    assert answer.complaint.count("\n") == 1
