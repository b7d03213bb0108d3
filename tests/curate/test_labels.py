"""The class that stands before the number in the name of a picture."""

import unicodedata

import pytest

from cnncli.curate.labels import before_number


@pytest.mark.parametrize(
    ("stem", "label"),
    [
        ("cat.0", "cat"),
        ("cat_12", "cat"),
        ("cat (3)", "cat"),
        ("cat007", "cat"),
        ("img2_3", "img2"),
        ("cat.0.12", "cat.0"),
        ("昆蟲 1", "昆蟲"),
        ("昆蟲（２）", "昆蟲"),
        ("насекомое–7", "насекомое"),
        ("حشرة-٣", "حشرة"),
        ("बिल्ली.1", "बिल्ली"),
        ("แมวดี้_1", "แมวดี้"),
        ("🐈.1", "🐈"),
        ("cat🐈.1", "cat🐈"),
        ("❤️ 4", "❤️"),
        ("👨‍👩‍👧.1", "👨‍👩‍👧"),
        (unicodedata.normalize("NFD", "é.1"), "é"),
        ("cat", None),
        ("123", None),
        ("_-1", None),
        ("12_3", None),
    ],
)
def test_the_class_is_what_stands_before_the_number(stem: str, label: str | None) -> None:
    assert before_number(stem) == label
