"""cnncli inside of programs: components of the session, interrupts, threads, scripts that start workers."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import cnncli
from cnncli.core.registry import models, transforms
from cnncli.runs.checkpoint import load_checkpoint
from tests.conftest import ROOT, make_splits
from tests.test_api import QUICK, TINY


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of pictures, ``train`` and ``test``."""
    return make_splits(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def session() -> Any:
    """What a test registers is gone for the next."""
    yield
    for registry in cnncli.core.registry.REGISTRIES.values():
        registry.discard(lambda entry: entry.in_session)


def define(width: int, name: str = "my_net") -> None:
    """What the cell of a notebook does."""

    @models.register(name)
    class MyNet(nn.Sequential):
        """Mine."""

        def __init__(self, spec: Any, /, depth: int = 1) -> None:
            super().__init__(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, spec.num_outputs))


def test_a_component_of_the_session_trains_and_its_checkpoint_loads(session: None, tmp_path: Path) -> None:
    define(4)
    result = cnncli.train({**TINY, "model": "my_net"}, runs_dir=tmp_path, quiet=True)
    assert cnncli.load(result).layers.parameters == 65 * 4 + 50
    define(8)  # the cell run once more
    result = cnncli.train({**TINY, "model": {"name": "my_net", "depth": 2}}, runs_dir=tmp_path, quiet=True)
    assert cnncli.load(result).layers.parameters == 65 * 8 + 90
    assert cnncli.evaluate(result, quiet=True).samples["test"] == 359


@pytest.mark.slow
def test_a_name_that_is_taken_is_refused_before_and_after_cnnclis_own_are_known(session: None) -> None:
    with pytest.raises(cnncli.ConfigError, match="two models are registered as 'mlp'; give yours another name"):
        define(4, "mlp")
    code = (
        "import cnncli\n"
        "def mlp(spec, /): ...\n"
        "cnncli.core.registry.models.register('mlp')(mlp)\n"
        "for attempt in range(2):\n"
        "    try:\n"
        "        print(cnncli.load_config('digits', {'model.name': 'mlp'}).model.name)\n"
        "    except cnncli.ConfigError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["two models are registered as 'mlp'; give yours another name", "mlp"], (
        done.stderr
    )


def test_a_transform_of_the_session_works_without_workers_and_says_so(
    session: None, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @transforms.register("my_flip")
    def my_flip(size: tuple[int, int], /) -> Any:
        return transforms.get("random_horizontal_flip").factory(size)

    dataset = {"name": "image_folder", "root": photos, "image_size": 12, "workers": 2, "augment": ["my_flip"]}
    dataset |= {"memory": "never", "cache": False}
    cnncli.train({**TINY, "dataset": dataset, "model": "linear"}, QUICK, runs_dir=tmp_path)
    told = capsys.readouterr().err
    assert "note: transform 'my_flip' is registered in this session: no worker processes are used" in told


def test_several_ranks_ask_for_a_file(session: None, monkeypatch: pytest.MonkeyPatch) -> None:
    define(4)
    monkeypatch.setattr("cnncli.api.place", lambda: type("Place", (), {"count": 2})())
    with pytest.raises(cnncli.ConfigError, match="model 'my_net' is registered in this session; several ranks need it"):
        cnncli.train({**TINY, "model": "my_net"}, quiet=True)


def test_an_interrupt_leaves_a_run_that_can_be_gone_on_with(tmp_path: Path) -> None:
    config = {**TINY, "precision": "fp32", "compute": {"compile": "off"}}  # of a long run both would be tried

    def interrupt() -> None:
        while not list(tmp_path.glob("**/last.pt")):  # which is written when the first epoch begins
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=interrupt)
    stopper.start()
    with pytest.raises(cnncli.Interrupted, match=r"stopped (in|after) epoch") as caught:
        cnncli.train(config, {"train.epochs": 100_000}, runs_dir=tmp_path, quiet=True)
    stopper.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run = caught.value.run_dir
    assert run is not None
    assert caught.value.__notes__ == [f"in Python: cnncli.train(resume={run!r})"]
    at = load_checkpoint(Path(run) / "last.pt").training
    assert at is not None
    done = cnncli.train(resume=run, overrides={"train.epochs": at.epoch + 1}, quiet=True)
    assert done.epochs == at.epoch + 1


def test_a_run_in_another_thread_than_the_main_one_works(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(cnncli.train, TINY, QUICK, runs_dir=tmp_path, quiet=True).result()
    assert result.epochs == 1


SCRIPT = """\
import multiprocessing, sys
import cnncli

def work():
    multiprocessing.set_start_method("spawn", force=True)
    data = {"name": "image_folder", "root": sys.argv[1], "image_size": 12, "normalize": "half"}
    data |= {"workers": 2, "memory": "never", "cache": False, "val_fraction": 0}
    config = {"dataset": data, "model": "linear", "checkpoint": {"monitor": "train/loss"}, "train": {"epochs": 1}}
    print(cnncli.train(config, name="run/one", quiet=True).epochs)

"""


@pytest.mark.slow
@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_whose_workers_begin_with_it_is_told_what_it_needs(guarded: bool, photos: Path) -> None:
    Path("script.py").write_text(SCRIPT + ("if __name__ == '__main__':\n    work()\n" if guarded else "work()\n"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py", str(photos / "train")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    if guarded:
        assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
        return
    line = "put what the script does under: if __name__ == '__main__':, or set dataset.workers: 0"
    assert line in done.stderr.splitlines()[-1]
    assert done.stderr.count("script.py: is run once more by each worker process; put what it does under: if") == 2
    assert [path.name for path in Path("runs/run").iterdir()] == ["one"], "the workers have begun no run"
