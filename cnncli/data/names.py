"""Names as people mean them: of splits in any usual form, and of classes that look alike."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

from cnncli.core.errors import ConfigError
from cnncli.core.spec import Split

SYNONYMS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "vali", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}
_DECORATION = {
    "set",
    "sets",
    "data",
    "dataset",
    "split",
    "part",
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "photos",
}
_UNCLEAR = {"eval", "evaluation", "holdout", "unseen"}  # validation or test: only their owner knows
_LIKE = [word for word in SYNONYMS if len(word) > 3]  # of shorter words too many others are neighbours


def nfc(name: str) -> str:
    """``name`` in the one form in which names are compared: macOS writes é as two signs."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def split_of(name: str) -> Split | None:
    """The split that a name means: ``Training``, ``test_set``, ``01-train``, ``valid images``; None for others."""
    words = [word for word in _words(name) if word not in _DECORATION and not word.isdigit()]
    if len(words) == 1:
        return SYNONYMS.get(words[0]) or SYNONYMS.get(_undecorated(words[0]))
    return None


def resembles_split(name: str) -> bool:
    """Whether a name that is no split's may be meant as one: ``train_old``, ``test2``, ``trian``."""
    words = [word.strip("0123456789") for word in _words(name)]
    if any(_undecorated(word) in SYNONYMS or word in _UNCLEAR for word in words):
        return True
    if len(words) != 1:
        return False
    turned = any(sorted(words[0]) == sorted(known) for known in _LIKE)
    return turned or (len(words[0]) > 5 and bool(get_close_matches(words[0], _LIKE, 1, 0.85)))


def _words(name: str) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", nfc(name).strip())  # trainImages
    return [word for word in re.split(r"[\W_]+", parted.lower()) if word]


def _undecorated(word: str) -> str:
    """``trainset`` is ``train``."""
    for end in ("dataset", "set", "data", "images", "imgs"):
        if word.endswith(end) and word.removesuffix(end) in SYNONYMS:
            return word.removesuffix(end)
    return word


def near_equal(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that differ in case, in spaces or in how a number is written: Cat and cat, 0 and 0.0."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        known = first.setdefault(_plain(name), name)
        if known != name:
            pairs.append((known, name))
    return pairs


def _plain(name: str) -> str:
    try:
        return f"{float(name):g}" if "_" not in name else name.casefold()
    except ValueError:
        return " ".join(name.casefold().split())


def compile_pattern(option: str, pattern: str) -> re.Pattern[str]:
    """``pattern`` as a regular expression with a group; raises ``ConfigError`` naming the ``option``."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{option} '{pattern}': is no regular expression ({error})") from error
    if compiled.groups < 1:
        raise ConfigError(f"{option} '{pattern}': put what is meant into parentheses, for example '([a-z]+)'")
    return compiled
