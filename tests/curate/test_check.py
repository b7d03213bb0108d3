"""Checking a set of pictures: everything planted is found, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnncli.data.duplicates import BLOCK, Pair, find_duplicates, join
from cnncli.data.signatures import Signature, sign, sign_all
from tests.conftest import Answer, make_pictures

Cli = Callable[..., Answer]


def texture(path: Path, seed: int, size: tuple[int, int] = (96, 72), **options: object) -> Path:
    """A smooth random field, unlike that of any other seed; the same at every size."""
    noise = torch.randint(0, 256, (6, 8, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise.numpy()).resize(size, Image.Resampling.BICUBIC).save(path, **options)
    return path


def textures(root: Path, counts: dict[str, int], first: int = 0) -> Path:
    """Class folders of unlike pictures; the keys are paths below ``root``."""
    for folder, count in counts.items():
        for i in range(count):
            texture(root / folder / f"{i:02d}.png", first := first + 1)
    return root


def untracked(items: Any, total: int, what: str) -> Any:
    return items


def kinds(report: dict[str, Any], key: str = "faults") -> list[str]:
    return [finding["kind"] for finding in report[key]]


def near_pairs(paths: list[Path]) -> set[frozenset[str]]:
    return {frozenset((paths[p.first].name, paths[p.second].name)) for p in find_duplicates(sign_all(paths, untracked))}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Unlike pictures of two classes: 8 of each to train, 4 of each to test."""
    root = tmp_path / "photos"
    return textures(root, {"train/ant": 8, "train/bee": 8, "test/ant": 4, "test/bee": 4})


def test_clean_pictures_need_no_mending(cnncli: Cli, photos: Path) -> None:
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 0, answer.err
    report = answer.json
    assert (report["faults"], report["notices"]) == ([], [])
    assert report["pictures"] == 24
    assert report["splits"] == {"train": {"ant": 8, "bee": 8}, "test": {"ant": 4, "bee": 4}}
    assert report["width"] == {"min": 96, "median": 96, "max": 96}
    assert report["height"] == {"min": 72, "median": 72, "max": 72}
    assert (report["modes"], report["formats"], report["imbalance"]) == ({"RGB": 24}, {"PNG": 24}, 1.0)
    text = cnncli("data", "check", photos)
    assert text.code == 0
    assert "24 pictures: nothing to fix" in text.out
    assert "96×72" in text.out


def test_planted_duplicates_across_splits_are_found_and_nothing_else(cnncli: Cli, tmp_path: Path) -> None:
    root = textures(tmp_path / "set", {"train/ant": 40, "train/bee": 40, "val/ant": 10, "val/bee": 10, "test/ant": 10,
                                       "test/bee": 10})  # fmt: skip
    source = Image.open(root / "train" / "ant" / "00.png")
    exact = {
        (shutil.copy(root / "train/ant/01.png", root / "test/ant/same.png"), root / "train/ant/01.png"),
        (shutil.copy(root / "val/bee/02.png", root / "test/bee/renamed.jpeg.png"), root / "val/bee/02.png"),
    }
    near = {
        (texture(root / "test/ant/half.png", 3, (48, 36)), root / "train/ant/02.png"),
        (texture(root / "val/ant/large.png", 4, (384, 288)), root / "train/ant/03.png"),
        (texture(root / "test/bee/stretched.png", 41, (80, 80)), root / "train/bee/00.png"),
        (texture(root / "test/bee/jpeg.jpg", 42, quality=40), root / "train/bee/01.png"),
        (texture(root / "val/bee/webp.webp", 43, (64, 48), quality=50), root / "train/bee/02.png"),
        (texture(root / "val/bee/grey.gif", 44), root / "train/bee/03.png"),
        (root / "test/ant/bright.png", root / "train/ant/00.png"),
    }
    source.point(lambda level: min(level + 6, 255)).save(root / "test/ant/bright.png")
    answer = cnncli("data", "check", root, "--json")
    assert answer.code == 3
    found: dict[str, set[frozenset[str]]] = {}
    for finding in answer.json["faults"]:
        found.setdefault(finding["kind"], set()).add(frozenset(finding["paths"]))
    assert found == {kind: {frozenset(map(str, pair)) for pair in pairs}
                     for kind, pairs in (("exact_leak", exact), ("near_leak", near))}  # fmt: skip
    assert kinds(answer.json, "notices") == []
    text = cnncli("data", "check", root)
    assert text.code == 3
    assert "the same picture in train and test: " in text.out
    assert "the same file in train and test: " in text.out
    assert "9 faults to fix" in text.out


def test_a_turned_photo_is_the_one_that_its_exif_data_turn_back(tmp_path: Path) -> None:
    upright = texture(tmp_path / "upright.png", 5)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(upright).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=90)
    paths = [upright, tmp_path / "turned.jpg", texture(tmp_path / "other.png", 6)]
    assert near_pairs(paths) == {frozenset(("upright.png", "turned.jpg"))}


def test_of_several_copies_each_is_named_with_the_first(cnncli: Cli, photos: Path) -> None:
    copies = [photos / name for name in ("train/ant/copy.png", "test/ant/copy.png", "test/bee/copy.png")]
    for copy in copies:
        shutil.copy(photos / "train/ant/00.png", copy)
    report = cnncli("data", "check", photos, "--json").json
    assert sorted(kinds(report)) == ["exact_conflict", "exact_leak"]
    assert kinds(report, "notices") == ["exact_repeat"]
    pairs = [finding["paths"] for finding in [*report["notices"], *report["faults"]]]
    assert sorted(pairs) == sorted([str(photos / "train/ant/00.png"), str(copy)] for copy in copies)


def test_one_picture_with_two_labels_is_a_fault_even_inside_a_split(cnncli: Cli, photos: Path) -> None:
    shutil.copy(photos / "train/ant/00.png", photos / "train/bee/copy.png")
    texture(photos / "test/bee/small.png", 2, (48, 36))
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 3
    assert sorted(kinds(answer.json)) == ["exact_conflict", "near_conflict"]
    assert {Path(path).parent.name for path in answer.json["faults"][0]["paths"]} == {"ant", "bee"}
    assert "as ant and bee" in answer.json["faults"][0]["text"]


def test_repeats_inside_one_split_are_notices(cnncli: Cli, photos: Path) -> None:
    shutil.copy(photos / "train/ant/00.png", photos / "train/ant/copy.png")
    texture(photos / "train/ant/small.png", 2, (48, 36))
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 0
    assert kinds(answer.json) == []
    assert sorted(kinds(answer.json, "notices")) == ["exact_repeat", "near_repeat"]
    assert "notice    the same file twice in train: " in cnncli("data", "check", photos).out


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "cannot be read as a picture (its content is none that Pillow knows)"),
        (b"<html>not found</html>", "cannot be read as a picture (its content is none that Pillow knows)"),
        (None, "cannot be read as a picture (image file is truncated"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(cnncli: Cli, photos: Path, content: bytes | None, cause: str) -> None:
    broken = texture(photos / "train/ant/broken.jpg", 99)
    broken.write_bytes(broken.read_bytes()[:-300] if content is None else content)
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 3
    (fault,) = answer.json["faults"]
    assert (fault["kind"], fault["paths"]) == ("unreadable", [str(broken)])
    assert fault["text"].startswith(f"{broken}: {cause}")
    assert answer.json["notices"] == []
    assert answer.json["pictures"] == 25
    assert f"fault     {broken}: cannot be read" in cnncli("data", "check", photos).out


def test_broken_files_are_no_duplicates_of_each_other(cnncli: Cli, photos: Path) -> None:
    for split in ("train", "test"):
        (photos / split / "ant" / "empty.jpg").write_bytes(b"")
    assert kinds(cnncli("data", "check", photos, "--json").json) == ["unreadable", "unreadable"]


def test_a_picture_that_vanished_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert "No such file" in sign(tmp_path / "gone.jpg").error


def test_classes_that_differ_between_splits_are_faults(cnncli: Cli, photos: Path) -> None:
    (photos / "train" / "empty").mkdir()
    (photos / "test" / "empty").mkdir()
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 3
    assert kinds(answer.json) == ["empty_class", "empty_class"]
    assert "train/empty has no pictures" in answer.json["faults"][0]["text"]
    shutil.rmtree(photos / "train" / "empty")
    shutil.rmtree(photos / "test" / "empty")
    shutil.rmtree(photos / "test" / "bee")
    texture(photos / "test/wasp/00.png", 77)
    report = cnncli("data", "check", photos, "--json").json
    assert [(fault["kind"], fault["text"]) for fault in report["faults"]] == [
        ("missing_class", "test has no bee"), ("extra_class", "test has wasp, train has not"),
    ]  # fmt: skip


def test_one_class_alone_is_a_fault(cnncli: Cli, tmp_path: Path) -> None:
    answer = cnncli("data", "check", textures(tmp_path / "one", {"ant": 3}), "--json")
    assert answer.code == 3
    assert kinds(answer.json) == ["one_class"]


def test_a_folder_without_class_folders_says_what_makes_them(cnncli: Cli, tmp_path: Path) -> None:
    texture(tmp_path / "flat" / "cat.0.png", 1)
    answer = cnncli("data", "check", tmp_path / "flat")
    assert answer.code == 3
    assert "cnncli data split" in answer.out


@pytest.mark.parametrize(
    ("kind", "name", "size", "said"),
    [
        ("tiny", "a.png", (40, 15), "40×15 pixels"), ("long", "a.png", (128, 32), "128×32 pixels"),
        ("misnamed", "a.jpg", (96, 72), "is PNG, not JPEG"),
    ],
)  # fmt: skip
def test_suspicious_pictures_are_notices(
    cnncli: Cli, photos: Path, kind: str, name: str, size: tuple[int, int], said: str
) -> None:
    path = texture(photos / "train" / "ant" / name, 99, size, format="PNG")
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 0
    assert answer.json["faults"] == []
    (notice,) = answer.json["notices"]
    assert (notice["kind"], notice["paths"]) == (kind, [str(path)])
    assert said in notice["text"]


@pytest.mark.parametrize("colour", ["black", "white", "grey", (30, 60, 90), "red"])
def test_a_picture_of_one_colour_is_noticed(cnncli: Cli, photos: Path, colour: str | tuple[int, int, int]) -> None:
    Image.new("RGB", (96, 72), colour).save(photos / "train" / "ant" / "blank.png")
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 0
    assert kinds(answer.json, "notices") == ["flat"]
    assert "blank.png: one colour all over" in answer.json["notices"][0]["text"]


def test_what_is_just_large_and_compact_enough_is_not_noticed(cnncli: Cli, photos: Path) -> None:
    texture(photos / "train/ant/small.png", 98, (16, 16))
    texture(photos / "train/bee/wide.jpeg", 99, (127, 32))
    assert cnncli("data", "check", photos, "--json").json["notices"] == []


@pytest.mark.parametrize(("ants", "noticed"), [(8, False), (9, True)])
def test_three_times_as_many_of_one_class_are_noticed(cnncli: Cli, tmp_path: Path, ants: int, noticed: bool) -> None:
    answer = cnncli("data", "check", textures(tmp_path / "set", {"ant": ants, "bee": 3}), "--json")
    assert answer.code == 0
    assert answer.json["imbalance"] == pytest.approx(ants / 3)
    assert kinds(answer.json, "notices") == (["unbalanced"] if noticed else [])


@pytest.mark.parametrize("colour", [(128, 128, 128), (30, 60, 90), (250, 250, 240)])
@pytest.mark.parametrize(("size", "spread", "vignette"), [(96, 5, 0), (320, 1, 0), (96, 2, 6)])
def test_flat_pictures_are_not_taken_for_each_other(
    tmp_path: Path, colour: tuple[int, int, int], size: int, spread: int, vignette: int
) -> None:
    """Night, snow, a slide without a cell: one colour all over, darker to the edges, and noise of its own."""
    generator = np.random.default_rng(size + spread)
    rows = np.linspace(-1, 1, size)
    shade = -vignette * (rows[:, None] ** 2 + rows[None] ** 2)[..., None] / 2
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path in paths:
        noise = generator.integers(-spread, spread + 1, (size, size, 3))
        Image.fromarray((np.array(colour) + shade + noise).clip(0, 255).astype(np.uint8)).save(path)
    assert near_pairs(paths) == set()


def test_pictures_of_the_same_outline_in_other_colours_are_two(tmp_path: Path) -> None:
    texture(tmp_path / "a.png", 1)
    red, green, blue = Image.open(tmp_path / "a.png").split()
    Image.merge("RGB", (blue, green, red)).save(tmp_path / "b.png")
    assert near_pairs([tmp_path / "a.png", tmp_path / "b.png"]) == set()


def test_duplicates_are_found_over_the_borders_of_blocks() -> None:
    generator = np.random.default_rng(0)
    count = BLOCK + 40
    bits = generator.random((count, 64)) > 0.5
    thumbnails = generator.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    bits[BLOCK + 7], thumbnails[BLOCK + 7] = bits[3], thumbnails[3]
    bits[BLOCK + 9], thumbnails[BLOCK + 9] = bits[BLOCK + 8], thumbnails[BLOCK + 8]
    signatures = [
        Signature(digest=str(i).encode(), width=16, height=16, mode="RGB", form="PNG", bits=bits[i],
                  thumbnail=thumbnails[i])
        for i in range(count)
    ]  # fmt: skip
    signatures.insert(0, Signature(error="cannot be read"))  # positions are those of the list
    assert find_duplicates(signatures) == [Pair(4, BLOCK + 8, exact=False), Pair(BLOCK + 9, BLOCK + 10, exact=False)]


def test_groups_are_joined_over_several_pairs() -> None:
    assert join(6, [(0, 3), (4, 5), (3, 4)]) == [0, 1, 2, 0, 0, 0]
    assert join(3, []) == [0, 1, 2]


def test_a_config_of_a_folder_is_checked(cnncli: Cli, photos: Path, write_config: Callable[..., Path]) -> None:
    config = write_config(f"dataset: {{name: image_folder, root: {json.dumps(str(photos))}}}\nmodel: mlp\n")
    assert cnncli("data", "check", config, "--json").json == cnncli("data", "check", photos, "--json").json
    (photos / "test" / "bee" / "empty.jpg").write_bytes(b"")
    assert cnncli("data", "check", config).code == 3


def test_a_config_of_a_table_is_checked(cnncli: Cli, photos: Path, write_config: Callable[..., Path]) -> None:
    shutil.copy(photos / "train/ant/00.png", photos / "test/ant/copy.png")
    rows = [f"{p.relative_to(photos)};{p.parent.name};{p.parent.parent.name}" for p in sorted(photos.rglob("*.png"))]
    table = photos.parent / "listing.csv"
    table.write_text("\n".join(["picture;kind;part", *rows, "test/ant/nowhere.png;ant;test"]) + "\n")
    config = write_config(
        f"dataset: {{name: image_csv, file: {table}, path: picture, label: kind, split_column: part, root: {photos}, "
        "delimiter: ;}\nmodel: mlp\n"
    )
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3, answer.err
    assert sorted(kinds(answer.json)) == ["exact_leak", "unreadable"]
    assert answer.json["splits"] == {"test": {"ant": 6, "bee": 4}, "train": {"ant": 8, "bee": 8}}
    (unreadable,) = (fault for fault in answer.json["faults"] if fault["kind"] == "unreadable")
    assert unreadable["paths"] == [str(photos / "test/ant/nowhere.png")]


def test_other_data_sets_and_what_is_not_there_are_refused(cnncli: Cli, tiny: Path, tmp_path: Path) -> None:
    answer = cnncli("data", "check", tiny)
    assert answer.code == 2
    assert "digits has no files of yours to check" in answer.err
    assert "a config with csv, image_csv, image_folder, series_csv or text" in answer.err
    assert cnncli("data", "check", tmp_path / "nowhere").code == 2


def test_noise_pictures_of_the_other_tests_are_clean(cnncli: Cli, tmp_path: Path) -> None:
    assert cnncli("data", "check", make_pictures(tmp_path / "set", {"a": 30, "b": 30}), "--json").json["faults"] == []


def test_six_faults_of_a_folder_are_found_at_once(cnncli: Cli, photos: Path) -> None:
    shutil.copy(photos / "train/ant/00.png", photos / "test/ant/copy.png")
    shutil.copy(photos / "train/ant/01.png", photos / "train/bee/copy.png")
    texture(photos / "test/bee/small.png", 12, (48, 36))  # the fourth of the training bees
    (photos / "test/ant/broken.jpg").write_bytes(b"<html>not found</html>")
    (photos / "train/wasp").mkdir()
    texture(photos / "test/fly/00.png", 77)
    (photos / "train/ant/notes.docx").write_bytes(b"text")
    (photos / "train/Ant").mkdir()
    texture(photos / "train/Ant/00.png", 99)
    answer = cnncli("data", "check", photos, "--json")
    assert answer.code == 3
    assert set(kinds(answer.json)) == {"exact_leak", "exact_conflict", "near_leak", "unreadable", "empty_class",
                                       "missing_class", "extra_class"}  # fmt: skip
    assert {"passed_over", "similar_classes"} <= set(kinds(answer.json, "notices"))
    assert "note:" not in answer.err  # what reading said is in the report
    assert "docx" in next(each["text"] for each in answer.json["notices"] if each["kind"] == "passed_over")


def test_six_faults_of_a_table_of_pictures_are_found_at_once(
    cnncli: Cli, photos: Path, write_config: Callable[..., Path]
) -> None:
    shutil.copy(photos / "train/ant/00.png", photos / "test/ant/copy.png")
    shutil.copy(photos / "train/ant/01.png", photos / "train/bee/copy.png")
    texture(photos / "test/bee/small.png", 12, (48, 36))
    (photos / "test/ant/broken.jpg").write_bytes(b"")
    files = [path for path in sorted(photos.rglob("*")) if path.is_file()]
    rows = [f"{path.relative_to(photos)},{path.parent.name},{path.parent.parent.name}" for path in files]
    rows += [rows[0], "test/ant/gone.png,ant,test", f"{files[1].relative_to(photos)},Ant,test"]
    table = photos / "listing.csv"
    table.write_text("\n".join(["path,label,part", *rows]) + "\n")
    config = write_config(f"dataset: {{name: image_csv, file: {table}, split_column: part}}\nmodel: mlp\n")
    answer = cnncli("data", "check", config, "--json")
    assert answer.code == 3
    assert set(kinds(answer.json)) >= {"exact_leak", "exact_conflict", "near_leak", "unreadable", "listed_twice",
                                       "extra_class"}  # fmt: skip
    twice = [fault["lines"] for fault in answer.json["faults"] if fault["kind"] == "listed_twice"]
    assert [2, len(rows)] in twice or [2, len(rows) - 1] in twice
    assert "similar_classes" in kinds(answer.json, "notices")


def test_a_clean_table_of_pictures_gives_nothing(cnncli: Cli, photos: Path, write_config: Callable[..., Path]) -> None:
    rows = [f"{p.relative_to(photos)},{p.parent.name},{p.parent.parent.name}" for p in sorted(photos.rglob("*.png"))]
    (photos / "listing.csv").write_text("\n".join(["path,label,part", *rows]) + "\n")
    file = photos / "listing.csv"
    config = write_config(f"dataset: {{name: image_csv, file: {file}, split_column: part}}\nmodel: mlp\n")
    report = cnncli("data", "check", config, "--json").json
    assert (report["faults"], report["notices"], report["kind"], report["samples"]) == ([], [], "pictures", 24)
