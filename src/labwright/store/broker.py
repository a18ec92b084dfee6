"""Reading the store: Tiled's catalogue, databroker's face of it, and the comparison with the journal."""

from __future__ import annotations

import fcntl
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labwright.model.errors import StoreError
from labwright.store.catalogue import misplaced
from labwright.store.comparing import Comparison, compared
from labwright.store.server import ServerProcess

LOCK_WAIT_S = 300.0
"""An upload in the background takes a minute or two; a reader waits for it at most this long."""


@contextmanager
def open_store(folder: Path, report: Callable[[str], None] = lambda words: None) -> Iterator[Any]:
    """The catalogue of runs in `folder`, served by a process of its own; `.v1` is a databroker Broker.

    Args:
        folder: of the store.
        report: called with a message if another process uses the store and must be waited for.

    Raises:
        StoreError: the store was made in another folder, the server does not start, or the other process does not end.
    """
    with _alone(folder, report):
        _belongs(folder)
        yield from _served(folder)


def verify(runs: Path, folder: Path, report: Callable[[str], None] = lambda words: None) -> Comparison:
    """Compare every document of the journal with the store.

    Args:
        runs: folder of the run journals.
        folder: of the store.
        report: called with a message if another process uses the store and must be waited for.

    Raises:
        StoreError: the store cannot be read, or was made in another folder.
        JournalError: a run journal is damaged.
    """
    with _alone(folder, report):
        _belongs(folder)
        return compared(runs, folder)


def _belongs(folder: Path) -> None:
    if why := misplaced(folder):
        raise StoreError(
            f"the data store in {folder} was moved, copied or restored: {why}. Make it again from the journal with: "
            f"labwright store sync --data {shlex.quote(str(folder.parent))}"
        )


@contextmanager
def _alone(folder: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the store's lock: DuckDB has one writer, so an uploader and a reader exclude each other."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise StoreError(f"the store's folder {folder} cannot be used: {error}") from error
    with lock:
        deadline = time.monotonic() + LOCK_WAIT_S
        waited = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waited:
                    report(f"another process uses {folder}, perhaps an upload; waiting until it ends")
                    waited = True
                if time.monotonic() > deadline:
                    raise StoreError(f"{folder} is still in use after {LOCK_WAIT_S:g} s; try again later") from None
                time.sleep(0.2)
        yield


def _served(folder: Path) -> Iterator[Any]:
    server = ServerProcess(folder)
    client: Any = None
    try:
        client = server.client()
        yield client
    finally:
        if client is not None:
            client.context.close()
        server.stop()
