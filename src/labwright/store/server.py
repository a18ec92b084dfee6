"""The Tiled server as a process of its own: `python -m labwright.store serve FOLDER`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from labwright.model.errors import StoreError
from labwright.store.config import URL_FILE, api_key, catalogue_uri, server_config
from labwright.store.importing import importing

START_TIMEOUT_S = 90.0
"""Tiled imports for ten seconds on an idle machine; a busy one takes longer."""

SERVER_LOG = "server.log"
"""In the store's folder: what the server printed since its last start."""


def serve(folder: Path, parent: int) -> None:
    """Serve until SIGTERM, or until the process `parent` has gone; the address is in FOLDER/url while it answers."""
    stopping = threading.Event()
    threading.Thread(target=_watch_parent, args=(parent, stopping), daemon=True).start()
    folder = folder.resolve()
    with importing():
        import uvicorn
        from tiled.commandline._catalog import init
        from tiled.server.app import build_app_from_config

        config = server_config(folder)
        # The server's own init_if_not_exists starts a second Python for this, which doubles the time to its answer.
        init(catalogue_uri(folder), if_not_exists=True)
        app = build_app_from_config(config)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    threading.Thread(target=_end_with, args=(server, stopping), daemon=True).start()
    threading.Thread(target=_announce, args=(server, folder, port), daemon=True).start()
    server.run(sockets=[listener])


def _announce(server: object, folder: Path, port: int) -> None:
    while not getattr(server, "started", False):
        time.sleep(0.02)
    part = folder / f"{URL_FILE}.part"
    part.write_text(f"http://127.0.0.1:{port} {os.getpid()}", encoding="ascii")
    part.rename(folder / URL_FILE)


def _watch_parent(parent: int, gone: threading.Event) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    gone.set()


def _end_with(server: object, gone: threading.Event) -> None:
    gone.wait()
    server.should_exit = True  # type: ignore[attr-defined]  # uvicorn's own switch


class ServerProcess:
    """Starts the server, gives its address and a client of it, and starts it again after it has died.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> Any:
        """A Tiled client of the server, which is started first if it does not run.

        It is on this machine: no proxy that the environment names is asked for it, and the key goes into a header,
        never into an address that may be logged.

        Raises:
            StoreError: the server does not come up in time.
        """
        self.begin()
        with importing():
            from tiled.client import from_uri

        # verify=False: there is no TLS on loopback, and reading the machine's certificates may fail or take long.
        return from_uri(f"{self.url()}/api/v1", api_key=api_key(self.folder), trust_env=False, verify=False)

    def url(self) -> str:
        """The server's address; started first if it does not run.

        Raises:
            StoreError: it does not come up in time.
        """
        self.begin()
        deadline = time.monotonic() + START_TIMEOUT_S
        path = self.folder / URL_FILE
        assert self._process is not None  # noqa: S101 - just started
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise StoreError(
                    f"the Tiled server ended with code {self._process.returncode} before it answered"
                    f"{last_line(self.folder / SERVER_LOG)}"
                )
            try:
                url, pid = path.read_text(encoding="ascii").split()
            except (FileNotFoundError, ValueError):
                time.sleep(0.05)
                continue
            if int(pid) == self._process.pid:
                return url
            time.sleep(0.05)
        raise StoreError(
            f"the Tiled server did not answer within {START_TIMEOUT_S:g} s{last_line(self.folder / SERVER_LOG)}"
        )

    def begin(self) -> None:
        """Start it if it does not run, without waiting for it."""
        if not self.alive:
            self._start()

    def stop(self) -> None:
        """End the process."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        (self.folder / URL_FILE).unlink(missing_ok=True)  # uvicorn ends with the signal it was sent, before any finally
        self._process = None

    def _start(self) -> None:
        self.starts += 1
        (self.folder / URL_FILE).unlink(missing_ok=True)
        with (self.folder / SERVER_LOG).open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module in our own interpreter
                [sys.executable, "-m", "labwright.store", "serve", str(self.folder.resolve()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def last_line(log: Path, begin: int = 0) -> str:
    """The last line of a log file after its first `begin` bytes, to be put behind a message; empty if there is none."""
    try:
        lines = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return f": {lines[-1].strip()} (more in {log})" if lines else ""
