"""Device, loop, checkpoints, tracking, and the one place that puts an experiment together."""
