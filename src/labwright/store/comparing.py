"""Compares the data store with the journal: every document must be there, the same, and nothing else.

Read through Tiled's own catalogue and adapters, in this process and without HTTP: the requests, not the reading, take
most of the processor time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labwright.journal import closed_runs, read_run
from labwright.model.errors import JournalError, StoreError
from labwright.store.catalogue import stored_runs
from labwright.store.config import catalogue_uri, storage_uris

Documents = list[tuple[str, dict[str, Any]]]

RESERVED = ("time", "seq_num")
"""Names of Tiled's own columns; a reading of that name gets an underscore after it."""


@dataclass
class Comparison:
    """How the store compares with the journal.

    Attributes:
        documents: in the journal.
        missing: in the journal and not in the store, one line each.
        different: in both and not the same, one line each.
        extra: in the store and not in the journal's file of that run, one line each.
        unknown_runs: runs in the store of which the journal has no file.
    """

    documents: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unknown_runs: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether nothing is missing, different or extra."""
        return not (self.missing or self.different or self.extra or self.unknown_runs)


def compared(runs: Path, folder: Path) -> Comparison:
    """Compare every document of the journal with the store. Hold the store's lock meanwhile.

    Args:
        runs: folder of the run journals.
        folder: of the store.

    Raises:
        StoreError: the store cannot be read.
        JournalError: a run journal is damaged.
    """
    with ThreadPoolExecutor(1) as thread:  # a notebook has a running loop of its own
        return thread.submit(asyncio.run, _compared(runs, folder)).result()


async def _compared(runs: Path, folder: Path) -> Comparison:
    found = Comparison()
    stored = stored_runs(folder)
    known = set()
    async with _Catalogue(folder, stored) as catalogue:
        for path in closed_runs(runs):
            documents = read_run(path)
            if not documents or documents[0][0] != "start":
                raise JournalError(f"{path} does not begin with a start document; restore the file from a copy")
            uid = documents[0][1]["uid"]
            known.add(uid)
            found.documents += len(documents)
            if uid not in stored:
                found.missing += [f"{uid} {name}" for name, _ in documents]
                continue
            async for kind, words in _run_differences(documents, await catalogue.run(uid)):
                getattr(found, kind).append(f"{uid} {words}")
    found.unknown_runs += [uid for uid in stored if uid not in known]
    return found


class _Catalogue:
    """Tiled's catalogue, opened without a server."""

    def __init__(self, folder: Path, stored: Mapping[str, str]) -> None:
        self._folder = folder
        self._tree: Any = None
        self._empty = not stored

    async def __aenter__(self) -> _Catalogue:
        if self._empty:
            return self
        from sqlalchemy.exc import SQLAlchemyError
        from tiled.alembic_utils import DatabaseUpgradeNeeded, UninitializedDatabase
        from tiled.catalog import from_uri

        try:
            self._tree = from_uri(catalogue_uri(self._folder), writable_storage=list(storage_uris(self._folder)))
            await self._tree.startup()
        except (SQLAlchemyError, DatabaseUpgradeNeeded, UninitializedDatabase, OSError) as error:
            raise StoreError(
                f"the data store in {self._folder} cannot be read: {error}. It can be made again: delete that folder, "
                "then run labwright store sync"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tree is not None:
            await self._tree.shutdown()

    async def run(self, uid: str) -> Any:
        """The node of a run."""
        return await self._tree.lookup_adapter([uid])


async def _run_differences(documents: Documents, run: Any) -> AsyncIterator[tuple[str, str]]:
    from bluesky_tiled_plugins.utils import truncate_json_overflow

    kept = run.metadata()
    for name in ("start", "stop"):
        wanted = next((document for kind, document in documents if kind == name), None)
        if wanted is None:
            continue
        if not kept.get(name):
            yield "missing", name
            continue
        wanted = truncate_json_overflow(dict(wanted))
        for key, value in wanted.items():
            if not _same(value, kept[name].get(key)):
                yield "different", f"{name} {key}: {kept[name].get(key)!r} instead of {value!r}"
    streams = {name: node async for name, node in _children(run)}
    events: dict[str, list[dict[str, Any]]] = {}
    descriptors: dict[str, dict[str, Any]] = {}
    names: dict[str, str] = {}
    for kind, document in documents:
        if kind == "descriptor":
            names[document["uid"]] = document["name"]
            descriptors.setdefault(document["name"], document)
            events.setdefault(document["name"], [])
        elif kind == "event":
            events[names[document["descriptor"]]].append(document)
    for stream, wanted_events in events.items():
        if stream not in streams:
            yield "missing", f"descriptor {stream}"
            for event in wanted_events:
                yield "missing", f"event {stream} {event['seq_num']}"
            continue
        for difference in _descriptor_differences(stream, descriptors[stream], streams[stream].metadata()):
            yield difference
        async for difference in _event_differences(stream, wanted_events, streams[stream]):
            yield difference
    for stream in streams:
        if stream not in events:
            yield "extra", f"stream {stream}"


async def _children(node: Any) -> AsyncIterator[tuple[str, Any]]:
    page, start = 500, 0
    while True:
        found = await node.items_range(start, page)
        for name, child in found:
            yield name, child
        if len(found) < page:
            return
        start += page


def _descriptor_differences(stream: str, wanted: dict[str, Any], kept: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if kept.get("uid") != wanted["uid"]:
        yield "different", f"descriptor {stream} uid: {kept.get('uid')!r} instead of {wanted['uid']!r}"
    keys = kept.get("data_keys", {})
    for key, about in wanted["data_keys"].items():
        name = _column(key)
        if name not in keys:
            yield "different", f"descriptor {stream} has no {key}"
            continue
        for word in ("source", "dtype", "shape", "units"):
            if word in about and not _same(about[word], keys[name].get(word)):
                yield "different", f"descriptor {stream} {key} {word}: {keys[name].get(word)!r}, not {about[word]!r}"


async def _event_differences(stream: str, wanted: list[dict[str, Any]], node: Any) -> AsyncIterator[tuple[str, str]]:
    columns: dict[str, Any] = {}
    async for name, child in _children(node):
        try:
            data = await child.read()
        except _unreadable() as error:
            yield "different", f"{stream} {name} cannot be read: {error}"
            continue
        if str(child.structure_family) in ("table", "StructureFamily.table"):
            columns |= {column: list(data[column]) for column in data.columns}
        else:
            columns[name] = list(data)
    for index, event in enumerate(wanted):
        where = f"event {stream} {event['seq_num']}"
        expected = {"time": event["time"], "seq_num": event["seq_num"]}
        expected |= {_column(key): value for key, value in event["data"].items()}
        expected |= {f"ts_{_column(key)}": value for key, value in event["timestamps"].items()}
        for key, value in expected.items():
            if key not in columns or index >= len(columns[key]):
                yield "missing", f"{where} {key}"
            elif not _same(value, columns[key][index]):
                yield "different", f"{where} {key}: {columns[key][index]} instead of {value}"
    rows = max((len(values) for values in columns.values()), default=0)
    for index in range(len(wanted), rows):
        yield "extra", f"event {stream} row {index + 1}"


def _column(key: str) -> str:
    return f"{key}_" if key in RESERVED else key


def _unreadable() -> tuple[type[Exception], ...]:
    """What Tiled's adapters, DuckDB and the array files raise for data that are damaged or away."""
    import adbc_driver_manager

    return OSError, ValueError, KeyError, TypeError, RuntimeError, adbc_driver_manager.Error


def _same(wanted: Any, kept: Any) -> bool:
    """Equality as JSON has it: 1 is 1.0, a tuple is a list, an array is a list; nothing is rounded."""
    if hasattr(kept, "tolist"):
        kept = kept.tolist()
    if isinstance(wanted, Mapping):
        return (
            isinstance(kept, Mapping)
            and wanted.keys() == kept.keys()
            and all(_same(value, kept[key]) for key, value in wanted.items())
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(kept, (list, tuple))
            and len(wanted) == len(kept)
            and all(_same(one, other) for one, other in zip(wanted, kept, strict=True))
        )
    if wanted is None:
        return kept is None or (isinstance(kept, float) and math.isnan(kept))
    if isinstance(wanted, str) or isinstance(kept, str):
        return str(wanted) == str(kept)
    return bool(wanted == kept)
