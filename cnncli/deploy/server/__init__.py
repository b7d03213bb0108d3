"""A trained network behind a server: decoding, batches, limits, and what a client can do wrong."""
