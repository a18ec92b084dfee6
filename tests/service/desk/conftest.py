"""A lab with a request desk, and the people around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.desk.asking import desk_served, keys_of
from tests.service.served import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with desk_served(tmp_path_factory.mktemp("desk"), "webhook_hosts: [127.0.0.1]\n") as one:
        yield one


@pytest.fixture(scope="module")
def people(served: Served) -> dict[str, str]:
    return keys_of(served, "ada", "eve", "tom", "sam", "vic")
