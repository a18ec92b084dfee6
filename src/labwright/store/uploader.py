"""The controller's side of the upload: it queues the names of runs, and never waits for the store."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import orjson

from labwright.journal import run_files
from labwright.model.errors import StoreError
from labwright.store.server import last_line
from labwright.store.upload import REFUSED_CODE

CRASHES_MOST = 3
"""An uploading process that ends so often in a row without a run more in the store is not started again."""

LOG_FILE = "upload.log"
"""In the store's folder: errors of the uploading process."""


@dataclass(frozen=True)
class UploadSummary:
    """How the upload stands.

    Attributes:
        uploaded: runs written now.
        already: runs that were there before.
        failed: reason, by run, for those that cannot be uploaded (a damaged file).
        missing: runs that are not there yet; a later upload takes them.
        going_on: whether a process continues to upload them in the background.
        remade: why the store was emptied and filled again from the journal; empty if it was not.
        trouble: reason why runs are missing or why the store cannot be used; empty if not known.
    """

    uploaded: int
    already: int
    failed: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    going_on: bool = False
    remade: str = ""
    trouble: str = ""

    def __str__(self) -> str:
        text = f"{self.uploaded} runs uploaded, {self.already} were there before"
        if self.remade:
            text = f"made again from the journal ({self.remade}): {text}"
        if self.failed:
            text += "; cannot be uploaded: " + "; ".join(f"{uid}: {why}" for uid, why in self.failed.items())
        if self.missing and self.going_on:
            text += f"; {len(self.missing)} more follow in the background (the journal has them)"
        elif self.missing:
            text += f"; {len(self.missing)} are missing (the journal has them; upload with: labwright store sync)"
        if self.trouble and not self.going_on:
            text += f"; reason: {self.trouble}"
        return text

    @property
    def complete(self) -> bool:
        """Whether every run of the journal is in the store."""
        return not (self.missing or self.failed or self.trouble)


class Uploader:
    """A process that uploads, fed by a thread of its own, so that the caller never waits.

    Args:
        runs: folder of the run journals.
        folder: of the store.
    """

    def __init__(self, runs: Path, folder: Path) -> None:
        self._runs = runs
        self._folder = folder
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._states: dict[str, tuple[str, str]] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._threads: list[threading.Thread] = []
        self._left_behind = False
        self._remade = ""
        self._refused = ""
        self._late = ""
        self._log_began: int | None = None

    def __enter__(self) -> Uploader:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The uploading process, if it runs."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the process; returns at once.

        Raises:
            StoreError: its folder cannot be used.
        """
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._spawn()
        except OSError as error:
            raise StoreError(f"the store's folder {self._folder} cannot be used: {error}") from error

    def notify(self, path: Path) -> None:
        """Queue a closed run; returns at once, even if the process is stopped or dead."""
        self._lines.put(path.name)

    def drain(self, timeout_s: float) -> UploadSummary:
        """Wait until everything is uploaded, at most `timeout_s` wall seconds; a dead process is started again."""
        deadline = time.monotonic() + timeout_s
        crashes, there = 0, -1
        while (left := deadline - time.monotonic()) > 0:
            child = self._child
            if child is None:
                self._spawn()
                continue
            self._lines.put(None)
            try:
                code = child.wait(left)
            except subprocess.TimeoutExpired:
                self._late = f"the upload had not ended after {timeout_s:g} s (labwright store sync --timeout)"
                break
            self._reap()
            if code == REFUSED_CODE or (code == 0 and not self._missing()):
                break
            crashes, before, there = crashes + 1, there, len(self._there())
            if there > before:
                crashes = 1
            if crashes >= CRASHES_MOST:
                break
        self.stop()
        return self._summary()

    def _summary(self) -> UploadSummary:
        states = list(self._states.values())
        missing = tuple(self._missing())
        failed = {uid: why for uid, (state, why) in self._states.items() if state == "failed"}
        return UploadSummary(
            uploaded=sum(state == "uploaded" for state, _ in states),
            already=sum(state == "already" for state, _ in states),
            failed=failed,
            missing=missing,
            going_on=self._left_behind,
            remade=self._remade,
            trouble=self._refused or (self._trouble() if missing else ""),
        )

    def finish(self, wait_s: float) -> UploadSummary:
        """Wait at most `wait_s` wall seconds; after that the process finishes by itself."""
        self._lines.put(None)
        if self._child is not None:
            try:
                self._child.wait(wait_s)
            except subprocess.TimeoutExpired:
                self._child = None  # it has its own session, uploads the rest, and ends
                self._left_behind = True
            else:
                self._reap()
        return self._summary()

    def stop(self) -> None:
        """End the process now; later uploads take what is missing."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(10)
            self._reap()

    def _there(self) -> set[str]:
        return {uid for uid, (state, _) in self._states.items() if state in ("uploaded", "already", "failed")}

    def _trouble(self) -> str:
        """Reason reported for the last run that was not uploaded, or else the last line of the log."""
        reasons = [why for state, why in self._states.values() if state in ("waiting", "refused") and why]
        if reasons:
            return reasons[-1]
        return last_line(self._folder / LOG_FILE, self._log_began or 0).removeprefix(": ") or self._late

    def _missing(self) -> list[str]:
        there = self._there()
        return [uid for uid in run_files(self._runs) if uid not in there]

    def _spawn(self) -> None:
        self._lines = queue.SimpleQueue()
        with (self._folder / LOG_FILE).open("ab") as log:
            if self._log_began is None:
                self._log_began = log.tell()
            child = self._child = subprocess.Popen(  # noqa: S603 - our own module in our own interpreter
                [
                    sys.executable,
                    "-m",
                    "labwright.store",
                    "upload",
                    str(self._runs.resolve()),
                    str(self._folder.resolve()),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the campaign
            )
        self._threads = [
            threading.Thread(target=self._write, args=(child, self._lines), daemon=True),
            threading.Thread(target=self._read, args=(child,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _reap(self) -> None:
        self._lines.put(None)
        for thread in self._threads:
            thread.join(timeout=10)
        if self._child is not None and self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # buffered lines for a dead process
                self._child.stdin.close()
        self._child = None

    @staticmethod
    def _write(child: subprocess.Popen[bytes], lines: queue.SimpleQueue[str | None]) -> None:
        assert child.stdin is not None  # noqa: S101 - opened as a pipe
        try:
            while (line := lines.get()) is not None:
                child.stdin.write(orjson.dumps(line) + b"\n")
                child.stdin.flush()
            child.stdin.close()
        except (BrokenPipeError, OSError):  # the process has died; the next one reads the folder again
            return

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None  # noqa: S101 - opened as a pipe
        with child.stdout:
            for line in child.stdout:
                report = orjson.loads(line)
                if report["uid"]:
                    self._states[report["uid"]] = (report["state"], report["reason"])
                elif report["state"] == "remade":
                    self._remade = report["reason"]
                else:
                    self._refused = report["reason"]
