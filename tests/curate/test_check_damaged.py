"""Whatever happened to a file, data check ends with a report, or an error of one line."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer
from tests.curate.test_check_series import steps
from tests.curate.test_check_series import write as write_series
from tests.curate.test_check_tables import rows
from tests.curate.test_check_tables import write as write_table

Cli = Callable[..., Answer]
PIECES = [b",", b"\n", b'"', b"", b"-", b"inf", b"nan", b"\xff", b"1e400", b";", b"\t", b"NA", b"2024-13-45", b"0",
          "é☃".encode(), b"\r", b"   ", b"\x00"]  # fmt: skip
COUNT = 25


def damaged(content: bytes, seed: int) -> bytes:
    """The content with a few pieces overwritten, cut out or put in, or cut short."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(len(content) + 1)
        content = content[:at] + chance.choice(PIECES) + content[at + chance.choice([0, 0, 1, 5, 80]) :]
    return content[: chance.randrange(len(content) + 1)] if chance.random() < 0.2 else content


@pytest.mark.parametrize("kind", ["rows", "alone", "series", "text"])
def test_damaged_files_end_in_a_report(cnncli: Cli, tmp_path: Path, kind: str) -> None:
    whole = {
        "rows": lambda: (write_table(rows(60), tmp_path), tmp_path / "rows.csv"),
        "alone": lambda: (write_table(rows(60), tmp_path).with_suffix(".csv"), tmp_path / "rows.csv"),
        "series": lambda: (write_series(steps().iloc[:200], tmp_path), tmp_path / "series.csv"),
        "text": lambda: (tmp_path / "rows.txt", tmp_path / "rows.txt"),
    }
    checked, file = whole[kind]()
    content = file.read_bytes() if file.exists() else ("one line of words\n" * 300).encode()
    codes = set()
    for seed in range(COUNT):
        file.write_bytes(damaged(content, seed))
        answer = cnncli("data", "check", checked, "--json")
        codes.add(answer.code)
        assert answer.code in (0, 2, 3), (seed, answer.err)
        assert "Traceback" not in answer.err, (seed, answer.err)
        if answer.code != 2:
            assert (answer.code == 3) == bool(answer.json["faults"]), seed
        else:
            assert answer.err.count("\n") == 1, (seed, answer.err)
    assert 3 in codes, "the damage is seen"
