"""A text as blocks: in order, without gaps, with the vocabulary of its training part."""

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.core.notices import collecting
from cnncli.core.registry import datasets
from cnncli.core.spec import DataSpec, Text
from cnncli.data.contract import Opened
from cnncli.data.sources import ArraySource
from cnncli.data.text import UNKNOWN, TextData, blocks

fill_registries()
TALE = "Once upon a time there was a network that read tales, a letter at a time, and wondered what came next. " * 4


def untracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    return items


def opened(
    text: str = TALE, block: int = 8, val: float = 0.25, test: float = 0.2, spec: DataSpec | None = None
) -> Opened:
    config = DatasetConfig(name="text", val_fraction=val)
    return TextData("tale", text, block, test).open(config, "characters", untracked, spec)


def vocabulary(found: Opened) -> tuple[str, ...]:
    assert isinstance(found.spec.preprocess, Text)
    return found.spec.preprocess.vocabulary


def read(found: Opened, split: str, which: str) -> str:
    """The characters of a split's inputs or targets, block after block."""
    source = found.sources[split]  # type: ignore[index]
    assert isinstance(source, ArraySource)
    ids = source.inputs if which == "inputs" else source.targets
    return "".join(vocabulary(found)[number] for number in ids.flatten().tolist())


@pytest.mark.parametrize("block", [1, 7, 8, 31])
def test_blocks_cover_the_text_in_order_and_targets_are_one_character_further(block: int) -> None:
    found = opened(block=block)
    end = round(len(TALE) * 0.8)
    middle = round(end * 0.75)
    for split, part in (("train", TALE[:middle]), ("val", TALE[middle:end]), ("test", TALE[end:])):
        inputs, targets = read(found, split, "inputs"), read(found, split, "targets")
        assert inputs == part[: len(inputs)]
        assert targets == part[1 : len(inputs) + 1]
        assert 1 <= len(part) - len(inputs) <= block, "no whole block is left out"
        source = found.sources[split]  # type: ignore[index]
        assert source.targets.shape == (len(inputs) // block, block)
    assert found.spec.input_shape == (block,)
    assert found.spec.outputs == (block, len(vocabulary(found)))


def test_blocks_that_just_fit_are_all_there() -> None:
    source = blocks(torch.arange(9), 4)
    assert source.inputs.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert source.targets.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert blocks(torch.arange(8), 4).targets.tolist() == [[1, 2, 3, 4]]


def test_the_splits_follow_each_other_in_the_text() -> None:
    text = "".join(chr(0x4E00 + i) for i in range(200))  # each character is its own position
    found = opened(text, block=4)
    assert vocabulary(found) == (UNKNOWN, *text[:120])
    assert read(found, "train", "inputs") == text[: len(read(found, "train", "inputs"))]
    assert set(found.sources) == {"train", "val", "test"}
    assert set(opened(val=0.0).sources) == {"train", "test"}
    assert set(opened(test=0.0).sources) == {"train", "val"}


def test_the_vocabulary_is_the_training_parts_and_unknown_characters_are_id_0() -> None:
    text = "abcab" * 12 + "aXbYc" * 4 + "abZcQ" * 4
    found = opened(text, block=3, val=0.25, test=0.2)
    assert vocabulary(found) == (UNKNOWN, "a", "b", "c")
    assert read(found, "val", "inputs") == text[60:80].replace("X", UNKNOWN).replace("Y", UNKNOWN)[:18]
    assert read(found, "test", "inputs") == text[80:].replace("Z", UNKNOWN).replace("Q", UNKNOWN)[:18]
    for split in ("val", "test"):
        source = found.sources[split]  # type: ignore[index]
        assert (source.targets == 0).any()
    assert UNKNOWN not in read(found, "train", "inputs")


def test_a_replacement_character_in_the_text_is_the_unknown_one() -> None:
    found = opened(("ab" + UNKNOWN) * 40, block=3)
    assert vocabulary(found) == (UNKNOWN, "a", "b")
    assert read(found, "train", "inputs").startswith("ab" + UNKNOWN)


def test_the_vocabulary_of_a_checkpoint_is_used_for_another_text() -> None:
    spec = opened("abc" * 40).spec
    other = opened("cab!" * 40, spec=spec)
    assert other.spec == spec
    assert read(other, "train", "inputs")[:8] == f"cab{UNKNOWN}cab{UNKNOWN}"
    with pytest.raises(DataError, match="blocks of 5, the checkpoint was trained on blocks of 8"):
        opened("cab!" * 40, block=5, spec=spec)


@pytest.mark.parametrize(
    ("size", "val", "message"),
    [
        (40, 0.25, "tale: the val part has 8 characters, a block needs 9; lower dataset.block or give more text"),
        (40, 0.0, "tale: the test part has 8 characters"),
        (8, 0.25, "tale: the train part has 4 characters"),
        (0, 0.25, "tale: the train part has 0 characters"),
    ],
)
def test_what_is_too_short_is_named(size: int, val: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        opened(TALE[:size], val=val)
    assert opened(TALE[:50], val=0.25).sources.keys() == {"train", "val", "test"}, "a little more is enough"


def test_a_file_and_the_files_of_a_folder_are_read_in_order() -> None:
    for name, text in (("b.txt", "second"), ("a.txt", "first\n"), ("more/c.txt", "third"), ("z.md", "# notes")):
        path = Path("tales") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert datasets.build("text", path="tales").text == "first\n\nsecond\nthird"
    assert datasets.build("text", path="tales", pattern="*.md").text == "# notes"
    assert datasets.build("text", path="tales/b.txt").text == "second"
    with pytest.raises(DataError, match=r"tales: no file matches \*\.rst; set dataset\.pattern"):
        datasets.build("text", path="tales", pattern="*.rst")
    with pytest.raises(DataError, match="legends: no such file or folder"):
        datasets.build("text", path="legends")


def test_the_data_folder_is_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tale.txt").write_text("there")
    monkeypatch.setenv("CNNCLI_DATA", str(tmp_path / "elsewhere"))
    assert datasets.build("text", path="tale.txt").text == "there"


def test_a_text_in_another_encoding_is_read_and_a_notice_names_it() -> None:
    text = "今天天气很好,我们去公园散步。\n" * 20
    Path("chinese.txt").write_bytes(text.encode("gb18030"))
    with collecting() as found:
        assert datasets.build("text", path="chinese.txt").text == text
    assert [told.kind for told in found] == ["encoding"]
    assert "gb18030" in found[0].text
    with collecting() as found:
        assert datasets.build("text", path="chinese.txt", encoding="gbk").text == text
    assert not found
    Path("marked.txt").write_bytes(text.encode("utf-16"))
    assert datasets.build("text", path="marked.txt").text == text


def test_a_text_of_one_unknown_sign_is_refused() -> None:
    with pytest.raises(DataError, match=r"no character but U\+FFFD.*dataset\.path"):
        opened(UNKNOWN * 2000, 16)
    assert opened(("ab" + UNKNOWN) * 700, 16)


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_lines_end_in_one_way(ends: str) -> None:
    Path("ends.txt").write_bytes(f"one{ends}two{ends}".encode())
    assert datasets.build("text", path="ends.txt").text == "one\ntwo\n"


def test_what_is_not_in_the_given_encoding_is_named_with_the_line() -> None:
    Path("latin.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt:1: cannot be read as utf-8; correct dataset\.encoding"):
        datasets.build("text", path="latin.txt", encoding="utf-8")
    Path("marked.txt").write_bytes("naïve".encode("utf-8-sig"))
    assert datasets.build("text", path="marked.txt").text == "naïve", "without the mark at its beginning"


def test_pythons_own_library_needs_nothing_and_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    first, again = (datasets.build("python_stdlib", characters=30_000, block=16) for _ in range(2))
    assert first == again
    assert len(first.text) == 30_000
    assert "def " in first.text
    longer = datasets.build("python_stdlib", characters=60_000)
    assert longer.text.startswith(first.text), "fewer characters are the beginning of more"
    assert list(Path().iterdir()) == [], "nothing was downloaded"
    sources = first.open(DatasetConfig(name="python_stdlib"), "characters", untracked, None).sources
    assert {split: len(source) for split, source in sources.items()} == {"train": 1518, "val": 168, "test": 187}
