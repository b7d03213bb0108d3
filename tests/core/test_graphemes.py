"""A text is never cut through a sign."""

import pytest

from cnncli.core.graphemes import clusters


@pytest.mark.parametrize(
    "signs",
    [
        ["a", "b"],
        ["e\u0301", "x"],
        ["昆", "蟲"],
        ["\u1112\u1161\u11ab", "\u1100\u1173\u11af"],  # 한글 in its parts
        ["한\u11ab", "a"],
        ["कि", "ता", "ब"],
        ["👨\u200d👩\u200d👧", "👍🏽", "❤\ufe0f"],
        ["🇨🇳", "🇩🇪", "🇯"],
        ["🏴\U000e0067\U000e0062\U000e007f", "!"],
        ["\u0301", "a"],
        [],
    ],
    ids=ascii,
)
def test_signs_are_kept_whole(signs: list[str]) -> None:
    assert clusters("".join(signs)) == signs
