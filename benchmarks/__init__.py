"""Side-by-side timings, each a command that prints a table."""
