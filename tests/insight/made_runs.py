"""Made-up runs with kept outputs, as training leaves them, without any training."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cnncli.runs.outputs import Outputs, write_outputs
from cnncli.runs.run_folder import RunFolder
from cnncli.scoring.measures import measures

CLASSES = ("ants", "bees", "wasps")
NONE = np.zeros(0)


def made_outputs(**given: Any) -> Outputs:
    """Outputs of which only what matters is given."""
    count = len(given["loss"])
    known: dict[str, Any] = {
        "split": "val", "task": "classification", "classes": CLASSES, "positive": None,
        "ids": np.array([f"photos/{n}.png" for n in range(count)]),
        "groups": np.zeros(0, dtype=np.str_), "order": False,
        "thresholds": NONE, "weight": np.ones(count), "correct": NONE,
        "embedding": np.zeros((0, 0), dtype=np.float16), "target": NONE, "answer": np.zeros(0, dtype=np.float32),
    }  # fmt: skip
    return Outputs(**known | given)


def classified(samples: int, right: float, seed: int, groups: int = 0, **given: Any) -> Outputs:
    """Answers to the same samples whatever the ``seed``, of which the fraction ``right`` is right."""
    same, random = np.random.default_rng(0), np.random.default_rng(seed + 1)
    target = same.integers(len(CLASSES), size=samples)
    said = np.where(random.random(samples) < right, target, (target + 1) % len(CLASSES))
    answer = np.full((samples, len(CLASSES)), 0.1, dtype=np.float32)
    answer[np.arange(samples), said] = 0.8
    loss = -np.log(answer[np.arange(samples), target].astype(float))
    if groups:
        given["groups"] = np.array([f"patient {n % groups}" for n in range(samples)])
    return made_outputs(target=target, answer=answer, loss=loss, **given)


def made_run(
    runs_dir: Path,
    name: str,
    outputs: Outputs | None,
    config: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
    headline: str = "accuracy",
) -> Path:
    """The folder of a finished run ``runs_dir/name`` that has reached what its outputs say, or ``metrics``."""
    run = RunFolder(runs_dir / name)
    run.path.mkdir(parents=True)
    settings = {"seed": 0, "dataset": {"name": "digits", "split_seed": 0}, "model": {"name": "mlp"}, **(config or {})}
    run.config.write_text(yaml.safe_dump(settings))
    values = metrics or (measures(outputs, {}).values() if outputs is not None else {})
    split = outputs.split if outputs is not None else "val"
    lower = headline in ("loss", "mae", "rmse", "mase")
    baseline = {"name": "commonest class", "metrics": {headline: 0.4}, "always": "bees"}
    report = {"split": split, "samples": 1, "metrics": values, "headline": headline, "lower_is_better": lower,
              "baselines": [baseline], "blocks": []}  # fmt: skip
    found = {"run_dir": str(run.path), "best": "", "last": "", "best_epoch": 3, "epochs": 5, "samples": {split: 1},
             "monitored": {"metric": f"val/{headline}", "mode": "max", "value": 0.5}, "metrics": {split: values},
             "report": report}  # fmt: skip
    run.report.write_text(json.dumps(found))
    run.metrics.write_text(json.dumps({"epoch": 5, "global_step": 5, f"val/{headline}": 0.5}) + "\n")
    run.best.write_bytes(b"weights")
    if outputs is not None:
        write_outputs(run.outputs(split), outputs)
    return run.path


def of_seeds(runs_dir: Path, name: str, right: float, seeds: range, **config: Any) -> None:
    """Runs of one setting."""
    for seed in seeds:
        found = classified(400, right, 100 * seed + len(name))
        made_run(runs_dir, f"{name}/seed{seed}", found, {"seed": seed, **config})


def renamed(outputs: Outputs, begin: int) -> Outputs:
    """The same with other ids from a sample on."""
    ids = outputs.ids.astype("U40")
    ids[begin:] = [f"other/{n}.png" for n in range(begin, len(ids))]
    return replace(outputs, ids=ids)
