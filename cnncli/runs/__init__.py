"""The run folder, checkpoints, results, loggers and history: everything about runs that needs no network."""
