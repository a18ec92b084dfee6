"""What all tests share."""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Before numpy is loaded: as in the planner's worker process.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, postgres_or_skip

# A busy machine is slow, not wrong; in CI Hypothesis draws the same examples each time by itself.
settings.register_profile("labwright", settings.default, deadline=None)
settings.load_profile("labwright")


LONG = (
    "cli/test_cli.py",
    "killing/test_matrix.py",
    "engine/test_two_campaigns.py",
    "journal/test_journal.py",
    "cli/test_campaign_verbs.py",
    "store/test_places.py",
    "testing/test_contract.py",
    "cli/test_unread.py",
    "labs/test_who_may_start.py",
    "killing/test_weather.py",
    "engine/test_campaign.py",
    "store/test_store.py",
    "test_docs.py",
    "testing/test_check_planner.py",
    "store/test_campaign_and_store.py",
    "test_notebook.py",
    "journal/test_lock.py",
    "planners/test_gp_goals.py",
    "labs/test_fourways.py",
    "engine/test_ledger.py",
    "killing/test_pauses.py",
    "devices/test_conformance.py",
    "cli/test_planner_verbs.py",
    "simulation/test_restart.py",
    "labs/test_golden.py",
)
"""Files of ten seconds and more, the longest first (`pytest --durations`)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files: one that is begun last has only one core at work."""
    tests = Path(__file__).parent
    place = {tests / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))


# Collecting makes very many objects, all of which stay: looking among them for garbage took a third of its time.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on there is garbage to be found, but not among what was collected."""
    gc.freeze()
    gc.enable()


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
