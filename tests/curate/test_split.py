"""Splitting pictures into folders: the parts that were asked for, what is alike on one side, nothing lost."""

import csv
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cnncli.core.errors import ConfigError, DataError
from cnncli.curate.labels import Labelled, label_pictures
from cnncli.curate.split import assign
from tests.conftest import Answer, make_pictures
from tests.curate.test_check import texture, textures

Cli = Callable[..., Answer]
Snapshot = dict[str, bytes | str | None]


def numbered(root: Path, counts: dict[str, int]) -> Path:
    """A flat folder of unlike pictures: ``cat.0.jpg``, ``cat.1.jpg``, …"""
    seeds = itertools.count(1)
    for name, count in counts.items():
        for i in range(count):
            texture(root / f"{name}.{i}.jpg", next(seeds), (32, 24))
    return root


def snapshot(root: Path) -> Snapshot:
    """Everything below ``root``: the bytes of files, where links lead, None for folders."""
    return {
        str(p.relative_to(root)): os.readlink(p) if p.is_symlink() else None if p.is_dir() else p.read_bytes()
        for p in root.rglob("*")
    }


def contents(root: Path) -> Counter[bytes]:
    return Counter(p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != "split.csv")


def rows(destination: Path) -> list[dict[str, str]]:
    with (destination / "split.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sides(destination: Path) -> dict[str, str]:
    """The split of each picture by the name of its source."""
    return {Path(row["source"]).name: row["split"] for row in rows(destination)}


def items(*labels: str) -> list[Labelled]:
    return [Labelled(Path(f"{i}.png"), label) for i, label in enumerate(labels)]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return numbered(tmp_path / "pets", {"cat": 20, "dog": 10})


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat.0", "cat"), ("cat_12", "cat"), ("cat12", "cat"), ("cat (3)", "cat"), ("maine-coon 007", "maine-coon"),
        ("Ärger.1", "Ärger"), ("2nd_place_3", "2nd_place"),
    ],
)  # fmt: skip
def test_in_a_flat_folder_the_class_stands_before_the_number(tmp_path: Path, name: str, label: str) -> None:
    make_pictures(tmp_path, {"src": 2})
    (tmp_path / "src" / "000.png").rename(tmp_path / "src" / f"{name}.png")
    (tmp_path / "src" / "001.png").rename(tmp_path / "src" / "other.1.png")
    found = {item.path.stem: item.label for item in label_pictures(tmp_path / "src", None, None)}
    assert found == {name: label, "other.1": "other"}


def test_a_flat_folder_is_split_in_exactly_the_parts_that_were_asked_for(cnncli: Cli, pets: Path) -> None:
    answer = cnncli("data", "split", pets, "out", "--val", "0.2", "--test", "0.1", "--json")
    assert answer.code == 0, answer.err
    parts = {"train": {"cat": 14, "dog": 7}, "val": {"cat": 4, "dog": 2}, "test": {"cat": 2, "dog": 1}}
    assert answer.json["splits"] == parts
    assert (answer.json["pictures"], answer.json["kept_together"]) == (30, 0)
    on_disk = {
        split: {label: len(list(Path("out", split, label).iterdir())) for label in of} for split, of in parts.items()
    }
    assert on_disk == parts
    listed = Counter((row["split"], row["label"]) for row in rows(Path("out")))
    assert listed == {(split, label): n for split, of in parts.items() for label, n in of.items()}
    assert contents(Path("out")) == contents(pets)
    for row in rows(Path("out")):
        assert Path("out", row["file"]).read_bytes() == Path(row["source"]).read_bytes()
        assert Path(row["source"]).name.startswith(row["label"])


@pytest.mark.parametrize("counts", [(10, 10), (7, 3), (101, 33, 4), (3, 3, 3)])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.1), (0.15, 0.25), (0.0, 0.3), (0.2, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_single_pictures_are_stratified_to_the_last(
    counts: tuple[int, ...], val: float, test: float, seed: int
) -> None:
    pictures = items(*(label for label, n in zip("abc", counts, strict=False) for _ in range(n)))
    found = Counter(
        zip((i.label for i in pictures), assign(pictures, range(len(pictures)), val, test, seed), strict=True)
    )
    for label, n in zip("abc", counts, strict=False):
        wanted = {split: max(round(share * n), 1) if share else 0 for split, share in (("val", val), ("test", test))}
        assert found[label, "val"] == wanted["val"]
        assert found[label, "test"] == wanted["test"]
        assert found[label, "train"] == n - sum(wanted.values())


def test_groups_are_whole_and_the_parts_nearly_as_asked_for() -> None:
    pictures = items(*["a"] * 100, *["b"] * 50)
    groups = [i // 5 for i in range(150)]
    found = assign(pictures, groups, 0.2, 0.2, 0)
    assert all(len({found[i] for i in range(150) if groups[i] == g}) == 1 for g in range(30))
    counts = Counter(zip((i.label for i in pictures), found, strict=True))
    assert [counts["a", split] for split in ("train", "val", "test")] == [60, 20, 20]
    assert [counts["b", split] for split in ("train", "val", "test")] == [30, 10, 10]


@pytest.mark.parametrize("groups", [3, 4, 5, 9])
def test_where_there_are_groups_enough_every_part_gets_one(groups: int) -> None:
    pictures = items(*["a"] * 10 * groups, *["b"] * 10 * groups)
    found = assign(pictures, [i // 10 for i in range(len(pictures))], 0.1, 0.1, 0)
    have = set(zip((item.label for item in pictures), found, strict=True))
    assert have == set(itertools.product("ab", ("train", "val", "test")))


def test_a_class_of_one_group_cannot_be_on_both_sides() -> None:
    with pytest.raises(DataError, match=r"class 'a' has too few unlike pictures for (train|val)"):
        assign(items(*["a"] * 10, *["b"] * 10), [0] * 10 + list(range(1, 11)), 0.2, 0.0, 0)
    with pytest.raises(DataError, match="class 'a' has too few"):
        assign(items("a", "a", "b", "b", "b"), range(5), 0.1, 0.1, 0)


def test_the_same_seed_gives_the_same_split_and_another_one_another(cnncli: Cli, pets: Path) -> None:
    for out, seed in (("one", 3), ("two", 3), ("three", 4)):
        assert cnncli("data", "split", pets, out, "--seed", seed).code == 0
    one, two, three = (sides(Path(out)) for out in ("one", "two", "three"))
    assert one == two
    assert one != three
    assert Counter(one.values()) == Counter(three.values())


def test_class_folders_are_split_with_what_lies_deeper(cnncli: Cli, tmp_path: Path) -> None:
    root = textures(tmp_path / "src", {"cat": 5, "cat/indoors": 5, "dog": 10})
    answer = cnncli("data", "split", root, "out", "--json")
    assert answer.json["splits"] == {"train": {"cat": 8, "dog": 8}, "val": {"cat": 1, "dog": 1},
                                     "test": {"cat": 1, "dog": 1}}  # fmt: skip
    assert contents(Path("out")) == contents(root)


def test_names_that_meet_in_one_folder_are_all_kept(cnncli: Cli, tmp_path: Path) -> None:
    root = textures(tmp_path / "src", {"cat/a": 6, "cat/b": 6, "cat": 6, "dog": 6})
    assert cnncli("data", "split", root, "out", "--val", "0", "--test", "0.2", "--move").code == 0
    assert sum(contents(Path("out")).values()) == 24
    assert {row["split"] for row in rows(Path("out"))} == {"train", "test"}
    names = [row["file"] for row in rows(Path("out"))]
    assert len(set(names)) == 24
    assert any(name.endswith("/cat__a__03.png") for name in names)
    before = {row["source"]: Path("out", row["file"]).read_bytes() for row in rows(Path("out"))}
    assert cnncli("data", "undo", "out").code == 0
    assert {source: Path(source).read_bytes() for source in before} == before


def test_two_pictures_that_would_still_share_a_name_are_refused(cnncli: Cli, tmp_path: Path) -> None:
    root = textures(tmp_path / "src", {"cat/a": 2, "cat/b": 2, "cat": 2, "dog": 6})
    shutil.copy(root / "cat/a/00.png", root / "cat/cat__a__00.png")  # where the other, renamed, would go
    answer = cnncli("data", "split", root, "out", "--val", "0", "--test", "0")
    assert answer.code == 3
    assert "two pictures would get the same name" in answer.err
    assert not Path("out").exists()


def test_a_pattern_finds_the_class_anywhere_in_the_path(cnncli: Cli, tmp_path: Path) -> None:
    root = tmp_path / "src"
    for i in range(12):
        texture(root / f"day{i % 2}" / f"{i:02d}-{'cat' if i < 6 else 'dog'}-x.png", i)
    answer = cnncli("data", "split", root, "out", "--pattern", r"\d-(\w+)-x", "--val", "0", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["splits"] == {"train": {"cat": 5, "dog": 5}, "test": {"cat": 1, "dog": 1}}
    assert cnncli("data", "split", root, "days", "--pattern", r"(day\d)/", "--val", "0", "--json").json["splits"] == {
        "train": {"day0": 5, "day1": 5}, "test": {"day0": 1, "day1": 1},
    }  # fmt: skip


def test_a_table_says_the_class_and_what_it_leaves_out_stays(cnncli: Cli, tmp_path: Path) -> None:
    root = textures(tmp_path / "src", {"x": 6, "y": 7})
    listing = [f"{p.relative_to(root)},{'odd' if i % 2 else 'even'}" for i, p in enumerate(sorted(root.rglob("*.png")))]
    Path("labels.csv").write_text("\n".join(["path,label", *listing[:12]]) + "\n")
    answer = cnncli(
        "data", "split", root, "out", "--labels", "labels.csv", "--val", "0", "--test", "0.2", "--move", "--json"
    )
    assert answer.code == 0, answer.err
    assert answer.json["splits"] == {"train": {"even": 5, "odd": 5}, "test": {"even": 1, "odd": 1}}
    assert [p.name for p in root.rglob("*.png")] == ["06.png"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (None, "labels.csv: no such table"), ("path,lable\nx/00.png,a\n", "did you mean 'lable'"),
        ("path,label\nx/00.png,a\nx/99.png,b\n", "1 of its files are not in"),
        ("path,label\nx/00.png,a\ny/00.png,b\nx/00.png,a\n", "'x/00.png' is listed twice"),
        ("path,label\nx/00.png,a\nx/01.png,\n", "labels.csv:3: column 'label' is empty"),
        ("path,label\nx/00.png,a\nx/01.png,a/b\n", "'a/b' cannot be the name of a folder"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_refused(cnncli: Cli, tmp_path: Path, table: str | None, said: str) -> None:
    root = textures(tmp_path / "src", {"x": 2, "y": 2})
    if table is not None:
        Path("labels.csv").write_text(table)
    answer = cnncli("data", "split", root, "out", "--labels", "labels.csv")
    assert answer.code == 3
    assert said in answer.err
    assert not Path("out").exists()


@pytest.mark.parametrize("args", [[], ["--group-by", r"(\d+)\.png"]])
@pytest.mark.parametrize("inside", [True, False])
def test_a_table_may_name_pictures_by_absolute_paths(
    cnncli: Cli, tmp_path: Path, args: list[str], inside: bool
) -> None:
    root = textures(tmp_path / "src", {"x": 8, "y": 8})
    lines = [f"{p},{'odd' if int(p.stem) % 2 else 'even'}" for p in sorted(root.rglob("*.png"))]
    Path("labels.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    Path("other").mkdir()
    answer = cnncli("data", "split", "src" if inside else "other", "out", "--labels", "labels.csv", "--val", "0.25",
                    "--test", "0.25", *args)  # fmt: skip
    assert answer.code == 0, answer.err
    assert contents(Path("out")) == contents(root)
    assert cnncli("data", "check", "out", "--json").json["pictures"] == 16


def test_duplicates_stay_on_one_side(cnncli: Cli, tmp_path: Path) -> None:
    root = numbered(tmp_path / "src", {"cat": 12, "dog": 12})
    families = []
    for i in range(6):
        original = texture(root / f"cat.{i}.jpg", 1 + i)
        family = [original, root / f"cat.{100 + i}.jpg", root / f"cat.{200 + i}.png", root / f"cat.{300 + i}.jpg"]
        shutil.copy(original, family[1])
        texture(family[2], 1 + i, (64, 48))
        texture(family[3], 1 + i, (72, 54), quality=50)
        families.append([path.name for path in family])
    for seed in range(3):
        out = Path(f"out{seed}")
        answer = cnncli("data", "split", root, out, "--val", "0.25", "--test", "0.25", "--seed", seed, "--json")
        assert answer.code == 0, answer.err
        assert answer.json["kept_together"] == 24
        assert all(len({sides(out)[name] for name in family}) == 1 for family in families)
        assert {split: of["dog"] for split, of in answer.json["splits"].items()} == {"train": 6, "val": 3, "test": 3}
        assert contents(out) == contents(root)
    assert "24 pictures have duplicates" in cnncli("data", "split", root, "text").out


def test_what_is_grouped_by_its_name_stays_on_one_side(cnncli: Cli, tmp_path: Path) -> None:
    root, seeds = tmp_path / "src", itertools.count()
    for label, patient, shot in itertools.product("ab", range(8), range(3)):
        texture(root / label / f"p{patient}-{shot}.png", next(seeds), (32, 24))
    answer = cnncli("data", "split", root, "out", "--group-by", r"/(p\d)-", "--val", "0.25", "--test", "0.25", "--json")
    assert answer.code == 0, answer.err
    patients: dict[str, set[str]] = {}
    for row in rows(Path("out")):
        patients.setdefault(Path(row["source"]).name[:2], set()).add(row["split"])
    assert all(len(found) == 1 for found in patients.values())
    assert answer.json["splits"] == {"train": {"a": 12, "b": 12}, "val": {"a": 6, "b": 6}, "test": {"a": 6, "b": 6}}
    refused = cnncli("data", "split", root, "other", "--group-by", "(q)")
    assert refused.code == 3
    assert "p0-0.png: --group-by '(q)' finds nothing in it" in refused.err


HOWS = ("copy", "link", "move")


@pytest.mark.parametrize("how", HOWS)
def test_nothing_is_lost_and_undo_restores_the_former_tree(cnncli: Cli, tmp_path: Path, how: str) -> None:
    root = textures(tmp_path / "src", {"cat": 6, "cat/deep": 4, "dog": 10})
    (root / "dog" / 'Hund, mit "Zeichen" ü.png').write_bytes((root / "dog" / "00.png").read_bytes())
    before, had = snapshot(tmp_path), contents(root)
    answer = cnncli("data", "split", "src", "out", f"--{how}")
    assert answer.code == 0, answer.err
    assert contents(Path("out")) == had
    assert all(p.is_symlink() == (how == "link") for p in Path("out").rglob("*.png"))
    assert contents(root) == (Counter() if how == "move" else had)
    assert cnncli("data", "check", "out").code == 0
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    undone = cnncli("data", "undo", tmp_path / "out")
    assert (undone.code, undone.out) == (0, "21 files put back or removed\n")
    os.chdir(tmp_path)
    Path("elsewhere").rmdir()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("how", HOWS)
def test_pictures_that_are_links_themselves_are_seen_where_they_went(cnncli: Cli, tmp_path: Path, how: str) -> None:
    textures(tmp_path / "store", {"all": 12})
    for i, path in enumerate(sorted((tmp_path / "store" / "all").iterdir())):
        link = tmp_path / "src" / ("cat" if i % 2 else "dog") / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(path, link.parent))
    before = snapshot(tmp_path)
    assert cnncli("data", "split", "src", "some/where/out", f"--{how}").code == 0
    assert contents(Path("some/where/out")) == contents(tmp_path / "store")
    undone = cnncli("data", "undo", "some/where/out")
    assert undone.code == 0, undone.err
    assert {path: what for path, what in snapshot(tmp_path).items() if not path.startswith("some")} == before


def test_what_is_no_picture_stays_where_it_is(cnncli: Cli, pets: Path) -> None:
    others = {"notes.txt": b"text", ".hidden.9.jpg": b"resource fork", "labels.csv": b"a,b\n"}
    for name, content in others.items():
        (pets / name).write_bytes(content)
    assert cnncli("data", "split", pets, "out", "--move").code == 0
    assert snapshot(pets) == others
    assert len(rows(Path("out"))) == 30


@pytest.mark.parametrize("how", HOWS)
def test_a_destination_with_something_in_it_is_refused(cnncli: Cli, pets: Path, tmp_path: Path, how: str) -> None:
    Path("out").mkdir()
    Path("out/mine.txt").write_text("kept")
    before = snapshot(tmp_path)
    answer = cnncli("data", "split", pets, "out", f"--{how}")
    assert answer.code == 2
    assert "out: is there already; choose an empty folder" in answer.err
    assert cnncli("data", "split", pets, "out/mine.txt").code == 2
    assert snapshot(tmp_path) == before
    Path("out/mine.txt").unlink()
    assert cnncli("data", "split", pets, "out").code == 0, "an empty folder will do"
    assert "undo it first" in cnncli("data", "split", pets, "out").err


@pytest.mark.parametrize(
    ("folders", "args", "code", "said"),
    [
        (["train/a", "train/b"], [], 3, "src: is split already (train); name one of its parts"),
        (["valid/a", "test/b"], [], 3, "src: is split already (test, valid)"),
        (["only"], [], 3, "src: 3 pictures of 1 classes; two or more classes are needed"),
        ([], [], 3, "src: 0 pictures of 0 classes"),
        (["a", "b"], ["--pattern", "([a-z"], 2, "--pattern '([a-z': is no regular expression"),
        (["a", "b"], ["--pattern", "[ab]"], 2, "put what is meant into parentheses"),
        (["a", "b"], ["--group-by", "*"], 2, "--group-by '*': is no regular expression"),
        (["a", "b"], ["--pattern", "(b)/"], 3, "a/00.png: --pattern '(b)/' finds no class in it"),
        (["a", "b"], ["--pattern", "(x)?"], 3, "00.png: --pattern '(x)?' finds no class in it"),
        (["a", "b"], ["--pattern", r"(.*)\.png"], 3, "cannot be the name of a folder"),
        (["a", "b"], ["--val", "0.6", "--test", "0.5"], 2, "--val 0.6 --test 0.5: two parts from 0 up, together"),
        (["a", "b"], ["--val", "-0.1"], 2, "--val -0.1"),
        (["a", "b"], ["--val", "nan"], 2, "--val nan"),
        (["a", "b"], ["--copy", "--move"], 2, "exclude each other"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_refused_and_nothing_is_written(
    cnncli: Cli, tmp_path: Path, folders: Sequence[str], args: list[str], code: int, said: str
) -> None:
    (tmp_path / "src").mkdir()
    textures(tmp_path / "src", dict.fromkeys(folders, 3))
    before = snapshot(tmp_path)
    answer = cnncli("data", "split", "src", "out", *args)
    assert answer.code == code
    assert said in answer.err
    assert snapshot(tmp_path) == before


def test_a_flat_name_without_a_number_and_a_missing_folder_are_named(cnncli: Cli, pets: Path) -> None:
    texture(pets / "cat.jpg", 500)
    answer = cnncli("data", "split", pets, "out")
    assert answer.code == 3
    assert f"{pets / 'cat.jpg'}: its name has no class before a number" in answer.err
    assert "no such folder" in cnncli("data", "split", "nowhere", "out").err


def test_parts_that_leave_nothing_to_train_on_are_refused() -> None:
    for val, test in ((0.5, 0.5), (1.0, 0.0), (-0.1, 0.2)):
        with pytest.raises(ConfigError, match="two parts from 0 up, together below 1"):
            assign(items("a", "a", "b", "b"), range(4), val, test, 0)


def test_what_was_split_is_learned_from(cnncli: Cli, pets: Path, write_config: Callable[..., Path]) -> None:
    assert cnncli("data", "split", pets, "out", "--link").code == 0
    config = write_config(
        "dataset: {name: image_folder, root: out, image_size: 8, batch_size: 8}\nmodel: mlp\ntrain: {epochs: 1}\n"
        "logging: {tensorboard: false, samples: false, pictures: false}\n"
    )
    answer = cnncli("train", config, "--json")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize("destination", ["flat/out", "flat", "."])
def test_a_destination_inside_the_source_or_around_it_is_refused(
    cnncli: Callable[..., Answer], tmp_path: Path, destination: str
) -> None:
    make_pictures(tmp_path / "flat", {"a": 4, "b": 4})
    answer = cnncli("data", "split", "flat", destination)
    assert answer.code == 2
    assert "choose a folder beside it" in answer.err
