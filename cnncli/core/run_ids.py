"""What a run's folder is called where no id is given: the time, then what was set on the command line.

``20260311-091205-lr0.002-seed1``: the last part of each key, or more where two keys end alike, and the value as it was
written. A component is called by its name: ``model.name=mlp`` is ``mlp``.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from cnncli.core.cells import column_widths
from cnncli.core.graphemes import clusters
from cnncli.core.run_names import plain_name

LONGEST_ID = 80  # characters, of which the time takes 15
_ROOM = LONGEST_ID - len("20260311-091205")
_LEAST = 6  # characters that a word keeps
_MOST = 200  # bytes
OPERATIONAL = ("name", "device", "plugins", "logging", "compute", "dataset.workers", "dataset.memory", "dataset.cache",
               "dataset.eval_batch_size", "dataset.download")  # fmt: skip
"""Keys and sections that say how and where a run is done, not what it is."""


def is_operational(key: str) -> bool:
    """Whether a key changes how a run is done, and at most the last digits of its result."""
    return any(key == each or key.startswith(f"{each}.") for each in OPERATIONAL)


def id_suffix(overrides: Sequence[str], components: Collection[str] = ()) -> str:
    """``-lr0.002-seed1`` for ``["optimizer.lr=0.002", "seed=1"]``; empty where nothing was set that matters.

    ``components`` are the sections that can be written ``model=mlp``.
    """
    values: dict[str, str] = {}
    for text in overrides:
        key, _, value = text.partition("=")
        if not is_operational(key):
            values.pop(key, None)  # what is set last stands last
            values[key] = value
    short = _told_apart({key: _short(key, components) for key in values})
    words = []
    for key, value in values.items():
        word = _word(short[key], value)
        words.append(word.removeprefix("name-") if key in components else word)  # model={name: mlp}
    words = [word for word in words if word]
    return "".join(f"-{word}" for word in _fitted(words))


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """What keys are called where there is little room: the last part, or more where two keys end alike."""
    return _told_apart({key: _tail(key.removesuffix(".name")) for key in keys})


def _told_apart(short: dict[str, str]) -> dict[str, str]:
    """Keys by their short names, of which those that are the same get one more part, as long as there is one."""
    while doubled := [key for key, words in short.items() if words and Counter(short.values())[words] > 1]:
        longer = {key: _longer(key, short[key]) for key in doubled}
        if longer == {key: short[key] for key in doubled}:
            break
        short |= longer
    return short


def _short(key: str, components: Collection[str]) -> str:
    """The last part of a key; nothing for the name of a component."""
    parts = key.split(".")
    if key in components or (len(parts) > 1 and parts[-1] == "name"):
        return ""
    return _tail(key)


def _tail(key: str) -> str:
    """The last part of a key, with the one before it where it is a number."""
    parts = key.split(".")
    count = next((n for n in range(1, len(parts)) if not parts[-n].isdigit()), len(parts))
    return ".".join(parts[-count:])


def _longer(key: str, words: str) -> str:
    """One more part of a key before those that are taken, if there is one."""
    parts = key.split(".")
    return ".".join(parts[-min(words.count(".") + 2, len(parts)) :])


def _word(label: str, value: str) -> str:
    """A key and its value as a part of the name of a folder."""
    if "/" in value or "\\" in value:  # a path is called by its end
        value = value.replace("\\", "/").rstrip("/").rpartition("/")[2]
    negative, value = value.startswith("-"), plain_name(value)
    joined = "-" if label and value and (negative or value[0].isalpha() or label[-1].isdigit()) else ""
    return plain_name(f"{label}{joined}{value}")


def _fitted(words: list[str]) -> list[str]:
    """The words, shortened so that all fit, the longest first; where even that is too much, first ones are left out."""
    while words:
        signs = [clusters(word) for word in words]
        sizes = [len(each) for each in signs]
        widths = column_widths(sizes, [min(size, _LEAST) for size in sizes], _ROOM - len(words))
        if widths is not None:
            cut = ["".join(each[:width]).rstrip(".-") for each, width in zip(signs, widths, strict=True)]
            if len("".join(cut).encode()) <= _MOST:
                return cut
        words = words[1:]
    return []
