"""What is true of kinds of devices, by torch's names."""

WITHOUT_FLOAT64 = {"mps"}
"""Apple's GPUs: what has to be wide is float32 there."""
