"""A comparison as papers and pages print it: Markdown, and LaTeX with booktabs."""

import re

from cnncli.core.metrics import format_metric
from cnncli.insight.comparison import Comparison, Judged, Test
from cnncli.insight.figures import PERCENT, shown

DIFFERS = "*"
_LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
          "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}  # fmt: skip


def markdown(found: Comparison) -> str:
    """A table in Markdown, with what the sign in it means below."""
    head, rows = _table(found)
    lines = ["| " + " | ".join(map(_in_markdown, cells)) + " |" for cells in (head, *rows)]
    lines.insert(1, "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|")
    return "\n".join([*lines, "", _in_markdown(_legend(found)), ""])


def latex(found: Comparison) -> str:
    """A table for LaTeX with the package booktabs, with what the sign in it means as a comment."""
    head, rows = _table(found)
    lines = [" & ".join(map(_in_latex, cells)) + r" \\" for cells in (head, *rows)]
    return "\n".join([
        f"% {_in_latex(_legend(found))}",
        rf"\begin{{tabular}}{{l{'r' * (len(head) - 1)}}}",
        r"\toprule",
        lines[0],
        r"\midrule",
        *lines[1:],
        r"\bottomrule",
        r"\end{tabular}",
        "",
    ])  # fmt: skip


def _table(found: Comparison) -> tuple[list[str], list[list[str]]]:
    """The head and the rows: each argument, then what needs no network."""
    head = ["", "runs", *(_heading(name) for name in found.metrics)]
    rows = [
        [row.argument, str(len(row.runs)), *(_cell(found, row, name) for name in found.metrics)] for row in found.rows
    ]
    for name, value in found.rows[0].baselines:
        rest = [""] * (len(found.metrics) - 1)
        rows.append(
            [
                f"baseline: {name}" if name != "baseline" else name,
                "",
                _bare(found.headline, format_metric(found.headline, value)),
                *rest,
            ]
        )
    return head, rows


def _heading(name: str) -> str:
    return name.replace("_", " ") + (" (%)" if name in PERCENT else "")


def _cell(found: Comparison, row: Judged, name: str) -> str:
    if name not in row.metrics:
        return ""
    mark = "".join(DIFFERS for each in found.compared if each.argument == row.argument and _found(each.tests, name))
    return _bare(name, shown(name, row.metrics[name])) + mark


def _found(tests: dict[str, Test], name: str) -> bool:
    return name in tests and tests[name].answer in ("better", "worse")


def _bare(name: str, text: str) -> str:
    return text.removesuffix(" %") if name in PERCENT else text


def _legend(found: Comparison) -> str:
    several = any(len(row.runs) > 1 for row in found.rows)
    spread = " Mean ± standard deviation over seeds." if several else ""
    methods = dict.fromkeys(test.method for each in found.compared for test in each.tests.values())
    told = (
        f" {DIFFERS}: differs from {found.rows[0].argument}, p < 0.05 ({', '.join(methods)}; Holm)." if methods else ""
    )
    what = {"val": "Validation", "test": "Test"}.get(found.split, found.split)
    return f"{what} split.{spread}{told}"


def _in_markdown(text: str) -> str:
    return re.sub(r"([\\|*_`<\[\]])", r"\\\1", " ".join(text.split()))


def _in_latex(text: str) -> str:
    found = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return found.replace("±", r"$\pm$").replace("–", "--")
