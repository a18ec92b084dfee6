"""What the page for remote researchers says can be done: its snippets, as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.client import Client
from tests.forks import ROOT, python
from tests.service.served import Served, serving

PAGE = (ROOT / "docs" / "how-to" / "ask-for-experiments.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 5"))
    with serving(folder, folder / "var", "--speed", "100") as one:
        yield one


@pytest.fixture(autouse=True)
def ada(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"ada_{request.node.name[-6:]}".replace("]", "")
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text(served.person(name, "requester", project="solar"))
    monkeypatch.setenv("LABWRIGHT_URL", served.url)
    monkeypatch.setenv("LABWRIGHT_KEY", str(key))
    return name


def test_the_snippets_in_python_run(served: Served, tmp_path: Path, ada: str) -> None:
    ask, follow = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for _ in range(2):  # a script that was interrupted is run again
        done = python(ask, cwd=tmp_path)
        assert "('temperature', '20 to 90 degC')" in done.stdout, done.stderr
    with Client(served.url, served.person("tom", "operator")) as tom:
        (mine,) = tom.requests.list(owner=ada)
        digest = tom.requests.get(mine.id).digest
        tom.requests.accept(mine.id, "technical", "fits", digest=digest)
        with Client(served.url, served.person("sam", "safety_reviewer")) as sam:
            assert sam.requests.accept(mine.id, "safety", "harmless", digest=digest).state == "approved"
        done = python(follow, cwd=tmp_path)
        assert "temperature / degC" in done.stdout, done.stderr
        assert (tmp_path / "found" / "experiments.csv").exists()
        assert tom.requests.get(mine.id).state == "closed"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed on this machine")
def test_the_snippet_with_curl_runs(served: Served, tmp_path: Path, ada: str) -> None:
    _, ask = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(["bash", "-euc", ask], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ))
    assert '"state":"validated"' in done.stdout, done.stdout + done.stderr
