"""TensorBoard's files: tags that can be read, one entry a run, and nothing twice when a run goes on."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnncli.runs.event_files import keep_events
from cnncli.runs.loggers import RunStart
from cnncli.runs.tensorboard import Board, Node, layout, tagged

EPOCH = {"epoch": 1.0, "global_step": 21.0, "lr": 0.1, "train_seconds": 1.0, "eval_seconds": 0.5,
         "samples_per_second": 9.0, "train/loss": 0.3, "train/accuracy": 0.9, "val/loss": 0.4, "val/accuracy": 0.8,
         "val/macro_f1": 0.7, "baseline/accuracy": 0.1}  # fmt: skip
FINAL = {"best_epoch": 2.0, "final/test/mae": 3.0, "final/val/mae": 2.0, "final/baseline/mae": 5.0,
         "final/test/loss": 0.1, "final/val/loss": 0.2}  # fmt: skip


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"tensors": 0, "histograms": 0}).Reload()


def test_metrics_keep_their_names_and_all_tags_lie_in_the_three_groups_that_are_open() -> None:
    tags = tagged(EPOCH)
    assert {"train/loss", "val/loss", "val/accuracy", "train/lr", "val/baseline/accuracy"} <= set(tags)
    assert {tag.partition("/")[0] for tag in (*tags, *tagged(FINAL))} == {"train", "val", "final"}
    assert not {"epoch", "global_step"} & {tag.rpartition("/")[2] for tag in tags}


def test_the_headline_sorts_before_all_other_final_metrics() -> None:
    assert sorted([*tagged(FINAL), *tagged(EPOCH)])[:5] == [
        "final/1_test_mae", "final/2_val_mae", "final/3_baseline_mae", "final/test_loss", "final/val_loss"
    ]  # fmt: skip


def test_training_and_validation_share_a_chart_and_validation_and_baseline_another() -> None:
    assert layout(EPOCH) == {
        "training and validation": {
            "loss": ("Multiline", ["^train/loss$", "^val/loss$"]),
            "accuracy": ("Multiline", ["^train/accuracy$", "^val/accuracy$"]),
        },
        "validation and baseline": {"accuracy": ("Multiline", ["^val/accuracy$", "^val/baseline/accuracy$"])},
    }


def test_what_will_be_done_again_is_taken_out_and_half_a_record_too(tmp_path: Path) -> None:
    board = Board(RunStart("a/b", tmp_path, {"seed": "0"}))
    for epoch in (1, 2, 3):
        board.log({"train/step/loss": 1.0}, 21 * epoch - 20)
        board.log({**EPOCH, "epoch": epoch, "global_step": 21.0 * epoch}, 21 * epoch)
        board.histogram("weights/a", np.ones(3, np.float32), epoch)
    board.log(FINAL, 63)
    board.close()
    (path,) = tmp_path.glob("events*")
    path = path.rename(tmp_path / "events.out.tfevents.1.earlier")  # by name, too: both are written in one second
    with path.open("ab") as file:
        file.write(b"\x40\0\0\0\0\0\0\0half")
    board = Board(RunStart("a/b", tmp_path, {"seed": "0"}, epoch=2, step=42))
    board.log({**EPOCH, "epoch": 3.0, "global_step": 63.0, "val/loss": 0.125}, 63)
    board.close()
    found = read(tmp_path)
    assert [(event.step, event.value) for event in found.Scalars("val/loss")][2:] == [(3, 0.125)]
    assert [event.step for event in found.Scalars("val/loss")] == [1, 2, 3]
    assert [event.step for event in found.Scalars("train/step/loss")] == [1, 22]
    assert [event.step for event in found.Histograms("weights/a")] == [1, 2]
    assert not [tag for tag in found.Tags()["scalars"] if tag.startswith("final/")]
    assert "_hparams_/session_start_info" in found.summary_metadata
    assert "_hparams_/session_end_info" not in found.summary_metadata, "it is running again"


def test_a_folder_without_event_files_has_nothing_to_keep(tmp_path: Path) -> None:
    keep_events(tmp_path, 1, 10)
    assert list(tmp_path.iterdir()) == []


def test_a_histogram_leaves_out_what_is_no_number(tmp_path: Path) -> None:
    board = Board(RunStart("a/b", tmp_path, {}))
    board.histogram("some", np.array([0.0, 1.0, np.nan, np.inf, 1.0], np.float32), 1)
    board.histogram("none", np.array([np.nan], np.float32), 1)
    board.histogram("same", np.zeros(7, np.float32), 1)
    board.graph([Node("input", "input", (), (2, 3)), Node("a/b", "relu", ("input",))])
    board.close()
    found = read(tmp_path)
    assert found.Tags()["histograms"] == ["some", "same"]
    some = found.Histograms("some")[0].histogram_value
    assert (some.num, some.min, some.max, some.sum) == (3, 0, 1, 2)
    assert sum(some.bucket) == 3
    assert sum(found.Histograms("same")[0].histogram_value.bucket) == 7
    nodes = found.Graph().node
    assert [(node.name, list(node.input)) for node in nodes] == [("input", []), ("a/b", ["input"])]
    assert [dim.size for dim in nodes[0].attr["_output_shapes"].list.shape[0].dim] == [2, 3]


@pytest.mark.parametrize("name", ["昆蟲", "a b", "x" * 60])
def test_names_of_runs_are_anything(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    board = Board(RunStart(name, folder, {"dataset.name": name, "dataset.path": "ü|\t"}))
    board.log(EPOCH, 21)
    board.close()
    assert read(folder).Scalars("val/accuracy")[0].step == 1
