"""What all tests share."""

import os
import signal
from collections.abc import Iterator

# Before numpy is loaded: as in the planner's worker process.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, postgres_or_skip

# A busy machine is slow, not wrong; in CI Hypothesis draws the same examples each time by itself.
settings.register_profile("labwright", settings.default, deadline=None)
settings.load_profile("labwright")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Tests that interrupt a process of theirs mean one begun at a terminal; it inherits what this one ignores."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has put the tests into the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup; it holds for the tests themselves
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL per test process that asks for it; take a `fresh_database` of it."""
    server = postgres_or_skip()
    yield server
    server.stop()
