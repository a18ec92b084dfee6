"""Uploads closed run journals into Tiled: `python -m labwright.store upload RUNS FOLDER`.

The parent writes the path of every finished run to our standard input; its end means: upload what is left, then exit.
Uploading twice is harmless: a run whose stop document is there already is left alone, anything less is deleted and
written again. Tiled is an index that can be rebuilt; the journal is the archive.
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

from labwright.journal import closed_runs, read_run
from labwright.model.errors import JournalError, StoreError
from labwright.store.server import ServerProcess

RETRY_WAIT_S = 0.5

REFUSED_MOST = 3
"""A run the server has refused so often is left in the journal, and the others go on."""

_END = None


def upload(runs: Path, folder: Path, deadline_s: float) -> int:
    """Upload until standard input ends and everything is there; 1 if something is not after `deadline_s` more.

    Args:
        runs: folder of the run journals.
        folder: of the store.
        deadline_s: wall seconds after the end of the input.
    """
    # Tiled's client retries for a minute by itself; we know better what to do when the server is dead.
    os.environ.setdefault("TILED_RETRY_ATTEMPTS", "1")
    os.environ.setdefault("TILED_RETRY_TIMEOUT", "2")
    folder.mkdir(parents=True, exist_ok=True)
    # One uploader per store: DuckDB has one writer, and two would upload everything twice.
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(waiting,), daemon=True).start()
    for path in closed_runs(runs):
        waiting.put(path)
    server = ServerProcess(folder)
    store = _Store(server)
    try:
        return _loop(waiting, store, deadline_s)
    finally:
        store.close()
        server.stop()
        lock.close()


def _loop(waiting: queue.SimpleQueue[Path | None], store: _Store, deadline_s: float) -> int:
    left: dict[str, Path] = {}
    seen: set[str] = set()
    refused: Counter[str] = Counter()
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
            _tell(uid, state, reason)
            if state == "waiting":
                break  # the server is away; the next would fail alike
            if state != "refused":
                del left[uid]
        if deadline is not None and waiting.empty():
            if not left:
                return 0
            if time.monotonic() > deadline:
                print(f"not uploaded after {deadline_s:g} s: {', '.join(left)}", file=sys.stderr)  # noqa: T201
                return 1


def _listen(waiting: queue.SimpleQueue[Path | None]) -> None:
    for line in sys.stdin:
        if line.strip():
            waiting.put(Path(line.strip()))
    waiting.put(_END)


def _tell(uid: str, state: str, reason: str) -> None:
    line = orjson.dumps({"uid": uid, "state": state, "reason": reason}) + b"\n"
    try:
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
    except BrokenPipeError:  # the parent has gone; the work goes on
        sys.stdout = open(os.devnull, "w")


class _Store:
    """The connection to the server; made again whenever it breaks."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._client: Any = None

    def put(self, uid: str, path: Path) -> tuple[str, str]:
        """Upload one run, and why if it did not go.

        Returns:
            ``uploaded``; ``already``; ``waiting``: no server, try again; ``refused``: by the server, perhaps for good;
            ``failed``: it never will.
        """
        import httpx
        from tiled.client.utils import ClientError

        try:
            documents = read_run(path)
        except JournalError as error:
            return "failed", str(error)
        if not documents or documents[0][0] != "start" or documents[-1][0] != "stop":
            return "failed", f"{path} holds no whole run"
        try:
            return self._put(uid, documents), ""
        except (httpx.HTTPError, StoreError, ConnectionError, TimeoutError) as error:
            self._client = None
            return "waiting", f"{type(error).__name__}: {error}"
        except (ClientError, ValueError, TypeError, KeyError) as error:
            self._client = None
            return "refused", f"{type(error).__name__}: {error}"

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.context.close()
            self._client = None

    def _put(self, uid: str, documents: list[tuple[str, dict[str, Any]]]) -> str:
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
            raise StoreError(f"run {uid} was written, but its stop document is not there")
        return "uploaded"

    def _connected(self) -> Any:
        from tiled.client import from_uri

        if self._client is None or not self._server.alive:
            self._client = from_uri(self._server.url())
        return self._client
