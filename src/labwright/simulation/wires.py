"""Wires of the simulation: pseudo-terminals and TCP connections that carry real bytes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

from labwright.clock import Repeating
from labwright.simulation.instrument import Later, SimInstrument

Write = Callable[[bytes], None]

Handled = Callable[[SimInstrument], None]
"""Called after an instrument has done a command, before its answer leaves."""


class _Conversation:
    """Bytes of one client become commands for the instruments on the wire, and their replies bytes again."""

    def __init__(
        self, instruments: Sequence[SimInstrument], write: Write, hang_up: Callable[[], None], handled: Handled
    ) -> None:
        self._instruments = instruments
        self._handled = handled
        self._write = write
        self._hang_up = hang_up
        self._buffer = b""
        self._last_byte_s = 0.0
        self._waiting: Repeating | None = None
        """For the reply that comes later; commands behind it wait."""

    def received(self, data: bytes) -> None:
        """Bytes have come."""
        now = time.monotonic()
        drop_after_s = self._instruments[0].drop_after_s
        if drop_after_s is not None and self._waiting is None and now - self._last_byte_s > drop_after_s:
            self._buffer = b""
        self._last_byte_s = now
        self._buffer += data
        self._go_on()

    def closed(self) -> None:
        """The client has gone: no reply is due any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _go_on(self) -> None:
        while self._waiting is None and (message := self._next()) is not None:
            command, length = message
            self._buffer = self._buffer[length:]
            for instrument in self._instruments:
                self._done(instrument, command, instrument.handle(command))

    def _next(self) -> tuple[str, int] | None:
        first = self._instruments[0]
        try:
            message = first.split(self._buffer)
            if message is not None and message[1] < 1:
                raise ValueError(f"split gave {message!r}; the number of bytes it took must be 1 or more")
        except Exception as error:  # noqa: BLE001 - its author's code, as `answer`
            first.failed(error, f"splitting {self._buffer[:60]!r}")
            self._buffer = b""
            return None
        return message

    def _done(self, instrument: SimInstrument, command: str, reply: bytes | Later | None) -> None:
        self._handled(instrument)
        if isinstance(reply, Later):
            self._wait(instrument, command, reply)
        elif reply is not None:
            self._reply(instrument, command, reply)

    def _wait(self, instrument: SimInstrument, command: str, later: Later) -> None:
        loop = asyncio.get_running_loop()

        def finish() -> None:
            self._waiting = None
            self._done(instrument, command, instrument.finish(command, later))
            self._go_on()

        def its_time() -> None:  # in the clock's thread
            with contextlib.suppress(RuntimeError):  # the simulation has ended meanwhile
                loop.call_soon_threadsafe(finish)

        self._waiting = instrument.clock.once(max(0.0, later.at_s - instrument.clock.now()), its_time)

    def _reply(self, instrument: SimInstrument, command: str, reply: bytes) -> None:
        fault = instrument.wire_faults.take(command)
        if fault is None:
            self._write(reply)
        elif fault.kind == "disconnect":
            self._hang_up()
        elif fault.kind == "slow":
            asyncio.get_running_loop().call_later(fault.value, self._write, reply)
        elif spoiled := instrument.wire_faults.spoil(fault, reply):
            self._write(spoiled)


class PtyWire:
    """A serial line: a pseudo-terminal whose far end a driver opens like any serial port.

    Args:
        instruments: those on the line; on a multi-drop line each hears everything and answers to its own address.
        handled: see `Handled`.
        link: a symbolic link to make, so that the line has a name that lasts; replaced if it exists.
    """

    def __init__(self, instruments: Sequence[SimInstrument], handled: Handled, link: Path | None = None) -> None:
        self._master, self._slave = os.openpty()
        # We keep the slave open ourselves: else the master reads EIO whenever the driver closes.
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._link = link
        self.path = os.ttyname(self._slave)
        if link is not None:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
            self.path = str(link)
        self._conversation = _Conversation(instruments, self._write, self._hang_up, handled)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen; called in the loop's thread."""
        self._loop = loop
        loop.add_reader(self._master, self._readable)

    def stop(self) -> None:
        """Close the line; called in the loop's thread."""
        self._loop.remove_reader(self._master)
        self._conversation.closed()
        os.close(self._master)
        os.close(self._slave)
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._conversation.received(os.read(self._master, 4096))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # no reader: a real line loses the bytes as well
            os.write(self._master, data)

    def _hang_up(self) -> None:
        """A serial line has no connection to lose: the reply is lost."""


_TURNS = 4  # of the loop, until a connection it has just seen is with its client's task


async def stop_serving(server: asyncio.Server, clients: set[asyncio.Task[None]]) -> None:
    """Close a server and all its connections.

    Args:
        server: who listens.
        clients: tasks that serve one connection each and close it when they are cancelled.
    """
    # A connection that is being accepted when its server closes is dropped by asyncio, but not closed.
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    server.close()
    for task in list(clients):  # before the loop stops, or asyncio complains
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


class TcpWire:
    """A TCP server on loopback; used for TCP instruments and VISA sockets.

    Args:
        instruments: those behind it.
        handled: see `Handled`.
        tcp_port: where it listens; a free port if 0.
    """

    def __init__(self, instruments: Sequence[SimInstrument], handled: Handled, tcp_port: int = 0) -> None:
        self._instruments = instruments
        self._handled = handled
        self.tcp_port = tcp_port
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.tcp_port)
        self.tcp_port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections."""
        if self._server is None:
            return
        await stop_serving(self._server, self._clients)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        conversation = _Conversation(self._instruments, writer.write, writer.close, self._handled)
        try:
            while data := await reader.read(4096):
                conversation.received(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            conversation.closed()
            writer.close()
