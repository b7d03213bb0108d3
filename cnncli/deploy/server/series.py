"""Series sent by clients as JSON, continued as ``cnncli forecast --csv`` continues a file."""

import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cnncli.core.errors import CnncliError, DataError
from cnncli.core.notices import collecting
from cnncli.core.spec import Series
from cnncli.deploy.server.bodies import checked, parse_json
from cnncli.deploy.server.cells import Row, check_rows
from cnncli.inference.forecast import about, forecast, forecast_rows, reading_of
from cnncli.inference.predictor import Predictor

MAX_ROWS = 20_000
MAX_STEPS = 1000
FILE = "series"


class SeriesAsked(BaseModel):
    """The steps that are known, the oldest first, or with a column of times; and how many are to follow."""

    model_config = ConfigDict(extra="forbid", strict=True)
    series: Annotated[list[Any], Field(description="Objects of columns and their values, one for each step.")]
    steps: Annotated[int | None, Field(ge=1, le=MAX_STEPS, description="As many as the network gives, if null.")] = None


class SeriesAnswers:
    """A network of series as the server asks it: one request at a time."""

    kind = "series"

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        predictor.spec.require(Series, f"{predictor.path}: a forecast")
        own = reading_of(predictor)  # JSON has one way of writing numbers, and no lines before the names
        self.reading = replace(
            own, delimiter=",", header=True, footer=0, encoding="utf-8", decimal=None, thousands=None
        )

    def respond(self, content: bytes, _end: float) -> dict[str, Any]:
        """The answer to a body; raises ``Refused``, ``ConfigError`` and ``DataError``."""
        asked: SeriesAsked = checked(SeriesAsked, parse_json(content))
        rows = check_rows(asked.series, "series", MAX_ROWS)
        steps = asked.steps or self.predictor.spec.outputs[0]
        with tempfile.TemporaryDirectory(prefix="cnncli-") as folder, collecting() as notices:
            path = Path(folder) / FILE
            _write(path, rows)
            try:
                found, errors = forecast(self.predictor, steps, path, self.reading)
            except CnncliError as error:
                raise DataError(_plain(str(error), path)) from error
        told = [_plain(notice.text, path) for notice in notices]
        causes = {name: _plain(cause, path) for name, cause in errors.items()}
        return {"forecast": forecast_rows(found), **about(found, causes), **({"notes": told} if told else {})}


def _plain(text: str, path: Path) -> str:
    """A message about the file as one about what was sent."""
    return text.replace(str(path), FILE).replace("--steps", "steps")


def _write(path: Path, rows: list[Row]) -> None:
    """The rows as a CSV file, in which null is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(rows[0])
        table.writerows([["" if row[name] is None else row[name] for name in rows[0]] for row in rows])
