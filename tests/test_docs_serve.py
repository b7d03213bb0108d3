"""docs/serve.md shows commands that work, one after the other, as written."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from cnncli.deploy.server.metrics import Metrics
from tests.conftest import ROOT, Answer
from tests.deploy.server.served import QUICK, Running, picture, running

PAGE = (ROOT / "docs" / "serve.md").read_text()
TOKEN = "0123456789abcdef" * 4


def tell(words: str, server: Running) -> str:
    """What another terminal prints, where the server is on another port."""
    there = words.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run(["bash", "-c", there], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None or shutil.which("bash") is None, reason="needs curl and bash")
def test_the_commands_run_in_a_row(tmp_path: Path, cnncli: Callable[..., Answer]) -> None:
    for name in ("three.png", "five.png"):
        (tmp_path / name).write_bytes(picture(len(name)))
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    answered = []
    with ExitStack() as stack:
        for line in lines:
            words = shlex.split(line)
            if words[:2] == ["cnncli", "train"]:
                assert cnncli(*words[1:], *QUICK).code == 0
            elif words[:2] == ["cnncli", "serve"]:
                stack.pop_all().close()
                server = stack.enter_context(running(tmp_path, *words[2:]))
            elif words[0] == "openssl":
                (tmp_path / words[-1]).write_text(f"{TOKEN}\n")
            else:
                answered.append(json.loads(tell(line, server)))
                assert "error" not in answered[-1], line
                if len(answered) == 3:
                    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
                    (tmp_path / "client.py").write_text(program.replace(":8000", f":{server.port}"))
                    printed = tell(f"{shlex.quote(sys.executable)} client.py", server)
    assert len(lines) > 9
    assert printed.strip() == answered[1]["predictions"][0]["prediction"]
    assert [len(answer.get("predictions", [])) for answer in answered] == [2, 1, 0, 1, 1]


def test_the_page_has_every_metric_and_shows_answers_in_json() -> None:
    families = {family.name for family in Metrics().registry.collect()}
    told = set(re.findall(r"`(cnncli_\w+)`", PAGE))
    assert told == {f"{name}_total" if name in ("cnncli_requests", "cnncli_refused") else name for name in families}
    for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL):
        json.loads(block)
