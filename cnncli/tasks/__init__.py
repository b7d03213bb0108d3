"""What the outputs mean: loss, metrics, baseline. No loop, no model class; importing this fills the registries."""

from cnncli.tasks import classification, losses

__all__ = ["classification", "losses"]
