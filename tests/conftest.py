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
    "engine/test_ledger.py",
    "engine/test_campaign.py",
    "cli/test_cli.py",
    "killing/test_matrix.py",
    "engine/test_two_campaigns.py",
    "testing/test_check_planner.py",
    "store/test_places.py",
    "journal/test_journal.py",
    "cli/test_unread.py",
    "planners/test_gp_goals.py",
    "cli/test_extend.py",
    "store/test_store.py",
    "test_docs.py",
    "devices/test_conformance.py",
    "cli/test_campaign_verbs.py",
    "killing/test_weather.py",
    "labs/test_solvents.py",
    "engine/test_lost_on_wires.py",
    "labs/test_who_may_start.py",
    "labs/test_fourways.py",
    "golden/test_upgrade.py",
    "engine/test_batches_on_wires.py",
    "engine/test_stopping.py",
    "cli/test_serve.py",
    "service/test_parity.py",
    "client/test_client.py",
    "test_notebook.py",
    "store/test_campaign_and_store.py",
    "engine/test_foresight.py",
    "benchmarks/test_orders.py",
    "labs/test_fault_runs.py",
    "killing/test_pauses.py",
    "cli/test_planner_verbs.py",
    "cli/test_inventory.py",
    "stations/test_sharing.py",
    "killing/test_parts.py",
    "journal/test_lock.py",
    "service/test_openapi.py",
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
