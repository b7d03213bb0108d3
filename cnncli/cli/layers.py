"""What ``inspect`` prints: layers, their sums, and the plan of a run."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cnncli.cli.console import print_table, tell_row

if TYPE_CHECKING:
    from cnncli.models.inspect import LayerRow


def print_layers(rows: "list[LayerRow]") -> None:
    """A network's layers, and what it has and does in all."""
    from cnncli.models.inspect import totals

    whole = totals(rows)
    cells = [
        [row.name, row.kind, _shape(row.output_shape), f"{row.parameters:,}", f"{row.multiply_adds:,}",
         memory(row.activation_bytes), _shape(row.receptive_field or ()), row.formula]
        for row in rows
    ]  # fmt: skip
    columns = ["layer", "type", "output", "parameters", "multiply-adds", "kept", "field", "counted as"]
    print_table(f"{whole.parameters:,} parameters", columns, cells, left=(0, 1, 7))
    tell_row("parameters", f"{whole.trainable:,} trainable, {whole.frozen:,} frozen")
    tell_row("a sample", f"{whole.multiply_adds:,} multiply-adds forward; {memory(whole.activation_bytes)} kept for "
             "the backward pass")  # fmt: skip
    if whole.receptive_field is not None:
        tell_row("field", f"a value of the last convolution or pooling sees {_shape(whole.receptive_field)} of the input")


def layers_json(rows: "list[LayerRow]") -> dict[str, Any]:
    """The keys that docs/json.md lists."""
    from cnncli.models.inspect import totals

    return {"layers": [asdict(row) | {"trainable": row.trainable} for row in rows], **asdict(totals(rows))}


def _shape(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))


def memory(number: float) -> str:
    """Bytes in the unit that suits them."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number:.0f} B"
