"""Signatures that were remembered check configs as the components themselves do, and without torch."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from cnncli.config import recall
from cnncli.config.catalog import fill_registries
from cnncli.config.merging import load_document
from cnncli.config.schema import build_schema
from cnncli.core.errors import ConfigError
from cnncli.core.files import SIGNATURES, cache_folder
from cnncli.core.numbers import Count
from cnncli.core.registry import REGISTRIES, Activation
from tests.conftest import ROOT, printed_twice

fill_registries()
REAL = {kind: {name: registry.get(name) for name in registry} for kind, registry in REGISTRIES.items()}


@pytest.fixture
def recalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registries hold what was remembered, and nothing else."""
    recall.remember()
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_entries", {})
    assert recall.recall()
    yield
    recall.forget()


def test_everything_is_remembered_as_it_is(recalled: None) -> None:
    for kind, entries in REAL.items():
        assert list(REGISTRIES[kind]) == list(entries)
        for name, entry in entries.items():
            known = REGISTRIES[kind].get(name)
            assert (known.description, known.suggests) == (entry.description, entry.suggests)
            assert known.traits == entry.traits
            assert known.arguments.model_json_schema() == {
                **entry.arguments.model_json_schema(), "title": known.arguments.__name__,
            }  # fmt: skip
            fields, real = known.arguments.model_fields, entry.arguments.model_fields
            assert [(n, repr(f.default)) for n, f in fields.items()] == [(n, repr(f.default)) for n, f in real.items()]


def test_the_schema_of_recalled_components_is_the_shipped_one(recalled: None) -> None:
    assert build_schema() == json.loads((ROOT / "configs/schema.json").read_text())


@pytest.mark.parametrize(
    "model",
    [
        "{name: mlp, hidden: [4, 0], activation: {name: elu, alpha: x}}",
        "{name: mlp, hiden: [4]}",
        "{name: custom, layers: [{name: conv, chanels: 3}, {name: reluu}]}",
        "{name: simple_cn}",
        "{name: airbench, widths: 3, bn_momentum: 0}",
    ],
)
def test_faults_read_the_same(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnncli.config.checking import resolve

    (tmp_path / "c.yaml").write_text(f"dataset: {{name: digits, augment: [{{name: erasing}}]}}\nmodel: {model}\n")
    faults = []
    recall.remember()
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            resolve(load_document(tmp_path / "c.yaml"))
        faults.append(caught.value.faults)
        for registry in REGISTRIES.values():
            monkeypatch.setattr(registry, "_entries", {})
        assert recall.recall()
    assert faults[0] == faults[1]


def test_nothing_is_built_from_memory_and_the_real_components_take_its_place(recalled: None) -> None:
    with pytest.raises(RuntimeError, match="only this component's signature"):
        REGISTRIES["schedulers"].get("constant").factory()
    recall.forget()
    assert not any(list(registry) for registry in REGISTRIES.values())


def of(argument: object) -> bytes:
    """A file in which every component takes this argument."""
    entry = {"name": "x", "description": "", "suggests": {}, "traits": [], "arguments": argument}
    return json.dumps({kind: [entry] for kind in REGISTRIES}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{}", b"[1]", b'{"models": [{"name": "x"}]}', b"\xff", of(None), of([]), of({"a": {"type": []}}),
        of({"a": {"type": "set"}}), of({"a b": {"type": "int"}}),
        of({"a": {"type": {"list": 3}}}), b'{"models": ' + b"[" * 9999,
    ],
)  # fmt: skip
def test_a_damaged_file_is_as_good_as_none(damage: bytes) -> None:
    recall.remember()
    (file,) = (cache_folder() / SIGNATURES).iterdir()
    file.write_bytes(damage)
    assert not recall.recall()


def test_other_versions_are_remembered_beside_and_the_oldest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        monkeypatch.setattr(recall, "version", lambda library, number=number: str(number))
        assert recall._file() not in set((cache_folder() / SIGNATURES).glob("*"))
        recall.remember()
        assert recall._file().is_file()
    assert len(list((cache_folder() / SIGNATURES).iterdir())) == 8


def test_reading_the_sources_changes_nothing() -> None:
    source, before = Path(recall.__file__), recall._file()
    stat = source.stat()
    os.utime(source, ns=(stat.st_atime_ns + 10**9, stat.st_mtime_ns))
    assert recall._file() == before


@pytest.mark.parametrize(
    "annotation",
    [int | None, tuple[float, ...], list[dict[str, Any]], Annotated[str, Field(pattern="^a$")], Count, Activation],
)
def test_types_come_back(annotation: Any) -> None:
    form = recall.encoded(annotation)
    assert recall.encoded(recall.decoded(json.loads(json.dumps(form)))) == form


@pytest.mark.parametrize("annotation", [Path, set[int], Annotated[int, "metres"]])
def test_types_without_a_form_are_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="cannot be remembered"):
        recall.encoded(annotation)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "command",
    [pytest.param(["list"], marks=SLOW), ["config", "c.yaml"], pytest.param(["config", "--schema"], marks=SLOW)],
)
def test_the_second_time_needs_no_torch_and_says_the_same(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("dataset: digits\nmodel: {name: resnet18}\n")
    code = f"import sys\nfrom cnncli.cli.app import run\nassert run({command}) == 0\nprint('torch' in sys.modules)"
    (first, with_torch), (second, without) = (printed.rsplit("\n", 2)[:2] for printed in printed_twice(code))
    assert (with_torch, without) == ("True", "False")
    assert first == second


@pytest.mark.slow
def test_a_plug_in_is_checked_with_what_it_registers(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from cnncli.core.registry import models\n\n\n"
        "@models.register('mine')\ndef mine(spec, /, width: int = 3):\n    'Mine.'\n"
    )
    (tmp_path / "c.yaml").write_text("plugins: [mine.py]\ndataset: digits\nmodel: mine\n")
    for path in (ROOT / "configs/digits.yaml", tmp_path / "c.yaml"):
        answer = subprocess.run(
            [sys.executable, "-m", "cnncli", "config", str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
    assert "width: 3" in answer.stdout
