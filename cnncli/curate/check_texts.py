"""What is wrong with texts, or worth a look: their bytes, their characters, and what training and test share."""

import re
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from unicodedata import category

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.spec import Wants
from cnncli.curate.findings import MOST, Checked, Finding, arguments_of, at_lines, count_of, some, try_open
from cnncli.data.contract import Track
from cnncli.data.places import build
from cnncli.data.text import UNKNOWN, TextData, text_files

LONG_LINE = 10_000  # characters
LINE = 40  # characters of a line that is not there twice by chance
LEAK = 0.1  # of the characters of a split that are training's as well: more make its figures wrong
LOST = 0.001  # of the characters that stand for bytes that could not be read
FEW_BLOCKS = 20
MOJIBAKE = re.compile(r"[ÃÂ][\u0080-\u00bf]|â€|ðŸ|Ð[\u0080-\u00bf]")  # UTF-8 that was read as Latin-1
USUAL = frozenset("\n\t\r\f\u200c\u200d\u200e\u200f\u00ad")  # of the control and format characters


def check_text(config: DatasetConfig, wants: Wants, track: Track) -> Checked:
    """The report on a text, or the files of a folder, as training would read and split them."""
    checked = Checked("text")
    args = arguments_of(config)
    with collecting() as told:
        try:
            if "path" in args:
                files = text_files(args["path"], args["pattern"])
                checked.own["files"] = len(files)
                checked.notices += _look_at_files(files, track)
            raw: TextData = build(config)
            _look(raw, config, checked, track)
            _, refusal = try_open(raw, config, wants, track)
            if refusal:
                checked.add_refusal(refusal)
        except DataError as error:
            checked.add_refusal(error)
    checked.add_told(told)
    return checked


def _look_at_files(files: list[Path], track: Track) -> list[Finding]:
    """Files that are empty, there twice, or of mixed line ends; what cannot be read is told when it is opened."""
    found: list[Finding] = []
    by_content: dict[bytes, list[str]] = {}
    for file in track(files, len(files), "looking at files"):
        try:
            data = file.read_bytes()
        except OSError:
            continue
        if not data.strip():
            found.append(Finding("empty_file", f"{file}: is empty", [str(file)]))
            continue
        by_content.setdefault(blake2b(data, digest_size=16).digest(), []).append(str(file))
        ends = _line_ends(data)
        if len(ends) > 1:
            text = ", ".join(f"{count:,} {name}" for name, count in ends.items())
            found.append(Finding("line_ends", f"{file}: has lines that end in different ways: {text}", [str(file)]))
    return found + [
        Finding("repeated_file", f"{len(same)} files hold the same text: {some(same)}", same[:MOST])
        for same in by_content.values() if len(same) > 1
    ]  # fmt: skip


def _line_ends(data: bytes) -> dict[str, int]:
    if b"\r" not in data or b"\0" in data[:4]:
        return {}
    windows = data.count(b"\r\n")
    found = {"CRLF": windows, "LF": data.count(b"\n") - windows, "CR": data.count(b"\r") - windows}
    return {name: count for name, count in found.items() if count}


@dataclass(frozen=True, eq=False)
class _Parts:
    """A text, its name and its parts."""

    name: str
    text: str
    bounds: dict[str, tuple[int, int]]

    def of(self, split: str) -> str:
        begin, end = self.bounds.get(split, (0, 0))
        return self.text[begin:end]


def _look(raw: TextData, config: DatasetConfig, checked: Checked, track: Track) -> None:
    """Fill the report with counts and what is seen of the characters."""
    bounds = {str(split): ends for split, ends in raw.bounds(config.val_fraction).items()}
    parts = _Parts(raw.name, raw.text, bounds)
    checked.samples = len(raw.text)
    checked.totals = {split: end - begin for split, (begin, end) in bounds.items()}
    checked.splits = {split: {"characters": count} for split, count in checked.totals.items()}
    for _ in track([0], 1, "looking at characters"):
        counts = Counter(raw.text)
        checked.own |= {"characters": len(counts), "lines": raw.text.count("\n") + 1}
        lost, other = _strange(parts, counts)
        (checked.faults if counts[UNKNOWN] > LOST * len(raw.text) else checked.notices).extend(lost)
        checked.notices += [*other, *_unknown(parts), *_long_lines(parts), *_few_blocks(raw, checked.totals)]
        for finding, many in _repeated(parts):
            (checked.faults if many else checked.notices).append(finding)


def _lines_with(text: str, signs: set[str]) -> list[int]:
    """The first lines that hold one of some characters."""
    pattern = re.compile("[" + "".join(map(re.escape, signs)) + "]")
    lines: list[int] = []
    line, last = 1, 0
    for match in pattern.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        if not lines or lines[-1] != line:
            lines.append(line)
        if len(lines) == MOST:
            break
    return lines


def _strange(parts: _Parts, counts: "Counter[str]") -> tuple[list[Finding], list[Finding]]:
    """Characters that stand for lost bytes; and those that steer devices, or come of a wrong encoding."""
    lost: list[Finding] = []
    other: list[Finding] = []
    if count := counts[UNKNOWN]:
        lines = _lines_with(parts.text, {UNKNOWN})
        text = f"has {count_of(count, 'character', '')}U+FFFD ({at_lines(lines)}), for bytes that could not be read"
        lost.append(Finding("lost_characters", f"{parts.name}: {text}; save it again from its source", lines=lines))
    control = {sign for sign in counts if category(sign) in ("Cc", "Cf", "Co", "Cs") and sign not in USUAL}
    if control:
        lines = _lines_with(parts.text, control)
        named = some([f"U+{ord(sign):04X}" for sign in sorted(control)])
        many = count_of(sum(counts[sign] for sign in control), "control character", "")
        text = f"has {many}({named}; {at_lines(lines)})"
        other.append(Finding("control_characters", f"{parts.name}: {text}", lines=lines))
    wrong = MOJIBAKE.findall(parts.text)
    if len(wrong) > 2:
        shown = some([repr(word) for word in dict.fromkeys(wrong)])
        text = f"has {len(wrong):,} characters like {shown}, as UTF-8 that was read in another encoding"
        other.append(Finding("wrong_encoding", f"{parts.name}: {text}"))
    return lost, other


def _unknown(parts: _Parts) -> list[Finding]:
    """Characters of validation and test that training has not."""
    known = set(parts.of("train"))
    found = []
    for split in ("val", "test"):
        counts = Counter(parts.of(split))
        unknown = {sign: count for sign, count in counts.items() if sign not in known}
        if unknown:
            named = some([repr(sign) for sign in sorted(unknown)])
            count = count_of(sum(unknown.values()), "character", "that training has not")
            text = f"the {split} part has {count} ({named}), all alike to the network"
            found.append(Finding("unknown_characters", f"{parts.name}: {text}"))
    return found


def _long_lines(parts: _Parts) -> list[Finding]:
    lines = [number for number, line in enumerate(parts.text.split("\n"), 1) if len(line) > LONG_LINE]
    if not lines:
        return []
    text = f"has {count_of(len(lines), 'line', 'of')} more than {LONG_LINE:,} characters ({at_lines(lines)})"
    return [Finding("long_lines", f"{parts.name}: {text}", lines=lines[:MOST])]


def _few_blocks(raw: TextData, totals: dict[str, int]) -> list[Finding]:
    few = [f"{totals[split] // raw.block:,} in {split}" for split in totals if totals[split] < FEW_BLOCKS * raw.block]
    if not few or totals["train"] >= FEW_BLOCKS * raw.block:
        return []
    text = f"blocks of {raw.block} characters are few ({', '.join(few)}); lower dataset.block or give more text"
    return [Finding("few_blocks", f"{raw.name}: {text}")]


def _repeated(parts: _Parts) -> list[tuple[Finding, bool]]:
    """Long lines of validation and test that training has as well, and whether they are many."""
    known = {line for each in parts.of("train").split("\n") if len(line := each.strip()) >= LINE}
    found = []
    for split in ("val", "test"):
        begin = parts.bounds.get(split, (0, 0))[0]
        first = parts.text.count("\n", 0, begin) + 1
        own = [(first + number, each.strip()) for number, each in enumerate(parts.of(split).split("\n"))]
        again = [(number, line) for number, line in own if line in known]
        if not again:
            continue
        share = sum(len(line) for _, line in again) / max(len(parts.of(split)), 1)
        lines = [number for number, _ in again]
        text = f"{count_of(len(again), 'long line', f'of the {split} part')} also in training ({at_lines(lines)})"
        cause = f"{parts.name}: {text}: {share:.0%} of its characters"
        many = share > LEAK
        found.append((Finding("leak" if many else "repeated_lines", cause, lines=lines[:MOST]), many))
    return found
