"""An exported file answers every question as its checkpoint does, from files as people have them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from cnncli.deploy.exported import load_exported
from cnncli.inference.forecast import forecast
from cnncli.inference.generate import generate, most_probable
from cnncli.inference.predict import predict_rows
from cnncli.inference.predictor import Predictor, load_predictor
from tests.conftest import Answer

pytest.importorskip("onnxruntime")
Cnncli = Callable[..., Answer]


def both(
    cnncli: Cnncli, config: Path | str, *overrides: str, export: tuple[str, ...] = ()
) -> tuple[Predictor, Predictor]:
    """The predictors of a trained checkpoint and of its ONNX file."""
    trained = cnncli("train", config, "--name", "x/a", "precision=fp32", *overrides)
    assert trained.code == 0, trained.err
    answer = cnncli("export", "runs/x/a", "--out", "exported", *export)
    assert answer.code == 0, answer.err
    return load_predictor(Path("runs/x/a"), ["device=cpu"]), load_exported(Path("exported/model.onnx"))


def test_pictures_get_the_same_probabilities(cnncli: Cnncli, tiny: Path) -> None:
    first, second = both(cnncli, tiny)
    samples = torch.randint(0, 256, (9, *first.spec.input_shape), dtype=torch.uint8)
    torch.testing.assert_close(second.probabilities(samples), first.probabilities(samples), atol=1e-5, rtol=0)


def test_a_server_has_no_map_to_explain_an_exported_file_with(cnncli: Cnncli, tiny: Path) -> None:
    pytest.importorskip("fastapi")
    from cnncli.deploy.server.pictures import PictureAnswers

    first, second = both(cnncli, tiny, "model.name=simple_cnn")
    assert PictureAnswers(first, 10_000).explains
    assert not PictureAnswers(second, 10_000).explains


def test_one_sample_at_a_time_is_enough(cnncli: Cnncli, tiny: Path) -> None:
    first, second = both(cnncli, tiny, export=("--one-at-a-time",))
    samples = torch.randint(0, 256, (3, *first.spec.input_shape), dtype=torch.uint8)
    torch.testing.assert_close(second.probabilities(samples), first.probabilities(samples), atol=1e-5, rtol=0)


TABLE = """\
name: table
dataset: {name: csv, path: rows.csv, target: price, val_fraction: 0.2, test_fraction: 0.2, missing: fill, dates: [day]}
model: {name: mlp, hidden: [8]}
task: regression
train: {epochs: 2}
logging: {tensorboard: false, samples: false, pictures: false}
"""


def test_rows_with_dates_gaps_and_categories_get_the_same_numbers(
    cnncli: Cnncli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    days = pd.date_range("2021-03-01 04:00", periods=60, freq="37h")
    frame = pd.DataFrame({
        "colour": ["red", "green", "blue"] * 20, "size": [float(i % 7) for i in range(60)],
        "day": days.strftime("%Y-%m-%d %H:%M"), "price": [10.0 + i % 7 + (i % 3) for i in range(60)],
    })  # fmt: skip
    frame.loc[5, "size"] = None
    frame.loc[6, "colour"] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    first, second = both(
        cnncli,
        write_config(TABLE, "table.yaml"),
    )
    new = frame.drop(columns="price")
    wanted, found = (predict_rows(predictor, new)["prediction"].to_numpy() for predictor in (first, second))
    assert abs(found - wanted).max() < 1e-5
    assert wanted.std() > 0


def test_a_series_gets_the_same_forecast_beyond_one_horizon(
    cnncli: Cnncli, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    values = [100 + 10 * (i % 12) + i for i in range(144)]
    (tmp_path / "series.csv").write_text("value\n" + "\n".join(map(str, values)) + "\n")
    config = write_config(
        "name: s\ndataset: {name: series_csv, path: series.csv, window: 12, horizon: 6, period: 12, log: true, "
        "difference: 12, val_fraction: 0.2}\nmodel: {name: gru, hidden: 4}\ntrain: {epochs: 2}\n"
        "logging: {tensorboard: false, samples: false, pictures: false}\n",
        "s.yaml",
    )
    first, second = both(cnncli, config)
    (wanted,), _ = forecast(first, 15, Path("series.csv"))
    (found,), _ = forecast(second, 15, Path("series.csv"))
    assert abs(found.values / wanted.values - 1).max() < 1e-6
    assert abs(found.upper / wanted.upper - 1).max() < 1e-6


TEXT = """\
name: text
dataset: {{name: text, path: text.txt, block: 16, batch_size: 8}}
model: {model}
train: {{epochs: 1}}
logging: {{tensorboard: false, samples: false, pictures: false}}
"""


@pytest.mark.parametrize(
    "model",
    [
        "{name: lstm, hidden: 8, layers: 2}",
        pytest.param("{name: gru, hidden: 8}", marks=pytest.mark.slow),
        pytest.param("{name: rnn, hidden: 8}", marks=pytest.mark.slow),
        "{name: transformer, layers: 1, width: 8, heads: 2}",
        pytest.param("{name: tcn, channels: 8, layers: 2}", marks=pytest.mark.slow),
    ],
)
def test_a_text_goes_on_with_the_same_characters(
    cnncli: Cnncli, write_config: Callable[..., Path], tmp_path: Path, model: str
) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    first, second = both(cnncli, write_config(TEXT.format(model=model), "text.yaml"))
    wanted, found = ("".join(generate(predictor, "the q", 60, seed=3)) for predictor in (first, second))
    assert found == wanted
    assert most_probable(second, "the", 8, 3)[0] == most_probable(first, "the", 8, 3)[0]
