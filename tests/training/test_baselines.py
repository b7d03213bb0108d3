"""Baselines that are fitted: scikit-learn's own figures, which are fitted where, what they stop and what they tell."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as figures
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from cnncli.core.notices import collecting
from cnncli.data.loaders import normalizer_for
from cnncli.training import baselines
from cnncli.training.baseline_models import Trigram
from cnncli.training.baselines import Comparison, planned
from cnncli.training.build import Experiment, build_experiment
from cnncli.training.configs import load_config
from tests.conftest import Answer

Cli = Callable[..., Answer]
LINEAR = "model: {name: linear}\n"
BOOSTING: dict[str, Any] = {"early_stopping": False, "random_state": 0}
CLOSE = {"rel": 1e-9, "abs": 1e-12}


@pytest.fixture(autouse=True)
def _no_warning_leaks_and_one_thread_is_quicker() -> Any:
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def made(dataset: str, *overrides: str) -> Experiment:
    Path("config.yaml").write_text(f"dataset: {dataset}\nmodel: {{name: linear}}\n")
    return build_experiment(
        load_config(Path("config.yaml"), overrides), lambda items, total, what: items, measure=False
    )


def fitted(experiment: Experiment) -> dict[str, dict[str, float]]:
    """The metrics of each on the test part, where all that goes wrong is told."""
    with collecting() as told:
        found = Comparison(experiment).on("test")
    assert told == []
    assert all(each.seconds is not None and 0 < each.seconds < 60 for each in found)
    return {each.name: each.metrics for each in found}


def arrays(experiment: Experiment, split: str) -> tuple[Any, Any]:
    source = experiment.data.sources[split]  # type: ignore[index]
    return source.gather(torch.arange(len(source))).double().numpy(), source.targets.numpy()


def of_classes(model: Any, x: Any, y: Any) -> dict[str, float]:
    predicted, probabilities = model.predict(x), model.predict_proba(x)
    return {
        "loss": figures.log_loss(y, probabilities),
        "accuracy": figures.accuracy_score(y, predicted),
        "balanced_accuracy": figures.balanced_accuracy_score(y, predicted),
        "macro_f1": figures.f1_score(y, predicted, average="macro"),
    }


@pytest.mark.parametrize("name", ["iris", "wine"])
def test_of_rows_with_classes_they_have_the_figures_of_scikit_learn(name: str) -> None:
    experiment = made(f"{{name: {name}}}")
    (x, y), test = arrays(experiment, "train"), arrays(experiment, "test")
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
    boosting = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(**BOOSTING)).fit(x, y)
    found = fitted(experiment)
    assert list(found) == ["logistic regression", "gradient boosting"]
    assert found["logistic regression"] == pytest.approx(of_classes(logistic, *test), **CLOSE)
    assert found["gradient boosting"] == pytest.approx(of_classes(boosting, *test), **CLOSE)
    assert found["logistic regression"]["accuracy"] == of_classes(logistic, *test)["accuracy"]


@pytest.mark.parametrize("positive", ["malignant", "benign"])
def test_of_two_classes_they_have_the_figures_of_scikit_learn(positive: str) -> None:
    experiment = made("{name: breast_cancer}", f"task={{name: binary, positive: {positive}}}")
    (x, y), (test, truth) = arrays(experiment, "train"), arrays(experiment, "test")
    number = experiment.data.spec.classes.index(positive)
    found = fitted(experiment)
    for name, model in (
        ("logistic regression", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
        ("gradient boosting", make_pipeline(StandardScaler(), HistGradientBoostingClassifier(**BOOSTING))),
    ):
        model.fit(x, y)
        scores, predicted, was = model.predict_proba(test)[:, number], model.predict(test), truth == number
        own = {
            "loss": figures.log_loss(truth, model.predict_proba(test)),
            "accuracy": figures.accuracy_score(truth, predicted),
            "precision": figures.precision_score(was, predicted == number),
            "recall": figures.recall_score(was, predicted == number),
            "f1": figures.f1_score(was, predicted == number),
            "roc_auc": figures.roc_auc_score(was, scores),
            "average_precision": figures.average_precision_score(was, scores),
        }
        assert found[name].pop("loss") == pytest.approx(own.pop("loss"), **CLOSE)
        assert found[name] == pytest.approx(own, **CLOSE)


@pytest.mark.parametrize("standardize", [True, False])
def test_of_rows_with_numbers_they_have_the_figures_of_scikit_learn(standardize: bool) -> None:
    experiment = made("{name: diabetes}", f"task={{name: regression, standardize: {json.dumps(standardize)}}}")
    (x, y), (test, truth) = arrays(experiment, "train"), arrays(experiment, "test")
    found = fitted(experiment)
    for name, model in (
        ("ridge", make_pipeline(StandardScaler(), Ridge())),
        ("gradient boosting", make_pipeline(StandardScaler(), HistGradientBoostingRegressor(**BOOSTING))),
    ):
        predicted = model.fit(x, y[:, 0]).predict(test)
        scale = y.std() if standardize else 1.0
        own = {
            "loss": figures.mean_squared_error(truth, predicted) / scale**2,
            "mae": figures.mean_absolute_error(truth, predicted),
            "rmse": figures.root_mean_squared_error(truth, predicted),
            "r2": figures.r2_score(truth, predicted),
        }
        assert found[name] == pytest.approx(own, **CLOSE)


def test_of_small_pictures_it_has_the_figures_of_scikit_learn() -> None:
    experiment = made("{name: digits}")
    (x, y), (test, truth) = arrays(experiment, "train"), arrays(experiment, "test")
    as_network = normalizer_for(experiment.data.spec, torch.device("cpu"))
    assert as_network is not None
    flat = [as_network(torch.from_numpy(each)).flatten(1).double().numpy() for each in (x, test)]
    model = LogisticRegression(max_iter=1000).fit(flat[0], y)
    found = fitted(experiment)
    assert list(found) == ["logistic regression on 8×8 pixels"]
    assert found["logistic regression on 8×8 pixels"] == pytest.approx(of_classes(model, flat[1], truth), **CLOSE)


def test_of_a_series_ridge_forecasts_every_step_from_the_same_window() -> None:
    months = [f"{100 + 2 * i + 20 * np.sin(i * np.pi / 6) + i % 7:.4f}" for i in range(144)]
    Path("series.csv").write_text("value\n" + "\n".join(months) + "\n")
    experiment = made("{name: series_csv, path: series.csv, window: 12, horizon: 3, period: 12, log: true}")
    (x, y), (test, truth) = arrays(experiment, "train"), arrays(experiment, "test")
    series = experiment.data.spec.preprocess
    predicted = np.stack(
        [Ridge().fit(x.reshape(len(x), -1), y[:, h, 0, 0]).predict(test.reshape(len(test), -1)) for h in range(3)], 1
    )
    unit = [np.exp(each * series.std[0] + series.mean[0]) for each in (predicted, truth[..., 0, 0])]  # type: ignore[union-attr]
    error = np.abs(unit[0] - unit[1])
    own = {
        "loss": np.mean((predicted - truth[..., 0, 0]) ** 2),
        "mae": error.mean(),
        "rmse": np.sqrt((error**2).mean()),
        "smape": (2 * error / (unit[0] + unit[1])).mean(),
        "mase": error.mean() / series.naive_error[0],  # type: ignore[union-attr]
    }
    assert fitted(experiment) == {"ridge": pytest.approx(own, **CLOSE)}


def test_a_trigram_is_a_distribution_whatever_came_before() -> None:
    text = np.array([0, 1, 2, 0, 1, 2, 0, 1, 3, 0, 1, 2])
    model = Trigram(text, 5)
    contexts = np.array([[a, b] for a in range(5) for b in range(5)])
    each = np.stack([model.probabilities(contexts, np.full_like(contexts, c)) for c in range(5)])
    assert each.sum(0) == pytest.approx(np.ones((25, 2)))
    after = model.probabilities(np.array([[0, 1]]), np.array([[1, 2]]))[0]
    unigram = (np.array([4, 4, 3, 1, 0]) + 1) / 17
    pair = (4 + unigram[1]) / 5  # after 0 there was 1, four times
    lower = (3 + 2 * unigram[2]) / 6  # after 1 there was 2 three times and 3 once
    assert after == pytest.approx([pair, (3 + 2 * lower) / 6])
    assert model.probabilities(np.array([[4, 4]]), np.array([[1, 2]]))[0] == pytest.approx(unigram[[1, 2]])


def test_columns_that_are_not_scaled_are_for_baselines_and_categories_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    rows = [f"{1000 * a:.1f},{'xyz'[i % 3]},{'yes' if a + (i % 3) > 1 else 'no'}" for i, a in enumerate(rng.random(90))]
    Path("rows.csv").write_text("a,b,label\n" + "\n".join(rows) + "\n")
    section = "{name: csv, path: rows.csv, target: label, normalize: none}"
    experiment = made(section)
    (x, y), (test, truth) = arrays(experiment, "train"), arrays(experiment, "test")
    assert x[:, 0].max() > 100, "the network gets them as they are"
    scaled = [np.column_stack([(each[:, 0] - x[:, 0].mean()) / x[:, 0].std(), each[:, 1:]]) for each in (x, test)]
    own = of_classes(LogisticRegression(max_iter=1000).fit(scaled[0], y), scaled[1], truth)
    assert fitted(experiment)["logistic regression"] == pytest.approx(own, **CLOSE)


def test_the_size_of_the_data_decides_and_a_list_fits_them_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        baselines.CANDIDATES, "gradient_boosting", baselines.Candidate(
            "gradient boosting", ("classes",), 1_000, baselines.fit_boosting
        )
    )  # fmt: skip
    large = made("{name: iris}")
    reason = "gradient_boosting only if baselines names it: 1,296 values are more than 1,000"
    assert planned(large) == f"logistic regression, simple ones; {reason}"
    assert list(fitted(large)) == ["logistic regression"]
    named = made("{name: iris}", "baselines=[gradient_boosting]")
    assert planned(named) == "gradient boosting, simple ones"
    assert list(fitted(named)) == ["gradient boosting"]
    assert fitted(made("{name: iris}", "baselines=none")) == {}


def test_one_that_fails_or_does_not_converge_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise np.linalg.LinAlgError("singular\nmatrix")

    table = baselines.CANDIDATES
    monkeypatch.setitem(
        table, "gradient_boosting", baselines.Candidate("gradient boosting", ("classes",), 10**9, broken)
    )
    monkeypatch.setattr("cnncli.training.baseline_models.STEPS", 2)
    with collecting() as told:
        found = Comparison(made("{name: iris}")).on("test")
    assert [each.name for each in found] == ["logistic regression"]
    texts = [each.text for each in told if each.kind == "baseline"]
    assert texts[0].startswith("the baseline logistic regression may not be at its best (lbfgs failed to converge")
    assert texts[1] == "the baseline gradient boosting is left out: it cannot be computed (singular)"


def test_the_same_run_has_the_same_baselines_and_the_threads_of_before() -> None:
    threads = torch.get_num_threads()
    first, second = (Comparison(made("{name: wine}")) for _ in range(2))
    assert first.on("val") == second.on("val") == first.on("val") != first.on("test")
    assert torch.get_num_threads() == threads


def test_a_name_that_is_not_for_the_data_is_an_error_whose_advice_helps(cnncli: Cli) -> None:
    Path("iris.yaml").write_text(f"dataset: {{name: iris}}\n{LINEAR}baselines: [ridge]\ntrain: {{epochs: 1}}\n")
    answer = cnncli("train", "iris.yaml")
    told = "iris.yaml:3: baselines: ridge is not for classification of rows; name logistic_regression or gradient_b"
    assert answer.code == 2
    assert told in answer.err
    assert not Path("runs").exists()
    plan = cnncli("train", "iris.yaml", "baselines=[logistic_regression]", "--dry-run", "--json").json
    assert plan["baselines"] == "logistic regression, simple ones"
    assert "baselines" in cnncli("train", "iris.yaml", "baselines=[logistic]").err


def test_a_network_that_loses_to_boosting_is_told_so_and_eval_remembers_it(cnncli: Cli) -> None:
    rng = np.random.default_rng(1)
    rows = [f"{a:.3f},{b:.3f},{'in' if a * b > 0 else 'out'}" for a, b in rng.normal(size=(300, 2))]
    Path("rows.csv").write_text("a,b,where\n" + "\n".join(rows) + "\n")  # no line parts the classes, trees do
    Path("rows.yaml").write_text(
        f"name: rows\ndataset: {{name: csv, path: rows.csv, target: where}}\n{LINEAR}train: {{epochs: 2}}\n"
        "logging: {tensorboard: false, pictures: false}\n"
    )
    trained = cnncli("train", "rows.yaml", "--name", "rows/one")
    result = json.loads(Path("runs/rows/one/result.json").read_text())
    best, own = result["baseline"], result["metrics"]["test"]["accuracy"]
    assert (best["name"], result["beats_baseline"]) == ("gradient boosting", False)
    assert best["accuracy"] > 0.9 > own
    sentence = (
        f"The network does not beat the baseline gradient boosting: accuracy {100 * best['accuracy']:.2f} % on test, "
        f"the network's is {100 * own:.2f} %."
    )
    assert sentence in trained.out
    assert f"baseline: gradient boosting on test ({best['seconds']:.1f} s)" in trained.out
    lines = [json.loads(line) for line in Path("runs/rows/one/metrics.jsonl").read_text().splitlines()]
    assert all(line["baseline/accuracy"] > 0.9 for line in lines), "on validation"

    assert sentence in cnncli("eval", "runs/rows/one").out
    assert cnncli("eval", "runs/rows/one", "--json").json["baselines"] == result["baselines"]
    simple = next(each for each in result["baselines"] if each["name"] == "commonest class")
    assert cnncli("eval", "runs/rows/one", "--split", "val", "--json").json["baselines"][0]["name"] == simple["name"]
    (Path("runs/rows/one") / "report.json").write_text("{")
    assert cnncli("eval", "runs/rows/one", "--json").json["baselines"] == [simple]
