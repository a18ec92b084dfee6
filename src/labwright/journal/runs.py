"""The journal of Bluesky runs: one file per run, a checked line per document, on the disk before the run continues.

A line is the CRC-32 of its JSON in eight hex digits, a blank, and the JSON of ``[name, document]``. While the run is
open its file is called ``<uid>.open.jsonl`` and locked by its writer; closed, it is ``<uid>.jsonl``. NaN and infinity
are refused: JSON cannot express them, and a reading that is not a number is a fault to report, not a value to record.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import math
import os
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import orjson

from labwright.model.errors import ConfigError, JournalError

Document = tuple[str, dict[str, Any]]

OPEN, CLOSED = ".open.jsonl", ".jsonl"
_RECOVERED = uuid.UUID("6f1c1c5e-6c55-5d0e-9d0b-0a6a2c3f5b11")
"""Namespace of the stop documents `recover` writes, so that recovering twice gives the same uid."""


class RunJournal:
    """A Bluesky subscriber that records every document; several RunEngines may share one.

    Args:
        folder: of the runs; created if it does not exist.

    Raises:
        JournalError: the folder cannot be created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, FileIO] = {}
        self._run_of: dict[str, str] = {}
        self._descriptors: dict[str, list[str]] = {}
        self._broken: dict[str, str] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._numbers = itertools.count(1 + sum(name.endswith(CLOSED) for name in os.listdir(folder)))
        except OSError as error:
            raise _failed(folder, error) from error

    def number(self, metadata: Any = None) -> int:
        """A scan id that no other run in this folder has, for all RunEngines that share the journal."""
        return next(self._numbers)

    def __call__(self, name: str, document: Mapping[str, Any]) -> None:
        """Record one document.

        Raises:
            JournalError: it is not safely on the disk; the run must end.
        """
        run = self._run(name, document)
        if run in self._broken:
            raise JournalError(f"the journal of run {run} cannot be written any more: {self._broken[run]}")
        # No lock while writing: only its own station writes a run, and the other stations must not wait for it.
        try:
            if name == "start":
                self._open(run)
            self._write(run, encode(name, document))
            if name == "stop":
                self._close(run)
        except OSError as error:
            self._broken[run] = str(error)
            self._release(run)
            raise _failed(self.folder / (run + OPEN), error) from error

    def close(self) -> None:
        """Close the files of runs that are still open; `recover` adds their stop documents."""
        for run in list(self._files):
            self._release(run)

    def path(self, run: str) -> Path:
        """The file of a closed run."""
        return self.folder / (run + CLOSED)

    def _run(self, name: str, document: Mapping[str, Any]) -> str:
        if name == "start":
            return str(document["uid"])
        if name == "stop":
            run = str(document["run_start"])
            for descriptor in self._descriptors.pop(run, ()):
                del self._run_of[descriptor]
            return run
        if name == "descriptor":
            self._descriptors.setdefault(document["run_start"], []).append(document["uid"])
            self._run_of[document["uid"]] = document["run_start"]
            return str(document["run_start"])
        return self._run_of.get(document.get("descriptor", ""), "unknown")

    def _open(self, run: str) -> None:
        # Locked before it gets the name that `recover` looks for: another campaign must not take it for a crashed run.
        path = f"{self.folder}/{run}"
        file = FileIO(path + ".part", "xb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(path + ".part", path + OPEN)
        self._files[run] = file
        _sync(self.folder)

    def _write(self, run: str, line: bytes) -> None:
        file = self._files.get(run)
        if file is None:
            raise OSError(f"run {run} is not open")
        written = file.write(line)
        if written != len(line):  # a full disk may take a part of a line before it refuses
            raise OSError(f"only {written} of {len(line)} bytes were written; the disk is full")
        os.fsync(file.fileno())

    def _close(self, run: str) -> None:
        # The new name need not be synced: after a power cut `recover` finds the old one, with all documents.
        path = f"{self.folder}/{run}"
        os.rename(path + OPEN, path + CLOSED)
        self._release(run)

    def _release(self, run: str) -> None:
        file = self._files.pop(run, None)
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


@dataclass(frozen=True)
class Recovered:
    """A run that was left open and is closed now.

    Attributes:
        uid: of the run.
        documents: how many were recorded, without the stop that was added.
        lost_bytes: length of the incomplete last line that was removed.
    """

    uid: str
    documents: int
    lost_bytes: int


def encode(name: str, document: Mapping[str, Any]) -> bytes:
    """The line of a document.

    Raises:
        JournalError: it holds something that JSON cannot express, such as NaN.
    """
    _check_finite(name, document)
    try:
        body = orjson.dumps([name, document], option=orjson.OPT_SERIALIZE_NUMPY, default=_plain)
    except TypeError as error:
        raise JournalError(f"a {name} document cannot be written as JSON: {error}") from error
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> Document:
    """The document of a line.

    Raises:
        ValueError: the line is damaged.
    """
    if len(line) < 10 or line[8:9] != b" " or not line.endswith(b"\n"):
        raise ValueError("no complete line")
    body = line[9:-1]
    if int(line[:8], 16) != zlib.crc32(body):
        raise ValueError("its checksum is wrong")
    name, document = orjson.loads(body)
    return name, document


def read_run(path: Path) -> list[Document]:
    """All documents of a run.

    Raises:
        JournalError: at file and line, if one is damaged.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error}") from error
    documents = []
    for number, line in enumerate(lines, 1):
        try:
            documents.append(decode(line))
        except ValueError as error:
            raise JournalError(f"{path}:{number}: {error}; restore the file from a copy") from error
    return documents


def closed_runs(folder: Path) -> list[Path]:
    """Files of all closed runs, oldest first: by the time and the scan id in their start documents.

    The times of the files are not used: a copy, a restored backup or a checkout has new ones.
    """
    return sorted(run_files(folder).values(), key=_begun)


def run_files(folder: Path) -> dict[str, Path]:
    """Files of all closed runs by uid, in no particular order; no file is opened."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return {}
    return {
        name.removesuffix(CLOSED): folder / name for name in names if name.endswith(CLOSED) and not name.endswith(OPEN)
    }


def _begun(path: Path) -> tuple[float, int, str]:
    """Sort key of a run, from its first line alone; a file without a readable start comes first."""
    try:
        with path.open("rb") as file:
            _, start = decode(file.readline())
        return float(start["time"]), int(start.get("scan_id", 0)), path.name
    except (OSError, ValueError, KeyError, TypeError):
        return -math.inf, 0, path.name


def find_run(folder: Path, uid: str) -> Path:
    """The file of the closed run whose uid begins with `uid`.

    Raises:
        ConfigError: none does, or several do.
    """
    known = run_files(folder)
    fitting = [path for name, path in known.items() if name.startswith(uid)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ConfigError(f"{uid!r} fits {len(fitting)} runs; give more of it")
    raise ConfigError(f"no run begins with {uid!r} in {folder} ({len(known)} runs there; labwright run list)")


def recover(folder: Path) -> list[Recovered]:
    """Close the runs that a crash left open: remove an incomplete last line, add a stop; skip runs being written.

    Raises:
        JournalError: a line in the middle is damaged, or the disk refuses.
    """
    left_open = sorted(folder.glob("*" + OPEN), key=_begun)
    return [one for path in left_open if (one := _recover_one(path)) is not None]


def _recover_one(path: Path) -> Recovered | None:
    uid = path.name.removesuffix(OPEN)
    try:
        with path.open("r+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None  # its writer is running
            data = file.read()
            good, documents = 0, []
            for line in data.splitlines(keepends=True):
                try:
                    documents.append(decode(line))
                except ValueError as error:
                    if good + len(line) < len(data):
                        raise JournalError(
                            f"{path}: line {len(documents) + 1} of several is damaged: {error}"
                        ) from error
                    break
                good += len(line)
            file.truncate(good)
            if not documents:
                path.unlink()  # not even its start document is complete: nothing was measured
                return Recovered(uid, 0, len(data) - good)
            if documents[-1][0] != "stop":
                file.seek(good)
                file.write(encode("stop", _stop(uid, documents)))
            os.fsync(file.fileno())
            path.rename(path.with_name(uid + CLOSED))
        _sync(path.parent)
    except FileNotFoundError:
        return None  # its writer has closed it in the meantime
    except OSError as error:
        raise _failed(path, error) from error
    return Recovered(uid, len(documents), len(data) - good)


def _stop(uid: str, documents: list[Document]) -> dict[str, Any]:
    streams = {doc["uid"]: doc.get("name", "primary") for name, doc in documents if name == "descriptor"}
    counts = dict.fromkeys(streams.values(), 0)
    for name, document in documents:
        if name == "event":
            counts[streams[document["descriptor"]]] += 1
    times = [document["time"] for name, document in documents if isinstance(document.get("time"), float)]
    return {
        "uid": str(uuid.uuid5(_RECOVERED, uid)),
        "run_start": uid,
        "time": max(times, default=time.time()),
        "exit_status": "fail",
        "reason": "controller crashed; journal recovered",
        "num_events": counts,
    }


def _check_finite(name: str, document: Mapping[str, Any]) -> None:
    for where, value in _floats(document, ""):
        if not math.isfinite(value):
            what = f"{where.lstrip('.')} in a {name} document is {value}"
            raise JournalError(f"{what}; a reading must be a finite number")


def _floats(value: Any, where: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield where, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _floats(one, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from _floats(one, f"{where}[{index}]")
    elif getattr(value, "dtype", None) is not None and value.dtype.kind == "f":
        for index, one in enumerate(value.reshape(-1)):
            yield f"{where}[{index}]", float(one)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r}")


def _sync(folder: Path | str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"the journal cannot write {path}: {error}. No operation starts without it: "
        "free or mount the disk, then run again"
    )
