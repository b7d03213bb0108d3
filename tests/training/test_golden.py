"""Golden runs: small networks whose curves are pinned, so that nothing changes what training does unnoticed.

Tolerances allow for other processors and torch versions; a changed shuffle, split, normalisation or initialisation
moves these numbers far more.
"""

import json
from pathlib import Path

import pytest

from tests.training.helpers import train

GOLDEN = {
    "mlp": (("model={name: mlp, hidden: [16]}",), [2.3444, 2.2544, 2.2166, 2.1475, 2.1199, 2.054]),
    "cnn": (
        ("model={name: simple_cnn, channels: [8], hidden: 16}", "optimizer.lr=0.01"),
        [2.0902, 1.5872, 1.2026, 0.7019, 0.5831, 0.3626],
    ),
    "resnet": (
        ("model={name: resnet8, width: 4}", "optimizer={name: sgd, lr: 0.1, momentum: 0.9}"),
        [2.1008, 1.696, 1.1655, 0.6048, 0.4541, 0.5768],
    ),
    "augmented": (
        ("model={name: mlp, hidden: [16]}", "dataset.augment=[{name: random_crop, padding: 1}]"),
        [2.3403, 2.3006, 2.2842, 2.2394, 2.2476, 2.1882],
    ),
}


@pytest.mark.parametrize("name", list(GOLDEN))
def test_the_curve_is_the_pinned_one(tiny: Path, name: str) -> None:
    overrides, expected = GOLDEN[name]
    train(tiny, "one", *overrides, "train.epochs=3")
    lines = [json.loads(line) for line in Path("runs/tiny/one/metrics.jsonl").read_text().splitlines()]
    found = [round(line[key], 4) for line in lines for key in ("train/loss", "val/loss")]
    assert found == pytest.approx(expected, abs=0.02)
