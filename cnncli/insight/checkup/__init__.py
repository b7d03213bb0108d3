"""Short trials of a config that say whether a run of it will work. Nothing here writes a run."""
