"""What is done with a trained network. Everything here starts from one checkpoint and nothing else."""
