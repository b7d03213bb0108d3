"""Text by the columns that it takes in a terminal: CJK signs and emojis take two each."""

from rich.cells import cell_len


def padded(text: str, width: int, right: bool = False) -> str:
    """``text`` filled with spaces up to ``width`` columns, on its right side or, for numbers, on its left."""
    spaces = " " * (width - cell_len(text))
    return spaces + text if right else text + spaces


def fold(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` columns, broken between words; a word that is wider stays whole."""
    if cell_len(text) <= width:
        return [text]
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def widest_word(text: str) -> int:
    """The columns of the longest word."""
    return max(map(cell_len, text.split(" ")))


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, the rest an ellipsis."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[:-1]
    return f"{text}…"
