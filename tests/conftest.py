"""Small real data and a way to run the command line inside the test process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# before torch reads it: threads that wait give their core to the tests that run beside, instead of spinning on it
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# for what is read before the first test, and what a module's tests share: the user's own cache is left alone
os.environ["CNNCLI_CACHE"] = tempfile.mkdtemp(prefix="cnncli-tests-")

import pytest
import torch
from PIL import Image

from cnncli.cli.app import run
from cnncli.core.plugins import PLUGIN_PREFIX
from cnncli.core.registry import REGISTRIES

ROOT = Path(__file__).parent.parent


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Tests of a single file run in this process: starting others would take longer than it gains."""
    return 0 if len(config.args) == 1 and ".py" in config.args[0] else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="of each parametrised test only the first case")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["CNNCLI_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave with ``--quick`` one case of each test: what a new Python or library breaks shows there, too."""
    if config.getoption("quick"):
        first = {item.nodeid.partition("[")[0]: item for item in reversed(items)}
        kept = set(first.values())
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


@dataclass(frozen=True)
class Answer:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """What standard error says after the line that a training begins with."""
        return self.err.partition("\n")[2] if self.err.startswith("cnncli ") else self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def printed_twice(code: str) -> list[str]:
    """What ``code`` prints in a new process, and then in another."""
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": str(ROOT)}
    return [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout for _ in range(2)
    ]


@pytest.fixture
def cnncli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command line in this process: ``cnncli("train", path, "train.epochs=1")``."""

    def call(*args: object) -> Answer:
        capsys.readouterr()
        code = run([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own, without the user's data folder and cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNNCLI_DATA", raising=False)
    monkeypatch.setenv("CNNCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CNNCLI_CACHE_LIMIT", raising=False)


@pytest.fixture(autouse=True)
def _no_plugin_stays() -> Iterator[None]:
    """What the plug-ins of a test registered is gone for the next."""
    yield
    forget_plugins()


def forget_plugins() -> None:
    """Make this process one that has seen no plug-in."""
    for registry in REGISTRIES.values():
        for name, entry in list(registry._entries.items()):
            if entry.factory.__module__.startswith(PLUGIN_PREFIX):
                del registry._entries[name]
    for name in [name for name in sys.modules if name.startswith(PLUGIN_PREFIX)]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _no_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in this process ends without its page, which takes longer than most trainings of tests do."""
    if "reports" not in request.fixturenames:
        monkeypatch.setattr("cnncli.cli.commands.write_report", lambda *_: None)
        monkeypatch.setattr("cnncli.cli.adopting.write_report", lambda *_: None)


@pytest.fixture
def reports() -> None:
    """A test that asks for it lets trainings end with their pages."""


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Write a YAML file and give its path."""

    def write(text: str, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


TINY = """\
name: tiny
dataset: {name: digits, batch_size: 128}
model: {name: mlp, hidden: [16]}
train: {epochs: 2}
logging: {tensorboard: false, samples: false, pictures: false}
"""


@pytest.fixture
def tiny(write_config: Callable[..., Path]) -> Path:
    """A config that trains in a fraction of a second."""
    return write_config(TINY, "tiny.yaml")


def make_pictures(root: Path, counts: dict[str, int], size: tuple[int, int] = (20, 16), seed: int = 0) -> Path:
    """Class folders of PNGs that differ in colour by class: learnable, and different from each other."""
    generator = torch.Generator().manual_seed(seed)
    for number, (name, count) in enumerate(counts.items()):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = torch.randint(0, 80, (size[1], size[0], 3), generator=generator, dtype=torch.uint8)
            pixels[..., number % 3] += 150
            Image.fromarray(pixels.numpy()).save(folder / f"{i:03d}.png")
    return root


def make_splits(root: Path) -> Path:
    """What the fixture ``pictures`` gives."""
    make_pictures(root / "train", {"ants": 24, "bees": 24}, seed=1)
    make_pictures(root / "test", {"ants": 8, "bees": 8}, seed=2)
    return root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """``train`` and ``test`` folders of two classes, 24 and 8 pictures each."""
    return make_splits(tmp_path / "pictures")


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A flat folder of small pictures, their table, and weights where torch's hub keeps those of ResNet-18."""
    made = make_pictures(tmp_path / "made", {"cat": 20, "dog": 20})
    (tmp_path / "pets").mkdir()
    rows = ["path,label"]
    for number, path in enumerate(sorted(made.glob("*/*.png"))):
        name = f"{path.parent.name}.{number}.jpg"
        with Image.open(path) as picture:
            picture.save(tmp_path / "pets" / name, quality=95)
        rows.append(f"{name},{path.parent.name}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    from torchvision.models import resnet18

    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), hub / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that CNNCLI_DATA named when the tests started; skipped where there is none."""
    if _REAL_DATA is None or not (_REAL_DATA / "MNIST").is_dir():
        pytest.skip("needs CNNCLI_DATA with MNIST in it")
    return _REAL_DATA


_REAL_DATA = Path(os.environ["CNNCLI_DATA"]).resolve() if os.environ.get("CNNCLI_DATA") else None
