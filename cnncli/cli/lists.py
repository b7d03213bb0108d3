"""What ``cnncli list`` shows: components, networks with their sizes, and configs."""

import json
import sys
from typing import Any

from cnncli.cli.console import print_json, print_table, say

LONG_NUMBER = 12  # signs of a default, above which it is shortened in a list


def print_components(found: dict[str, list[dict[str, Any]]], as_json: bool, in_short: bool = True) -> None:
    """What a config can name; in a terminal ``in_short`` leaves out the arguments of networks."""
    if as_json:
        print_json(found)
        return
    for kind, entries in found.items():
        if kind == "models":
            _print_models(entries, in_short and sys.stdout.isatty())
            continue
        rows = [[e["name"], e["description"], _arguments(e)] for e in entries]
        if rows:
            print_table(f"{kind} ({len(rows)})", ["name", "what it is", "arguments"], rows, left=3)


def _print_models(entries: list[dict[str, Any]], in_short: bool) -> None:
    """Networks with their sizes, those of each library in a table."""
    own = [e for e in entries if e["library"] == "cnncli"]
    rows = [
        [e["name"], e["description"], *([] if in_short else [_arguments(e)]), e.get("input", ""), _parameters(e)]
        for e in own
    ]
    columns = ["name", "what it is", *([] if in_short else ["arguments"]), "input", "parameters"]
    if own:
        print_table(f"models of cnncli ({len(own)}); parameters for this input", columns, rows, left=len(columns) - 1)
    if own and in_short:
        say("Their arguments: cnncli list models NAME")
    for library in dict.fromkeys(e["library"] for e in entries if e["library"] != "cnncli"):
        theirs = [e for e in entries if e["library"] == library]
        _print_published(f"models of {library} ({len(theirs)})", theirs)


def _print_published(title: str, entries: list[dict[str, Any]]) -> None:
    """Networks of another library, with what is known of them."""
    known = {"name": "name", "input": "published for", "smallest": "smallest", "parameters": "parameters"}
    keys = [key for key in known if any(e.get(key) for e in entries)]
    rows = [[_parameters(e) if key == "parameters" else str(e.get(key, "")) for key in keys] for e in entries]
    print_table(title, [known[key] for key in keys], rows, left=len([key for key in keys if key != "parameters"]))


def _parameters(model: dict[str, Any]) -> str:
    return f"{model['parameters']:,}" if model.get("parameters") else ""


def _arguments(entry: dict[str, Any]) -> str:
    """The arguments as they are written in a config."""
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(_short(value), default=str)}"
        for key, value in entry["arguments"].items()
    )


def _short(value: Any) -> Any:
    """A default with three digits where it has very many: 1/9."""
    if isinstance(value, list | tuple):
        return [_short(each) for each in value]
    return float(f"{value:.3g}") if isinstance(value, float) and len(repr(value)) > LONG_NUMBER else value


def print_configs(found: list[dict[str, Any]], as_json: bool) -> None:
    """The configs that come with cnncli."""
    if as_json:
        print_json({"configs": found})
        return
    rows = [[each["name"], each["headline"], each["data"], each["time"].partition(" on ")[0]] for each in found]
    print_table(f"configs ({len(rows)})", ["name", "what it is", "data", "time"], rows, left=4)
    say("cnncli train NAME runs one, cnncli init NAME > my.yaml copies it")
    say("time: training and validation on two cores, without the seconds in which PyTorch is imported")
