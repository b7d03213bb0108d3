"""What every other room stands on: errors, registries, configuration, the data spec. Never imports torch."""
