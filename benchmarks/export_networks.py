"""Every registered network written as ONNX and compared with its checkpoint: ``python -m benchmarks.export_networks``.

Each is built with random weights for the data named below, saved as a checkpoint, and exported as ``cnncli export``
does. Weights of networks for pictures are scaled where the answers would not depend on the picture. One line a network
is added to the file, so that a run which was stopped goes on where it was.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from cnncli.core.errors import CnncliError, DataError
from cnncli.core.registry import models
from cnncli.deploy.export import Request, export
from cnncli.deploy.samples import gathered
from cnncli.inference.predictor import Predictor, load_predictor
from cnncli.runs.checkpoint import Checkpoint, save_checkpoint
from cnncli.training.build import open_data
from cnncli.training.configs import load_config
from cnncli.training.display import Display
from cnncli.training.network import build_model, build_task

PHOTOS = (
    "dataset: {{name: image_folder, path: {root}, image_size: {size}, val_fraction: 0.2}}\nmodel: {{name: {name}}}\n"
)
SAMPLES = 7  # one by one, and at once
OWN = {  # networks that take no photos of 224 pixels, or need arguments
    "airbench": "cifar", "cifar_net": "cifar", "linear": "iris", "mlp": "digits", "cnn5x5": "mnist", "lenet5": "mnist",
    "gru": "airline", "lstm": "airline", "rnn": "airline", "tcn": "airline", "conv1d": "airline",
    "transformer": "airline",
}  # fmt: skip


def main() -> None:
    """Export each network that has no line yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, required=True, help="class folders of photos")
    parser.add_argument("--out", type=Path, default=Path("export_networks.tsv"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    done = {line.split("\t")[0] for line in args.out.read_text().splitlines()} if args.out.exists() else set()
    for name in args.names or sorted((name for name in models if name not in ("layers", "timm")), key=_weights):
        if name in done:
            continue
        start = time.perf_counter()
        text = _config(name, args.photos)
        try:
            result = _exported(text)
        except CnncliError as error:
            result = f"refused\t{error.lines()[0]}"
        with args.out.open("a") as file:
            print(f"{name}\t{result}\t{time.perf_counter() - start:.0f} s", file=file)
        print(name, result, flush=True)


SHIPPED = {
    "digits": "dataset: digits",
    "iris": "dataset: iris",
    "mnist": "dataset: {name: mnist, val_fraction: 0.1}",
    "airline": "dataset: {name: series_csv, path: airline-passengers.csv, window: 12, horizon: 12, difference: 12, "
    "val_fraction: 0.25}",
}


def _weights(name: str) -> int:
    """How many weights torchvision's network has, 0 for others: the small ones come first."""
    try:
        weights = torchvision.models.get_model_weights(name)
    except ValueError:
        return 0
    return int(next(iter(weights)).meta["num_params"])


def _config(name: str, photos: Path) -> str:
    if name in OWN and OWN[name] in SHIPPED:
        return f"{SHIPPED[OWN[name]]}\nmodel: {{name: {name}}}\n"
    size = 32 if name in OWN else 299 if name == "inception_v3" else 224
    return PHOTOS.format(root=photos, size=size, name=name)


def _exported(text: str) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "config.yaml").write_text(text)
        config = load_config(folder / "config.yaml", ["device=cpu", "precision=fp32"]).config
        display = Display(quiet=True)
        data = open_data(config, display.track)
        torch.manual_seed(0)
        model = build_model(config, data.spec).eval()
        calibration = build_task(config, data.spec, torch.device("cpu")).calibration.to_dict()
        path = folder / "best.pt"
        save_checkpoint(path, Checkpoint(config, data.spec, model.state_dict(), {}, calibration, members=data.members))
        predictor = load_predictor(path, ["device=cpu", "precision=fp32"])
        if predictor.spec.kind.name == "pictures":
            _wake(predictor, gathered(data, "val", SAMPLES))
        found = export(predictor, Request(out=folder / "exported", samples=SAMPLES), display)
        return f"{found.parity.largest:.1e}\t{found.bytes / 1e6:.1f} MB"


def _wake(predictor: Predictor, samples: Tensor) -> None:
    """Make the answers of random weights depend on the picture, so that there is something to compare.

    Some networks answer the same whatever they see: the last layer of a ViT is zero, and in GoogLeNet the signal fades
    from layer to layer.
    """
    for parameter in predictor.network.parameters():
        if parameter.ndim > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    if not _depends(predictor.logits(samples)):
        _scale(predictor.network, predictor.inputs(samples))
        if not _depends(predictor.logits(samples)):
            raise DataError("the answers do not depend on the picture; nothing can be compared")


def _depends(logits: Tensor) -> bool:
    return bool(logits.std(0).mean() > 0.01 * logits.std())


@torch.no_grad()
def _scale(network: nn.Module, inputs: Tensor) -> None:
    """Give one layer after the other outputs of unit variance (LSUV: Mishkin and Matas, 2016, arXiv:1511.06422)."""

    def unit_variance(module: nn.Module, _inputs: object, outputs: Tensor) -> Tensor:
        spread = outputs.std()
        for parameter in module.parameters(recurse=False):
            parameter /= spread
        return outputs / spread

    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # its statistics become those of the samples, not a tenth of them
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(unit_variance) for layer in layers]
    network.train()(inputs)
    network.eval()
    for hook in hooks:
        hook.remove()


if __name__ == "__main__":
    main()
