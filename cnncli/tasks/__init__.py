"""What the outputs mean: loss, metrics, baseline. No loop, no model class; importing this fills the registries."""

from cnncli.tasks import binary, classification, forecasting, language_modeling, losses, multilabel, regression

__all__ = ["binary", "classification", "forecasting", "language_modeling", "losses", "multilabel", "regression"]
