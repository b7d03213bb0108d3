"""Learning-rate schedules by name: PyTorch's, with lengths filled in from the run, and a warm-up before any.

A schedule moves once per epoch or once per optimizer step (its interval); its counts are in that unit.
"""

from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from cnncli.config.sections import SchedulerConfig
from cnncli.core.errors import ConfigError
from cnncli.core.numbers import Count, NonNegative, Positive
from cnncli.core.registry import schedulers

Interval = Literal["epoch", "step"]


@dataclass(frozen=True)
class Plan:
    """What a schedule may need to know: the optimizer, how many times it moves, which way is better."""

    optimizer: Optimizer
    total: int
    mode: Literal["max", "min"]

    @property
    def lr(self) -> float:
        """The learning rate of the config."""
        return float(self.optimizer.param_groups[0]["lr"])

    def each(self, lr: float) -> list[float]:
        """``lr`` for every parameter group, in the proportions that their rates have now."""
        return [lr * float(group["lr"]) / self.lr for group in self.optimizer.param_groups]


@schedulers.register("constant")
def constant(plan: Plan, /) -> None:
    """The learning rate stays as it is."""


@schedulers.register("step")
def step(plan: Plan, /, step_size: Count, gamma: Positive = 0.1) -> LRScheduler:
    """Multiplied by gamma every step_size epochs."""
    return lr_scheduler.StepLR(plan.optimizer, step_size, gamma)


@schedulers.register("multi_step")
def multi_step(plan: Plan, /, milestones: list[Count], gamma: Positive = 0.1) -> LRScheduler:
    """Multiplied by gamma at each milestone."""
    return lr_scheduler.MultiStepLR(plan.optimizer, milestones, gamma)


@schedulers.register("exponential")
def exponential(plan: Plan, /, gamma: Positive = 0.95) -> LRScheduler:
    """Multiplied by gamma every epoch."""
    return lr_scheduler.ExponentialLR(plan.optimizer, gamma)


@schedulers.register("constant_factor")
def constant_factor(plan: Plan, /, factor: Positive = 1 / 3, total_iters: Count = 5) -> LRScheduler:
    """Multiplied by factor for the first total_iters epochs."""
    return lr_scheduler.ConstantLR(plan.optimizer, factor, total_iters)


@schedulers.register("linear", traits={"smooth"})
def linear(
    plan: Plan, /, start_factor: Positive = 1.0, end_factor: NonNegative = 0.0, total_iters: Count | None = None
) -> LRScheduler:
    """A straight line between two factors, over the whole run unless total_iters is given."""
    return lr_scheduler.LinearLR(plan.optimizer, start_factor, end_factor, total_iters or plan.total)


@schedulers.register("polynomial", traits={"smooth"})
def polynomial(plan: Plan, /, power: Positive = 1.0, total_iters: Count | None = None) -> LRScheduler:
    """Down to zero as (1 - t)^power, over the whole run unless total_iters is given."""
    return lr_scheduler.PolynomialLR(plan.optimizer, total_iters or plan.total, power)


@schedulers.register("cosine", traits={"smooth"})
def cosine(plan: Plan, /, eta_min: NonNegative = 0.0, t_max: Count | None = None) -> LRScheduler:
    """Half a cosine down to eta_min, over the whole run unless t_max is given (Loshchilov and Hutter 2016)."""
    return lr_scheduler.CosineAnnealingLR(plan.optimizer, t_max or plan.total, eta_min)


@schedulers.register("cosine_warm_restarts")
def cosine_warm_restarts(plan: Plan, /, t_0: Count = 10, t_mult: Count = 1, eta_min: NonNegative = 0.0) -> LRScheduler:
    """Cosines that start again after t_0 epochs, each t_mult times as long as the one before."""
    return lr_scheduler.CosineAnnealingWarmRestarts(plan.optimizer, t_0, t_mult, eta_min)


@schedulers.register("one_cycle", traits={"smooth"})
def one_cycle(
    plan: Plan,
    /,
    max_lr: Positive | None = None,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = True,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: Positive = 25.0,
    final_div_factor: Positive = 1e4,
    three_phase: bool = False,
) -> LRScheduler:
    """Up to max_lr (the optimizer's lr unless given) and down again in one cycle (Smith and Topin 2017)."""
    return lr_scheduler.OneCycleLR(
        plan.optimizer,
        plan.each(max_lr or plan.lr),
        total_steps=plan.total,
        pct_start=pct_start,
        anneal_strategy=anneal_strategy,
        cycle_momentum=cycle_momentum and _has_momentum(plan.optimizer),
        base_momentum=base_momentum,
        max_momentum=max_momentum,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        three_phase=three_phase,
    )


@schedulers.register("cyclic", traits={"smooth"})
def cyclic(
    plan: Plan,
    /,
    base_lr: Positive | None = None,
    max_lr: Positive | None = None,
    step_size_up: Count | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: Positive = 1.0,
    cycle_momentum: bool = False,
) -> LRScheduler:
    """Up and down between base_lr (lr / 10) and max_lr (lr) in triangles (Smith 2015); two cycles unless told."""
    return lr_scheduler.CyclicLR(
        plan.optimizer,
        plan.each(base_lr if base_lr is not None else plan.lr / 10),
        plan.each(max_lr if max_lr is not None else plan.lr),
        step_size_up=step_size_up or max(plan.total // 4, 1),
        mode=mode,
        gamma=gamma,
        cycle_momentum=cycle_momentum and _has_momentum(plan.optimizer),
    )


@schedulers.register("plateau")
def plateau(
    plan: Plan,
    /,
    factor: Positive = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: Literal["rel", "abs"] = "rel",
    cooldown: int = 0,
    min_lr: NonNegative = 0.0,
) -> LRScheduler:
    """Multiplied by factor when the monitored metric has not improved for patience epochs."""
    return ReduceLROnPlateau(
        plan.optimizer, plan.mode, factor, patience, threshold, threshold_mode, cooldown=cooldown, min_lr=min_lr
    )


def _has_momentum(optimizer: Optimizer) -> bool:
    return bool(optimizer.defaults.get("momentum")) or "betas" in optimizer.defaults


class Schedule:
    """A linear warm-up, then the named schedule, which starts when the warm-up is over."""

    def __init__(
        self, optimizer: Optimizer, scheduler: LRScheduler | None, interval: Interval, warmup_steps: int
    ) -> None:
        self.optimizer, self.scheduler, self.interval = optimizer, scheduler, interval
        self.warmup_steps, self.count = warmup_steps, 0
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self._warm_up()

    @property
    def lr(self) -> float:
        """The learning rate of the next step (of the first parameter group)."""
        # after the end of a straight one-cycle, where no step is taken, torch's rate falls below zero
        return max(float(self.optimizer.param_groups[0]["lr"]), 0.0)

    def step(self) -> None:
        """Move on after an optimizer step."""
        self.count += 1
        if self.count <= self.warmup_steps:
            self._warm_up()
        elif self.interval == "step" and self.scheduler is not None:
            self.scheduler.step()

    def end_epoch(self, monitored: float) -> None:
        """Move on after an epoch; ``monitored`` is the metric that a plateau is judged by."""
        if self.interval == "step" or self.scheduler is None or self.count <= self.warmup_steps:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(monitored)
        else:
            self.scheduler.step()

    def _warm_up(self) -> None:
        if self.warmup_steps:
            share = min((self.count + 1) / self.warmup_steps, 1.0)
            for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = lr * share

    def state_dict(self) -> dict[str, Any]:
        """Plain types only."""
        scheduler = None if self.scheduler is None else self.scheduler.state_dict()
        return {"count": self.count, "scheduler": scheduler}

    def position_fault(self, state: dict[str, Any], epochs: int) -> str | None:
        """Where a saved ``state`` says that the schedule moved more or less often, as ``key: cause``.

        ``epochs`` are those that are finished.
        """
        inner = state["scheduler"] or {}
        moves, by_step = inner.get("last_epoch", 0), self.interval == "step" and self.scheduler is not None
        least = max(state["count"] - self.warmup_steps, 0) if by_step else 0
        most = least if by_step else epochs
        if not least <= moves <= most:
            return f"scheduler.last_epoch: is {moves}, the schedule moved {least} to {most} times"
        if not 0 <= inner.get("T_cur", 0) <= inner.get("T_i", 1) or inner.get("T_i", 1) < 1:
            return "scheduler.T_cur: lies outside its cycle"
        return None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``; the optimizer's learning rates come back with its own state."""
        self.count = int(state["count"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])


def is_smooth(name: str) -> bool:
    """Whether a schedule is laid out over the whole run and moves with every step unless told otherwise."""
    return "smooth" in schedulers.get(name).traits


def build_schedule(
    config: SchedulerConfig, optimizer: Optimizer, epochs: int, steps_per_epoch: int, mode: Literal["max", "min"]
) -> Schedule:
    """The schedule of the config over ``epochs`` of ``steps_per_epoch`` optimizer steps.

    Raises ``ConfigError`` for values that it refuses.
    """
    interval: Interval = config.interval or ("step" if is_smooth(config.name) else "epoch")
    if config.name == "plateau" and interval == "step":
        raise ConfigError("scheduler plateau is judged once per epoch; leave out interval")
    warmup_steps = round(min(config.warmup_epochs, epochs) * steps_per_epoch)
    steps = epochs * steps_per_epoch - warmup_steps
    if steps < 1:
        raise ConfigError(f"scheduler.warmup_epochs: {config.warmup_epochs} epochs leave none of {epochs}; shorten it")
    total = steps if interval == "step" else max(epochs - int(config.warmup_epochs), 1)
    scheduler = schedulers.build(config.name, Plan(optimizer, total, mode), **config.args)
    if config.name != "constant" and not isinstance(scheduler, LRScheduler):
        cause = f"{config.name}: gives {type(scheduler).__name__}, which is no scheduler"
        raise ConfigError(f"{cause}; return one of torch.optim.lr_scheduler's")
    return Schedule(optimizer, scheduler, interval, warmup_steps)
