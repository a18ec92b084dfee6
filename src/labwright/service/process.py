"""The service as a process of its own, and how the controller's process keeps one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from labwright.model.errors import RefusedError
from labwright.service.settings import ServiceSettings

AGAIN_S = 1.0
"""Wall seconds after which one that has died is started again; twice as long each time, as far as `AGAIN_MOST_S`."""

AGAIN_MOST_S = 60.0

STEADY_S = 60.0
"""Wall seconds after which one is steady: the next wait is short again."""

ENDS_S = 5.0
"""Wall seconds that it has to end its streams."""

BACKLOG = 512
"""Clients that may wait to be taken."""

BOUND = "service listens on "
"""What it says on standard output, with its address, once it does."""


def run(settings: ServiceSettings, parent: bool, say: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM, or until the process that began this one is gone; the exit code.

    Args:
        settings: how.
        parent: whether standard input is a pipe of that process, which ends with it.
        say: called with its address once it listens; on standard output if None.

    Raises:
        RefusedError: keys would cross a network in the clear; or the address is taken, or is none of this machine's.
    """
    import anyio.to_thread
    import uvicorn

    from labwright.service.app import make_app
    from labwright.service.wire import wire_options

    settings.refuse_exposed()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        raise RefusedError(
            f"it cannot listen on {settings.host}, port {settings.port}: {error.strerror}. Name another with --port (0 "
            "takes a free one), or an address of this machine with --host"
        ) from error
    listening.listen(BACKLOG)  # from here on a client waits instead of being refused
    app = make_app(settings)

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """End in peace at SIGTERM and SIGINT; uvicorn's own would have the process die of the signal afterwards."""
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """End the streams first: each would be waited for."""
            await anyio.to_thread.run_sync(app.state.service.tail.close)
            await super().shutdown(sockets)

    server = Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.proxy),
            forwarded_allow_ips=settings.proxy or None,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.private_key,
            **wire_options(),
            timeout_graceful_shutdown=int(ENDS_S),
        )
    )
    if parent:
        threading.Thread(target=_until_alone, args=(server,), daemon=True).start()
    scheme = "https" if settings.certificate else "http"
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    words = f"{BOUND}{scheme}://{host}:{listening.getsockname()[1]}"
    if say is not None:
        say(words)
    else:
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()
    server.run(sockets=[listening])
    return 0


def _until_alone(server: object) -> None:
    """End the service when the process that began it is gone."""
    while os.read(0, 4096):
        pass
    server.should_exit = True  # type: ignore[attr-defined]


class ServiceKeeper:
    """Keeps a service running, beside a controller that never waits for it.

    Args:
        settings: how it is run.
        say: called with words when it listens, and when it has died.
    """

    def __init__(self, settings: ServiceSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._closing = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="service keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the service."""
        self._closing.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(2 * ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join(2 * ENDS_S)

    def _run(self) -> None:
        wait_s = AGAIN_S
        while not self._closing.is_set():
            began_s = time.monotonic()
            code = self._one()
            if self._closing.is_set():
                return
            if time.monotonic() - began_s > STEADY_S:
                wait_s = AGAIN_S
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self._say(f"the service has ended ({how}); the lab continues, and it is started again in {wait_s:g} s")
            self._closing.wait(wait_s)
            wait_s = min(2 * wait_s, AGAIN_MOST_S)

    def _one(self) -> int:
        """Run one to its end; its exit code."""
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "labwright.service"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C at the terminal is the controller's
        )
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(self._settings.model_dump_json() + "\n")
            process.stdin.flush()  # the pipe stays open: its end says that this process is gone
        except BrokenPipeError:
            return process.wait()
        for line in process.stdout:
            self._say(line.rstrip())
        return process.wait()
