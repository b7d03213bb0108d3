"""Results on standard output: tables for people, plain lines in a pipe, one JSON object for programs."""

import csv
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from cnncli.data.cache import Listed
    from cnncli.models.inspect import LayerRow

MAX_FINDINGS = 20  # of a kind; all of them are in --json
MAX_CONFUSION = 20  # classes; a larger matrix fits no screen and is in --json


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.soft_wrap = True
    return console


def print_json(value: Any) -> None:
    """One JSON object."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _table(title: str, columns: list[str], rows: list[list[str]], left: int = 1) -> None:
    """A table; the first ``left`` columns hold words, the others numbers. Tab-separated in a pipe."""
    console = _console()
    if not console.is_terminal:
        if title:
            print(title)
        for row in [columns, *rows]:
            print("\t".join(row))
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_plan(plan: dict[str, str], as_json: bool) -> None:
    """The plan of a dry run."""
    if as_json:
        print_json(plan)
        return
    for name, value in plan.items():
        print(f"{name:<10} {value}")


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """The end of a training run: metrics beside the baseline, and where everything lies."""
    if as_json:
        print_json(result)
        return
    _metrics_table(f"Best epoch: {result['best_epoch']} of {result['epochs']}", result)
    if "coefficients" in result:
        _coefficients_table(result["coefficients"])
    print(f"best      {result['best']}")
    print(f"last      {result['last']}")
    print(f"look      tensorboard --logdir {result['run_dir']}")
    other = "" if result["split"] == "test" else f" --split {result['split']}"
    print(f"evaluate  cnncli eval --ckpt {result['best']}{other}")


def print_profile(profile: dict[str, Any], as_json: bool) -> None:
    """Where the time of a step goes: its parts, the costliest operators, and the trace."""
    if as_json:
        print_json(profile)
        return
    title = f"A step of {profile['batch_size']} samples takes {profile['milliseconds']:.2f} ms"
    parts = [[p["phase"], f"{p['milliseconds']:.3f}", f"{100 * p['share']:.1f} %"] for p in profile["phases"]]
    _table(f"{title} (mean of {profile['steps']})", ["part", "ms a step", "share"], parts)
    operators = [[o["operator"], f"{o['milliseconds']:.3f}", f"{o['calls']:.1f}"] for o in profile["operators"]]
    _table("Costliest operators", ["operator", "ms a step", "calls"], operators)
    print(f"trace     {profile['trace']}   (open it in ui.perfetto.dev or chrome://tracing)")


def print_report(report: dict[str, Any], as_json: bool) -> None:
    """An evaluation: overall, then whatever the task adds (classes, confusion, backtest, coefficients)."""
    if as_json:
        print_json(report)
        return
    _metrics_table(str(report["checkpoint"]), report)
    if "threshold" in report:
        print(f"{report['positive']} from a probability of {report['threshold']:.4g} on")
    if "per_class" in report:
        _class_tables(report)
    if "calibration" in report:
        print(_calibration(report["calibration"]))
    if "backtest" in report:
        _backtest_table(report["backtest"])
    if "coefficients" in report:
        _coefficients_table(report["coefficients"])


def _calibration(found: dict[str, float]) -> str:
    before, after, temperature = found["error_before"], found["error_after"], found["temperature"]
    if temperature == 1:
        return f"calibration error {before:.4f} (no temperature is fitted or used)"
    return f"calibration error {before:.4f}, with probabilities at temperature {temperature:.3f}: {after:.4f}"


def _class_tables(report: dict[str, Any]) -> None:
    rows = [
        [name, f"{r['precision']:.4f}", f"{r['recall']:.4f}", f"{r['f1']:.4f}", str(r["support"])]
        for name, r in report["per_class"].items()
    ]
    _table("Per class", ["class", "precision", "recall", "F1", "samples"], rows)
    classes = list(report["per_class"])
    if len(classes) > MAX_CONFUSION:
        print(f"The confusion matrix of {len(classes)} classes is in --json.")
        return
    matrix = [[name, *map(str, row)] for name, row in zip(classes, report["confusion"], strict=True)]
    _table("Confusion (row: true class, column: predicted)", ["", *classes], matrix)


def _backtest_table(backtest: dict[str, Any]) -> None:
    rows = [[str(step), f"{error:.5g}"] for step, error in enumerate(backtest["mae_per_step"], 1)]
    _table(f"Walk-forward over {backtest['windows']} windows", ["step ahead", "MAE"], rows)
    if "inside" in backtest:
        share, level = backtest["inside"], backtest["interval"]
        print(f"{100 * share:.1f} % of the true values lay inside the {100 * level:.0f} % interval")


def _coefficients_table(coefficients: list[dict[str, Any]]) -> None:
    known = any("true" in row for row in coefficients)
    columns = ["coefficient", "learned", *(["true", "error"] if known else [])]
    rows = [
        [row["name"], f"{row['learned']:.5g}", *([f"{row['true']:.5g}", f"{row['error']:+.5f}"] if known else [])]
        for row in coefficients
    ]
    _table("Coefficients, in the data's own units", columns, rows)


def _metrics_table(title: str, result: dict[str, Any]) -> None:
    from cnncli.training.display import format_metric

    names = list(dict.fromkeys(name for values in result["metrics"].values() for name in values if name != "n"))
    rows = []
    for split, values in result["metrics"].items():
        shown = [format_metric(name, values[name]) if name in values else "" for name in names]
        rows.append([split, f"{values['n']:,}", *shown])
    for baseline in result["baselines"]:
        shown = [format_metric(name, baseline[name]) if name in baseline else "" for name in names]
        rows.append([f"baseline: {_named(baseline)} on {result['split']}", "", *shown])
    _table(title, ["split", "samples", *[name.replace("_", " ") for name in names]], rows)
    metric, lower = result["headline"]["metric"], result["headline"]["lower_is_better"]
    reached, to_beat = result["metrics"][result["split"]][metric], result["baseline"][metric]
    if reached >= to_beat if lower else reached <= to_beat:
        print(f"The network does not beat the baseline ({metric.replace('_', ' ')} of {_named(result['baseline'])}).")


def _named(baseline: dict[str, Any]) -> str:
    return f"{baseline['name']} ({baseline['class']})" if "class" in baseline else str(baseline["name"])


def print_layers(rows: "list[LayerRow]", as_json: bool) -> None:
    """A network's layers and the sum of their parameters."""
    total = sum(row.parameters for row in rows)
    if as_json:
        print_json({"layers": [asdict(row) for row in rows], "parameters": total})
        return
    cells = [
        [row.name, row.kind, "×".join(map(str, row.output_shape)), f"{row.parameters:,}", row.formula] for row in rows
    ]
    _table(f"{total:,} parameters", ["layer", "type", "output", "parameters", "counted as"], cells, left=2)


def print_components(found: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    """What a config can name."""
    if as_json:
        print_json(found)
        return
    for kind, entries in found.items():
        rows = [
            [e["name"], e["description"], ", ".join(f"{key}={value}" for key, value in e["arguments"].items())]
            for e in entries
        ]
        _table(f"{kind} ({len(rows)})", ["name", "what it is", "arguments"], rows, left=3)


def print_split(summary: dict[str, Any], as_json: bool) -> None:
    """What went where."""
    if as_json:
        print_json(summary)
        return
    _counts_table(summary["splits"])
    if summary["kept_together"]:
        print(f"{summary['kept_together']} pictures have duplicates or share a group: those of a kind are on one side")
    print(f"listing   {summary['listing']}")
    print(f"undo      cnncli data undo {summary['destination']}")


def _counts_table(splits: dict[str, dict[str, int]]) -> None:
    labels = sorted({label for counts in splits.values() for label in counts})
    rows = [[label, *(f"{counts.get(label, 0):,}" for counts in splits.values())] for label in labels]
    rows.append(["all", *(f"{sum(counts.values()):,}" for counts in splits.values())])
    _table("", ["class", *splits], rows)


def print_check(report: dict[str, Any], as_json: bool) -> None:
    """Counts, sizes, and what was found, the faults last."""
    if as_json:
        print_json(report)
        return
    _counts_table(report["splits"])
    width, height = report["width"], report["height"]
    print(f"sizes     {width['min']}×{height['min']} to {width['max']}×{height['max']}, "
          f"median {width['median']}×{height['median']}")  # fmt: skip
    print(f"modes     {_counted(report['modes'])}; formats {_counted(report['formats'])}")
    for word, findings in (("notice", report["notices"]), ("fault", report["faults"])):
        for finding in findings[:MAX_FINDINGS]:
            print(f"{word:<9} {finding['text']}")
        if len(findings) > MAX_FINDINGS:
            print(f"{word:<9} … and {len(findings) - MAX_FINDINGS:,} more (--json has all)")
    faults = len(report["faults"])
    print(f"{report['pictures']:,} pictures: " + (f"{faults} faults to mend" if faults else "nothing must be mended"))


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
        _table("", ["what", "pictures", "size", "last used"], cells)
    print(f"{_size(total)} in {folder}" if freed is None else f"{_size(freed)} freed in {folder}")


def _size(number: int) -> str:
    return f"{number / 2**30:.2f} GiB" if number >= 2**30 else f"{number / 2**20:.1f} MiB"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "minutes")


def print_rows(rows: list[dict[str, Any]], out: Path | None, as_json: bool, about: dict[str, Any]) -> None:
    """Rows as a table, as CSV in the file ``out``, or as JSON together with what they are ``about``."""
    if out is not None:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    if as_json:
        print_json({**about, "rows": rows})
    elif out is None:
        cells = [[f"{v:.5g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
        _table("", list(rows[0]), cells)
