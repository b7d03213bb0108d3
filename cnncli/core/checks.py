"""What a description of data can be held to, whether it is made from data or read from a file."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError


def require(holds: bool, fault: str) -> None:
    """Raise ``ValueError`` unless it ``holds``."""
    if not holds:
        raise ValueError(fault)


def different(names: tuple[str, ...]) -> tuple[str, ...]:
    """``names``; raises ``ValueError`` where one is there twice."""
    if len(set(names)) < len(names):
        twice, _ = Counter(names).most_common(1)[0]
        raise ValueError(f"'{twice}' is there twice")
    return names


def named(names: tuple[str, ...]) -> tuple[str, ...]:
    """``names``; raises ``ValueError`` where one is blank or there twice."""
    require(all(name.strip() for name in names), "a name is blank")
    return different(names)


def lengths(wanted: int, **entries: Sequence[float]) -> None:
    """Raise ``ValueError`` for the first of the ``entries`` that has not as many values as ``wanted``."""
    for name, values in entries.items():
        require(len(values) == wanted, f"{name.replace('__', '.')}: has {len(values)} values, not {wanted}")


Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(different)]
"""One name or more, none of them twice."""


_CAUSES = {
    "missing": "is missing", "missing_argument": "is missing", "extra_forbidden": "is not known",
    "unexpected_keyword_argument": "is not known", "dataclass_type": "should be a mapping",
    "union_tag_not_found": "has no kind",
}  # fmt: skip


def first_fault(error: ValidationError, values: Any, *path: str) -> str:
    """The first thing that is wrong with ``values``, at its dotted path, which begins with ``path``: ``a.b: cause``."""
    details = error.errors(include_url=False)[0]
    inside = list(path)
    for key in details["loc"]:
        try:
            values = values[key]
        except (LookupError, TypeError):
            if details["type"] not in ("missing", "missing_argument"):  # pydantic's name for a member of a union
                continue
        inside.append(str(key))
    cause = _CAUSES.get(details["type"], details["msg"])
    cause = cause.removeprefix("Value error, ").removeprefix("Input ")
    # a fault between several entries names the one that it blames itself
    between = details["type"] == "value_error" and ": " in cause
    return f"{'.'.join(inside)}{'.' if between else ': '}{cause}"
