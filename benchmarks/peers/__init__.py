"""``plain_mnist`` as the tutorials of other tools write it; each prints the same JSON line."""
