"""The model card of a checkpoint, in Markdown: only what its run has written down."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from cnncli.core.files import write_text
from cnncli.core.intervals import wilson
from cnncli.core.metrics import format_metric
from cnncli.core.printable import shell_word
from cnncli.core.results import FactsBlock, RatesBlock, SplitReport, TableBlock
from cnncli.deploy.card_inputs import preprocessing
from cnncli.deploy.card_records import Records, read_records
from cnncli.deploy.markdown import MOST_NAMES, listed, plain, table
from cnncli.report.blocks import sheet_of
from cnncli.report.parts import SPLITS
from cnncli.runs.reading import read_curves, tried_in
from cnncli.runs.run_folder import config_yaml

NAME = "card.md"
NOT_RECORDED = "not recorded"
MOST_CLASSES = 30  # of the table of classes: those with the lowest rate
_TASKS = {
    ("pictures", "classification"): "image-classification",
    ("pictures", "binary"): "image-classification",
    ("pictures", "multilabel"): "image-classification",
    ("rows", "classification"): "tabular-classification",
    ("rows", "binary"): "tabular-classification",
    ("rows", "regression"): "tabular-regression",
    ("series", "forecasting"): "time-series-forecasting",
    ("text", "language_modeling"): "text-generation",
}
"""What model hubs call the tasks."""


def card(checkpoint_path: Path) -> str:
    """The model card of a checkpoint: data, results with intervals, weak classes, calibration, limits, how it was made.

    Raises ``CheckpointError`` for a file that is no checkpoint. A copy outside of its run has no results.
    """
    records = read_records(checkpoint_path)
    config = config_yaml(records.checkpoint.config)
    fence = "```"
    while fence in config:
        fence += "`"
    found: str = _environment().get_template(NAME).render(
        front=_front(records),
        title=plain(records.title),
        about=_about(records),
        data=_data(records),
        preprocessing=preprocessing(records.checkpoint.spec),
        results=_results(records),
        classes=_classes(records),
        calibration=_calibration(records),
        limits=_limits(records),
        made=_made(records),
        config=config,
        fence=fence,
    )  # fmt: skip
    return found.rstrip("\n") + "\n"


def write_card(checkpoint_path: Path, folder: Path) -> Path:
    """Write the model card into ``folder`` as card.md, and give its path; raises ``StorageError`` as well."""
    path = folder / NAME
    write_text(path, card(checkpoint_path))
    return path


@cache
def _environment() -> Environment:
    # what is inserted is Markdown, and made safe where it comes from
    loader = PackageLoader("cnncli.deploy", "templates")
    return Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, autoescape=False)


def _front(records: Records) -> str:
    """The YAML that model hubs read, without the licence."""
    config, result = records.checkpoint.config, records.result
    task = _TASKS.get((records.checkpoint.spec.kind.name, config.task.name))
    front: dict[str, Any] = {"library_name": "cnncli", "tags": ["pytorch", config.task.name, config.model.name]}
    if task is not None:
        front["pipeline_tag"] = task
    if result is not None:
        metrics = [{"type": name, "value": value} for name, value in result.report.metrics.items()]
        data = {"name": config.dataset.name, "type": config.dataset.name, "split": result.report.split}
        about = {"task": {"type": task or config.task.name}, "dataset": data, "metrics": metrics}
        front["model-index"] = [{"name": records.title, "results": [about]}]
    return str(yaml.safe_dump(front, sort_keys=False, allow_unicode=True))


def _about(records: Records) -> list[str]:
    config, result = records.checkpoint.config, records.result
    size = sum(weight.numel() for weight in records.checkpoint.weights.values())
    found = [
        f"Network: `{config.model.name}`, {size:,} numbers in its weights",
        f"Task: {config.task.name}",
        f"Checkpoint: `{plain(records.checkpoint.path.name)}`, SHA-256 `{records.sha256}`",
    ]
    if records.origin:
        file, sha256 = records.origin.get("file"), records.origin.get("sha256")
        return [
            *found,
            f"Weights: adopted from the file {plain(file)}, SHA-256 `{plain(sha256)}`; not trained by cnncli",
        ]
    epoch = records.checkpoint.metrics.get("epoch")
    if result is not None:
        chosen = f"epoch {result.best_epoch} of {result.epochs}, the best by {result.monitored.metric}"
        return [*found, f"Weights: {chosen} ({result.monitored.value:.4f})"]
    return [*found, f"Weights: {f'epoch {epoch:.0f}' if epoch else NOT_RECORDED}"]


def _data(records: Records) -> list[str]:
    config, spec = records.checkpoint.config, records.checkpoint.spec
    counts = [f"{count:,} {SPLITS[split]}" for split, count in records.counts.items()]
    unit = spec.kind.samples or "samples"
    found = [f"Dataset: {plain(config.dataset.name)}", f"Counts ({unit}): {', '.join(counts) or NOT_RECORDED}"]
    if records.origin:
        found.append("What the weights were trained on: not recorded; the dataset above is what they were judged on")
    if spec.classes:
        found.append(f"Classes ({len(spec.classes):,}): {listed(spec.classes)}")
    if spec.numbers is not None:
        found.append(f"Predicted numbers: {listed(spec.numbers.names)}")
    if config.dataset.augment:
        found.append(f"Augmentation in training: {listed([each.name for each in config.dataset.augment])}")
    return found


def _results(records: Records) -> list[str]:
    """The metrics of each split, the interval, and the baselines."""
    metrics, result = records.metrics, records.result
    if not metrics:
        return [f"Results: {NOT_RECORDED}."]
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    counts = {str(split): count for split, count in records.counts.items()}
    rows = [[SPLITS.get(split, split), f"{counts[split]:,}" if split in counts else "",
             *(format_metric(name, values[name]) if name in values else "" for name in names)]
            for split, values in metrics.items()]  # fmt: skip
    if result is None:
        columns = ["split", "samples", *(name.replace("_", " ") for name in names)]
        return [table(columns, rows), f"Test results: {NOT_RECORDED} for these weights."]
    for baseline in result.report.baselines:
        values = [format_metric(name, baseline.metrics[name]) if name in baseline.metrics else "" for name in names]
        rows.append([f"baseline: {baseline}", f"{result.report.samples:,}", *values])
    columns = ["", "samples", *(name.replace("_", " ") for name in names)]
    measured = "Training was measured while the network learned, the other rows with the weights that were kept."
    told = [measured] if "train" in metrics and result.epochs and result.report.split != "train" else []
    return [table(columns, rows), *told, *_sentences(result.report)]


def _sentences(report: SplitReport) -> list[str]:
    name, split = report.headline.replace("_", " "), SPLITS[report.split]
    found = []
    if report.interval is not None:
        low, high = (format_metric(report.headline, end) for end in report.interval)
        found.append(f"95 % interval of {name} on {split}: {low} to {high} ({report.samples:,} samples).")
    if report.baselines:
        better = "better" if report.beats_baseline else "not better"
        found.append(f"On {split}, the network is {better} in {name} than the best baseline, "
                     f"{plain(report.baselines[0])}.")  # fmt: skip
    return found


def _classes(records: Records) -> list[str]:
    """The rates of each class, the lowest first, and the other tables that go by class."""
    if records.result is None:
        return []
    blocks = records.result.report.blocks
    found = [_rates(block) for block in blocks if isinstance(block, RatesBlock)]
    for block in blocks:
        if isinstance(block, TableBlock) and block.key == "per_class" and len(block.rows) <= MOST_CLASSES:
            sheet = sheet_of(block)
            found.append(table(sheet.columns, sheet.rows, sheet.left))
    return found


def _rates(block: RatesBlock) -> str:
    order = sorted(range(len(block.labels)), key=lambda place: _share(block, place))
    rows = []
    for place in order[:MOST_CLASSES]:
        cells = [block.labels[place], f"{block.rates[0].of[place]:,}"]
        for rate in block.rates:
            hits, of = rate.hits[place], rate.of[place]
            low, high = wilson(hits, of) if of else (0.0, 1.0)
            cells.append(f"{100 * hits / of:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)" if of else "")
        rows.append(cells)
    named = [f"{rate.heading} (95 % interval)" for rate in block.rates]
    cut = f"\n\n{len(order) - len(rows):,} more classes have a higher rate." if len(order) > len(rows) else ""
    first = f"The classes with the lowest {block.rates[0].heading} come first.\n\n"
    return first + table(["class", "samples", *named], rows) + cut


def _share(block: RatesBlock, place: int) -> float:
    rate = block.rates[0]
    return rate.hits[place] / rate.of[place] if rate.of[place] else 2.0


_CHOSEN = {
    "temperature": "Temperature, fitted on validation",
    "samples": "Validation samples that it was fitted on",
    "threshold": "Threshold of the probability",
    "level": "Probability that an interval is made to hold the true value with",
}


def _calibration(records: Records) -> list[str]:
    """What was chosen on validation, and what the report says of it."""
    chosen, spec = records.checkpoint.calibration, records.checkpoint.spec
    found = [f"{words}: {chosen[name]:.4g}" for name, words in _CHOSEN.items() if name in chosen]
    thresholds = chosen.get("thresholds")
    if isinstance(thresholds, list | tuple) and len(thresholds) == len(spec.classes):
        pairs = [f"{plain(name)} {value:.4g}" for name, value in zip(spec.classes, thresholds, strict=True)]
        found.append(f"Thresholds: {', '.join(pairs[:MOST_NAMES])}")
    if records.result is not None:
        blocks = records.result.report.blocks
        told = [block.text for block in blocks if isinstance(block, FactsBlock)]
        found += [plain(text[:1].upper() + text[1:]) for text in told]
    return found or [NOT_RECORDED.capitalize()]


def _limits(records: Records) -> list[str]:
    config, result = records.checkpoint.config, records.result
    found = []
    if records.looks is not None:
        found.append(f"{records.looks}"[0].upper() + f"{records.looks}"[1:])
    elif result is None or result.report.split == "test":
        found.append(f"How often the test split was looked at: {NOT_RECORDED}")
    if result is not None:
        report = result.report
        if report.split != "test":
            found.append(f"There is no test split: the results are on {SPLITS[report.split]}")
        if result.monitored.metric.startswith(f"{report.split}/") and not records.origin:
            found.append(f"The best epoch was chosen on {SPLITS[report.split]}, on which the results are")
        found.append(f"Samples that the results stand on: {report.samples:,}")
        simple = report.simple_loss
        reading = read_curves(records.history, result.best_epoch, tried_in(config.model_dump(mode="json")), simple)
        if reading.overfits_from is not None:
            found.append(f"Overfitting: validation loss rises from epoch {reading.overfits_from} on")
    if records.origin:
        found.append("Whether the weights were trained on samples of these splits: not recorded")
    elif records.seeds is not None and len(records.seeds.seeds) > 1:
        found.append(f"One of {len(records.seeds.seeds)} runs with different seeds; these results are of this one")
    else:
        found.append(f"One run with one seed ({config.seed}): how results vary with the seed is not recorded")
    return found


_ABOUT = ("cnncli", "python", "platform", "processor", "device_description", "precision", "git_commit")


def _made(records: Records) -> list[str]:
    """The seed, the command, and the versions."""
    about = records.environment
    found = [f"Seed: {records.checkpoint.config.seed}"]
    if records.began is not None:
        found.append(f"Begun: {records.began:%Y-%m-%d %H:%M}")
    command = about.get("command")
    if isinstance(command, list) and command:
        words = " ".join(["cnncli", *(shell_word(str(word)) for word in command[1:])])
        found.append(f"Command: {plain(words)}")
    found += [f"{name.replace('_', ' ')}: {plain(about[name])}" for name in _ABOUT if about.get(name) is not None]
    packages = about.get("packages")
    if isinstance(packages, dict):
        found.append(f"packages: {', '.join(f'{plain(name)} {plain(each)}' for name, each in packages.items())}")
    return found if about else [*found, f"Versions: cnncli {plain(records.checkpoint.version)}; others {NOT_RECORDED}"]
