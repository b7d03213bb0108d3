"""Optimizers, schedules, averaged weights. Importing this fills the registries."""

from cnncli.optim import optimizers, schedulers

__all__ = ["optimizers", "schedulers"]
