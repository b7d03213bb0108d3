"""The server answers as the commands do, for every kind of network."""

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Answer
from tests.deploy.server.conftest import Serve
from tests.deploy.server.served import picture

Cli = Callable[..., Answer]


def test_pictures_are_answered_as_predict_answers_them(serve: Serve, cnncli: Cli) -> None:
    sent = [(f"{number}.png", picture(number, side)) for number, side in enumerate((8, 8, 20, 33))]
    for name, content in sent:
        Path(name).write_bytes(content)
    words = ["--ckpt", "runs/digits/one/best.pt", "--top-k", "3", "--format", "json"]
    expected = cnncli("predict", *words, *(name for name, _ in sent)).json["predictions"]
    with serve("digits") as client:
        found = client.post("/predict?top_k=3", files=[("files", each) for each in sent]).json()
        one = client.post("/models/digits/predict?top_k=3", content=sent[2][1]).json()["predictions"]
    assert found["errors"] == []
    for answer, wanted in zip([*found["predictions"], *one], [*expected, expected[2]], strict=True):
        assert answer["path"] in (wanted["path"], "picture")
        assert answer["prediction"] == wanted["prediction"]
        assert [each["class"] for each in answer["top"]] == [each["class"] for each in wanted["top"]]
        assert answer["probability"] == pytest.approx(wanted["probability"], abs=1e-5)


def test_a_picture_that_cannot_be_read_does_not_stop_the_others(serve: Serve) -> None:
    files = [("files", ("good.png", picture())), ("files", ("../../bad.png", picture()[:60]))]
    with serve("digits") as client:
        answer = client.post("/predict", files=files)
        alone = client.post("/predict", files=files[1:])
    assert answer.status_code == 200
    assert [each["path"] for each in answer.json()["predictions"]] == ["good.png"]
    assert [each["path"] for each in answer.json()["errors"]] == ["bad.png"]
    assert alone.status_code == 422
    assert alone.json()["error"].startswith("bad.png: cannot be read as a picture")


def test_rows_are_answered_as_predict_answers_them(serve: Serve, cnncli: Cli) -> None:
    names = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    values = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.9, 4.3, 1.3], [7, 3, 6, 2]]
    with Path("rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *values])
    expected = cnncli("predict", "runs/iris/one/best.pt", "rows.csv", "--format", "json").json
    rows = [dict(zip(names, row, strict=True)) for row in values]
    with serve("iris") as client:
        found = client.post("/predict", json={"rows": rows}).json()["predictions"]
        as_texts = client.post("/predict", json={"rows": [{name: str(v) for name, v in rows[0].items()}]})
    for answer, wanted in zip(found, expected, strict=True):
        assert answer["prediction"] == wanted["prediction"]
        assert {key: wanted[key] for key in answer} == pytest.approx(answer, abs=1e-5)
    assert as_texts.json()["predictions"][0] == pytest.approx(found[0], abs=1e-5)


def test_a_series_is_continued_as_forecast_continues_it(serve: Serve, cnncli: Cli) -> None:
    with Path("passengers.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = cnncli("forecast", "runs/series/one/best.pt", "--csv", "passengers.csv", "--steps", "30", "--json").json
    sent = [{"Month": row["Month"], "Passengers": float(row["Passengers"])} for row in rows]
    with serve("series") as client:
        answer = client.post("/predict", json={"series": sent, "steps": 30})
        short = client.post("/predict", json={"series": sent[:5]})
    assert answer.json()["forecast"] == expected["rows"]
    assert answer.json()["level"] == expected["level"]
    assert short.status_code == 422
    assert short.json()["error"].startswith("series: has 5 steps, the network looks at")


def test_a_text_is_continued_as_generate_continues_it(serve: Serve, cnncli: Cli) -> None:
    words = ["--prompt", "To be", "--length", "40", "--seed", "3", "--temperature", "0.7", "--top-k", "5"]
    expected = cnncli("generate", "runs/text/one/best.pt", *words, "--json").json["text"]
    asked = {"prompt": "To be", "length": 40, "seed": 3, "temperature": 0.7, "top_k": 5}
    with serve("text") as client:
        assert client.post("/predict", json=asked).json() == {"text": expected}
        assert "does not know 'Ж'" in client.post("/predict", json={"prompt": "Ж", "length": 1}).json()["notes"][0]


def test_a_map_of_what_an_answer_looks_at_is_a_picture(serve: Serve) -> None:
    with serve("digits") as client:
        answer = client.post("/predict", content=picture()).json()["predictions"][0]
        found = client.post("/explain", content=picture()).json()
        other = client.post("/explain?class=7", files={"files": ("a.png", picture())}).json()
        wrong = client.post("/explain?class=seven", content=picture())
    assert found["class"] == answer["prediction"]
    assert found["probability"] == pytest.approx(answer["probability"], abs=1e-5)
    head, _, data = found["map"].partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (224, 224)
    assert other["class"] == "7"
    assert wrong.status_code == 422


def test_the_description_says_what_is_served(serve: Serve) -> None:
    with serve("digits", "iris", "series", "text") as client:
        first = client.get("/model.json").json()
        kinds = {name: client.get(f"/models/{name}/model.json").json()["kind"] for name in first["models"]}
        assert first["server"] is True
        assert first["explains"] is True
        assert first["classes"] == [str(number) for number in range(10)]
        assert kinds == {"digits": "pictures", "iris": "rows", "series": "series", "text": "text"}
        assert client.get("/models/iris/model.json").json()["explains"] is False


def test_every_example_that_openapi_gives_is_answered(serve: Serve) -> None:
    with serve("iris", "text", "digits", "series") as client:
        paths = client.get("/openapi.json").json()["paths"]
        tried = 0
        for path, methods in paths.items():
            content = methods.get("post", {}).get("requestBody", {}).get("content", {})
            if "application/json" in content and not path.startswith("/models/series"):
                asked = content["application/json"]["example"]
                answer = client.post(path, json=asked)
                assert answer.status_code == 200, answer.text
                example = methods["post"]["responses"]["200"]["content"]["application/json"]["example"]
                assert example.keys() <= answer.json().keys()
                tried += 1
        assert tried == 3
        page = client.get("/docs").text
    assert all(path in page for path in paths)
    assert "https://" not in page  # nothing is loaded from elsewhere


def test_what_was_measured_is_there_for_prometheus(serve: Serve) -> None:
    with serve("digits") as client:
        client.post("/predict", files=[("files", (f"{i}.png", picture(i))) for i in range(5)])
        client.post("/predict", content=b"<html>")
        client.get("/a/b/c/made-up")
        text = client.get("/metrics").text
    assert 'cnncli_requests_total{method="POST",path="/predict",status="200"} 1.0' in text
    assert 'cnncli_batch_samples_sum{model="digits"} 5.0' in text
    assert 'cnncli_refused_total{reason="picture"} 1.0' in text
    assert 'cnncli_queue_samples{model="digits"} 0.0' in text
    assert "made-up" not in text


def test_every_request_is_a_line_of_json(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    with serve("digits") as client:
        client.post("/predict?secret=1", content=picture())
        client.get("/%0a{}")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines] == [200, 404]
    assert lines[0].keys() == {"time", "method", "path", "status", "ms", "samples"}
    assert (lines[0]["path"], lines[0]["samples"]) == ("/predict", 1)
