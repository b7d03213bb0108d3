"""What is done to checkpoints, and whether it harms whoever uses them: ``harmful`` must be refused, the rest loaded."""

import math
from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from tests.runs import alter
from tests.runs.alter import Change, added, plus, removed, times, to

USING = ("eval", "predict", "inspect", "finetune")
ALL = (*USING, "resume")
RESUME = ("resume",)


@dataclass(frozen=True)
class Case:
    """One change of the entries that ``pattern`` matches (``*`` is any key), for those ways that it concerns."""

    pattern: str
    change: Change
    harmful: bool
    ways: tuple[str, ...] = ALL
    weight: int = 1

    def __str__(self) -> str:
        return f"{'harmful' if self.harmful else 'harmless'} {self.pattern or 'all'}"


def _cases(harmful: bool, ways: tuple[str, ...], table: dict[str, list[Any]]) -> list[Case]:
    return [Case(pattern, change, harmful, ways) for pattern, changes in table.items() for change in changes]


def _values(*values: Any) -> list[Change]:
    return [to(value) for value in values]


TYPES = {
    name: [alter.other_type]
    for name in (
        "config", "spec", "model", "metrics", "calibration", "cnncli", "format", "config/*", "config/train/*",
        "config/model/*", "config/optimizer/*", "config/compute/*", "spec/*", "spec/preprocess/*", "model/*",
        "metrics/*", "spec/preprocess/columns/*", "spec/preprocess/decode/*", "spec/numbers/*", "spec/input_shape/*",
        "spec/classes/*", "calibration/*", "calibration/risk/*", "calibration/half_width/*",
        "members/*",
    )
}  # fmt: skip
STATE_TYPES: dict[str, list[Any]] = {
    "training": [alter.mapping_type], "members": [alter.mapping_type], "training/*": [alter.mapping_type],
    **{f"training/{name}": [alter.other_type] for name in ("epoch", "batch", "global_step")},
}  # fmt: skip
GONE = {
    name: [removed]
    for name in (
        "format", "cnncli", "config", "spec", "model", "metrics", "calibration", "training", "config/dataset",
        "config/model", "config/model/name", "config/dataset/name", "spec/input_shape",
        "spec/classes", "spec/preprocess", "spec/preprocess/kind", "spec/preprocess/mean", "spec/preprocess/std",
        "spec/preprocess/columns", "spec/preprocess/targets", "spec/preprocess/vocabulary", "spec/preprocess/period",
        "spec/preprocess/log", "spec/preprocess/naive_error", "spec/preprocess/decode/size", "spec/numbers/*",
        "model/*", "training/*", "calibration/*", "calibration/risk/*", "members/*",
    )
}  # fmt: skip
MORE = {
    **{name: [added("extra", 1)] for name in ("", "config", "config/train", "config/model", "config/optimizer", "spec",
                                              "spec/preprocess", "training", "calibration", "members")},
    "model": [added("extra.weight", torch.ones(2, 2))],
    "spec/preprocess/decode": [added("extra", 1)],
}  # fmt: skip
SHAPES = {"model/*": [alter.reshaped, alter.reshaped, alter.retyped, alter.nan, alter.nan, alter.infinite]}
LENGTHS = {
    "spec/classes": [alter.longer, alter.shorter, alter.doubled, alter.emptied, alter.blank],
    "spec/input_shape": [alter.longer, alter.shorter, alter.emptied],
    "spec/output_shape": [alter.longer, alter.shorter],
    **{
        f"spec/preprocess/{name}": [alter.longer, alter.shorter]
        for name in ("mean", "std", "naive_error", "vocabulary")
    },
    "spec/preprocess/columns": [alter.longer, alter.shorter, alter.emptied],
    "spec/preprocess/targets": [alter.doubled, alter.emptied],
    **{f"members/{name}": [alter.reshaped, alter.retyped] for name in ("split", "content", "names", "spans")},
    "members/targets": [alter.reshaped],
    "members/by": _values("x", "key", "content"),
    "spec/preprocess/decode/size": [alter.longer, alter.shorter],
    "spec/numbers/*": [alter.longer, alter.emptied],
    "calibration/risk/*": [alter.longer, alter.shorter],
    "calibration/half_width": [alter.longer, alter.shorter],
}
RANGES = {
    **{f"spec/{name}": _values(0.0, -1.0, math.nan, math.inf, 1e-45)
       for name in ("preprocess/std/*", "numbers/std/*", "preprocess/columns/*/std")},
    "spec/preprocess/naive_error/*": _values(-1.0, math.nan, math.inf),  # 0 is one of a series that repeats itself
    **{f"spec/{name}": _values(math.nan, math.inf, -1e300)
       for name in ("preprocess/mean/*", "numbers/mean/*", "preprocess/columns/*/mean")},
    "spec/preprocess/decode/size": _values((30_000, 30_000), (4, 4), (0, 16), (-16, 16), (40, 40)),
    "spec/input_shape/*": _values(0, -1, 10**9, 2**62), "spec/output_shape/*": _values(0, -1, 10**9, 2**62),
    "spec/preprocess/period": _values(0, -4, 10**12), "spec/preprocess/kind": _values("rows", "text", "nosuch"),
    "config/model/hidden": _values([10**9], [10**6] * 3, 10**9, [], -1, [0]),
    "config/model/layers": _values(10**9, 5_000, 0), "config/model/width": _values(10**9, 24, 10**6),
    "config/model/channels": _values([10**6], [4] * 100_000, [0]),
    "config/model": [to({"name": name}) for name in ("nosuch", "resnet50", "vit_h_14", "lstm", "simple_cnn")],
    "config/task/name": _values("nosuch", "forecasting", "regression", "language_modeling", "classification"),
    "config/loss/name": _values("nosuch", "nll"), "config/dataset/name": _values("nosuch"),
    "config/dataset/image_size": _values(30_000, 13, 0), "config/dataset/window": _values(9, 10**9, 0),
    "config/dataset/block": _values(17, 10**9), "config/train/epochs": _values(0, -1, 2**60),
    "config/seed": _values(-1, 2**63), "config/device": _values("gpu", "cpu:x"), "config/precision": _values("fp8"),
    "metrics/epoch": _values(0, -1, 1.5, math.nan, math.inf, True), "training/epoch": _values(-1, 2, 2**60, True),
    "training/batch": _values(-1, 2**60), "training/global_step": _values(-1, 2**60),
    "format": _values(0, 3, True, -1, 2**40), "calibration/temperature": _values(0.0, -1.0, math.nan, math.inf),
    "calibration/threshold": _values(-0.1, 1.5, math.nan), "calibration/samples": _values(-1, 2.5),
    "calibration/risk/*/*": _values(1.5, -0.5, math.nan), "calibration/half_width/*/*": _values(-1.0, math.nan),
}  # fmt: skip
STATE = {
    "training": _values(None), "training/weights/*": [alter.reshaped, alter.nan, removed],
    "training/average/*": [alter.reshaped, alter.nan, removed], "training/average/n_averaged": [alter.negative],
    "training/weights": [removed, to(None), alter.filled], "training/average": [to(None), alter.filled],
    "training/scaler": [alter.filled], "training/optimizer": [to({}), added("extra", 1)],
    "training/optimizer/*": [removed, to({}), to([]), to(None)],
    "training/optimizer/state": [to({0: {"momentum_buffer": torch.zeros(3)}}), added("x", {}), added(99, {"step": 1})],
    "training/optimizer/state/*": [removed, to(None), added("extra", torch.zeros(2)), to({"step": torch.tensor(1.0)})],
    "training/optimizer/state/*/*": [alter.reshaped, alter.reshaped, alter.retyped, alter.nan, removed, to(None)],
    **{f"training/optimizer/state/*/{name}": [alter.negative]
       for name in ("step", "exp_avg_sq", "square_avg", "second")},
    "training/optimizer/param_groups": [alter.longer, alter.emptied, to({})],
    "training/optimizer/param_groups/*": [added("extra", 1), to({})],
    "training/optimizer/param_groups/*/*": [removed, alter.other_type],
    "training/optimizer/param_groups/*/lr": _values(math.nan, -1.0, math.inf),
    "training/optimizer/param_groups/*/params": [alter.longer, alter.shorter],
    "training/schedule": [to({}), added("extra", 1)], "training/schedule/*": [removed],
    "training/schedule/count": [plus(1), to(-1), to("x")], "training/schedule/scheduler": [alter.filled, to({})],
    "training/schedule/scheduler/*": [removed, alter.other_type],
    "training/schedule/scheduler/last_epoch": _values(-1, 99),
    "training/schedule/scheduler/total_steps": _values(0, 1), "training/schedule/scheduler/T_max": _values(0),
    "training/best/value": [to("x"), to(math.nan), to(None)], "training/best/epoch": _values(-1, 7, 1.5),
    "training/best": [to({}), added("extra", 1)], "training/progress/*": [removed, to("x")],
    "training/meter": [to({}), added("extra", 1)], "training/meter/*": [removed, to(None)],
    "training/meter/sums/*": [alter.reshaped, alter.retyped, alter.nan, removed], "training/meter/samples": [to(-1)],
    "training/batch": _values(10_000), "training/global_step": [plus(1)],
}  # fmt: skip
HARMLESS = {
    "members": [alter.reordered, to(None)], "": [alter.reordered],
    "model/*": [alter.noisy, alter.strided], "model": [alter.reordered, alter.of_one_storage],
    "metrics/*": [times(0.5)], "metrics": [added("val/new", 0.5), added("val/other", math.nan)],
    "metrics/epoch": _values(1.0), "cnncli": _values("9.9.9", "x"), "config": [alter.reordered],
    "spec": [alter.lists, alter.tuples, alter.reordered], "spec/preprocess/mean/*": [times(1.1)],
    "spec/preprocess/std/*": [times(0.9)], "calibration/temperature": [times(1.1)], "calibration/samples": [plus(1)],
    "calibration/threshold": [times(0.9)], "calibration": [alter.reordered, alter.tuples],
    "calibration/half_width/*/*": [times(1.1)], "spec/numbers/*/*": [times(1.1)], "config/name": _values("other"),
    "config/logging/samples": _values(True), "config/checkpoint/every": _values(3),
}  # fmt: skip
HARMLESS_USING = {
    "training": _values(None), "config/seed": _values(5), "config/train/clip_grad_norm": _values(1.0),
    "config/optimizer/lr": [times(0.5)], "config/train/epochs": [plus(3)], "training/global_step": [plus(1)],
}  # fmt: skip
HARMLESS_RESUME = {
    "training/optimizer/state/*/*": [alter.halved], "training/optimizer/state": [alter.reordered],
    "training/optimizer/param_groups/*/lr": [times(0.5)], "training/best/loss": [times(0.9)],
    "training/best/value": [times(0.9)], "training/meter/samples": [plus(5)], "training/meter/sums/*": [alter.noisy],
    "training/weights/*": [alter.noisy], "training/average/*": [alter.noisy], "training": [alter.reordered],
    "training/schedule/scheduler/num_bad_epochs": [plus(3)], "training/progress/value": [times(0.9)],
}  # fmt: skip

CASES = [
    *(case for table in (TYPES, STATE_TYPES, GONE, MORE, SHAPES, LENGTHS, RANGES) for case in _cases(True, ALL, table)),
    *_cases(True, RESUME, STATE), *_cases(False, ALL, HARMLESS), *_cases(False, USING, HARMLESS_USING),
    *_cases(False, RESUME, HARMLESS_RESUME),
]  # fmt: skip


def draw(way: str, random: Random) -> Case:
    """A case that concerns ``way``; one in four does no harm."""
    harmful = random.random() < 0.75
    return random.choice([case for case in CASES if way in case.ways and case.harmful == harmful])
