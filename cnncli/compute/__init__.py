"""Where and how tensors are computed: device, precision, threads, seeds, signals, and what a failure means."""
