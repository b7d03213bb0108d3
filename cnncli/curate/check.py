"""What is wrong with a set of pictures, before a network learns it by heart."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cnncli.config.sections import Config
from cnncli.core.errors import ConfigError, DataError
from cnncli.core.registry import datasets, tasks
from cnncli.core.spec import Wants
from cnncli.data.contract import Track
from cnncli.data.duplicates import find_duplicates
from cnncli.data.find import find_data
from cnncli.data.folders import read_folder
from cnncli.data.image_csv import ListedPictures
from cnncli.data.ranges import tell_of
from cnncli.data.signatures import Signature, sign_all

UNBALANCED = 3.0  # times as many pictures in the largest class as in the smallest
LONG, SMALL = 4.0, 16  # times as long as wide; pixels of the shorter side
FLAT = 1.0  # standard deviation, in levels of 255
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".gif": "GIF", ".webp": "WEBP", ".bmp": "BMP",
           ".tif": "TIFF", ".tiff": "TIFF"}  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """One picture of a set: its label, and as what it is counted (of a number, the column; of several labels, each)."""

    path: Path
    split: str
    label: str
    counted: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something about one or more files: ``kind`` is a word for programs, ``text`` a line for people."""

    kind: str
    text: str
    paths: list[str]


def list_folder(root: Path) -> tuple[list[Listed], list[Finding]]:
    """The pictures of a folder in ``image_folder``'s layout, and what is wrong with the layout."""
    listed: list[Listed] = []
    findings: list[Finding] = []
    classes: dict[str, set[str]] = {}
    for split, part in read_folder(root, strict=False).items():
        classes[split] = set(part.classes)
        named = [part.classes[label] for label in part.labels]
        listed += [Listed(path, split, name, (name,)) for path, name in zip(part.paths, named, strict=True)]
        for name in sorted(classes[split] - set(named)):
            findings.append(Finding("empty_class", f"{split}/{name} has no pictures", [str(part.folder / name)]))
    if not listed:
        raise DataError(f"{root}: no pictures in class folders; 'cnncli data split' makes them out of a flat folder")
    return listed, findings + _class_findings(classes)


def list_dataset(config: Config) -> tuple[list[Listed], list[Finding]]:
    """The same for the data set of a config; raises ``ConfigError`` for sets that are not picture files."""
    name, args = config.dataset.name, config.dataset.args
    if name == "image_folder":
        return list_folder(find_data(args["root"], "folder"))
    if name != "image_csv":
        files = [known for known in datasets if known.startswith("image_")]
        raise ConfigError(f"{name} holds no picture files; check a folder, or a config with {' or '.join(files)}")
    wants: Wants = tasks.get(config.task.name).factory.wants  # type: ignore[attr-defined]
    raw: ListedPictures = datasets.build(name, **args)
    listing = raw.listing
    rows = zip(listing.paths, listing.parts, listing.described(wants), strict=True)
    listed = [Listed(path, split, label, counted) for path, split, (label, counted) in rows]
    classes: dict[str, set[str]] = {split: set() for split in listing.parts}
    for item in listed:
        classes[item.split].update(item.counted)
    findings = [] if wants == "numbers" else _class_findings(classes)
    if wants == "labels":  # some may be missing from validation or test
        findings = [finding for finding in findings if finding.kind == "extra_class"]
    return listed, findings


def _class_findings(classes: dict[str, set[str]]) -> list[Finding]:
    """Too few classes, and splits whose classes are not those of the training part."""
    findings = []
    if len(classes["train"]) < 2:
        findings.append(Finding("one_class", f"train has {len(classes['train'])} classes; two are needed", []))
    for split, names in classes.items():
        if missing := sorted(classes["train"] - names):
            findings.append(Finding("missing_class", f"{split} has no {', '.join(missing)}", []))
        if extra := sorted(names - classes["train"]):
            findings.append(Finding("extra_class", f"{split} has {', '.join(extra)}, train has not", []))
    return findings


def check(listed: list[Listed], findings: list[Finding], track: Track) -> dict[str, Any]:
    """Counts, sizes and modes; ``faults`` that must be fixed, and ``notices`` of what may be meant."""
    signatures = sign_all([item.path for item in listed], track)
    tell_of(tuple(item.path for item in listed if item.split == "train"), track)
    faults = [*findings, *_unreadable(listed, signatures)]
    notices = _suspicious(listed, signatures)
    leaks, repeated = _duplicates(listed, signatures)
    counts: dict[str, Counter[str]] = {}
    for item in listed:
        counts.setdefault(item.split, Counter()).update(item.counted)
    ratio = max(counts["train"].values()) / min(counts["train"].values()) if counts.get("train") else 1.0
    if ratio >= UNBALANCED:
        text = f"the largest class has {ratio:.1f} times as many pictures as the smallest; "
        notices.append(Finding("unbalanced", text + "set loss.class_weights: balanced", []))
    if without := [str(item.path) for item in listed if not item.counted]:
        notices.append(Finding("no_label", f"{len(without)} pictures have no label", without))
    good = [s for s in signatures if not s.error]
    return {
        "pictures": len(listed),
        "splits": counts,
        "totals": Counter(item.split for item in listed),
        "imbalance": ratio,
        "width": _spread([s.width for s in good]),
        "height": _spread([s.height for s in good]),
        "modes": dict(Counter(s.mode for s in good).most_common()),
        "formats": dict(Counter(s.form for s in good).most_common()),
        "faults": [asdict(finding) for finding in [*faults, *leaks]],
        "notices": [asdict(finding) for finding in [*notices, *repeated]],
    }


def _spread(values: list[int]) -> dict[str, int]:
    ordered = sorted(values) or [0]
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}


def _unreadable(listed: list[Listed], signatures: list[Signature]) -> list[Finding]:
    return [
        Finding("unreadable", f"{item.path}: {signature.error}", [str(item.path)])
        for item, signature in zip(listed, signatures, strict=True)
        if signature.error
    ]


def _suspicious(listed: list[Listed], signatures: list[Signature]) -> list[Finding]:
    """Pictures that can be read but may not be what was meant."""
    found = []
    for item, signature in zip(listed, signatures, strict=True):
        if signature.error:
            continue
        assert signature.thumbnail is not None
        short, long = sorted((signature.width, signature.height))
        named = FORMATS.get(item.path.suffix.lower())
        if short < SMALL:
            found.append(("tiny", f"{signature.width}×{signature.height} pixels", item))
        elif long >= LONG * short:
            found.append(("long", f"{signature.width}×{signature.height} pixels: most of it is cut off", item))
        if signature.thumbnail.std((0, 1)).max() < FLAT:
            found.append(("flat", "one colour all over", item))
        if named is not None and signature.form not in (named, "MPO"):
            found.append(("misnamed", f"is {signature.form}, not {named}", item))
    return [Finding(kind, f"{item.path}: {text}", [str(item.path)]) for kind, text, item in found]


def _duplicates(listed: list[Listed], signatures: list[Signature]) -> tuple[list[Finding], list[Finding]]:
    """Duplicates that make a result wrong (across splits, or with two labels), and those that only repeat."""
    faults, notices = [], []
    for pair in find_duplicates(signatures):
        a, b = listed[pair.first], listed[pair.second]
        same = "the same file" if pair.exact else "the same picture"
        kind = "exact" if pair.exact else "near"
        paths = [str(a.path), str(b.path)]
        if a.label != b.label:
            text = f"{same} as {a.label} and {b.label}: {a.path}, {b.path}"
            faults.append(Finding(f"{kind}_conflict", text, paths))
        elif a.split != b.split:
            faults.append(Finding(f"{kind}_leak", f"{same} in {a.split} and {b.split}: {a.path}, {b.path}", paths))
        else:
            notices.append(Finding(f"{kind}_repeat", f"{same} twice in {a.split}: {a.path}, {b.path}", paths))
    return faults, notices
