"""Messages that say how to go on: each is followed here, and it helps."""

import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import install_opener

import pytest
import torch

from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import TINY, Answer, make_pictures

Cli = Callable[..., Answer]
COSINE = TINY + "scheduler: cosine\n"


def advised(answer: Answer) -> list[str]:
    """The words of the command after ``cnncli`` that an error ends with."""
    found = re.search(r": cnncli (.*?)(?: \(from .*\))?$", answer.err.strip())
    assert found, answer.err
    return shlex.split(found[1])


def test_more_epochs_of_a_laid_out_schedule_are_a_new_run_from_the_weights(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    path = write_config(COSINE, "tiny.yaml")
    assert cnncli("train", path, "--name", "tiny/one").code == 0
    refused = cnncli("train", path, "--resume", "tiny", "train.epochs=5")
    assert refused.code == 2
    assert "is 5, the run was trained with 2, over which its cosine schedule is laid out" in refused.err
    words = advised(refused)
    assert words == ["train", "runs/tiny/one/config.yaml", "train.start_from=runs/tiny/one/best.pt", "train.epochs=3"]
    followed = cnncli(*words, "--name", "tiny/more", "--json")
    assert followed.code == 0, followed.err
    assert followed.json["epochs"] == 3
    assert advised(cnncli("train", path, "--resume", "tiny/one", "train.epochs=1"))[-1] == "train.epochs=1"


def test_without_a_best_epoch_a_new_run_begins_with_the_last_weights(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    path = write_config(COSINE, "tiny.yaml")
    assert cnncli("train", path, "--name", "tiny/one").code == 0
    Path("runs/tiny/one/best.pt").unlink()
    words = advised(cnncli("train", path, "--resume", "tiny/one", "train.epochs=3"))
    assert words[2] == "train.start_from=runs/tiny/one/last.pt"
    assert cnncli(*words, "--name", "tiny/more").code == 0


def test_more_epochs_of_a_fine_tuned_run_begin_with_all_its_weights(
    cnncli: Cli, write_config: Callable[..., Path]
) -> None:
    assert cnncli("train", write_config(TINY, "tiny.yaml"), "--name", "tiny/one").code == 0
    tuned = write_config(COSINE.replace("model: {name: mlp, hidden: [16]}", "finetune: {pretrained: tiny}"), "t.yaml")
    assert cnncli("finetune", "--from", "tiny", tuned, "--name", "tuned/one").code == 0
    words = advised(cnncli("train", "--resume", "tuned", "train.epochs=3"))
    assert words[2] == "finetune.pretrained=runs/tuned/one/best.pt"
    # no step is taken that changes anything: the weights are those that training began with, the head among them
    assert cnncli(*words, "optimizer.lr=1e-30", "--name", "tuned/two").code == 0
    before, after = (load_checkpoint(Path(f"runs/tuned/{name}/best.pt")).weights for name in ("one", "two"))
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_dry_run_of_resuming_names_the_run_that_is_resumed(cnncli: Cli, tiny: Path) -> None:
    assert cnncli("train", tiny, "--name", "tiny/one").code == 0
    plan = cnncli("train", tiny, "--resume", "--dry-run", "train.epochs=4", "--json").json
    assert plan["writes to"] == "runs/tiny/one"
    assert plan["goes on from"] == "runs/tiny/one/last.pt, after epoch 2"
    assert "goes on from" not in cnncli("train", tiny, "--dry-run", "--json").json
    refused = cnncli("train", tiny, "--resume", "--dry-run", "optimizer.lr=1")
    assert (refused.code, "optimizer.lr: is 1" in refused.err) == (2, True)


@pytest.fixture
def photos(cnncli: Cli, write_config: Callable[..., Path]) -> Iterator[Path]:
    """A run on pictures that have moved since."""
    make_pictures(Path("photos"), {"a": 10, "b": 10})
    path = write_config(
        "dataset: {name: image_folder, root: photos, image_size: 8, test_fraction: 0.2}\n"
        "model: {name: mlp, hidden: [4]}\nname: photos\n"
        "train: {epochs: 1}\nlogging: {tensorboard: false, samples: false, pictures: false}\n"
    )
    assert cnncli("train", path, "--name", "photos/one").code == 0
    shutil.move("photos", "moved")
    return path


def test_eval_without_its_pictures_names_the_key_that_says_where_they_are(cnncli: Cli, photos: Path) -> None:
    answer = cnncli("eval", "photos")
    assert answer.code == 3
    line = answer.err.splitlines()[-1]
    assert line.startswith("error: photos: no such folder, neither here nor in 'data'; set dataset.path to where")
    assert advised(Answer(3, "", line))[-1] == "dataset.path=PLACE"
    words = " ".join(advised(Answer(3, "", line))).replace("PLACE", "moved").split()
    assert cnncli(*words).code == 0


def test_so_do_training_and_resuming(cnncli: Cli, photos: Path) -> None:
    for words in (["train", photos], ["train", photos, "--resume", "train.epochs=2"], ["data", "check", photos]):
        answer = cnncli(*words)
        assert answer.code == 3
        assert "photos: no such folder" in answer.err + answer.out
    assert "set dataset.path to where the data lie" in cnncli("train", photos).err
    assert cnncli("train", photos, "--resume", "train.epochs=2", "dataset.path=moved").code == 0


def test_a_table_of_pictures_whose_folder_is_gone_names_root(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    Path("list.csv").write_text("path,label\na.png,x\n")
    path = write_config("dataset: {name: image_csv, path: list.csv, root: photos}\nmodel: mlp\n")
    assert "photos: no such folder, neither here nor in 'data'; set dataset.root to" in cnncli("train", path).err


def test_formulas_of_inspect_stand_on_the_left(cnncli: Cli, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich's word for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    answer = cnncli("inspect", tiny)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in answer.out.splitlines()]
    start = next(line.index("counted as") for line in lines if "counted as" in line)
    formulas = [line[start:] for line in lines if "·" in line[start:]]
    assert len(formulas) == 2
    assert all(formula.startswith("(in + 1)") for formula in formulas)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """No network: a port that nobody listens at; and an empty cache of torch's hub, which is given."""
    install_opener(None)  # urllib reads the environment once, and keeps what it has read for all that comes later
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HF_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    yield tmp_path / "hub" / "checkpoints"
    install_opener(None)


@pytest.mark.parametrize(
    ("network", "file"),
    [("resnet18", "resnet18-f37072fd.pth"), ("timm/test_resnet", "timm-test_resnet.r160_in1k.safetensors")],
)
def test_without_a_network_fine_tuning_says_at_once_and_in_one_line_which_file_goes_where(
    cnncli: Cli, offline: Path, network: str, file: str
) -> None:
    if network.startswith("timm/"):
        timm = pytest.importorskip("timm")
    offline.mkdir(parents=True)
    (offline / "other.pth").touch()
    make_pictures(Path("photos"), {"a": 8, "b": 8}, size=(40, 40))
    words = ["finetune", "--from", network, "--data", "photos", "train.epochs=1", "dataset.image_size=32"]
    answer = cnncli(*words, "--dry-run")
    assert answer.code == 6
    assert len(answer.complaint.splitlines()) == 1  # nothing of reading or decoding pictures, and no tries
    assert "error: the weights cannot be downloaded from http" in answer.err
    assert f"place {file} in '{offline}' (it has other.pth)" in answer.err
    assert "or name a file with finetune.weights=FILE; or train without pretrained weights: " in answer.err
    without = answer.err.strip().rpartition("weights: ")[2].split()
    assert without == ["finetune=null", "model.name=resnet18"]
    assert cnncli(*words, "--dry-run", *without).code == 0
    if network == "resnet18":
        from torchvision.models import resnet18

        torch.save(resnet18().state_dict(), offline / file)
    else:
        from safetensors.torch import save_file

        save_file(timm.create_model("test_resnet").state_dict(), offline / file)
    assert cnncli(*words, "--dry-run").code == 0
    (offline / file).rename("weights" + Path(file).suffix)
    assert cnncli(*words, "--dry-run", "--weights", "weights" + Path(file).suffix).code == 0
    assert cnncli(*words, "--dry-run", f"finetune.weights=weights{Path(file).suffix}").code == 0


def test_a_file_of_weights_that_is_not_there_is_told_before_pictures_are_read(cnncli: Cli) -> None:
    make_pictures(Path("photos"), {"a": 4, "b": 4})
    answer = cnncli("finetune", "--from", "resnet18", "--data", "photos", "--weights", "gone.pth")
    assert (answer.code, answer.complaint) == (4, "error: gone.pth: no such file of weights; check the path\n")
