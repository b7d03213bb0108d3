"""The shape of a config: sections, defaults and ranges. Touches no torch and builds nothing."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from cnncli.core.numbers import Count, Fraction, Positive, Share
from cnncli.core.run_names import NAME_PATTERN, checked_name


def _run_name(name: str) -> str:
    try:
        return checked_name(name)
    except ValueError as error:
        raise PydanticCustomError("own_words", "{cause}", {"cause": f"{name!r} {error}"}) from None


RunName = Annotated[str, AfterValidator(_run_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]


class Section(BaseModel):
    """A part of the config in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Component(BaseModel):
    """``{name: …, its arguments}``; the registry checks the arguments against the named component."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    name: str = Field(description="which one, by its name in `cnncli list`")

    @property
    def args(self) -> dict[str, Any]:
        """The component's own arguments, without the keys that every component of the section has."""
        return dict(self.model_extra or {})


class Statistics(Section):
    """Mean and standard deviation of each channel, for pixels scaled to 0…1."""

    mean: list[float] = Field(min_length=1)
    std: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


class DatasetConfig(Component):
    """What is learned from, and how it is fed."""

    batch_size: Count = Field(64, description="samples of one training step")
    eval_batch_size: Count | None = Field(None, description="null: as large as is sensible")
    val_fraction: Fraction = Field(0.1, description="part of the training split kept for validation")
    split_seed: int = Field(0, ge=0, description="which samples go to validation; independent of `seed`")
    train_fraction: Share = Field(
        1.0, description="use only this part of the training samples (stratified); what is fitted on inputs, as their "
        "mean, and all other splits stay as they are",
    )  # fmt: skip
    train_fraction_seed: int = Field(
        0, ge=0, description="which samples train_fraction takes; a smaller part is inside a larger one"
    )
    augment: list[Component] = Field([], description="random transforms of the training pictures, in order")
    normalize: Literal["dataset", "half", "imagenet", "none"] | Statistics = Field(
        "dataset", description="statistics of the inputs; 'dataset' computes them on the training part"
    )
    sampler: Literal["shuffle", "balanced"] = Field(
        "shuffle", description="'balanced' draws every class equally often in training, with replacement"
    )
    memory: Literal["auto", "always", "never"] = Field("auto", description="keep the decoded set in memory")
    cache: bool = Field(True, description="keep decoded pictures on disk for the next run")
    workers: Annotated[int, Field(ge=0, le=256)] | Literal["auto"] = Field(
        "auto", description="processes that decode pictures from files"
    )


class LossConfig(Component):
    """What training minimises."""

    name: str = "cross_entropy"
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None, description="'balanced', or a weight for each class name; used in training, not in evaluation"
    )


class SchedulerConfig(Component):
    """How the learning rate moves."""

    name: str = "constant"
    warmup_epochs: float = Field(0.0, ge=0, description="linear warm-up before the schedule starts")
    interval: Literal["epoch", "step"] | None = Field(None, description="null: what suits the scheduler")


class OptimizerConfig(Component):
    """How the weights are updated."""

    name: str = "adam"


class TaskConfig(Component):
    """What the network's outputs mean: brings the metrics and the baseline."""

    name: str = "classification"


class FinetuneConfig(Section):
    """Start from a trained network: where its weights come from, and which of them are trained."""

    pretrained: str = Field(
        description="a torchvision network, timm/NAME, or a checkpoint of your own (runs/…/best.pt)"
    )
    weights: str | None = Field(None, description="a file with the weights; null: torchvision's or timm's default ones")
    new_head: bool = Field(
        False, description="begin with a new head even where the checkpoint has the same classes; false: keep it then"
    )
    strategy: Literal["head", "last", "full", "gradual"] = Field(
        "full",
        description="what is trained: only the new head (head), the head and the last blocks (last), everything "
        "(full), or first the head and then everything (gradual)",
    )
    last: Count = Field(1, description="'last': how many blocks before the head learn")
    head_epochs: Count = Field(1, description="'gradual': how many epochs only the head learns")
    backbone_lr: Positive | None = Field(None, description="learning rate of all but the head; null: optimizer.lr")
    lr_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="each block learns at this times the rate of the next one towards the head; 1: all the same"
    )
    cache_features: bool = Field(True, description="'head' without augmentation: run the frozen part only once")
    completed: bool = Field(
        False, description="set in the config of a run: model and pictures are filled in as the weights want them"
    )


class EarlyStopping(Section):
    """Stop when the monitored metric has not improved for ``patience`` epochs."""

    patience: int = Field(ge=1)
    min_delta: float = Field(0.0, ge=0, description="what counts as an improvement")


class TrainConfig(Section):
    """The loop."""

    epochs: Count = 10
    start_from: str | None = Field(
        None, description="a checkpoint of the same network (runs/…/best.pt) whose weights training begins with"
    )
    accumulate: Count = Field(1, description="batches that make one optimizer step")
    clip_grad_norm: float | None = Field(None, gt=0)
    clip_grad_value: float | None = Field(None, gt=0)
    ema_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="evaluate and keep averaged weights; the decay after n steps is min(ema_decay, (1 + n) / (10 + n))",
    )
    early_stopping: EarlyStopping | None = None


class CheckpointConfig(Section):
    """Which weights are kept. The test split never decides."""

    monitor: str = Field("val/accuracy", description="the metric that picks best.pt")
    mode: Literal["auto", "max", "min"] = Field("auto", description="auto: min for a loss or error, else max")
    every: int | None = Field(None, ge=1, description="keep epoch-N.pt every so many epochs")


class LoggingConfig(Section):
    """What a run writes besides checkpoints and metrics.jsonl."""

    tensorboard: bool = Field(True, description="files for TensorBoard, with what the keys below name")
    samples: bool = Field(
        True, description="a picture of nine training samples as training sees them, with their labels"
    )
    pictures: bool = Field(True, description="curves.png and result.png")
    report: bool = Field(True, description="report.html: all about the run in one page, written by the command train")
    outputs: bool = Field(
        True,
        description="outputs/val.npz and test.npz: what the best weights answer to each sample, for comparisons "
        "and for TensorBoard's mistakes, confusion, curves and embeddings; of more than 256 MiB embeddings are left "
        "out first, then the file",
    )
    steps: int = Field(20, ge=0, description="loss, gradient norm and learning rate of every so many steps; 0: of none")
    graph: bool = Field(True, description="TensorBoard: what the network computes, module by module")
    histograms: int = Field(
        10, ge=0, description="TensorBoard: how often in a run weights, gradients and activations are counted; 0: never"
    )
    mistakes: bool = Field(True, description="TensorBoard: validation pictures with the worst mistakes")
    confusion: bool = Field(True, description="TensorBoard: the confusion matrix of validation")
    pr_curves: bool = Field(True, description="TensorBoard: precision over recall for each class, on validation")
    embeddings: int = Field(
        2000, ge=0, le=10_000, description="TensorBoard: at most so many validation samples in the projector; 0: none"
    )
    loggers: list[Component] = Field([], description="other loggers, for example csv, or one of a plug-in")


Compiling = Literal["on", "off", "cuda_graphs"]


class ComputeConfig(Section):
    """How the arithmetic is done: what changes how fast a run is, and at most the last digits of its numbers."""

    memory_format: Literal["auto", "channels_last", "contiguous"] = Field(
        "auto", description="order of pictures in memory; auto: channels innermost for networks with convolutions"
    )
    compile: Literal["auto", Compiling] = Field(
        "auto",
        description="torch.compile; cuda_graphs: with CUDA graphs on NVIDIA GPUs, for small networks; "
        "auto: what gains more in a trial than compiling costs, in a run of many minutes",
    )
    threads: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = Field(
        "auto", description="threads of the CPU; auto: the cores that the process may use"
    )
    flush_denormals: bool = Field(True, description="count numbers below 1e-38 as zero: they are slow on CPUs")
    keep_freed_memory: bool = Field(True, description="do not give freed memory back to the system (glibc)")
    tf32: bool = Field(True, description="19-bit products for fp32 on NVIDIA's tensor cores")
    deterministic: bool = Field(
        True, description="add up in a fixed order on NVIDIA GPUs too, so that the same seed gives the same weights"
    )
    sync_batchnorm: bool = Field(False, description="several GPUs: BatchNorm's statistics are of the samples of all")
    rank_timeout: float = Field(
        300.0, gt=0, description="several ranks: seconds after which one that takes no step, or shows no life, has hung"
    )


BaselineName = Literal["logistic_regression", "ridge", "gradient_boosting", "trigram"]


class Config(Section):
    """One experiment."""

    name: RunName = Field("run", description="runs/<name>/… is written; '/' in it divides groups of runs")
    seed: int = Field(0, ge=0, lt=2**63)
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto · cpu · cuda · cuda:1 · mps")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="bf16, fp16: automatic mixed precision; auto: bf16 where a trial shows that it is faster"
    )
    compute: ComputeConfig = ComputeConfig()
    plugins: list[str] = Field([], description="Python files that register components of your own")
    dataset: DatasetConfig
    model: Component
    task: TaskConfig = TaskConfig()
    loss: LossConfig = LossConfig()
    finetune: FinetuneConfig | None = None
    optimizer: OptimizerConfig = OptimizerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    train: TrainConfig = TrainConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    baselines: Literal["auto", "none"] | list[BaselineName] = Field(
        "auto",
        description="what the network is compared with beside the simplest: auto: all that are for such data, unless "
        "the data are large; or a list, whatever the size of the data",
    )
    logging: LoggingConfig = LoggingConfig()


COMPONENT_SECTIONS = {
    "dataset": "datasets",
    "model": "models",
    "task": "tasks",
    "loss": "losses",
    "optimizer": "optimizers",
    "scheduler": "schedulers",
}
"""Section of the config → registry that its ``name`` is looked up in."""


COMPONENT_LISTS = (("dataset", "augment", "transforms"), ("logging", "loggers", "loggers"))
"""Section and key of each list of components → the registry that their names are looked up in."""


def section_fields(section: str) -> set[str]:
    """The keys of a component section that belong to the section itself rather than to the named component."""
    annotation = Config.model_fields[section].annotation
    assert annotation is not None
    return set(annotation.model_fields)
