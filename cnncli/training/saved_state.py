"""Whether the saved state of a training is that of this network, optimizer and schedule, before any of it is used."""

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer, SparseAdam

from cnncli.core.plugins import PLUGIN_PREFIX
from cnncli.optim.schedulers import Schedule
from cnncli.runs.checkpoint import TrainingState
from cnncli.runs.forms import unlike
from cnncli.training.best import best_fault

CYCLED = {"lr", "momentum", "betas"}
"""What schedules change in an optimizer's groups."""

MOVED = {
    "count", "last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step", "T_cur", "T_i",
    "best", "num_bad_epochs", "cooldown_counter",
}  # fmt: skip
"""What torch's schedulers change in themselves; all else they are given, and follows from the config."""

NOT_NEGATIVE = {
    "step", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "acc_delta", "sum", "exp_inf", "row_var", "col_var",
    "variance", "step_size", "second", "n_iter", "func_evals",
}  # fmt: skip
"""What optimizers count, or take the root of."""


def optimizer_fault(
    saved: dict[str, Any], optimizer: Optimizer, learned: Callable[[], Collection[int]], done: bool
) -> str | None:
    """Where a saved state is not of ``optimizer``, as ``entry: cause``.

    ``learned`` tells the positions of the parameters that it must have a state of; it is asked only where one has none.
    When the training is ``done`` a straight schedule may have taken the learning rate below zero.
    """
    path, fresh = "training.optimizer", optimizer.state_dict()
    if set(saved) != set(fresh):
        return f"{path}: should have state and param_groups"
    groups, states = saved["param_groups"], saved["state"]
    for group, own in zip(groups if isinstance(groups, list) else [], fresh["param_groups"], strict=False):
        if isinstance(group, dict) and "fused" in own and isinstance(group.get("fused", 0), bool | None):
            own["fused"] = group["fused"]  # which is the device's
    if fault := unlike(groups, fresh["param_groups"], f"{path}.param_groups", CYCLED):
        return fault
    if fault := _group_fault(groups, f"{path}.param_groups", done):
        return fault
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    if not isinstance(states, dict) or not all(isinstance(state, dict) for state in states.values()):
        return f"{path}.state: should be a mapping for each parameter"
    if unknown := [key for key in states if type(key) is not int or key not in range(count)]:
        return f"{path}.state.{unknown[0]}: there is no such parameter"
    return _states_fault(states, optimizer, learned, f"{path}.state")


def _group_fault(groups: list[dict[str, Any]], path: str, done: bool) -> str | None:
    for number, group in enumerate(groups):
        shares = [group.get("momentum", 0.0), *group.get("betas", ())]
        if not all(0 <= share <= 1 for share in shares):
            return f"{path}.{number}: momentum or betas are not between 0 and 1"
        if not math.isfinite(group["lr"]) or (group["lr"] < 0 and not done):
            return f"{path}.{number}.lr: is {group['lr']}"
    return None


def _states_fault(
    states: dict[int, dict[str, Any]], optimizer: Optimizer, learned: Callable[[], Collection[int]], path: str
) -> str | None:
    if type(optimizer).__module__.startswith(PLUGIN_PREFIX):  # what it keeps only its author knows
        return None
    if isinstance(optimizer, LBFGS):
        lacking = not states.get(0) and bool(learned())
        return f"{path}.0: is missing" if lacking else _lbfgs_fault(states, optimizer, path)
    for position, form in enumerate(_forms(optimizer)):
        found = states.get(position, {})
        if not found and (not form or position not in learned()):
            continue
        where = f"{path}.{position}"
        if fault := unlike(found, form, where) or _negative(found, where):
            return fault
    return None


def _negative(state: dict[str, Any], path: str) -> str | None:
    for key in NOT_NEGATIVE & state.keys():
        value = state[key]
        least = (value.min().item() if value.numel() else 0) if isinstance(value, Tensor) else value
        if least < 0:
            return f"{path}.{key}: holds numbers below zero"
    return None


def _forms(optimizer: Optimizer) -> Iterator[dict[str, Any]]:
    """For each parameter what the optimizer keeps of it once it has made a step."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            kept: dict[str, Any] | None = optimizer.state.get(parameter)
            yield kept or _after_a_step(optimizer, group, parameter)


def _after_a_step(optimizer: Optimizer, group: dict[str, Any], parameter: Tensor) -> dict[str, Any]:
    """What a copy of the optimizer keeps of a parameter of zeros: one at a time, so that memory is that of one."""
    stand_in = torch.zeros_like(parameter, requires_grad=True)
    stand_in.grad = torch.zeros_like(parameter, requires_grad=False)
    if isinstance(optimizer, SparseAdam):
        stand_in.grad = stand_in.grad.to_sparse(1)
    single = object.__new__(type(optimizer))
    single.__dict__ |= {key: value for key, value in vars(optimizer).items() if key != "step"}  # a schedule's wrapper
    single.state, single.param_groups = defaultdict(dict), [{**group, "params": [stand_in]}]
    single.step()
    return dict(single.state[stand_in])


def _lbfgs_fault(states: dict[Any, Any], optimizer: LBFGS, path: str) -> str | None:
    """L-BFGS keeps all of its memory with the first parameter, as vectors of all of them."""
    if not any(states.values()):
        return None
    group, state = optimizer.param_groups[0], states.get(0, {})
    if set(states) != {0} or not state.keys() >= {"func_evals", "n_iter"}:
        return f"{path}: should have one entry, 0, with func_evals and n_iter"
    parameters = group["params"]
    number = torch.empty((), device="meta", dtype=parameters[0].dtype)
    vector = number.expand(sum(parameter.numel() for parameter in parameters))
    length = len(state["old_dirs"]) if isinstance(state.get("old_dirs"), list) else 0
    if length > group["history_size"]:
        return f"{path}.0.old_dirs: has more than {group['history_size']} entries"
    forms = {
        "func_evals": 0, "n_iter": 0, "d": vector, "prev_flat_grad": vector, "prev_loss": 0.0,
        "old_dirs": [vector] * length, "old_stps": [vector] * length, "ro": [number] * length,
    }  # fmt: skip
    for key in ("t", "H_diag"):  # one at first, then computed
        forms[key] = number if isinstance(state.get(key), Tensor) else 0.0
    if isinstance(steps := state.get("al"), list) and len(steps) == group["history_size"]:
        forms["al"] = [None if step is None else number for step in steps]
    known = {key: form for key, form in forms.items() if key in state}
    return unlike(state, known, f"{path}.0") or _negative(state, f"{path}.0")


def schedule_fault(saved: TrainingState, fresh: TrainingState, schedule: Schedule) -> str | None:
    """Where the saved state is not of ``schedule`` at this point of the training, as ``entry: cause``."""
    path, scheduler = "training.schedule", schedule.scheduler
    plugin = type(scheduler).__module__.startswith(PLUGIN_PREFIX)
    if fault := unlike(saved.schedule, fresh.schedule, path, None if plugin else MOVED):
        return fault
    if saved.schedule["count"] != saved.global_step:
        return f"{path}.count: is {saved.schedule['count']}, training.global_step {saved.global_step}"
    fault = schedule.position_fault(saved.schedule, saved.epoch)
    return fault and f"{path}.{fault}"


def progress_fault(saved: TrainingState, fresh: TrainingState, batches: int) -> str | None:
    """Where the rest of the saved state is not of a training with so many ``batches`` an epoch, as ``entry: cause``."""
    if saved.batch > batches:
        return f"training.batch: is {saved.batch}, an epoch has {batches}"
    if fault := unlike(saved.scaler, fresh.scaler, "training.scaler", {"scale", "_growth_tracker"}):
        return fault
    if saved.scaler and not (0 < saved.scaler["scale"] < math.inf and saved.scaler["_growth_tracker"] >= 0):
        return "training.scaler: is not above zero"
    for name, state in (("best", saved.best), ("progress", saved.progress)):
        if fault := best_fault(state, saved.epoch):
            return f"training.{name}.{fault}"
    if fault := unlike(saved.meter, fresh.meter, "training.meter"):
        return fault
    return "training.meter.samples: is below zero" if saved.meter["samples"] < 0 else None


def without_gradient(model: nn.Module, inputs: Tensor) -> set[int]:
    """The places among the parameters that learn of those that a backward pass gives no gradient; none is changed."""
    model = copy.deepcopy(model).train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]):
        outputs = model.forward(inputs)
    found = torch.autograd.grad(outputs.float().sum(), learning, allow_unused=True)
    return {place for place, gradient in enumerate(found) if gradient is None}
