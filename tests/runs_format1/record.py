"""Train the runs kept here and record what their checkpoints answer, with the cnncli of commit 1c91039 (format 1).

    git worktree add ../old 1c91039
    python tests/runs_format1/record.py ../old

Only that commit writes them: a later version is tested against what is here, it does not write it anew.
"""

import io
import json
import os
import shlex
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
WORKPLACE = Path("/tmp/format1")  # a checkpoint keeps the absolute path of its plug-in: it should say nothing
RESUMABLE = ("digits", "averaged")  # of these last.pt and metrics.jsonl are kept as well

CKPT = "--ckpt runs/{run}/first/best.pt"
EVAL = f"eval {CKPT} --json"
VAL = f"eval {CKPT} --split val --json"
PICTURES = [f"predict {CKPT} pictures/test pictures/val --top-k 2 --format {form}" for form in ("json", "csv")]
TEXT = [
    f"generate {CKPT} --prompt 'the ' --length 80 --seed 7 --json",
    f"generate {CKPT} --prompt 'a fiancée' --length 80 --seed 7 --temperature 0.5 --top-p 0.9 --json",
    f"generate {CKPT} --prompt 'my ' --beam 3 --length 10 --json",
]
RESUME = [
    "eval --ckpt runs/{run}/first/last.pt --json",
]

TRAIN = {run.stem: f"train configs/{run.name}" for run in sorted(HERE.glob("configs/*.yaml")) if run.stem != "base"}
TRAIN["head-only"] = "finetune --from runs/digits/first --strategy head configs/head-only.yaml"
ORDER = sorted(TRAIN, key=lambda run: run == "head-only")  # it needs another run


def rows(run: str, *forms: str) -> list[str]:
    """Predictions for the rows in ``new-<run>.csv``."""
    return [f"predict {CKPT} new-{run}.csv --format {form}" for form in forms]


ASK = {
    "digits": [EVAL, VAL, *PICTURES, f"predict {CKPT} pictures/test --max-error 0.1 --format json", *RESUME],
    "averaged": [EVAL, *PICTURES, *RESUME],
    "pictures": [EVAL, VAL, f"eval {CKPT} --tta --json", *PICTURES],
    "head-only": [EVAL, *PICTURES],
    "plug-in": [f"{EVAL} --plugin two_layers.py", *(f"{ask} --plugin two_layers.py" for ask in PICTURES)],
    "letter-x": [EVAL, VAL, *PICTURES],
    "iris": [EVAL, VAL, *rows("iris", "csv", "json")],
    "breast-cancer": [EVAL, VAL, f"{EVAL} task.threshold=0.2", *rows("breast-cancer", "csv", "json")],
    "houses": [EVAL, VAL, *rows("houses", "csv", "json")],
    "linear": [EVAL, VAL],
    "visitors": [EVAL, f"forecast {CKPT} --steps 7 --json"],
    "weather": [EVAL, f"forecast {CKPT} --steps 6 --json"],
    "lstm": [EVAL, VAL, *TEXT],
    "transformer": [EVAL, VAL, *TEXT],
}


def cnncli(command: str) -> str:
    """What a command prints; ends this script when it fails."""
    from cnncli.cli.app import run

    with redirect_stdout(io.StringIO()) as printed:
        code = run(shlex.split(command))
    if code:
        sys.exit(f"{command}: exit code {code}")
    return printed.getvalue()


def keep(run: str) -> None:
    """Copy what is kept of a trained run."""
    trained, kept = WORKPLACE / "runs" / run / "first", HERE / "runs" / run / "first"
    kept.mkdir(parents=True, exist_ok=True)
    more = ("last.pt", "metrics.jsonl") if run in RESUMABLE else ()
    for name in ("best.pt", "config.yaml", "result.json", *more):
        shutil.copyfile(trained / name, kept / name)
    found = torch.load(kept / "best.pt", weights_only=True)["format"]
    if found != 1:
        sys.exit(f"{run}: has format {found}; name a checkout of commit 1c91039")


def answer(command: str) -> dict[str, Any]:
    """A command with what it printed: ``json``, or the lines of a ``csv``."""
    printed = cnncli(command)
    if "--format csv" in command:
        return {"command": command, "csv": printed.splitlines()}
    found = json.loads(printed)
    if command.startswith("train"):  # weights that went on learning differ more on other processors than answers do
        found = {key: found[key] for key in ("best_epoch", "epochs", "metrics")}
    return {"command": command, "json": found}


def main(checkout: Path) -> None:
    """All runs, then all questions: those of ``RESUME`` change the runs in the workplace, not the ones kept here."""
    shutil.rmtree(WORKPLACE, ignore_errors=True)
    shutil.copytree(HERE, WORKPLACE, ignore=shutil.ignore_patterns("runs", "answers"))
    os.chdir(WORKPLACE)  # so that every path in a run and an answer is a relative one
    os.environ["CNNCLI_CACHE"] = str(WORKPLACE / "cache")
    sys.path.insert(0, str(checkout))
    for run in ORDER:
        cnncli(f"{TRAIN[run]} --name {run}/first")
        keep(run)
    (HERE / "answers").mkdir(exist_ok=True)
    for run in ORDER:
        answers = [answer(ask.format(run=run)) for ask in ASK[run]]
        (HERE / "answers" / f"{run}.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
