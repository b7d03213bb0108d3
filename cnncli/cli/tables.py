"""Results on standard output: tables for people, plain lines in a pipe, one JSON object for programs."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnncli.cli.console import print_json, print_table, say, tell, tell_row, terminal, warn
from cnncli.core.errors import StorageError
from cnncli.core.printable import shell_word

if TYPE_CHECKING:
    from cnncli.core.results import SplitReport, Values
    from cnncli.data.cache import Listed
    from cnncli.inference.evaluate import Evaluation
    from cnncli.runs.results import RunResult
    from cnncli.runs.test_looks import Looks
    from cnncli.training.adopt import Adopted

MAX_FINDINGS = 20  # of a kind; all of them are in --json


def print_plan(plan: dict[str, str], as_json: bool) -> None:
    """The plan of a dry run."""
    if as_json:
        print_json(plan)
        return
    for name, value in plan.items():
        tell_row(name, value)


def print_result(result: "RunResult", as_json: bool) -> None:
    """The end of a training run: metrics beside the baseline, and where everything lies."""
    from cnncli.cli.blocks import print_brief
    from cnncli.runs.run_folder import RunFolder

    if as_json:
        print_json(result.to_json())
        return
    _print_curve(result)
    title = f"Best epoch by {result.monitored.metric}: {result.best_epoch} of {result.epochs}"
    _metrics_table(title, result.metrics, result.samples, result.report)
    if "train" in result.metrics and result.report.split != "train":
        tell("train was measured while the network learned, the other rows with the weights that were kept.")
    _tell_looks(result.test_looks)
    print_brief(result.report.blocks)
    if terminal().is_terminal:
        print()
    say(f"best      {result.best}")
    say(f"last      {result.last}")
    run = RunFolder(Path(result.run_dir))
    if drawn := [str(path) for path in (run.picture, run.curves) if path.is_file()]:
        say(f"pictures  {'  '.join(drawn)}")
    say(f"look      tensorboard --logdir {shell_word(result.run_dir)}")
    other = "" if result.report.split == "test" else f" --split {result.report.split}"
    say(f"evaluate  cnncli eval --ckpt {shell_word(result.best)}{other}")


def print_adopted(adopted: "Adopted", as_json: bool) -> None:
    """A network from a script: what became what, its metrics beside the baselines, and where it lies."""
    from cnncli.cli.blocks import print_brief

    if as_json:
        print_json(adopted.to_json())
        return
    result, pairing = adopted.result, adopted.origin.pairing
    if pairing.by_order:
        rows = [[each.file, each.network, "×".join(map(str, each.shape)) or "1"] for each in pairing.pairs]
        print_table("Entries paired by order and shape", [adopted.origin.file, "network", "shape"], rows, left=2)
    else:
        tell_row("paired", f"{len(pairing.pairs)} entries by their names")
    _metrics_table(f"The weights of {adopted.origin.file}", result.metrics, result.samples, result.report)
    if "val" in result.metrics:
        tell("If the script was trained on samples of val, the metrics on val are too good.")
    _tell_looks(result.test_looks)
    print_brief(result.report.blocks)
    say(f"best      {result.best}")
    other = "" if result.report.split == "test" else f" --split {result.report.split}"
    say(f"evaluate  cnncli eval {shell_word(result.run_dir)}{other}")


def _print_curve(result: "RunResult") -> None:
    """The monitored metric by epoch, where there is a terminal, and what the curves of the run say."""
    from cnncli.cli.curve import print_curve
    from cnncli.runs.history import read_history
    from cnncli.runs.reading import read_curves, tried_in
    from cnncli.runs.run_folder import RunFolder

    try:
        run = RunFolder(Path(result.run_dir))
        history = read_history(run, result.epochs)
    except StorageError as error:  # of a run that has ended before: its result is there all the same
        warn(f"note: {error}")
        return
    print_curve(history, result.monitored, result.best_epoch)
    tried, simple_loss = tried_in(run.read_config()), result.report.simple_loss
    if sentence := read_curves(history, result.best_epoch, tried, simple_loss).sentence:
        tell(f"{sentence[0].upper()}{sentence[1:]}.")


def print_profile(profile: dict[str, Any], as_json: bool) -> None:
    """Where the time of a step goes: its parts, the costliest operators, and the trace."""
    if as_json:
        print_json(profile)
        return
    title = f"A step of {profile['batch_size']} samples takes {profile['milliseconds']:.2f} ms"
    apart = profile["device"] != "cpu"  # then the host asks, and the device computes
    parts = [
        [p["phase"], f"{p['milliseconds']:.3f}", f"{100 * p['share']:.1f} %", *([f"{p['waiting']:.3f}"] * apart)]
        for p in profile["phases"]
    ]
    columns = ["part", "ms a step", "share", *(["of it waiting for the device"] * apart)]
    print_table(f"{title} (mean of {profile['steps']})", columns, parts)
    operators = [
        [o["operator"], f"{o['milliseconds']:.3f}", *([f"{o['device']:.3f}"] * apart), f"{o['calls']:.1f}"]
        for o in profile["operators"]
    ]
    columns = ["operator", "ms a step" + " on the host" * apart, *(["on the device"] * apart), "calls"]
    print_table("Costliest operators", columns, operators)
    if profile["peak_memory"] is not None:
        whose = "tensors" if apart else "the process"
        say(f"memory    at most {profile['peak_memory'] / 2**20:,.0f} MiB on {profile['device']} ({whose})")
    say(f"trace     {profile['trace']}   (open it in ui.perfetto.dev or chrome://tracing)")


def print_evaluation(found: "Evaluation", as_json: bool) -> None:
    """An evaluation: overall, then the parts of its report."""
    from cnncli.cli.blocks import print_blocks

    if as_json:
        print_json(found.to_json())
        return
    metrics, samples = {found.judged: found.report.metrics}, {found.judged: found.report.samples}
    _metrics_table(found.checkpoint, metrics, samples, found.report, found.judged)
    _tell_looks(found.looks)
    print_blocks(found.report.blocks)


def _tell_looks(looks: "Looks | None") -> None:
    """How often the test split was looked at, where it is known."""
    if looks is not None:
        tell(f"{looks}"[0].upper() + f"{looks}."[1:])


def _metrics_table(
    title: str, metrics: "Mapping[str, Values]", samples: Mapping[str, int], report: "SplitReport", judged: str = ""
) -> None:
    """The metrics of every split, and of the baselines on the one that the report is about (or ``judged``)."""
    from cnncli.core.as_text import interval_line
    from cnncli.core.metrics import format_metric

    judged = judged or report.split
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))

    def shown(values: "Values") -> list[str]:
        return [format_metric(name, values[name]) if name in values else "" for name in names]

    rows = [[split, f"{samples[split]:,}", *shown(values)] for split, values in metrics.items()]
    for found in report.baselines:
        took = "" if found.seconds is None else f" ({found.seconds:.1f} s)"
        rows.append([f"baseline: {found} on {judged}{took}", "", *shown(found.metrics)])
    print_table(title, ["split", "samples", *[name.replace("_", " ") for name in names]], rows)
    if sure := interval_line(report, judged):
        tell(sure)
    if report.perfect_baseline:
        tell(f"The baseline {report.baselines[0]} is perfect: it makes no error on {judged}; none can beat it.")
    elif not report.beats_baseline:
        baseline, name = report.baselines[0], report.headline
        theirs, own = (format_metric(name, values[name]) for values in (baseline.metrics, report.metrics))
        figures = f"{name.replace('_', ' ')} {theirs} on {judged}, the network's is {own}"
        tell(f"The network does not beat the baseline {baseline}: {figures}.")


def print_split(summary: dict[str, Any], as_json: bool) -> None:
    """What went where."""
    if as_json:
        print_json(summary)
        return
    _counts_table(summary["splits"], {split: sum(counts.values()) for split, counts in summary["splits"].items()})
    if summary["kept_together"]:
        say(f"{summary['kept_together']} pictures have duplicates or share a group: those of a kind are on one side")
    say(f"listing   {summary['listing']}")
    say(f"undo      cnncli data undo {shell_word(summary['destination'])}")


def _counts_table(splits: dict[str, dict[str, int]], totals: dict[str, int]) -> None:
    labels = sorted({label for counts in splits.values() for label in counts})
    rows = [[label, *(f"{counts.get(label, 0):,}" for counts in splits.values())] for label in labels]
    rows.append(["all", *(f"{totals[split]:,}" for split in splits)])  # a picture of two labels is one picture
    print_table("", ["class", *splits], rows)


def print_check(report: dict[str, Any], as_json: bool) -> None:
    """Counts, sizes, and what was found, the faults last."""
    if as_json:
        print_json(report)
        return
    _counts_table(report["splits"], report["totals"])
    _print_own(report)
    for word, findings in (("notice", report["notices"]), ("fault", report["faults"])):
        for finding in findings[:MAX_FINDINGS]:
            tell_row(word, finding["text"])
        if len(findings) > MAX_FINDINGS:
            tell_row(word, f"… and {len(findings) - MAX_FINDINGS:,} more (--json has all)")
    faults = len(report["faults"])
    counted = {"rows": "rows", "series": "steps", "text": "characters"}.get(report["kind"], report["kind"])
    say(f"{report['samples']:,} {counted}: " + (f"{faults} faults to fix" if faults else "nothing to fix"))


def _print_own(report: dict[str, Any]) -> None:
    """What the report says of its own kind of data alone."""
    if "width" in report:
        width, height = report["width"], report["height"]
        largest = f"{width['max']}×{height['max']}, median {width['median']}×{height['median']}"
        tell_row("sizes", f"{width['min']}×{height['min']} to {largest}")
        tell_row("modes", f"{_counted(report['modes'])}; formats {_counted(report['formats'])}")
    if "columns" in report:
        tell_row("columns", _counted(report["columns"]))
    if report.get("from") is not None:
        tell_row("times", f"{report['from']} to {report['to']}")
    if "lines" in report:
        tell_row("text", f"{report['lines']:,} lines, {report['characters']:,} different characters")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def print_cache(entries: "list[Listed]", folder: Path, freed: int | None, as_json: bool) -> None:
    """What is kept on disk, and how much was ``freed`` (bytes) where that was asked for."""
    total = sum(entry.bytes for entry in entries)
    if as_json:
        rows = [{**entry._asdict(), "path": str(entry.path), "used": _time(entry.used)} for entry in entries]
        print_json({"folder": str(folder), "bytes": total, "entries": rows, "freed": freed})
        return
    cells = [[e.what, f"{e.samples:,}", _size(e.bytes), _time(e.used)] for e in entries]
    if cells:
        print_table("", ["what", "pictures", "size", "last used"], cells)
    say(f"{_size(total)} in {folder}" if freed is None else f"{_size(freed)} freed in {folder}")


def _size(number: int) -> str:
    return f"{number / 2**30:.2f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "minutes")
