"""How the parts of a report are printed."""

import pytest

from cnncli.cli.blocks import print_blocks
from cnncli.core.results import Mistake, MistakesBlock


@pytest.mark.parametrize(
    ("kept", "total", "title"),
    [(6, 6, "Mistakes (5 of 6)"), (12, 40, "Mistakes (5 of 40)"), (3, 3, "Mistakes"), (6, None, "Mistakes")],
)
def test_mistakes_say_of_how_many_they_are(
    kept: int, total: int | None, title: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mistakes = tuple(Mistake(number, "ant", "bee", 0.9) for number in range(kept))
    print_blocks([MistakesBlock("mistakes", "Mistakes", mistakes, total)])
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == title
    assert sum(line.startswith(tuple("0123456789")) for line in lines) == min(kept, 5)
