"""The page of a run: what is told of it, in the order in which people ask."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from cnncli.core.metrics import format_metric
from cnncli.core.printable import shell_word
from cnncli.core.results import Block, CurveBlock, MistakesBlock, TableBlock
from cnncli.report.blocks import SURE, VALUES, WRONG, mistakes_sheet, parts_of, section_of, sheet_of
from cnncli.report.derived import RISK, derived_blocks, metric_words, risk_sentence
from cnncli.report.drawing import draw
from cnncli.report.parts import SPLITS, Drawing, Figure, Listing, Page, Part, Prose, Section, Sheet
from cnncli.report.samples import Looked
from cnncli.report.told import Told
from cnncli.runs.curves import Curves, curves_figure
from cnncli.runs.reading import tried_in

WIDTH = 5.0  # inches of the curves
HEADINGS = {
    WRONG: "What is right and what is wrong",
    VALUES: "Predicted and true values",
    SURE: "How far to trust its probabilities",
}


def all_blocks(told: Told) -> list[Block]:
    """The blocks of the result, and those that its outputs tell."""
    known = told.result.report.blocks
    return [*known, *(derived_blocks(told.outputs, known) if told.outputs is not None else [])]


def run_page(told: Told, blocks: Sequence[Block], looked: Looked) -> Page:
    """The page of one run, with ``all_blocks`` of it; ``looked`` is what its data and its network have shown."""
    sections = [
        Section("result", "Result", _result(told)),
        Section("training", "Training", training_parts(told)),
        *_of_blocks(blocks, looked),
        Section("passages", "Text", looked.texts),
        Section("slices", "Slices", tuple(_slices(looked.slices))),
        Section("worth", "What each column is worth", looked.worth),
        Section("data", "Data", looked.data),
        Section("made", "How it was made", _made(told)),
    ]
    return Page(
        title=told.name,
        subtitle=_subtitle(told),
        figure=headline(told),
        lead=(*_lead(told), *looked.notes),
        sections=tuple(section for section in sections if section.parts),
    )


def headline(told: Told) -> Figure:
    """The metric that is compared with the baselines'."""
    report = told.result.report
    name = report.headline
    sure = ""
    if report.interval is not None:
        low, high = (format_metric(name, end) for end in report.interval)
        sure = f"95 % interval {low} to {high}"
    return Figure(
        f"{name.replace('_', ' ')} on {SPLITS[report.split]}", format_metric(name, report.metrics[name]), sure
    )


def _subtitle(told: Told) -> str:
    """When and where."""
    day = told.began.strftime("%d %B %Y, %H:%M") if told.began else ""
    device = told.environment.get("device_description") or told.environment.get("device")
    return ", ".join(str(part) for part in (day, device) if part)


def _lead(told: Told) -> list[str]:
    """What was trained, how good it is and how sure that is, and what needs no network."""
    result, report = told.result, told.result.report
    network, data = told.component("model") or "The network", told.component("dataset") or "its data"
    samples = result.samples.get("train")
    many = f" with {samples:,} training samples" if samples else ""
    epochs = f"{result.epochs} epoch{'s' if result.epochs != 1 else ''}"
    trained = (
        f"{network} was trained on {data}{many} for {epochs}. The weights of epoch {result.best_epoch} were kept: they "
        f"had the best {result.monitored.metric}."
    )
    if not result.epochs:
        trained = f"The weights of {network} were not trained by cnncli: they come from a file. It is judged on {data}."
    name = report.headline
    reached = f"On {report.samples:,} {SPLITS[report.split]} samples it reaches {_reached(told)}."
    return [trained, f"{reached} {_beside(told, name)}", *_looks(told)]


def _reached(told: Told) -> str:
    report = told.result.report
    words = metric_words(report.headline, report.metrics[report.headline])
    if report.interval is None:
        return words
    low, high = (format_metric(report.headline, end) for end in report.interval)
    return f"{words} (95 % interval {low} to {high})"


def _beside(told: Told, name: str) -> str:
    """The baselines, and whether the network is better than the best of them."""
    report = told.result.report
    known = [f"{each} reaches {format_metric(name, each.metrics[name])}" for each in report.baselines]
    if not known:
        return ""
    verdict = "The network is better." if report.beats_baseline else "The network is not better than the best of them."
    if report.perfect_baseline:
        verdict = "That baseline makes no error: there is nothing to beat."
    listed = "; ".join(known)
    return f"Without a network, {listed}. {verdict}"


def _looks(told: Told) -> list[str]:
    looks = told.result.test_looks
    return [] if looks is None else [f"{looks}"[0].upper() + f"{looks}."[1:]]


def _result(told: Told) -> tuple[Part, ...]:
    """The metrics of each split, and of the baselines."""
    result, report = told.result, told.result.report
    names = list(dict.fromkeys(name for values in result.metrics.values() for name in values))
    rows = [
        (SPLITS.get(split, split), f"{result.samples[split]:,}", *_values(values, names))
        for split, values in result.metrics.items()
    ]
    rows += [(f"baseline: {each}", f"{report.samples:,}", *_values(each.metrics, names)) for each in report.baselines]
    notes = []
    if "train" in result.metrics and report.split != "train":
        notes.append("Training was measured while the network learned, the other rows with the weights that were kept.")
    columns = ("", "samples", *(name.replace("_", " ") for name in names))
    return (Sheet("Metrics", columns, tuple(rows), 1, tuple(notes)),)


def _values(values: dict[str, float], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(format_metric(name, values[name]) if name in values else "" for name in names)


def training_parts(told: Told, name: str = "curves") -> tuple[Part, ...]:
    """The curves of several epochs, and what they say; ``name`` is one that no other figure of the page has."""
    if len(told.history) < 2:
        return ()
    monitored = told.result.monitored.metric.rpartition("/")[2]
    shown = told.result.report.headline if monitored == "loss" else monitored
    simple_loss = told.result.report.simple_loss
    curves = Curves(told.history, told.result.best_epoch, shown, [], tried_in(told.config), simple_loss)
    sentence = curves.reading.sentence
    said = (Prose((f"{sentence[0].upper()}{sentence[1:]}.",)),) if sentence else ()
    return (*said, draw("Curves of training", lambda: curves_figure(curves, told=False, width=WIDTH), name))


def _of_blocks(blocks: Iterable[Block], looked: Looked) -> list[Section]:
    """The blocks in their sections, mistakes with what there is to see of them."""
    found: dict[str, list[Part]] = {WRONG: [], VALUES: [], SURE: []}
    for block in blocks:
        if isinstance(block, MistakesBlock):
            if block.mistakes:
                found[WRONG].append(looked.mistakes or mistakes_sheet(block))
            continue
        found[section_of(block)] += _with_note(block)
    return [Section(key, HEADINGS[key], tuple(parts)) for key, parts in found.items()]


def _with_note(block: Block) -> list[Part]:
    """The parts of a block; below the curve of risk and coverage is what it says."""
    parts = parts_of(block)
    if isinstance(block, CurveBlock) and block.key == RISK:
        return [replace(part, note=risk_sentence(block)) if isinstance(part, Drawing) else part for part in parts]
    return parts


def _slices(blocks: Sequence[TableBlock]) -> list[Part]:
    return [sheet_of(block) for block in blocks]


def _made(told: Told) -> tuple[Part, ...]:
    """The commands that repeat it, the config, and the machine."""
    about = told.environment
    rows = [(name, str(about[name])) for name in _ABOUT if about.get(name) is not None]
    packages = about.get("packages")
    if isinstance(packages, dict):
        rows.append(("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
    folder = shell_word(told.run.path)
    config = shell_word(told.run.config)
    commands = f"cnncli train {config}\ncnncli eval {folder}\ntensorboard --logdir {folder}\n"
    began = _command(about.get("command"))
    return (
        *([Listing("It was begun with", began)] if began else []),
        Listing("Train it again, judge it, look at it", commands),
        Listing("The whole config", told.config_text, folded=True),
        *([Sheet("Where it was trained", ("", ""), tuple(rows), left=2)] if rows else []),
    )


_ABOUT = ("cnncli", "python", "platform", "processor", "device_description", "precision", "threads", "ranks",
          "git_commit")  # fmt: skip


def _command(words: Any) -> str:
    """The command line, without the place where the program lies."""
    if not isinstance(words, list) or not words:
        return ""
    return " ".join(["cnncli", *(shell_word(str(word)) for word in words[1:])]) + "\n"
