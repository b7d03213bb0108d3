"""The loop, what it starts from, and the one file that puts an experiment together."""
