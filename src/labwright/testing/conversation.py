"""A scripted instrument on a real wire: it expects exact bytes and answers exact bytes.

In the spirit of PyMeasure's `expected_protocol`, but the bytes cross a pseudo-terminal or a TCP connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import tty
from collections.abc import Iterator, Sequence
from typing import Literal

from labwright.hardware.mqtt import LoopThread
from labwright.model.ports import SerialAddress, TcpAddress, VisaAddress
from labwright.simulation.wires import stop_serving

Exchange = tuple[bytes, bytes | None]
"""What the driver must send, and what it gets back (None for silence)."""


LAST_BYTES_S = 2.0


class _Script:
    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.left = list(exchanges)
        self.wrong: str | None = None
        self.over = threading.Event()
        self._buffer = b""

    def received(self, data: bytes) -> bytes:
        """Compare with what was expected; the bytes to answer."""
        self._buffer += data
        answer = b""
        while self._buffer and self.wrong is None:
            if not self.left:
                self.wrong = f"sent {self._buffer!r} after the end of the conversation"
                break
            expected, reply = self.left[0]
            if not expected.startswith(self._buffer[: len(expected)]):
                self.wrong = f"sent {self._buffer!r} where {expected!r} was expected"
                break
            if len(self._buffer) < len(expected):
                break
            self._buffer = self._buffer[len(expected) :]
            self.left.pop(0)
            answer += reply or b""
        if self.wrong is not None or not self.left:
            self.over.set()
        return answer


@contextlib.contextmanager
def conversation(
    exchanges: Sequence[Exchange], wire: Literal["serial", "tcp", "visa"] = "serial"
) -> Iterator[SerialAddress | TcpAddress | VisaAddress]:
    """The address of an instrument that holds exactly this conversation.

    Args:
        exchanges: in their order.
        wire: what it is held on.

    Raises:
        AssertionError: at the end, if a byte differed or exchanges are left.
    """
    script = _Script(exchanges)
    thread = LoopThread("conversation")
    with contextlib.ExitStack() as stack:
        stack.callback(thread.close)
        if wire == "serial":
            yield SerialAddress(type="serial", path=_on_pty(script, thread, stack), timeout_s=1.0)
        else:
            port = _on_tcp(script, thread, stack)
            if wire == "tcp":
                yield TcpAddress(type="tcp", host="127.0.0.1", tcp_port=port, timeout_s=1.0)
            else:
                yield VisaAddress(type="visa", resource=f"TCPIP::127.0.0.1::{port}::SOCKET", timeout_s=1.0)
        if exchanges:
            script.over.wait(LAST_BYTES_S)  # what is written without an answer may still be on its way
    if script.wrong is not None:
        raise AssertionError(f"the driver {script.wrong}")
    if script.left:
        raise AssertionError(f"the driver never sent {script.left[0][0]!r}; {len(script.left)} exchanges are left")


def _on_pty(script: _Script, thread: LoopThread, stack: contextlib.ExitStack) -> str:
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    os.set_blocking(master, False)

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            if answer := script.received(os.read(master, 4096)):
                os.write(master, answer)

    async def begin() -> None:
        asyncio.get_running_loop().add_reader(master, readable)

    async def end() -> None:
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
        os.close(slave)

    thread.run(begin())
    stack.callback(lambda: thread.run(end()))
    return os.ttyname(slave)


def _on_tcp(script: _Script, thread: LoopThread, stack: contextlib.ExitStack) -> int:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(4096):
                if answer := script.received(data):
                    writer.write(answer)
        writer.close()

    server = thread.run(asyncio.start_server(client, "127.0.0.1", 0))

    stack.callback(lambda: thread.run(stop_serving(server, set())))
    return int(server.sockets[0].getsockname()[1])
