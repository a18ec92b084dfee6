"""Reading the store: Tiled's catalogue, databroker's face of it, and the proof that nothing is missing."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labwright.journal import closed_runs, read_run
from labwright.model.errors import StoreError
from labwright.store.server import ServerProcess

LOCK_WAIT_S = 300.0
"""An upload in the background ends in a minute or two; whoever reads the store waits for it, at most this long."""


@contextmanager
def open_store(folder: Path, told: Callable[[str], None] = lambda words: None) -> Iterator[Any]:
    """The catalogue of runs in `folder`, served by a process of our own; `.v1` is a databroker Broker.

    Args:
        folder: of the store.
        told: told what is waited for, if another process is at work on the store.

    Raises:
        StoreError: the server does not come up, or the other process does not end.
    """
    with _alone(folder, told):
        yield from _served(folder)


@contextmanager
def _alone(folder: Path, told: Callable[[str], None]) -> Iterator[None]:
    """The tables have one writer and one server: an uploader, or a reader."""
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
                    told(f"another process is at work on {folder}, an upload perhaps; waiting for it to end")
                    waited = True
                if time.monotonic() > deadline:
                    raise StoreError(f"{folder} is still in use after {LOCK_WAIT_S:g} s; try again later") from None
                time.sleep(0.2)
        yield


def _served(folder: Path) -> Iterator[Any]:
    from tiled.client import from_uri

    server = ServerProcess(folder)
    client: Any = None
    try:
        client = from_uri(server.url())
        yield client
    finally:
        if client is not None:
            client.context.close()
        server.stop()


def missing(runs: Path, client: Any) -> list[str]:
    """What the journal has and the store does not give back: one line for each document.

    Args:
        runs: folder of the run journals.
        client: the catalogue, as `open_store` gives it.
    """
    found: list[str] = []
    for path in closed_runs(runs):
        documents = read_run(path)
        uid = documents[0][1]["uid"]
        if uid not in client:
            found += [f"{uid} {name}" for name, _ in documents]
            continue
        found += [f"{uid} {one}" for one in _missing_of(documents, client[uid])]
    return found


def _missing_of(documents: list[tuple[str, dict[str, Any]]], run: Any) -> Iterator[str]:
    for name in ("start", "stop"):
        kept = run.metadata.get(name) or {}
        wanted = next(document for kind, document in documents if kind == name)
        if kept.get("uid") != wanted["uid"]:
            yield name
    events: dict[str, list[dict[str, Any]]] = {}
    streams = {document["uid"]: document["name"] for kind, document in documents if kind == "descriptor"}
    for kind, document in documents:
        if kind == "event":
            events.setdefault(streams[document["descriptor"]], []).append(document)
    there = set(run)
    for stream in streams.values():
        if stream not in there:
            yield f"descriptor {stream}"
            yield from (f"event {stream} {one['seq_num']}" for one in events.get(stream, []))
    for stream, wanted_events in events.items():
        if stream in there:
            yield from _missing_events(stream, wanted_events, run[stream].read())


def _missing_events(stream: str, wanted: list[dict[str, Any]], data: Any) -> Iterator[str]:
    import numpy as np

    for index, event in enumerate(wanted):
        for key, value in event["data"].items():
            if key not in data or index >= len(data[key]):
                yield f"event {stream} {event['seq_num']} {key}"
                continue
            kept = np.asarray(data[key].values[index])
            same = kept.shape == np.shape(value) and (
                bool(np.array_equal(kept, np.asarray(value))) if not isinstance(value, str) else str(kept) == value
            )
            if not same:
                yield f"event {stream} {event['seq_num']} {key}: {kept} instead of {value}"
