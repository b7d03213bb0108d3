"""What is known of a metric by its name: how it is written, and which way it is better."""

LOWER_IS_BETTER = frozenset(
    {"loss", "mae", "rmse", "smape", "mase", "bits_per_character", "perplexity"}
)  # fmt: skip
"""Metrics that are errors; of every other one more is better. A test compares this with what the tasks say."""
LOWER_SCORES = frozenset({"nll", "brier"})
"""Further scores that are errors, too."""


def format_metric(name: str, value: float) -> str:
    """A fraction as per cent, anything else with four decimals, or five digits where it is large."""
    if name in ("accuracy", "balanced_accuracy"):
        return f"{100 * value:.2f} %"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.5g}"
