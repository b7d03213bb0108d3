"""TensorBoard's event files of a run that goes on: what will be done again is taken out of them."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnncli.core.files import write_atomically

EVENTS = "events.out.tfevents.*"
BY_STEP = "train/step/"  # tags over optimizer steps; all others are over epochs
AT_THE_END = ("final/", "pr/", "val_pictures/", "test_pictures/")  # what is written once a run is finished
_BEFORE, _AFTER = 12, 4  # bytes around a record: its length with a checksum, and its own checksum
_ANEW = ("_hparams_/", "custom_scalars__config__", *AT_THE_END)  # what a logger writes whenever it begins, or ends


def keep_events(folder: Path, epoch: int, step: int) -> None:
    """Leave in the event files of ``folder`` what was logged until ``epoch`` and optimizer step ``step``.

    Readers differ in what they make of steps that come twice, and epochs and steps are two scales in one file; so
    the files themselves are put right. Raises ``OSError`` or ``StorageError``.
    """
    from tensorboard.compat.proto.event_pb2 import Event

    files = sorted(folder.glob(EVENTS))
    if not files:
        return
    kept: list[bytes] = []
    for path in files:
        for framed in _records(path.read_bytes()):
            event = Event.FromString(framed[_BEFORE:-_AFTER])
            if (event.HasField("file_version") and not kept) or _is_before(event, epoch, step):
                kept.append(framed)
    write_atomically(files[0], lambda file: file.writelines(kept))
    for path in files[1:]:
        path.unlink()


def _is_before(event: Any, epoch: int, step: int) -> bool:
    if not event.HasField("summary"):
        return False
    tag = event.summary.value[0].tag if event.summary.value else ""
    return not tag.startswith(_ANEW) and event.step <= (step if tag.startswith(BY_STEP) else epoch)


def _records(content: bytes) -> Iterator[bytes]:
    """The records of an event file, each with what stands before and after it; half of one at the end is left out."""
    start = 0
    while start + _BEFORE <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + _BEFORE + length + _AFTER
        if end > len(content):
            return
        yield content[start:end]
        start = end
