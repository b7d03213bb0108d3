"""Every optimizer and schedule of the registry steps, saves and goes on."""

import io
from typing import Any

import pytest
import torch
from torch import nn

from cnncli.config.catalog import fill_registries
from cnncli.config.sections import OptimizerConfig, SchedulerConfig
from cnncli.core.errors import ConfigError
from cnncli.core.registry import optimizers, schedulers
from cnncli.optim.averaging import WeightAverage
from cnncli.optim.optimizers import build_optimizer
from cnncli.optim.schedulers import Schedule, build_schedule

fill_registries()
NEEDED: dict[str, dict[str, Any]] = {"step": {"step_size": 2}, "multi_step": {"milestones": [2, 3]}}


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """Saved, and loaded as checkpoints are: plain types and tensors only."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


def make_model(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "sparseadam":
        return nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten())
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def inputs_of(model: nn.Module) -> torch.Tensor:
    sparse = isinstance(model[0], nn.Embedding)  # type: ignore[index]
    return torch.tensor([[0, 1], [2, 3]]) if sparse else torch.linspace(-1, 1, 12).view(4, 3)


def build(name: str, model: nn.Module, **args: Any) -> torch.optim.Optimizer:
    return build_optimizer(OptimizerConfig(name=name, **args), model, inputs_of(model))


def loss_of(model: nn.Module) -> torch.Tensor:
    result: torch.Tensor = (model(inputs_of(model)) - 0.5).square().mean()
    return result


@pytest.mark.parametrize("name", list(optimizers))
def test_every_optimizer_lowers_the_loss_and_resumes_exactly(name: str) -> None:
    model = make_model(name)
    optimizer = build(name, model)

    def closure() -> float:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss.item()

    first = loss_of(model).item()
    for _ in range(20):
        optimizer.step(closure)
    assert loss_of(model).item() < first
    other = make_model(name)
    other.load_state_dict(model.state_dict())
    again = build(name, other)
    again.load_state_dict(through_a_file(optimizer.state_dict()))

    def other_closure() -> float:
        again.zero_grad()
        loss = loss_of(other)
        loss.backward()
        return loss.item()

    optimizer.step(closure)
    again.step(other_closure)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_an_optimizer_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="Nesterov momentum requires"):
        build("sgd", make_model("sgd"), nesterov=True)
    with pytest.raises(ConfigError, match="sparseadam needs embeddings"):
        build("sparseadam", make_model("sgd"))
    with pytest.raises(ConfigError, match="no parameters"):
        build_optimizer(OptimizerConfig(name="sgd"), nn.Flatten(), torch.zeros(2, 3))


def make_schedule(name: str, warmup: float = 0.0, interval: Any = None, **args: Any) -> Schedule:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    config = SchedulerConfig(name=name, warmup_epochs=warmup, interval=interval, **{**NEEDED.get(name, {}), **args})
    return build_schedule(config, optimizer, epochs=4, steps_per_epoch=5, mode="max")


def advance(schedule: Schedule, epochs: int, start: int = 0) -> list[float]:
    lrs = []
    for epoch in range(start, start + epochs):
        for _ in range(5):
            lrs.append(schedule.lr)
            schedule.optimizer.step()
            schedule.step()
        schedule.end_epoch(0.5 - 0.01 * epoch)
    return lrs


@pytest.mark.parametrize("interval", [None, "epoch", "step"])
@pytest.mark.parametrize("warmup", [0.0, 1.5])
@pytest.mark.parametrize("name", list(schedulers))
def test_every_schedule_runs_and_resumes_exactly(name: str, warmup: float, interval: str | None) -> None:
    if name == "plateau" and interval == "step":
        with pytest.raises(ConfigError, match="judged once per epoch"):
            make_schedule(name, warmup, interval)
        return
    schedule = make_schedule(name, warmup, interval)
    advance(schedule, 2)
    other = make_schedule(name, warmup, interval)
    other.optimizer.load_state_dict(through_a_file(schedule.optimizer.state_dict()))
    other.load_state_dict(through_a_file(schedule.state_dict()))
    assert advance(schedule, 2, start=2) == advance(other, 2, start=2)


def test_warm_up_climbs_in_a_line_to_where_the_schedule_starts() -> None:
    lrs = advance(make_schedule("constant", 1.0), 4)
    assert lrs[:6] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1])
    assert lrs[6:] == [0.1] * 14
    lrs = advance(make_schedule("cosine", 1.0), 4)
    assert lrs[4] == lrs[5] == 0.1
    assert lrs[-1] < 0.002


def test_schedules_have_the_lengths_of_the_run() -> None:
    cosine = advance(make_schedule("cosine"), 4)
    assert cosine[0] == 0.1
    assert cosine[10] == pytest.approx(0.05)
    one_cycle = advance(make_schedule("one_cycle"), 4)
    assert max(one_cycle) == pytest.approx(0.1)
    assert one_cycle[0] == pytest.approx(0.004)
    assert advance(make_schedule("step", step_size=2, gamma=0.5), 4) == [0.1] * 10 + [0.05] * 10
    assert advance(make_schedule("plateau", patience=1), 4) == pytest.approx([0.1] * 15 + [0.01] * 5)


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave none of 4"):
        make_schedule("cosine", 4.0)


def test_the_average_follows_its_formula_and_batchnorm_too() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    start = model[0].weight[0, 0].item()
    average = WeightAverage(model, 0.3)
    weight, statistic = start, 0.0
    for step, decay in enumerate([1 / 10, 2 / 11, 3 / 12, 0.3, 0.3]):
        with torch.no_grad():
            model[0].weight.fill_(float(step))
        model[1].running_mean = torch.full((2,), float(step))
        model[1].num_batches_tracked = torch.tensor(step)
        average.update(model)
        weight = decay * weight + (1 - decay) * step
        statistic = decay * statistic + (1 - decay) * step
    averaged = average.model.state_dict()
    assert averaged["0.weight"][0, 0].item() == pytest.approx(weight)
    assert averaged["1.running_mean"][0].item() == pytest.approx(statistic)
    assert averaged["1.num_batches_tracked"] == 4


def test_the_start_is_forgotten_within_few_steps_however_slow_the_average_becomes() -> None:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 1000.0)
    average = WeightAverage(model, 0.9999)
    nn.init.zeros_(model.weight)
    for _ in range(20):
        average.update(model)
    assert average.model.weight.item() < 1e-3


def test_the_average_of_equal_weights_is_bit_for_bit_the_same() -> None:
    model = nn.Linear(50, 50)
    average = WeightAverage(model, 0.999)
    for _ in range(5):
        average.update(model)
    assert torch.equal(average.model.weight, model.weight)


def test_a_resumed_average_goes_on_exactly() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    whole, part = WeightAverage(model, 0.9), WeightAverage(model, 0.9)
    for step in range(6):
        with torch.no_grad():
            model[0].weight.add_(0.1)
        if step == 3:
            state, part = through_a_file(part.state_dict()), WeightAverage(model, 0.9)
            part.load_state_dict(state)
        whole.update(model)
        part.update(model)
    for a, b in zip(whole.model.state_dict().values(), part.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_mask_of_infinities_stays_and_shared_weights_are_averaged_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    model.register_buffer("mask", torch.full((3, 3), float("-inf")).triu(1))
    nn.init.zeros_(model[0].weight)
    average = WeightAverage(model, 0.999)
    nn.init.ones_(model[0].weight)
    average.update(model)
    assert average.model[1].weight is average.model[0].weight
    assert average.model[0].weight[0, 0].item() == pytest.approx(0.9)
    assert torch.equal(average.model.mask, model.mask)


@pytest.mark.parametrize("name", sorted(set(optimizers) - {"sparseadam"}))
def test_every_optimizer_takes_filters_whose_channels_are_innermost(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)).to(memory_format=torch.channels_last)
    inputs = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    optimizer = build_optimizer(OptimizerConfig(name=name), model, inputs)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (model(inputs) - 0.5).square().mean()
        loss.backward()
        return loss.item()

    first = closure()
    for _ in range(10):
        optimizer.step(closure)
    assert closure() < first


def test_no_rate_is_below_zero_behind_the_end() -> None:
    optimizer = build("sgd", make_model("sgd"))
    config = SchedulerConfig.model_validate({"name": "one_cycle", "anneal_strategy": "linear"})
    schedule = build_schedule(config, optimizer, 1, 10, "max")
    rates = []
    for _ in range(10):
        optimizer.step()
        schedule.step()
        rates.append(schedule.lr)
    assert min(rates) == rates[-1] == 0
    assert rates[-2] > 0
