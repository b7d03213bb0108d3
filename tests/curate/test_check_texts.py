"""Checking texts: a clean one gives nothing, and everything planted is found with its lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Answer

Cli = Callable[..., Answer]
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lamda", "mu", "nu"]


def lines(seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, 14)) for _ in range(800)]


def found(report: dict[str, Any]) -> dict[str, tuple[str, list[int]]]:
    both = [(where, each) for where in ("faults", "notices") for each in report[where]]
    return {each["kind"]: (where, each["lines"]) for where, each in both}


def test_a_clean_text_gives_no_fault_and_no_notice(cnncli: Cli, tmp_path: Path) -> None:
    (tmp_path / "clean.txt").write_text("\n".join(lines()) + "\n")
    answer = cnncli("data", "check", tmp_path / "clean.txt", "--json")
    assert answer.code == 0, answer.err
    report = answer.json
    assert (report["faults"], report["notices"], report["kind"]) == ([], [], "text")
    assert report["samples"] == sum(report["totals"].values()) == len((tmp_path / "clean.txt").read_text())
    assert (report["files"], report["lines"], report["characters"]) == (1, 801, len(set(" ".join(WORDS))) + 1)
    assert "characters: nothing to fix" in cnncli("data", "check", tmp_path / "clean.txt").out
    config = tmp_path / "text.yaml"
    config.write_text(f"dataset: {{name: text, path: {tmp_path / 'clean.txt'}}}\nmodel: gru\n")
    assert cnncli("data", "check", config, "--json").json == report


def changed(number: int, more: str) -> list[str]:
    own = lines()
    own[number] += more
    return own


PLANTED: dict[str, tuple[Callable[[], bytes], str, list[int] | None]] = {
    "lost_characters": (lambda: "\n".join(changed(10, "\ufffd" * 100)).encode(), "faults", [11]),
    "control_characters": (lambda: "\n".join(changed(20, "\x1b[31m")).encode(), "notices", [21]),
    "wrong_encoding": (lambda: "\n".join(changed(40, " Ã©Ã¨Ã¶")).encode(), "notices", None),
    "long_lines": (lambda: "\n".join(changed(30, "a" * 12_000)).encode(), "notices", [31]),
    "unknown_characters": (lambda: "\n".join(changed(790, " ☃")).encode(), "notices", None),
    "leak": (lambda: "\n".join([*lines()[:720], *lines()[100:180]]).encode(), "faults", list(range(721, 801))),
    "repeated_lines": (lambda: "\n".join([*lines()[:798], *lines()[100:102]]).encode(), "notices", [799, 800]),
    "line_ends": (lambda: ("\n".join(lines()[:400]) + "\n" + "\r\n".join(lines()[400:])).encode(), "notices", None),
    "encoding": (lambda: "\n".join(f"{line} café" for line in lines()).encode("cp1252"), "notices", None),
    "few_blocks": (lambda: "\n".join(lines()[:40]).encode(), "notices", None),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_was_planted_is_found(cnncli: Cli, tmp_path: Path, kind: str) -> None:
    content, where, at = PLANTED[kind]
    (tmp_path / "text.txt").write_bytes(content())
    answer = cnncli("data", "check", tmp_path / "text.txt", "--json")
    told = found(answer.json)
    assert told.get(kind, ("", []))[0] == where, answer.out
    if at is not None:
        assert set(at) <= set(told[kind][1]) | {721}  # the part may begin inside the first line
    assert answer.code == (3 if where == "faults" else 0)
    assert set(told) <= {kind, "repeated_lines" if kind == "leak" else kind}, answer.out


def test_everything_planted_at_once_is_found_at_once(cnncli: Cli, tmp_path: Path) -> None:
    own = [*lines()[:720], *lines()[100:180]]
    own[10] += "\ufffd" * 200
    own[20] += "\x1b[31m"
    own[30] += "a" * 12_000
    own[790] += " ☃"
    text = "\n".join(own[:400]) + "\n" + "\r\n".join(own[400:])
    (tmp_path / "text.txt").write_bytes(text.encode())
    answer = cnncli("data", "check", tmp_path / "text.txt", "--json")
    assert answer.code == 3
    assert set(found(answer.json)) >= {"lost_characters", "control_characters", "long_lines", "unknown_characters",
                                       "leak", "line_ends"}  # fmt: skip


def test_a_folder_of_texts_is_looked_at_file_by_file(cnncli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("\n".join(lines(1)))
    (folder / "b.txt").write_text("\n".join(lines(2)))
    (folder / "c.txt").write_text("\n".join(lines(1)))
    (folder / "d.txt").write_text(" \n")
    config = tmp_path / "text.yaml"
    config.write_text(f"dataset: {{name: text, path: {folder}}}\nmodel: gru\n")
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3  # the third is a copy of the first, and tests what was learned
    paths = {each["kind"]: each["paths"] for each in [*answer.json["faults"], *answer.json["notices"]]}
    assert paths["repeated_file"] == [str(folder / "a.txt"), str(folder / "c.txt")]
    assert paths["empty_file"] == [str(folder / "d.txt")]
    assert "leak" in paths
    assert answer.json["files"] == 4


@pytest.mark.parametrize(("content", "cause"), [(b"", "a block needs"), (b"\x00\x01" * 90, "holds NUL bytes")])
def test_a_text_that_cannot_be_learned_is_a_fault_of_the_report(
    cnncli: Cli, tmp_path: Path, content: bytes, cause: str
) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    answer = cnncli("data", "check", tmp_path / "text.txt", "--json")
    assert answer.code == 3
    assert any(cause in each["text"] for each in answer.json["faults"]), answer.out
