"""A lab with a request desk, and the people around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labwright.cli.init import make_lab
from tests.service.desk.asking import DESK
from tests.service.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    (folder / "lab_config" / "desk.yaml").write_text(f"{DESK}webhook_hosts: [127.0.0.1]\n")
    with serving(folder, folder / "var", "--speed", "100") as one:
        yield one


@pytest.fixture(scope="module")
def people(served: Served) -> dict[str, str]:
    return {
        "ada": served.person("ada", "requester", project="solar"),
        "eve": served.person("eve", "requester", project="wind"),
        "tom": served.person("tom", "operator"),
        "sam": served.person("sam", "safety_reviewer"),
        "vic": served.person("vic", "viewer"),
    }
