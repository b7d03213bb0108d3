"""What a practitioner would try first, fitted on the training part of a run and judged as its network is."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import isfinite, prod
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from cnncli.config.checking import LoadedConfig
from cnncli.config.sections import BaselineName
from cnncli.core.errors import ConfigError, Fault
from cnncli.core.notices import notice
from cnncli.core.results import Baseline, Values
from cnncli.core.spec import Split
from cnncli.data.sources import Source
from cnncli.tasks.language_modeling import language_values
from cnncli.tasks.protocol import Meter, Task
from cnncli.training.baseline_inputs import in_memory, inputs_of, shrunk_size, width_of
from cnncli.training.baseline_models import Answer, Trigram, fit_boosting, fit_logistic, fit_ridge
from cnncli.training.build import Experiment
from cnncli.training.network import build_task

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 2**12  # samples that are judged at once
FEWEST_ROWS = 40  # for boosting: scikit-learn's leaves hold at least 20 rows, so fewer are never divided
TOLD = ("ConvergenceWarning", "LinAlgWarning")  # of scikit-learn and scipy: the figures may not be the best
SMALLEST = 2.0**-52  # the least probability, as in scikit-learn's log_loss
Fitter = Callable[["NDArray[Any]", "NDArray[Any]", int, int], Answer]
Read = Callable[[Split], "NDArray[Any]"]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A baseline: what a task wants that it is for, and up to how many values it is fitted without being named."""

    title: str
    wants: tuple[str, ...]
    most: int
    fit: Fitter | None  # None: of text, which has no inputs


CANDIDATES: dict[BaselineName, Candidate] = {
    "logistic_regression": Candidate("logistic regression", ("classes", "labels"), 10_000_000, fit_logistic),
    "ridge": Candidate("ridge", ("numbers", "windows"), 10_000_000, fit_ridge),
    "gradient_boosting": Candidate("gradient boosting", ("classes", "numbers"), 1_000_000, fit_boosting),
    "trigram": Candidate("trigram", ("characters",), 10_000_000, None),
}


def check_baselines(loaded: LoadedConfig, experiment: Experiment) -> None:
    """Raise ``ConfigError`` where ``baselines`` names one that is not for these data and this task."""
    asked, fitting = loaded.config.baselines, _fitting(experiment)
    for name in asked if isinstance(asked, list) else ():
        if name not in fitting:
            task, kind = experiment.config.task.name, experiment.data.spec.kind.name
            known = f"name {' or '.join(fitting)}" if fitting else "set baselines: auto"
            cause = f"{name} is not for {task} of {kind}; {known}"
            raise loaded.located(ConfigError(Fault("", "baselines", cause)))


def planned(experiment: Experiment) -> str:
    """Which baselines are fitted, and which are left out as the data are large."""
    chosen, large = _chosen(experiment)
    names = ", ".join([*(CANDIDATES[name].title for name in chosen), "simple ones"])
    left_out = "".join(f"; {name} only if baselines names it: {reason}" for name, reason in large.items())
    return names + left_out


def uses_scikit_learn(experiment: Experiment) -> bool:
    """Whether baselines are fitted that need it."""
    return any(name != "trigram" for name in _chosen(experiment)[0])


class Comparison:
    """The baselines that the config of an experiment asks for: fitted on the training part when they are first needed.

    One that cannot be computed is left out with a notice.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._fitted: list[_Fitted] | None = None

    def on(self, split: Split) -> list[Baseline]:
        """Their metrics on ``split``, and the seconds that fitting and judging took."""
        if self._fitted is None:
            read = cache(lambda split: inputs_of(self.experiment, split))
            found = [
                _tried(CANDIDATES[name], _fit, self.experiment, CANDIDATES[name], read)
                for name in _chosen(self.experiment)[0]
            ]
            self._fitted = [each for each in found if each is not None]
        judged = [_tried(each.candidate, _judged, each, split) for each in self._fitted]
        return [each for each in judged if each is not None]


@dataclass(frozen=True)
class _Fitted:
    """A baseline, what it is called, its metrics on a split, and the seconds that fitting it took."""

    candidate: Candidate
    title: str
    metrics: Callable[[Split], Values]
    seconds: float


def _fitting(experiment: Experiment) -> list[BaselineName]:
    """The names of those that are for the run's data and task, and whose answers the task understands."""
    spec, wants = experiment.data.spec, experiment.task.wants
    shapes = {
        "classes": [(len(spec.classes),), *([(1,)] if len(spec.classes) == 2 else [])],
        "labels": [(len(spec.classes),)],
        "numbers": [(len(spec.numbers.names),)] if spec.numbers else [],
    }
    if spec.outputs not in shapes.get(wants, [spec.outputs]):
        return []
    return [name for name, each in CANDIDATES.items() if wants in each.wants and name in spec.kind.baselines]


def _chosen(experiment: Experiment) -> tuple[list[BaselineName], dict[BaselineName, str]]:
    """Those that are fitted; and those that are left out as the data are large, with the reason."""
    asked, fitting = experiment.config.baselines, _fitting(experiment)
    if asked == "none":
        return [], {}
    if isinstance(asked, list):
        return [name for name in fitting if name in asked], {}
    fitting = [name for name in fitting if _enough(experiment, name)]
    large: dict[BaselineName, str] = {}
    for name in fitting:
        values, most = _values(experiment, name), CANDIDATES[name].most
        if not in_memory(experiment):
            large[name] = "the pictures stay in files"
        elif values > most:
            large[name] = f"{values:,} values are more than {most:,}"
    return [name for name in fitting if name not in large], large


def _values(experiment: Experiment, name: BaselineName) -> int:
    """What the time of a fit grows with: samples × inputs × answers, of a text its characters."""
    source, spec = experiment.data.sources["train"], experiment.data.spec
    if CANDIDATES[name].fit is None:
        return source.targets.numel()
    width, answers = width_of(experiment), prod(spec.outputs)
    if name == "ridge":  # all answers together, but every input beside every other one
        return len(source) * width * max(width // 100, 1)
    return len(source) * width * answers


def _enough(experiment: Experiment, name: BaselineName) -> bool:
    """Whether there is something to fit: two classes, and for boosting rows that can be divided."""
    targets = experiment.data.sources["train"].targets
    if experiment.task.wants == "classes" and bool((targets == targets[0]).all()):
        return False
    return name != "gradient_boosting" or len(targets) >= FEWEST_ROWS


def _tried(candidate: Candidate, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What ``do`` gives; what goes wrong, or may have, is a notice."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = do(*args, **kwargs)
        except Exception as error:  # a numerical library can raise anything, and no run is lost for a baseline
            cause = str(error).split("\n", 1)[0] or type(error).__name__
            notice("baseline", f"the baseline {candidate.title} is left out: it cannot be computed ({cause})")
            return None
    for warning in caught:
        if warning.category.__name__ in TOLD:
            cause = str(warning.message).split("\n", 1)[0].rstrip(".")
            notice("baseline", f"the baseline {candidate.title} may not be at its best ({cause})")
    return found


def _fit(experiment: Experiment, candidate: Candidate, read: Read) -> _Fitted:
    begin = time.perf_counter()
    if candidate.fit is None:
        title, metrics = candidate.title, _of_text(experiment)
    else:
        title, metrics = f"{candidate.title}{_of_what(experiment)}", _of_inputs(candidate.fit, experiment, read)
    return _Fitted(candidate, title, metrics, time.perf_counter() - begin)


def _judged(fitted: _Fitted, split: Split) -> Baseline:
    begin = time.perf_counter()
    metrics = fitted.metrics(split)
    if not all(map(isfinite, metrics.values())):
        raise ArithmeticError("its metrics are no finite numbers")
    return Baseline(fitted.title, metrics, seconds=round(fitted.seconds + time.perf_counter() - begin, 3))


def _of_what(experiment: Experiment) -> str:
    """What of pictures it is fitted to."""
    if experiment.data.embed is not None:
        return " on features"
    if len(experiment.data.spec.input_shape) < 3:
        return ""
    height, width = shrunk_size(experiment.data.picture_size)
    return f" on {height}×{width} pixels"


def _of_text(experiment: Experiment) -> Callable[[Split], Values]:
    sources = experiment.data.sources
    trigram = Trigram(sources["train"].targets.flatten().numpy(), experiment.data.spec.num_outputs)

    def metrics(split: Split) -> Values:
        source = sources[split]
        inputs = source.gather(torch.arange(len(source))).numpy()
        probabilities = torch.from_numpy(trigram.probabilities(inputs, source.targets.numpy()))
        return language_values(-probabilities.log().mean().item())

    return metrics


def _of_inputs(fit: Fitter, experiment: Experiment, read: Read) -> Callable[[Split], Values]:
    """The task's own metrics of what a fit answers, with a threshold of its own where the task chooses one."""
    from threadpoolctl import threadpool_limits

    config, spec, sources = experiment.config, experiment.data.spec, experiment.data.sources
    task = build_task(config, spec, torch.device("cpu"))
    task.fit(sources["train"].targets)
    wanted, known = _wanted(task, sources["train"]).numpy(), read("train")
    with threadpool_limits(1):  # small fits wait for other threads longer than they compute
        answer = fit(known, wanted, len(spec.classes), config.seed)

    def judge(split: Split) -> Meter:
        asked = read(split)
        with threadpool_limits(1):
            answers = torch.from_numpy(answer(asked))
        return _metered(task, _as_outputs(answers, task, spec.outputs), sources[split])

    if task.metrics_need_calibration and "val" in sources:
        task.calibrate(judge("val"))
    return lambda split: judge(split).compute()


def _wanted(task: Task, source: Source) -> Tensor:
    """What there is to learn from a source: class numbers ``[N]``, else values ``[N, K]``; of windows the scaled."""
    targets = source.targets[torch.arange(len(source))]
    if task.wants == "windows":
        return targets[..., 0].flatten(1).double()
    return targets


def _as_outputs(answers: Tensor, task: Task, shape: tuple[int, ...]) -> Tensor:
    """Answers as the network would give them, float64 ``[N, *shape]``."""
    if task.wants == "windows":
        return answers.reshape(-1, *shape)
    if task.wants == "numbers":
        columns = [task.predictions(torch.full((1, *shape), at)).values() for at in (0.0, 1.0)]
        zero, one = (torch.tensor([list(each) for each in column], dtype=torch.float64).T for column in columns)
        return (answers - zero) / (one - zero)
    logs = answers.clamp_min(SMALLEST).log()
    others = (1 - answers).clamp_min(SMALLEST).log()
    if task.wants == "labels":
        return logs - others
    if shape == (1,):  # one logit: of the class that a large one means
        naming = task.naming(torch.full((1, 1), 20.0))
        assert naming is not None
        positive = int(naming.probabilities[0].argmax())
        return (logs[:, positive] - others[:, positive])[:, None]
    return logs


def _metered(task: Task, outputs: Tensor, source: Source) -> Meter:
    meter = task.meter(detailed=True)
    for begin in range(0, len(source), BLOCK):
        part = outputs[begin : begin + BLOCK]
        targets = source.targets[torch.arange(begin, begin + len(part))]
        meter.update(task.eval_loss(part, targets), len(part), part, targets)
    return meter
