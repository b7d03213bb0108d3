"""Weights and activations in 8 bits: static quantisation by ONNX Runtime, calibrated on training samples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from cnncli.core.errors import ConfigError
from cnncli.data import DataBundle
from cnncli.deploy.formats import quietly
from cnncli.deploy.judge import can_be_judged
from cnncli.deploy.samples import gathered, raw_of
from cnncli.inference.predictor import Predictor

CALIBRATION = 256  # training samples, from which the range of each activation is taken
LAYERS = ["Conv", "Gemm", "MatMul"]


def sums_saturate() -> bool:
    """Whether this processor adds products of 8 bits in 16 (no VNNI): then weights have 7 bits."""
    capable = getattr(torch.cpu, "_is_vnni_supported", None)
    return not (capable is not None and capable())


class _Calibration:
    """Training samples one after the other, in the form that ONNX Runtime reads them."""

    def __init__(self, feeds: Iterator[dict[str, Any]]) -> None:
        self._feeds = feeds

    def get_next(self) -> dict[str, Any] | None:
        """The inputs of the next sample; None after the last."""
        return next(self._feeds, None)


def check_quantizable(predictor: Predictor, format: str) -> None:
    """Raise ``ConfigError`` where 8 bits are not offered."""
    if format not in ("onnx", "web"):
        raise ConfigError(f"--quantize is for --format onnx and web, not for {format}; leave it out")
    if not can_be_judged(predictor):
        raise ConfigError(f"--quantize is for networks of pictures and rows, not of {predictor.spec.kind.name}; "
                          "leave it out")  # fmt: skip


def quantize(source: Path, target: Path, predictor: Predictor, data: DataBundle) -> None:
    """Write ``source`` (ONNX, float32) in 8 bits to ``target``: each channel of the weights with a scale of its own."""
    with quietly("int8"):
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        prepared = target.with_suffix(".prepared.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        raw = raw_of(predictor, gathered(data, "train", CALIBRATION))
        count = len(next(iter(raw.values())))
        feeds = ({name: value[i : i + 1].numpy() for name, value in raw.items()} for i in range(count))
        quantize_static(
            prepared, target, _Calibration(feeds), quant_format=QuantFormat.QDQ, per_channel=True,
            reduce_range=sums_saturate(), activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            op_types_to_quantize=LAYERS,
        )  # fmt: skip
        prepared.unlink()
