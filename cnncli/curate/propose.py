"""A first config for a folder of pictures, with the reasons beside it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cnncli.config.faults import without_weights
from cnncli.config.shipped import copy_of, nearest, shipped_configs, tell_shadowed
from cnncli.config.yaml_source import yaml_text
from cnncli.core.errors import DataError
from cnncli.core.printable import printable, shell_word
from cnncli.curate.check_pictures import list_folder
from cnncli.curate.findings import UNBALANCED

SAMPLE = 500  # pictures whose headers are looked at
SMALL_PICTURES = 64  # pixels: below it networks pretrained on large photos see little
MANY = 50_000  # pictures from which on a network from scratch does not need another's weights


@dataclass(frozen=True)
class Looked:
    """What a folder holds: pictures by split and class, the median of the shorter sides, whether all are grey."""

    root: Path
    counts: dict[str, Counter[str]]
    side: int
    grey: bool

    @property
    def train(self) -> int:
        """Pictures to learn from."""
        return self.counts["train"].total()

    @property
    def ratio(self) -> float:
        """Pictures of the largest class for each of the smallest."""
        return max(self.counts["train"].values()) / min(self.counts["train"].values())


def first_config(what: Path) -> str:
    """A config to begin with, as YAML: one for a folder of pictures, or a copy of the shipped one of that name.

    Raises ``DataError`` where ``what`` is neither.
    """
    if what.is_dir():
        tell_shadowed(what, f"the folder '{what}'")
        return propose(look(what))
    if (name := what.as_posix()) in shipped_configs():
        return copy_of(name)
    if (near := nearest(what)) is not None and not what.exists():
        raise DataError(f"{what}: no such folder, and no config of that name comes with cnncli; did you mean '{near}'?")
    return propose(look(what))


def look(root: Path) -> Looked:
    """Count the pictures of a folder in ``image_folder``'s layout, and read some of their headers.

    Raises ``DataError`` when there are no class folders, or no picture can be opened.
    """
    from PIL import Image

    if not root.is_dir():
        raise DataError(f"{root}: no such folder; name the one that holds your pictures")
    listed, _, _ = list_folder(root)
    counts: dict[str, Counter[str]] = {}
    for item in listed:
        counts.setdefault(item.split, Counter())[item.label] += 1
    if len(counts["train"]) < 2:
        raise DataError(f"{root}: pictures of {len(counts['train'])} classes; two or more class folders are needed")
    sides, modes = [], set()
    for item in listed[:: max(len(listed) // SAMPLE, 1)]:
        try:
            with Image.open(item.path) as picture:
                sides.append(min(picture.size))
                modes.add(picture.mode)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue  # 'data check' names it; one broken file does not change what is proposed
    if not sides:
        raise DataError(f"{root}: none of its pictures can be opened; see: cnncli data check {shell_word(root)}")
    return Looked(root, counts, sorted(sides)[len(sides) // 2], modes <= {"L", "1", "I;16", "I"})


def propose(found: Looked) -> str:
    """The config as YAML, commented."""
    scratch = found.side < SMALL_PICTURES or found.train >= MANY
    sections = [
        *_head(found),
        *(_from_scratch(found) if scratch else _from_pretrained(found)),
        *_imbalance(found),
    ]
    return "\n".join(sections) + "\n"


def _head(found: Looked) -> list[str]:
    names = sorted(found.counts["train"])
    listed = printable(", ".join(names[:6]) + (", …" if len(names) > 6 else ""))
    divided = ", ".join(["train", *(split for split in ("val", "test") if split not in found.counts)])
    named = {"train": divided}  # what has no folder of its own is taken from it
    counts = [(split, found.counts[split]) for split in ("train", "val", "test") if split in found.counts]
    sizes = " + ".join(f"{count.total():,} ({named.get(split, split)})" for split, count in counts)
    colour = "grey" if found.grey else "colour"
    return [
        "# cnncli train THIS_FILE",
        f"# {sizes} pictures in {colour}, of {len(names)} classes: {listed}.",
        f"# Half of them have {found.side} pixels or more on the short side.",
        "",
    ]


def _dataset(found: Looked, *lines: str) -> list[str]:
    batch = next((size for size in (64, 32, 16) if found.train >= 20 * size), 8)
    kept = [] if "val" in found.counts else ["  val_fraction: 0.15           # no val folder: kept out of training"]
    if "test" not in found.counts:
        kept.append("  test_fraction: 0.15          # no test folder: looked at once, at the end")
    return [
        "dataset:",
        "  name: image_folder",
        f"  path: {yaml_text(str(found.root))}",
        f"  batch_size: {batch}",
        *kept,
        *lines,
    ]


def _from_pretrained(found: Looked) -> list[str]:
    epochs = 20 if found.train < 1_000 else 10
    return [
        *_dataset(
            found,
            "  # image_size and normalisation are those that the pretrained network expects",
            "  augment:                     # training pictures only; see them: cnncli data show THIS_FILE --augmented",
            "    - {name: random_resized_crop, scale: [0.5, 1.0]}",
            "    - random_horizontal_flip   # take it out where left and right differ (text, road signs)",
            "    - color_jitter             # take it out where the colour tells the class",
        ),
        "",
        "# Few pictures learn best from a network that has seen many: the weights are downloaded once.",
        f"# Without internet: cnncli train THIS_FILE {without_weights()}",
        "finetune:",
        "  pretrained: resnet18         # any network of torchvision's, timm/NAME, or a best.pt of your own",
        "  strategy: gradual            # one epoch for the new head, then everything; `head` is the fastest",
        "  backbone_lr: 1e-4",
        "optimizer: {name: adamw, lr: 1e-3, weight_decay: 0.01}",
        "scheduler: {name: cosine, warmup_epochs: 0.5}",
        f"train: {{epochs: {epochs}}}",
    ]


def _from_scratch(found: Looked) -> list[str]:
    small = found.side < SMALL_PICTURES
    size = max(found.side, 8) if small else 224
    why = "small pictures" if small else "many pictures"
    epochs = 15 if found.train >= MANY else 30
    return [
        *_dataset(
            found,
            f"  image_size: {size}",
            f"  channels: {1 if found.grey else 3}",
            "  augment:                     # training pictures only; see them: cnncli data show THIS_FILE --augmented",
            f"    - {{name: random_crop, padding: {max(size // 8, 1)}}}"
            if small
            else "    - {name: random_resized_crop, scale: [0.35, 1.0]}",
            "    - random_horizontal_flip   # take it out where left and right differ (digits, letters)",
        ),
        "",
        f"# From scratch: {why}. A pretrained network instead: cnncli finetune --from resnet18 --data …",
        f"model: {'resnet20' if small else 'resnet18'}",
        "optimizer: {name: adamw, lr: 2e-3, weight_decay: 0.02}",
        "scheduler: {name: one_cycle}",
        f"train: {{epochs: {epochs}}}",
    ]


def _imbalance(found: Looked) -> list[str]:
    if found.ratio < UNBALANCED:
        return ["loss: {name: cross_entropy, label_smoothing: 0.1}"]
    return [
        "",
        f"# The largest class has {found.ratio:.1f} times as many pictures as the smallest: here every class weighs",
        "# the same, in the loss and in what picks the best epoch. Or dataset.sampler: balanced, or loss: focal.",
        "loss: {name: cross_entropy, class_weights: balanced}",
        "checkpoint: {monitor: val/balanced_accuracy}",
    ]
