"""A key of a config that is written as an option, or without its section, is answered with the key in full."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["--epochs", "1"], "train.epochs=1"),
        (["--epochs=1"], "train.epochs=1"),
        (["--lr", "0.1"], "optimizer.lr=0.1"),
        (["--learning-rate", "0.1"], "optimizer.lr=0.1"),
        (["--batch-size", "32"], "dataset.batch_size=32"),
        (["--hidden", "[8]"], "model.hidden=[8]"),
        (["--augment", "random_horizontal_flip"], "dataset.augment=[random_horizontal_flip]"),
    ],
)
def test_an_option_that_is_a_key_is_written_as_one_which_helps(
    tiny: Path, cnncli: Cli, words: list[str], written: str
) -> None:
    answer = cnncli("config", tiny, *words)
    assert answer.code == 2
    option = words[0].partition("=")[0]
    assert answer.err == f"error: cnncli config has no option {option}; write {written}\n"
    assert cnncli("config", tiny, answer.err.split(" write ")[1].strip()).code == 0


def test_a_command_is_told_only_keys_that_it_takes(cnncli: Cli) -> None:
    assert "write dataset.batch_size=32" in cnncli("eval", "latest", "--batch-size", "32").err
    for words in (["eval", "latest", "--lr", "1"], ["data", "check", "--epochs", "3"], ["list", "--epochs", "3"]):
        answer = cnncli(*words)
        assert answer.code == 2
        assert "write " not in answer.err
    complaint = cnncli("train", "--nmae", "x").err
    assert complaint == "error: cnncli train has no option --nmae; did you mean --name? See 'cnncli train --help'.\n"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("epochs=1", "train.epochs"), ("lr=0.1", "optimizer.lr"), ("batch_size=32", "dataset.batch_size"),
        ("learning_rate=0.1", "optimizer.lr"), ("epoch=1", "train.epochs"), ("train.lr=0.1", "optimizer.lr"),
        ("model.batch_size=32", "dataset.batch_size"), ("hidden=[8]", "model.hidden"),
        ("patience=3", "train.early_stopping.patience"),
        ("monitor=val/loss", "checkpoint.monitor"), ("train.dveice=cpu", "device"), ("optimiser=sgd", "optimizer"),
    ],
)  # fmt: skip
def test_a_key_without_its_section_is_told_in_full_which_helps(tiny: Path, cnncli: Cli, wrong: str, right: str) -> None:
    answer = cnncli("config", tiny, wrong)
    assert answer.code == 2
    assert f": unknown key; did you mean '{right}'?" in answer.err
    assert cnncli("config", tiny, f"{right}={wrong.partition('=')[2]}").code == 0


def test_a_key_at_the_top_of_a_file_is_told_in_full_with_its_line(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    path = write_config("dataset: digits\nmodel: mlp\nepochs: 3\nlr: 0.1\nbatch-size: 3\n")
    answer = cnncli("config", path)
    assert answer.err.splitlines() == [
        f"error: {path}:3: epochs: unknown key; did you mean 'train.epochs'?",
        f"error: {path}:4: lr: unknown key; did you mean 'optimizer.lr'?",
        f"error: {path}:5: batch-size: unknown key; did you mean 'dataset.batch_size'?",
    ]


def test_where_data_lie_is_told_at_the_top_as_well(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    path = write_config("dataset: image_folder\nmodel: mlp\nroot: photos\n")
    assert "root: unknown key; did you mean 'dataset.path'?" in cnncli("config", path).err


def test_where_a_word_can_be_two_keys_both_are_told(cnncli: Cli, tiny: Path) -> None:
    assert "did you mean 'checkpoint.mode' or 'model'?" in cnncli("config", tiny, "mode=max").err


def advised(answer: Answer, mark: str = "cnncli ") -> list[str]:
    """The words of the command that an error ends with."""
    assert answer.code == 2
    return answer.err.strip().rpartition(mark)[2].split()


def test_commands_of_other_programs_are_told_by_their_names_here(tiny: Path, cnncli: Cli) -> None:
    assert advised(cnncli("resume", "digits")) == ["train", "--resume", "digits"]
    assert advised(cnncli("confusion", "latest")) == ["eval", "latest"]
    answer = cnncli("fit", tiny, "--dry-run")
    assert answer.err == f"error: there is no command 'fit'; write: cnncli train {tiny} --dry-run\n"
    assert cnncli(*advised(answer)).code == 0
    assert "No such command 'trian'" in cnncli("trian").err


def test_a_folder_in_place_of_a_config_is_told_how_one_is_written(pictures: Path, cnncli: Cli) -> None:
    answer = cnncli("train", pictures)
    assert answer.err == (
        f"error: {pictures}: is a folder; a config for the pictures in it is written by: "
        f"cnncli init {pictures} > my.yaml\n"
    )
    written = cnncli(*advised(answer)[:2])
    assert written.code == 0
    (pictures / "my.yaml").write_text(written.out)
    answer = cnncli("train", pictures)
    assert answer.err.endswith(f"name a YAML file in it, for example {pictures}/my.yaml\n")
    assert cnncli("config", answer.err.split()[-1]).code == 0


def test_data_by_option_belong_to_another_command(pictures: Path, cnncli: Cli) -> None:
    answer = cnncli("train", "--data", pictures)
    tune, init = f"cnncli finetune --from resnet18 --data {pictures}", f"cnncli init {pictures} > my.yaml"
    assert f"--data; a folder of pictures is trained on with {tune}, or with {init} and cnncli" in answer.err
    assert advised(cnncli("predict", "--data", "new")) == ["predict", "latest", "new"]
    assert cnncli("eval", "latest", "--foo").err == (
        "error: cnncli eval has no option --foo; See 'cnncli eval --help'.\n"
    )


def test_an_override_without_its_sign_and_a_number_in_place_of_a_list(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("config", tiny, "optimizer.lr", "0.1")
    assert answer.err == "error: 'optimizer.lr' is a second config; if it is a key, write optimizer.lr=0.1\n"
    assert cnncli("config", tiny, advised(answer, "write ")[0]).code == 0
    assert cnncli("config", tiny, "optimizer.lr").err.endswith("write optimizer.lr=VALUE\n")
    assert cnncli("config", tiny, "other.yaml").err.endswith("overrides are written key=value\n")
    answer = cnncli("config", tiny, "model.hidden=64")
    assert ": model.hidden: 64 should be a list; give a list, for example [64] (from" in answer.err
    assert cnncli("config", tiny, "model.hidden=[64]").code == 0


def test_a_run_after_what_to_predict_is_put_before_it(tiny: Path, cnncli: Cli) -> None:
    Path("runs/tiny/one").mkdir(parents=True)
    Path("runs/tiny/one/best.pt").write_bytes(b"PK")
    Path("seven.png").write_bytes(b"png")
    answer = cnncli("predict", "seven.png", "other.png", "tiny")
    assert answer.err.startswith("error: 'seven.png' is no checkpoint; the run comes first: ")
    assert advised(answer) == ["predict", "tiny", "seven.png", "other.png"]


def test_what_can_be_fine_tuned_is_told_in_a_sentence(cnncli: Cli) -> None:
    Path("runs/tiny/one").mkdir(parents=True)
    Path("runs/tiny/one/best.pt").write_bytes(b"PK")
    complaint = cnncli("finetune", "--from", "none", "--data", ".").complaint
    ways = "name a checkpoint or run of your own (tiny), a network of torchvision's (for example resnet18; see cnncli"
    assert f"there are no pretrained weights of 'none'; {ways} list models), or timm/NAME (from" in complaint


def test_ctrl_c_is_told_wherever_it_comes(tiny: Path, cnncli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cnncli.training.start.import_torch", interrupt)
    answer = cnncli("train", tiny)
    assert (answer.code, answer.complaint) == (130, "interrupted: stopped by Ctrl-C\n")
