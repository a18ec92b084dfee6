"""What all tests share."""

import os
from collections.abc import Iterator

# Before numpy is loaded: as in the planner's worker process.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, postgres_or_skip

# A busy machine is slow, not wrong; in CI Hypothesis draws the same examples each time by itself.
settings.register_profile("labwright", settings.default, deadline=None)
settings.load_profile("labwright")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL per test process that asks for it; take a `fresh_database` of it."""
    server = postgres_or_skip()
    yield server
    server.stop()
