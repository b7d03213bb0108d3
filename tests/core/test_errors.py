"""What is printed of a failure is one line of a readable length."""

import pytest

from cnncli.core.errors import LONGEST, ConfigError, DataError, Fault, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\t c", "a b c"),
        ("é 漢字 🙂", "é 漢字 🙂"),
        (
            "red \x1b[31m, nul \0, half \ud800, backwards \u202e",
            r"red \x1b[31m, nul \x00, half \ud800, backwards \u202e",
        ),
    ],
)
def test_a_line_is_printable(text: str, line: str) -> None:
    assert one_line(text) == line
    assert DataError(text).lines() == [line]
    assert ConfigError(Fault("c.yaml:1", "name", text)).lines() == [f"c.yaml:1: name: {line}"]


def test_of_a_very_long_line_the_beginning_and_the_end_are_shown() -> None:
    line = one_line(f"c.yaml:3: model.name: unknown model '{'x' * 5000}'; did you mean 'mlp'?")
    assert len(line) <= LONGEST
    assert line.startswith("c.yaml:3: model.name: unknown model 'xxx")
    assert line.endswith("xxx'; did you mean 'mlp'?")
