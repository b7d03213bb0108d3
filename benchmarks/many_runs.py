"""Folders of runs as training leaves them, without weights: for measuring how long it takes to list them."""

import json
from pathlib import Path

CONFIG = """\
name: {name}
seed: {seed}
device: auto
precision: fp32
compute: {{memory_format: auto, compile: 'off', threads: auto, flush_denormals: true, keep_freed_memory: true,
  tf32: true, deterministic: true, sync_batchnorm: false, rank_timeout: 300.0}}
plugins: []
dataset:
  name: digits
  batch_size: 64
  val_fraction: 0.1
  augment: []
  normalize: dataset
model:
  name: {model}
  hidden: {hidden}
  dropout: 0.5
task: {{name: classification}}
loss: {{name: cross_entropy, class_weights: null, label_smoothing: 0.0}}
optimizer:
  name: adam
  lr: {lr}
  betas: [0.9, 0.999]
  eps: 1.0e-08
scheduler: {{name: one_cycle, warmup_epochs: 0.0, interval: null, max_lr: null, pct_start: 0.3, anneal_strategy: cos,
  cycle_momentum: true, base_momentum: 0.85, max_momentum: 0.95, div_factor: 25.0, final_div_factor: 10000.0}}
train: {{epochs: 20, start_from: null, accumulate: 1, clip_grad_norm: null, ema_decay: null, early_stopping: null}}
checkpoint: {{monitor: val/accuracy, mode: auto, every: null}}
logging: {{tensorboard: true, samples: true, pictures: true}}
"""
EPOCHS = 20


def make_runs(folder: Path, count: int = 500) -> None:
    """So many folders: of each hundred 84 finished runs, 8 interrupted, 4 damaged ones, and 4 that are no runs."""
    for number in range(count):
        kind = number % 25
        path = folder / f"name-{number % 9}" / f"202603{number % 28 + 1:02d}-{number:06d}-lr{number}"
        path.mkdir(parents=True)
        if kind == 0:
            (path / "picture.png").write_bytes(b"not a run")
            continue
        _write(path, number)
        if kind == 1:
            (path / "config.yaml").write_bytes(b"\xff{[")
        elif kind in (2, 3):
            (path / "report.json").unlink()


def _write(path: Path, number: int) -> None:
    settings = {"model": ("mlp", "simple_cnn")[number % 2], "hidden": 16 * (number % 5 + 1), "lr": (number + 1) / 1e4}
    (path / "config.yaml").write_text(CONFIG.format(name=path.parent.name, seed=number % 10, **settings))
    (path / ".lock").touch()
    (path / "last.pt").touch()
    record = {"train_seconds": 3.5, "eval_seconds": 0.5, "train/loss": 0.4, "val/loss": 0.3, "val/accuracy": 0.9}
    lines = [{"epoch": epoch + 1, **record} for epoch in range(EPOCHS)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    accuracy = 0.9 + number / 1e4
    report = {
        "split": "test", "headline": "accuracy", "lower_is_better": False, "metrics": {"accuracy": accuracy},
        "baselines": [{"name": "commonest class", "metrics": {"accuracy": 0.1}, "always": "1"}],
        "blocks": [{"key": "points", "true": [0.5] * 400, "predicted": [0.25] * 400}],
    }  # fmt: skip
    result = {
        "best_epoch": EPOCHS, "epochs": EPOCHS, "report": report, "metrics": {"test": {"accuracy": accuracy}},
        "monitored": {"metric": "val/accuracy", "mode": "max", "value": 0.9},
    }  # fmt: skip
    (path / "report.json").write_text(json.dumps(result, indent=2))
