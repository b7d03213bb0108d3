"""Decisions between several classes whose mistakes cost different amounts."""

import torch
from torch import Tensor

from cnncli.core.errors import ConfigError, Fault, did_you_mean
from cnncli.core.numbers import NonNegative
from cnncli.core.results import FactsBlock

Costs = dict[str, dict[str, NonNegative]] | list[list[NonNegative]]
KEY = "task.costs"


def cost_matrix(given: Costs, classes: tuple[str, ...]) -> Tensor:
    """What it costs to name a class (column) where another is true (row), float64 ``[K, K]``.

    ``given`` are all rows, or only some pairs by true class and named class: any other mistake costs 1, a right answer
    0. Raises ``ConfigError`` for another number of rows or columns, unknown classes, and costs that are all equal.
    """
    if isinstance(given, dict):
        costs = 1 - torch.eye(len(classes), dtype=torch.float64)
        for true, row in given.items():
            for named, cost in row.items():
                for name in (true, named):
                    if name not in classes:
                        raise ConfigError(Fault("", KEY, f"no class '{name}'; {did_you_mean(name, classes)}"))
                costs[classes.index(true), classes.index(named)] = cost
    else:
        lengths = [len(row) for row in given]
        if lengths != [len(classes)] * len(classes):
            cause = f"has {len(given)} rows of {', '.join(map(str, sorted(set(lengths))))} costs"
            order = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
            advice = f"give a row for each true class with a cost for each named class, in this order: {order}"
            raise ConfigError(Fault("", KEY, f"{cause}, the data have {len(classes)} classes; {advice}"))
        costs = torch.tensor(given, dtype=torch.float64)
    if bool((costs == costs[:, :1]).all()):
        cause = "every answer costs the same, so that there is nothing to decide by"
        raise ConfigError(Fault("", KEY, f"{cause}; give mistakes other costs than right answers"))
    return costs


def decisions(probabilities: Tensor, costs: Tensor) -> Tensor:
    """The class of least expected cost ``[N]`` for probabilities ``[N, K]``; of equal ones the most probable."""
    expected = probabilities.double() @ costs
    least = expected <= expected.amin(1, keepdim=True) + 1e-12
    return probabilities.where(least, -1.0).argmax(1)


def report_costs(probabilities: Tensor, targets: Tensor, costs: Tensor, classes: tuple[str, ...]) -> FactsBlock:
    """The mean cost of these decisions, of naming the most probable class, and of always naming the best one class."""
    decided = costs[targets, decisions(probabilities, costs)].mean().item()
    plain = costs[targets, probabilities.argmax(1)].mean().item()
    always, best = costs[targets].mean(0).min(0)
    name = classes[int(best)]
    text = (
        f"mean cost {decided:.4f}; of naming the most probable class {plain:.4f}, of always naming {name} {always:.4f}"
    )
    values = {"mean": decided, "most_probable": plain, "always": {"class": name, "mean": always.item()}}
    return FactsBlock(values, text, key="costs")
