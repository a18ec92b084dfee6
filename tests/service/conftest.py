"""What the tests of the service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.service.database import Door, door_place
from tests.service.described import held


@pytest.fixture(scope="package", autouse=True)
def _as_described() -> Iterator[None]:
    """Every answer is as `/openapi.json` says."""
    with held():
        yield


@pytest.fixture(params=["sqlite", "postgres"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """The service's database, beside a journal in SQLite and in PostgreSQL."""
    journal: str | Path = tmp_path / "journal.sqlite"
    if request.param == "postgres":
        journal = str(request.getfixturevalue("postgres").fresh_database())
    with Door(door_place(journal)) as one:
        yield one


@pytest.fixture
def file_door(tmp_path: Path) -> Iterator[Door]:
    """The service's database in a file."""
    with Door(door_place(tmp_path / "journal.sqlite")) as one:
        yield one
