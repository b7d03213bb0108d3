"""Which way a metric is better, for those who know its name only; a test compares it with what the tasks say."""

LOWER_IS_BETTER = frozenset(
    {"loss", "mae", "rmse", "smape", "mase", "bits_per_character", "perplexity"}
)  # fmt: skip
"""Metrics that are errors; of every other one more is better."""
