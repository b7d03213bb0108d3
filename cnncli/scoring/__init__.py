"""Metrics, intervals and tests of what a checkpoint answered to each sample. Nothing here imports torch."""
