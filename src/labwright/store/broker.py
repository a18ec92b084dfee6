"""Reading the store: Tiled's catalogue, databroker's face of it, and the proof that nothing is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labwright.journal import closed_runs, read_run
from labwright.store.server import ServerProcess


@contextmanager
def open_store(folder: Path) -> Iterator[Any]:
    """The catalogue of runs in `folder`, served by a process of our own; `.v1` is a databroker Broker.

    Raises:
        StoreError: the server does not come up.
    """
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
