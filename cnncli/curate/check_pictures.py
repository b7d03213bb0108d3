"""What is wrong with a set of pictures, before a network learns it by heart."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.spec import Wants
from cnncli.curate.findings import Checked, Finding, balance, imbalance
from cnncli.curate.loose_pictures import below, of_table
from cnncli.data.contract import Track
from cnncli.data.duplicates import find_duplicates
from cnncli.data.find import find_data
from cnncli.data.folders import read_folder
from cnncli.data.image_csv import ListedPictures
from cnncli.data.names import near_equal
from cnncli.data.places import args_of, build
from cnncli.data.ranges import tell_of
from cnncli.data.signatures import Signature, sign_all

LONG, SMALL = 4.0, 16  # times as long as wide; pixels of the shorter side
FLAT = 1.0  # standard deviation, in levels of 255
UNSORTED = "all"  # the split of pictures in a set that is refused
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".gif": "GIF", ".webp": "WEBP", ".bmp": "BMP",
           ".tif": "TIFF", ".tiff": "TIFF"}  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """One picture of a set: its label, and as what it is counted (of a number, the column; of several labels, each)."""

    path: Path
    split: str
    label: str
    counted: tuple[str, ...]


def check_folder(root: Path, track: Track) -> Checked:
    """The report on a folder in ``image_folder``'s layout; raises ``DataError`` where there are no pictures at all."""
    with collecting() as told:
        try:
            checked = _check(*list_folder(root), track)
        except DataError as error:
            loose = [Listed(path, UNSORTED, name, (name,)) for path, name in below(root)]
            if not loose:
                raise
            checked = _refused(error, loose, track)
    checked.add_told(told)
    return checked


def check_folder_of(config: DatasetConfig, wants: Wants, track: Track) -> Checked:
    """The same for the folder of a config."""
    return check_folder(find_data(args_of(config)["path"], "folder"), track)


def check_listed(config: DatasetConfig, wants: Wants, track: Track) -> Checked:
    """The report on the pictures that a table lists; raises ``DataError`` where it leads to no files."""
    with collecting() as told:
        try:
            raw: ListedPictures = build(config)
            checked = _check(*_list_table(raw, wants), track)
        except DataError as error:
            loose = [Listed(path, UNSORTED, "", ()) for path in of_table(config)]
            if not loose:
                raise
            checked = _refused(error, loose, track)
    checked.add_told(told)
    return checked


def _refused(error: DataError, loose: list[Listed], track: Track) -> Checked:
    """The report on a set that is refused: why, and what is wrong with its files."""
    checked = _check(loose, [], [], track)
    checked.notices = [each for each in checked.notices if each.kind not in ("no_label", "unbalanced")]
    checked.add_refusal(error)
    return checked


def list_folder(root: Path) -> tuple[list[Listed], list[Finding], list[Finding]]:
    """The pictures of a folder in ``image_folder``'s layout, and what is wrong or worth a look in the layout."""
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
    return listed, findings + _class_findings(classes), []


def _list_table(raw: ListedPictures, wants: Wants) -> tuple[list[Listed], list[Finding], list[Finding]]:
    """The same for the rows of a table."""
    listing = raw.listing
    rows = zip(listing.paths, listing.parts, listing.described(wants), strict=True)
    listed = [Listed(path, split, label, counted) for path, split, (label, counted) in rows]
    classes: dict[str, set[str]] = {split: set() for split in listing.parts}
    for item in listed:
        classes[item.split].update(item.counted)
    findings = [] if wants == "numbers" else _class_findings(classes)
    if wants == "labels":  # some may be missing from validation or test
        findings = [finding for finding in findings if finding.kind == "extra_class"]
    cause = "are written almost alike; are they one?"
    alike = [
        Finding("similar_classes", f"{listing.table}: the classes '{one}' and '{other}' {cause}")
        for one, other in near_equal({name: None for names in classes.values() for name in sorted(names)})
        if wants != "numbers"
    ]
    return listed, [*findings, *_listed_twice(raw, listed)], alike


def _listed_twice(raw: ListedPictures, listed: list[Listed]) -> list[Finding]:
    """Paths that stand in more than one line, with all their lines."""
    lines: dict[str, list[int]] = {}
    for line, item in zip(raw.listing.labels.index.tolist(), listed, strict=True):
        lines.setdefault(os.path.normpath(item.path), []).append(line)
    return [
        Finding(
            "listed_twice", f"{raw.listing.table}:{found[1]}: '{path}' is in line {found[0]} as well", [path], found
        )
        for path, found in lines.items()
        if len(found) > 1
    ]


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


def _check(listed: list[Listed], findings: list[Finding], alike: list[Finding], track: Track) -> Checked:
    """Counts, sizes and modes; what is wrong with the files, beside the ``findings`` of their listing."""
    signatures = sign_all([item.path for item in listed], track)
    tell_of(tuple(item.path for item in listed if item.split == "train"), track)
    leaks, repeated = _duplicates(listed, signatures)
    counts: dict[str, dict[str, int]] = {}
    for item in listed:
        of_split = counts.setdefault(item.split, {})
        for name in item.counted:
            of_split[name] = of_split.get(name, 0) + 1
    notices = [*alike, *_suspicious(listed, signatures), *balance(counts.get("train", {}), "pictures")]
    if without := [str(item.path) for item in listed if not item.counted]:
        notices.append(Finding("no_label", f"{len(without)} pictures have no label", without))
    good = [s for s in signatures if not s.error]
    own: dict[str, Any] = {
        "pictures": len(listed),
        "imbalance": imbalance(counts.get("train", {})),
        "width": _spread([s.width for s in good]),
        "height": _spread([s.height for s in good]),
        "modes": dict(Counter(s.mode for s in good).most_common()),
        "formats": dict(Counter(s.form for s in good).most_common()),
    }
    faults = [*findings, *_unreadable(listed, signatures), *leaks]
    totals = dict(Counter(item.split for item in listed))
    return Checked("pictures", len(listed), counts, totals, own, faults, [*notices, *repeated])


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
        if a.path == b.path and a.label == b.label:
            continue  # listed twice
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
