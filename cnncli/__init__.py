"""cnncli trains, evaluates and keeps neural networks that a YAML file describes."""

__version__ = "0.2.0"
