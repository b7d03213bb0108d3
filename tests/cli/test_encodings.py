"""The commands under locales and output encodings that lack most of the world's characters."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Answer, make_pictures

Cli = Callable[..., Answer]
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENVIRONMENTS = {
    "cp936": {"PYTHONIOENCODING": "cp936"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"PYTHONIOENCODING": "ascii", **C_LOCALE},
}
RUN_ALL = """\
import shlex, sys
from cnncli.cli.app import run
from cnncli.cli.streams import take_every_sign
take_every_sign()
for command in open("commands", encoding="utf-8"):
    code = run(shlex.split(command))
    print("ended with", code, command.strip())
"""
COMMANDS = """\
train 昆蟲.yaml
train digits.yaml --name 數字/1 --json
eval --ckpt runs/數字/1
train 昆蟲.yaml --name 蟲/1
eval --ckpt runs/蟲/1
predict --ckpt runs/蟲/1 照片 --top-k 2
train 昆蟲.yaml name=حشرات/1 --dry-run
train 表.yaml --name 表/1
predict --ckpt runs/表/1 表.csv
predict --ckpt runs/表/1 表.csv --format table
predict --ckpt runs/表/1 表.csv --format json
predict --ckpt runs/表/1 表.csv --out 答.csv
train 列.yaml --name 列/1
forecast --ckpt runs/列/1 --steps 2
train 文.yaml --name 文/1
generate --ckpt runs/文/1 --prompt 昆 --length 4
inspect 昆蟲.yaml
list models
list optimizers --json
data check 照片
data check 表.csv
data split 照片 分好
data show 昆蟲.yaml --out 圖.png
init 照片
config 昆蟲.yaml
"""
QUIET = "train: {epochs: 1}\nlogging: {tensorboard: false, samples: false, pictures: false}\n"


def write_all() -> None:
    """Small data of every kind, and the configs that learn from them."""
    make_pictures(Path("照片"), {"昆蟲": 12, "حشرة": 12, "🐜": 12})
    configs = {
        "昆蟲": "dataset: {name: image_folder, root: 照片, image_size: 8, test_fraction: 0.2}\nmodel: linear\n",
        "digits": "dataset: digits\nmodel: linear\n",
        "表": "dataset: {name: csv, file: 表.csv, target: 種類, test_fraction: 0.2}\nmodel: {name: mlp, hidden: [4]}\n",
        "列": "dataset: {name: series_csv, file: 列.csv, columns: [溫度], window: 8}\nmodel: {name: lstm, hidden: 4}\n",
        "文": "dataset: {name: text, path: 文.txt, block: 16}\nmodel: {name: lstm, hidden: 4}\n",
    }
    for name, text in configs.items():
        Path(f"{name}.yaml").write_text(text + QUIET, encoding="utf-8")
    classes = ["昆蟲", "حشرة", "🐜"]
    rows = "".join(f"{i % 3 * 4 + i / 60},{classes[i % 3]}\n" for i in range(60))
    Path("表.csv").write_text(f"長度,種類\n{rows}", encoding="utf-8")
    Path("列.csv").write_text("溫度\n" + "".join(f"{i % 7}.{i % 3}\n" for i in range(200)), encoding="utf-8")
    Path("文.txt").write_text("昆蟲與螞蟻，حشرة🐜。" * 120, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_command_runs_whatever_the_encoding(environment: dict[str, str]) -> None:
    write_all()
    Path("commands").write_text(COMMANDS, encoding="utf-8")
    Path("all.py").write_text(RUN_ALL, encoding="utf-8")
    start = ["-X", "utf8"] if "LC_ALL" in environment else []  # as the command starts itself again there
    told = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, *start, "all.py"], capture_output=True, env=told, check=False)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert "Traceback" not in err, err
    ended = [line for line in out.splitlines() if line.startswith("ended with")]
    assert len(ended) == len(COMMANDS.splitlines())
    assert [line for line in ended if not line.startswith("ended with 0 ")] == [], err
    (run,) = Path("runs/昆蟲").iterdir()
    assert "照片" in (run / "config.yaml").read_text(encoding="utf-8")
    assert "昆蟲" in Path("答.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_command_itself_starts_where_the_locale_knows_no_character(cnncli: Cli) -> None:
    write_all()
    told = {**os.environ, "PYTHONPATH": str(ROOT), **C_LOCALE}
    command = [sys.executable, "-m", "cnncli", "train", "昆蟲.yaml", "name=昆蟲/حشرات", "--json"]
    done = subprocess.run(command, capture_output=True, env=told, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.decode())["best"].startswith("runs/昆蟲/حشرات/")
    script = [sys.executable, "-c", "from cnncli.cli import main; main()", "config", "昆蟲.yaml"]
    with open("out.yaml", "wb") as file:
        told["PYTHONIOENCODING"] = "cp1252"
        subprocess.run(script, stdout=file, env=told, check=True)
    assert cnncli("config", "out.yaml").code == 0
    assert "照片" in Path("out.yaml").read_text(encoding="utf-8")
