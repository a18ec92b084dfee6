"""Uploads closed run journals into Tiled: `python -m labwright.store upload RUNS FOLDER`.

The parent writes the name of every finished run to our standard input, as a JSON string on a line; the end of the input
means: upload what is left, then exit. Uploading twice is harmless: a run whose stop document is there already is left
alone, anything less is deleted and written again. Tiled is an index that can be made again from the journal, and is,
where its catalogue belongs to another folder.
"""

from __future__ import annotations

import fcntl
import os
import queue
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from labwright.journal import closed_runs, read_run, run_files
from labwright.model.errors import JournalError, StoreError
from labwright.store.catalogue import empty, misplaced, stored_runs
from labwright.store.importing import importing
from labwright.store.server import ServerProcess

RETRY_WAIT_S = 0.5

REFUSED_CODE = 3
"""Exit code: the store cannot be used as it is; starting again would not change that."""

REFUSED_MOST = 3
"""After so many refusals of a run by the server, the other runs are uploaded without it."""

_END = None


def upload(runs: Path, folder: Path, deadline_s: float) -> int:
    """Upload until standard input ends and everything is there; 1 if something is not after `deadline_s` more.

    Args:
        runs: folder of the run journals.
        folder: of the store.
        deadline_s: wall seconds after the end of the input.
    """
    # Tiled's client retries for a minute by itself; here a dead server is started again at once.
    os.environ.setdefault("TILED_RETRY_ATTEMPTS", "1")
    os.environ.setdefault("TILED_RETRY_TIMEOUT", "2")
    folder.mkdir(parents=True, exist_ok=True)
    # One uploader per store: DuckDB has one writer, and two would upload everything twice.
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(runs, waiting), daemon=True).start()
    try:
        _make_again_if_misplaced(runs, folder)
        stored = stored_runs(folder)
    except StoreError as error:
        _report("", "refused", str(error))
        return REFUSED_CODE
    for path in closed_runs(runs):
        waiting.put(path)
    server = ServerProcess(folder)
    store = _Store(server, stored)
    try:
        return _loop(waiting, store, deadline_s)
    finally:
        store.close()
        server.stop()
        lock.close()


def _make_again_if_misplaced(runs: Path, folder: Path) -> None:
    """Empty a store that was made in another folder; what is uploaded next fills it.

    Raises:
        StoreError: it holds runs that the journal does not have, or cannot be read or emptied.
    """
    why = misplaced(folder)
    if not why:
        return
    lost = sorted(set(stored_runs(folder)) - set(run_files(runs)))
    if lost:
        raise StoreError(
            f"the data store in {folder} was moved, copied or restored ({why}) and must be made again, but {len(lost)} "
            f"of its runs are not in {runs}, {lost[0]} among them. Nothing was deleted. Put their files back there, or "
            f"move {folder} out of the way, then run labwright store sync"
        )
    empty(folder)
    _report("", "remade", why)


def _loop(waiting: queue.SimpleQueue[Path | None], store: _Store, deadline_s: float) -> int:
    left: dict[str, Path] = {}
    seen: set[str] = set()
    refused: Counter[str] = Counter()
    reported: dict[str, str] = {}
    deadline: float | None = None
    while True:
        try:
            item = waiting.get(timeout=RETRY_WAIT_S if left else None)
        except queue.Empty:
            item = Path()
        if item is _END:
            deadline = time.monotonic() + deadline_s
        elif item != Path():
            uid = item.name.split(".")[0]
            if uid not in seen:
                seen.add(uid)
                left[uid] = item
        for uid, path in list(left.items()):
            state, reason = store.put(uid, path)
            refused[uid] += state == "refused"
            if refused[uid] >= REFUSED_MOST:
                state = "failed"
            _report(uid, state, reason)
            if reason and reason != reported.get(uid):
                reported[uid] = reason
                _log(f"{uid} {state}: {reason}")
            if state == "waiting":
                break  # no server: the next run would fail as well
            if state != "refused":
                del left[uid]
        if deadline is not None and waiting.empty():
            if not left:
                return 0
            if time.monotonic() > deadline:
                _log(f"not uploaded after {deadline_s:g} s: {', '.join(left)}")
                return 1


def _listen(runs: Path, waiting: queue.SimpleQueue[Path | None]) -> None:
    for line in sys.stdin.buffer:
        waiting.put(runs / orjson.loads(line))
    waiting.put(_END)


def _log(words: str) -> None:
    """A line for upload.log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC {words}", file=sys.stderr, flush=True)  # noqa: T201


def _report(uid: str, state: str, reason: str) -> None:
    line = orjson.dumps({"uid": uid, "state": state, "reason": reason}) + b"\n"
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    except BrokenPipeError:  # the parent has ended; the upload continues
        sys.stdout = open(os.devnull, "w")


def _reason(error: Exception) -> str:
    """The first line of an error; Tiled's others are an address of a manual and a number that is new each time."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


class _Store:
    """The connection to the server; opened again after each failure."""

    def __init__(self, server: ServerProcess, stored: dict[str, str]) -> None:
        self._server = server
        self._stored = stored
        self._client: Any = None

    def put(self, uid: str, path: Path) -> tuple[str, str]:
        """Upload one run, and the reason if it was not uploaded.

        Returns:
            ``uploaded``; ``already`` there; ``waiting``: no server, try again; ``refused`` by the server, perhaps for
            good; ``failed``: it cannot be uploaded.
        """
        with importing():
            import httpx
            from tiled.client.utils import ClientError

        try:
            documents = read_run(path)
        except JournalError as error:
            return "failed", str(error)
        if not documents or documents[0][0] != "start" or documents[-1][0] != "stop":
            return "failed", f"{path} does not hold a complete run"
        if self._stored.get(uid) == documents[-1][1]["uid"]:
            return "already", ""
        try:
            return self._put(uid, documents), ""
        except (ClientError, httpx.HTTPStatusError, ValueError, TypeError, KeyError) as error:
            self._client = None
            return "refused", _reason(error)
        except (httpx.HTTPError, StoreError, ConnectionError, TimeoutError) as error:
            self._client = None
            return "waiting", _reason(error)

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.context.close()
            self._client = None

    def _put(self, uid: str, documents: list[tuple[str, dict[str, Any]]]) -> str:
        self._server.begin()  # it imports for seconds, as we do
        with importing():
            from bluesky_tiled_plugins import TiledWriter

        client = self._connected()
        if uid in client:
            stop = client[uid].metadata.get("stop") or {}
            if stop.get("uid") == documents[-1][1]["uid"]:
                return "already"
            client[uid].delete(recursive=True, external_only=False)
        # max_array_size=0: otherwise short arrays become strings in a table.
        writer = TiledWriter(client, batch_size=10_000, max_array_size=0)
        for name, document in documents:
            writer(name, document)
        stop = client[uid].metadata.get("stop") or {}
        if stop.get("uid") != documents[-1][1]["uid"]:
            raise StoreError(f"run {uid} was written, but its stop document is missing")
        return "uploaded"

    def _connected(self) -> Any:
        if self._client is None or not self._server.alive:
            self._client = self._server.client()
        return self._client
