"""YAML is read by the rules that people expect, and every trap of it is explained with its line."""

from pathlib import Path

import pytest

from cnncli.config.yaml_source import parse_yaml, read_yaml_file, yaml_text
from cnncli.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1E5", 1e5), (".5", 0.5), ("-2.", -2.0), ("1_000", "1_000"), ("010", 10), ("0x10", "0x10"),
        ("no", "no"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("null", None), ("", None),
        ("12:30:00", "12:30:00"), ("2024-02-30", "2024-02-30"), ("'3'", "3"), (".inf", float("inf")), ("-7", -7),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    parsed, _ = parse_yaml(text, "f")
    assert parsed == value
    assert type(parsed) is type(value)


def test_every_value_knows_its_line() -> None:
    data, origins = parse_yaml("a: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n", "f")
    assert data == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    assert origins["a",].line == 1
    assert origins["b", 0].line == 3
    assert origins["b", 1, "c"].line == 4
    assert origins["b", 1, "d"].line == 5


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "given twice, first in line 1"),
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        ("a: 1\n  b: 2\n", 2, "not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "tag"),
        ("a: !custom 3\n", 1, "tag"),
        ("a: &x [*x]\n", 1, "alias contains itself"),
        ("? [1, 2]\n: 3\n", 1, "plain word"),
        ("a: " + "9" * 5000, 1, "number"),
    ],
)
def test_what_is_no_config_is_explained_with_its_line(text: str, line: int, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause) as caught:
        parse_yaml(text, "f.yaml")
    assert str(caught.value).startswith(f"f.yaml:{line}")


def test_thousands_of_brackets_and_exploding_aliases_end_quickly() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse_yaml("[" * 5000, "f")
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    with pytest.raises(ConfigError, match="too many values"):
        parse_yaml(bomb, "f")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"), (b"- a\n- b\n", "not a mapping"), (b"word", "not a mapping"),
        (b"name: caf\xe9\n", "not UTF-8"), (b"a: \0\n", "not YAML text"),
    ],
)  # fmt: skip
def test_files_that_hold_no_mapping_are_refused(tmp_path: Path, content: bytes, cause: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=cause):
        read_yaml_file(path)


def test_byte_order_mark_and_windows_line_ends_just_work(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml_file(path).data == {"a": 1, "b": 2}


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_yaml_file(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_yaml_file(tmp_path)


def test_merge_keys_are_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match="extends"):
        parse_yaml("a: &a {x: 1}\nb: {<<: *a}\n", "m.yaml")


def test_half_a_unicode_character_is_refused() -> None:
    with pytest.raises(ConfigError, match="surrogate"):
        parse_yaml('a: "\\ud800"\n', "m.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_config_may_be_in_either_unicode_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("name: 昆蟲 🐜\nmodel: mlp\n".encode(encoding))
    assert read_yaml_file(path).data == {"name": "昆蟲 🐜", "model": "mlp"}


@pytest.mark.parametrize(
    "text", ["昆蟲", "🐜", 'a"b\\c', "a\nb\tc", "\x7f\x85\u2028", "#: {x}, [y]", "", "~", "1e3", "\ufeff"]
)
def test_any_text_comes_through_the_quotes_of_yaml(text: str) -> None:
    assert parse_yaml(f"key: {yaml_text(text)}", "x")[0] == {"key": text}


def test_a_byte_that_is_not_utf_8_is_named() -> None:
    for text in ("key: a\udcffb", 'key: "a\\udcffb"', f"key: {yaml_text(chr(0xDCFF))}"):
        with pytest.raises(ConfigError, match="holds the byte 0xff, which is not UTF-8"):
            parse_yaml(text, "command line")
