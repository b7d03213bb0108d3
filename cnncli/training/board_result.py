"""What TensorBoard shows when a run is finished: how the best weights answer to validation, with pictures."""

from collections.abc import Sequence
from functools import cache

from cnncli.core.spec import Split
from cnncli.data.sources import FileSource
from cnncli.runs import board_result
from cnncli.runs.outputs import read_outputs
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.sample_picture import Pixels
from cnncli.runs.tensorboard import Board
from cnncli.runs.tracking import Tracker
from cnncli.training.board import evenly
from cnncli.training.build import Experiment
from cnncli.training.pictures import are_pictures, pixels

FROM_FILES = 500  # thumbnails of pictures that must be read again


def show_result(experiment: Experiment, run: RunFolder, tracker: Tracker, best_epoch: int) -> None:
    """Mistakes, confusion, precision and recall, and embeddings, from the kept outputs of validation."""
    wanted: Sequence[Split] = ("val", "test", "train")
    split = next(split for split in wanted if split in experiment.data.sources)
    logging, path = experiment.config.logging, run.outputs(split)
    if not logging.tensorboard or not path.is_file():
        return
    kept = cache(lambda: read_outputs(path))

    def mistakes(board: Board) -> None:
        samples = [mistake.sample for mistake in board_result.worst_mistakes(kept())]
        found = zip(samples, _pictures(experiment, split, samples), strict=True)
        board_result.show_mistakes(board, kept(), dict(found), best_epoch)

    def embeddings(board: Board) -> None:
        if kept().embedding.size:
            places = _spread(experiment, split, len(kept().ids))
            board_result.show_embeddings(board.folder, kept(), places, _pictures(experiment, split, places))

    if logging.mistakes and are_pictures(experiment.data):
        tracker.show("mistakes", mistakes)
    if logging.confusion:
        tracker.show("confusion matrix", lambda board: board_result.show_confusion(board, kept(), best_epoch))
    if logging.pr_curves:
        tracker.show("PR curves", lambda board: board_result.show_curves(board, kept(), best_epoch))
    if logging.embeddings:
        tracker.show("embeddings", embeddings)


def _spread(experiment: Experiment, split: Split, count: int) -> list[int]:
    """The samples that are shown, evenly spread over the split."""
    most = experiment.config.logging.embeddings
    if are_pictures(experiment.data) and isinstance(experiment.data.sources[split], FileSource):
        most = min(most, FROM_FILES)
    return evenly(count, most)


def _pictures(experiment: Experiment, split: Split, samples: Sequence[int]) -> list[Pixels]:
    """The pictures of samples as they are kept; none where the data are no pictures."""
    if not are_pictures(experiment.data):
        return []
    source = experiment.data.sources[split]
    return [pixels(source[sample]) for sample in samples]
