"""The signs that people see in a text: a letter with its accents, an emoji with all that belongs to it."""

import unicodedata

_JOINER = "\u200d"


def clusters(text: str) -> list[str]:
    """``text`` in parts that must not be cut, after the main rules of Unicode's annex 29 for grapheme clusters.

    Accents, vowel signs, variation selectors, skin tones and tags stay with what is before them; what a zero-width
    joiner joins, the two halves of a flag and the parts of a Korean syllable stay together.
    """
    found: list[str] = []
    for sign in text:
        if found and _continues(found[-1], sign):
            found[-1] += sign
        else:
            found.append(sign)
    return found


def _continues(before: str, sign: str) -> bool:
    """Whether ``sign`` belongs to the cluster ``before`` it."""
    if _extends(sign) or (before[-1] == _JOINER and len(before) > 1):
        return True
    if _is_flag_half(sign):
        return len(before) == 1 and _is_flag_half(before)
    return _kind(sign) in _KOREAN.get(_kind(before[-1]), "")


def _extends(sign: str) -> bool:
    """Whether a sign is shown only on or with the one before it."""
    return (
        sign in (_JOINER, "\u200c")
        or unicodedata.category(sign) in ("Mn", "Me", "Mc")  # variation selectors are Mn
        or "\U0001f3fb" <= sign <= "\U0001f3ff"  # skin tones
        or "\U000e0020" <= sign <= "\U000e007f"  # tags, of flags such as Scotland's
    )


def _is_flag_half(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


_KOREAN = {"L": "LVS", "V": "VT", "S": "VT", "T": "T"}  # what may follow a consonant, vowel, syllable, final consonant


def _kind(sign: str) -> str:
    """Of a Korean sign which part of a syllable it is; of any other a space."""
    if "\u1100" <= sign <= "\u115f":
        return "L"
    if "\u1160" <= sign <= "\u11a7":
        return "V"
    if "\u11a8" <= sign <= "\u11ff":
        return "T"
    return "S" if "\uac00" <= sign <= "\ud7a3" else " "
