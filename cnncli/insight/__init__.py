"""What several runs say together. Everything here reads what runs have kept, and imports no torch."""
