"""The Dockerfiles: what every image must have, looked at without Docker; hadolint looks, too, where it is installed."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile with its words, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def ignored(name: str) -> bool:
    """Whether .dockerignore keeps a path of the project's top out of what is sent: the last line that fits counts."""
    found = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and line.removeprefix("!") in (name, "*"):
            found = not line.startswith("!")
    return found


def test_there_is_one_for_serving_and_one_for_training() -> None:
    assert [path.name for path in FILES] == ["serve.Dockerfile", "train.Dockerfile"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_image_is_pinned_runs_without_root_and_says_whether_it_is_well(path: Path) -> None:
    found = instructions(path)
    bases = [words for name, words in found if name == "FROM"]
    newest = max(int(line.rpartition(".")[2]) for line in PROJECT["classifiers"] if ":: Python :: 3." in line)
    assert bases
    for base in bases:
        version = re.fullmatch(r"python:3\.(\d+)-slim-\w+( AS \w+)?", base)
        assert version is not None, base
        assert int(version[1]) <= newest
    begin = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    users = [words for name, words in found[begin:] if name == "USER"]
    assert users, "no USER in the last stage"
    assert users[-1] not in ("root", "0")
    assert any(name == "HEALTHCHECK" for name, _ in found)
    entry = next(words for name, words in found if name == "ENTRYPOINT")
    assert entry.startswith('["cnncli"'), "no shell stands between SIGTERM and cnncli"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_copied_is_there_and_what_is_installed_is_declared(path: Path) -> None:
    found = instructions(path)
    copied = [word for name, words in found if name == "COPY" and "--from" not in words for word in words.split()[:-1]]
    assert {"pyproject.toml", "cnncli", "configs", "docs"} <= set(copied)  # all that the package is built of
    for name in copied:
        assert (ROOT / name).exists(), name
        assert not ignored(name), name
    assert ignored("runs")
    assert ignored(".git")
    runs = [words for name, words in found if name == "RUN"]
    extras = {name for words in runs for group in re.findall(r'"\.\[([\w,]+)\]"', words) for name in group.split(",")}
    assert extras
    assert extras <= set(PROJECT["optional-dependencies"])
    required = {each.name: each for each in map(Requirement, PROJECT["dependencies"])}
    for name in ("torch", "torchvision"):
        assert any(f'"{required[name]}"' in words for words in runs), (
            f"{name} is another version than in pyproject.toml"
        )


def test_the_page_names_files_that_are_there_and_where_networks_are_mounted() -> None:
    page = (ROOT / "docs" / "docker.md").read_text()
    assert {f"docker/{path.name}" for path in FILES} == set(re.findall(r"docker/[\w.]+Dockerfile", page))
    (serving,) = [path for path in FILES if path.name.startswith("serve")]
    assert ("CMD", '["/network"]') in instructions(serving)
    assert ":/network:ro" in page


def test_no_image_names_an_index_of_packages() -> None:
    for path in FILES:
        assert "://" not in path.read_text().replace("http://127.0.0.1:8000/healthz", "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_hadolint_has_nothing_to_say(path: Path) -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("needs hadolint")
    answer = subprocess.run(["hadolint", "--no-color", path], capture_output=True, text=True)
    assert answer.stdout + answer.stderr == ""
