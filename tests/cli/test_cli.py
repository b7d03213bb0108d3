"""The command line as people and programs meet it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cnncli import __version__
from cnncli.cli.app import expand_optional
from cnncli.core.registry import REGISTRIES
from tests.conftest import ROOT, Answer

Cli = Callable[..., Answer]
PROCESS = {**os.environ, "PYTHONPATH": str(ROOT)}


def process(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cnncli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=PROCESS, check=False)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from cnncli.cli.app import run\n"
        "code = run(['--help'])\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'tensorboard', 'sklearn', 'PIL'} & set(sys.modules)\n"
        "assert code == 0 and not heavy, heavy\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=PROCESS, check=False)
    assert answer.returncode == 0, answer.stderr
    for command in ("train", "eval", "predict", "generate", "forecast", "inspect", "list", "config"):
        assert command in answer.stdout


def test_version_and_python_dash_m() -> None:
    answer = process("--version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"cnncli {__version__}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_is_there(shell: str) -> None:
    answer = process("--show-completion", shell)
    assert answer.returncode == 0
    assert "cnncli" in answer.stdout


@pytest.mark.parametrize("command", ["train", "eval", "predict", "generate", "forecast", "inspect", "list", "config"])
def test_every_command_explains_itself(cnncli: Cli, command: str) -> None:
    answer = cnncli(command, "--help")
    assert answer.code == 0
    assert "Usage: cnncli" in answer.out


def test_train_and_eval_agree_and_standard_output_holds_the_result_alone(tiny: Path, cnncli: Cli) -> None:
    trained = cnncli("train", tiny)
    assert trained.code == 0
    assert "\x1b" not in trained.out + trained.err, "no control characters without a terminal"
    assert "epoch 1/2" in trained.err
    assert "epoch 1/2" not in trained.out
    assert "tensorboard --logdir" in trained.out
    assert "baseline: commonest class" in trained.out
    best = next(line.split()[1] for line in trained.out.splitlines() if line.startswith("best "))
    evaluated = cnncli("eval", "--ckpt", best, "--json")
    assert evaluated.code == 0
    run = json.loads((Path(best).parent / "result.json").read_text())
    assert evaluated.json["metrics"]["test"] == run["metrics"]["test"]
    assert evaluated.json["per_class"] == run["per_class"]
    validation = cnncli("eval", "--ckpt", Path(best).parent, "--split", "val", "--json").json
    for name in ("loss", "accuracy", "macro_f1"):
        assert validation["metrics"]["val"][name] == pytest.approx(run["metrics"]["val"][name], abs=1e-9)


def test_json_has_its_documented_keys(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "--json")
    assert answer.err.replace("importing PyTorch …\n", "") == ""  # told where it takes more than a second
    result = answer.json
    assert set(result) == {"run_dir", "best", "last", "best_epoch", "epochs", "monitor", "metrics", "split",
                           "per_class", "confusion", "calibration", "baseline", "baselines", "headline",
                           "beats_baseline",
                           "intervals", "interval", "scores", "reliability", "mistakes", "test_looks"}  # fmt: skip
    assert set(result["metrics"]) == {"train", "val", "test"}
    assert result["metrics"]["test"]["n"] == 359
    assert set(result["metrics"]["test"]) == {"n", "loss", "accuracy", "balanced_accuracy", "macro_f1"}
    assert set(result["per_class"]["0"]) == {"precision", "recall", "f1", "support"}
    assert sum(sum(row) for row in result["confusion"]) == 359
    assert set(result["baseline"]) == {"name", "seconds", "loss", "accuracy", "balanced_accuracy", "macro_f1"}
    assert set(result["baselines"][-1]) == {"name", "class", "accuracy"}
    documented = (ROOT / "docs" / "json.md").read_text()
    for key in (*result, *result["metrics"]["test"], *result["per_class"]["0"], *result["baseline"]):
        assert f"`{key}`" in documented, f"{key} is not in docs/json.md"


def test_eval_prints_tables(tiny: Path, cnncli: Cli) -> None:
    cnncli("train", tiny, "--name", "tiny/one")
    answer = cnncli("eval", "--ckpt", "runs/tiny/one/best.pt")
    assert answer.code == 0
    for part in ("Per class", "precision", "Confusion", "baseline"):
        assert part in answer.out
    assert "dropped" not in answer.err


def test_eval_takes_data_settings_and_nothing_else(tiny: Path, cnncli: Cli) -> None:
    cnncli("train", tiny, "--name", "tiny/one")
    ckpt = "runs/tiny/one/best.pt"
    assert cnncli("eval", "--ckpt", ckpt, "dataset.eval_batch_size=10", "device=cpu").code == 0
    answer = cnncli("eval", "--ckpt", ckpt, "model.hidden=[8]")
    assert answer.code == 2
    assert "cannot change a trained network" in answer.err
    answer = cnncli("eval", "--ckpt", ckpt, "--split", "tset")
    assert answer.code == 2
    assert "did you mean 'test'" in answer.err
    answer = cnncli("eval", "--ckpt", ckpt, "dataset.name=mnist")
    assert answer.code in (3, 6)


def test_the_issues_own_example_of_two_faults(cnncli: Cli) -> None:
    config = ROOT / "configs" / "mnist.yaml"
    answer = cnncli("train", config, "optimizer.lr=fast", "modle.name=x")
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    assert "command line: optimizer.lr: 'fast' should be a valid number" in lines[0]
    assert f"{config}:12" in lines[0]
    assert "modle: unknown key; did you mean 'model'?" in lines[1]
    assert f"{config}:11" in lines[1]


@pytest.mark.parametrize(
    "args",
    [
        [], ["trian"], ["train"], ["train", "missing.yaml"], ["train", "a.yaml", "b.yaml"], ["train", "--nmae", "x"],
        ["eval"], ["eval", "--ckpt"], ["list", "modles"], ["config"], ["config", "missing.yaml"], ["inspect"],
    ],
)  # fmt: skip
def test_usage_errors_are_lines_and_end_with_2(cnncli: Cli, args: list[str]) -> None:
    answer = cnncli(*args)
    if not args:  # no command shows the help
        assert "Usage" in answer.out + answer.err
        return
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err


def test_a_missing_checkpoint_is_4(cnncli: Cli) -> None:
    assert cnncli("eval", "--ckpt", "missing.pt").code == 4


def test_a_device_that_is_not_there_is_2_before_any_data_is_read(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "device=cuda:77", "dataset.name=mnist")
    assert answer.code == 2
    assert len(answer.complaint.splitlines()) == 1
    assert "there is no 'cuda:77' here" in answer.err


@pytest.mark.slow
def test_debug_shows_where_it_happened(tiny: Path) -> None:
    answer = process("train", tiny, "device=cuda:77", "--debug")
    assert "Traceback" in answer.stderr
    answer = process("train", tiny, "device=cuda:77")
    assert answer.returncode == 2
    assert answer.stderr.count("error: ") == 1
    assert "Traceback" not in answer.stderr


def test_dry_run_plans_and_writes_nothing(tiny: Path, cnncli: Cli) -> None:
    answer = cnncli("train", tiny, "--dry-run")
    assert answer.code == 0
    assert not Path("runs").exists()
    for part in (
        "[N, C, H, W] = [128, 1, 8, 8]",
        "1,210 parameters",
        "2 epochs × 11 = 22",
        "runs/tiny",
        "outputs [128, 10]",
    ):
        assert part in answer.out
    assert cnncli("train", tiny, "--dry-run", "--json").json["precision"] == "fp32"


@pytest.mark.parametrize("kind", list(REGISTRIES))
def test_list_shows_every_name_with_its_arguments(cnncli: Cli, kind: str) -> None:
    answer = cnncli("list", kind)
    assert answer.code == 0
    found = cnncli("list", kind, "--json").json
    assert sorted(entry["name"] for entry in found[kind]) == list(REGISTRIES[kind])
    assert all(entry["name"] in answer.out for entry in found[kind])


def test_list_alone_shows_every_kind(cnncli: Cli) -> None:
    found = cnncli("list", "--json").json
    assert set(found) == set(REGISTRIES)
    adam = next(entry for entry in found["optimizers"] if entry["name"] == "adam")
    assert adam["arguments"]["lr"] == 0.001


def test_config_prints_what_it_resolves_to(tiny: Path, cnncli: Cli, write_config: Callable[..., Path]) -> None:
    printed = cnncli("config", tiny, "seed=5").out
    again = cnncli("config", write_config(printed, "printed.yaml")).out
    assert again == printed
    assert "seed: 5" in printed


def test_inspect_counts_as_the_formulas_say(cnncli: Cli, tiny: Path) -> None:
    answer = cnncli("inspect", tiny)
    assert answer.code == 0
    assert "(64 + 1)·16" in answer.out
    cnncli("train", tiny, "--name", "tiny/one")
    assert cnncli("inspect", "--ckpt", "runs/tiny/one").out == answer.out
    assert cnncli("inspect", tiny, "--json").json["parameters"] == 1210


def test_inspect_shows_both_kinds_of_convolution_without_any_data(cnncli: Cli) -> None:
    config = ROOT / "configs" / "classification" / "conv-kinds.yaml"
    answer = cnncli("inspect", config, "--input", "3,32,32")
    assert answer.code == 0
    assert (
        "\t304\t307,200\t12.0 KiB\t5×5\tcross-channel: (C_in·F_h·F_w + 1)·C_out = (3·5·5 + 1)·4; 76 a slice"
        in answer.out
    )
    assert "\t208\t51,200\t4.0 KiB\t14×14\tdepthwise: (F_h·F_w + 1)·C_in·M = (5·5 + 1)·4·2" in answer.out
    for wrong in ("3,32", "a,b,c", "0,8,8"):
        assert cnncli("inspect", config, "--input", wrong).code == 2


def test_a_layer_that_does_not_fit_is_named_with_its_line(cnncli: Cli, write_config: Callable[..., Path]) -> None:
    path = write_config(
        "dataset: digits\n"
        "model:\n"
        "  name: layers\n"
        "  layers:\n"
        "    - {name: conv, channels: 8}\n"
        "    - {name: pool, kernel_size: 9}\n"
        "    - flatten\n"
        "    - linear\n"
    )
    answer = cnncli("train", path)
    assert answer.code == 2
    assert answer.complaint.startswith(f"error: {path}:6: model.layers.1: pool does not fit: 8×8×8 reached it")


def test_resume_alone_means_the_latest() -> None:
    assert expand_optional(["train", "--resume"]) == ["train", "--resume", "latest"]
    assert expand_optional(["train", "--resume", "a.yaml"]) == ["train", "--resume", "latest", "a.yaml"]
    assert expand_optional(["train", "--resume", "x=1"]) == ["train", "--resume", "latest", "x=1"]
    assert expand_optional(["train", "--resume", "--json"]) == ["train", "--resume", "latest", "--json"]
    assert expand_optional(["train", "--resume", "runs/a"]) == ["train", "--resume", "runs/a"]


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_question_marks() -> None:
    command = [sys.executable, "-m", "cnncli", "list", "optimizers"]
    environment = {**PROCESS, "PYTHONIOENCODING": "ascii"}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m cnncli list models | head -1"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, env=PROCESS, check=False)
    assert answer.stderr == ""


def test_eval_keeps_the_splits_of_the_training(tiny: Path, cnncli: Cli) -> None:
    assert cnncli("train", tiny, "--name", "tiny/one").code == 0
    for override in ("dataset.val_fraction=0.5", "dataset.split_seed=3", "dataset.test_fraction=0.5"):
        answer = cnncli("eval", "--ckpt", "runs/tiny/one/best.pt", override)
        assert answer.code == 2
        assert "but for the splits" in answer.err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_6() -> None:
    command = f"{sys.executable} -m cnncli list optimizers > /dev/full"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, env=PROCESS, check=False)
    assert answer.returncode == 6
    assert "No space left on device" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_a_run_goes_on_when_nobody_watches_any_more(tiny: Path) -> None:
    command = f"{sys.executable} -m cnncli train {tiny} --name tiny/one 2>&1 >/dev/null | head -1"
    subprocess.run(command, shell=True, capture_output=True, env=PROCESS, check=False)
    assert Path("runs/tiny/one/result.json").exists()


def test_a_config_may_lie_in_a_folder_with_an_equals_sign(tiny: Path, cnncli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "lr=0.1"
    folder.mkdir()
    tiny.rename(folder / "tiny.yaml")
    assert cnncli("config", folder / "tiny.yaml").code == 0


def test_show_writes_a_png_whatever_the_files_name(
    pictures: Path, write_config: Callable[..., Path], cnncli: Cli
) -> None:
    config = write_config("dataset: {name: image_folder, root: pictures, image_size: 16}\nmodel: mlp\n")
    answer = cnncli("data", "show", config, "--out", "grid.anything", "--count", 5, "--augmented")
    assert answer.code == 0, answer.err
    with Image.open("grid.anything") as image:
        assert image.format == "PNG"
    photo = next((pictures / "train" / "ants").glob("*.png")).rename("photo.jpg")
    before = photo.read_bytes()
    assert cnncli("data", "show", config, "--out", "photo.jpg").code == 2
    assert photo.read_bytes() == before


def test_a_network_on_the_command_line_may_be_longer_than_any_path(tiny: Path, cnncli: Cli) -> None:
    layers = ", ".join(["{name: linear, features: 4}"] * 200)
    answer = cnncli("train", tiny, f"model={{name: layers, layers: [flatten, {layers}, linear]}}", "--dry-run")
    assert answer.code == 0, answer.err
