"""Bytes to and from an instrument: serial line, TCP, VISA.

Every failure of a line is an OSError (pyserial's and socket's errors are; VISA's are turned into one), so a port
has one thing to catch. Settings are never touched after opening: on a pseudo-terminal a later change fails.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import Any, Protocol

from labwright.model.ports import SerialAddress, TcpAddress, VisaAddress

READ_SLICE_S = 0.02
"""A read looks at the clock this often; short enough to keep a deadline, long enough to cost nothing."""

CONNECT_TIMEOUT_S = 2.0

DRAIN_BYTES = 1_000_000
"""A line that goes on sending while it is drained is cut."""


class Transport(Protocol):
    """An open line."""

    def write(self, data: bytes) -> None:
        """Send all of `data`."""

    def read(self, deadline: float) -> bytes:
        """Whatever has arrived, waiting for the first byte until `deadline` (`time.monotonic`); b"" when none came."""

    def drain(self) -> bytes:
        """Throw away, and return, what has arrived without being asked for."""

    def close(self) -> None:
        """Close the line; never raises."""


def open_transport(address: SerialAddress | TcpAddress | VisaAddress) -> Transport:
    """Open the line at `address`.

    Raises:
        OSError: it cannot be opened, or somebody else has it.
    """
    if isinstance(address, SerialAddress):
        return SerialTransport(address)
    if isinstance(address, TcpAddress):
        return TcpTransport(address)
    return VisaTransport(address)


class SerialTransport:
    """A serial line by pyserial, opened exclusively."""

    def __init__(self, address: SerialAddress) -> None:
        import termios

        import serial

        try:
            self._serial = serial.Serial(
                address.path,
                address.baud,
                bytesize=address.data_bits,
                parity=address.parity[0].upper(),
                stopbits=address.stop_bits,
                timeout=READ_SLICE_S,
                write_timeout=2.0,
                exclusive=True,
            )
        except termios.error as error:  # no OSError, and pyserial lets it through
            raise OSError(*error.args) from error

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._serial.write(data)

    def read(self, deadline: float) -> bytes:
        """Whatever has arrived, waiting for the first byte until `deadline`."""
        while True:
            # in_waiting on a dead pty raises a bare OSError, which is what a caller expects.
            data: bytes = self._serial.read(self._serial.in_waiting or 1)
            if data:
                return data + self._serial.read(self._serial.in_waiting) if self._serial.in_waiting else data
            if time.monotonic() >= deadline:
                return b""

    def drain(self) -> bytes:
        """Throw away, and return, what has arrived without being asked for."""
        waiting = self._serial.in_waiting
        return bytes(self._serial.read(waiting)) if waiting else b""

    def close(self) -> None:
        """Close the line."""
        with contextlib.suppress(OSError):
            self._serial.close()


class TcpTransport:
    """A TCP connection with Nagle's algorithm off: it costs 40 ms on every write that is followed by a query."""

    def __init__(self, address: TcpAddress) -> None:
        self._socket = socket.create_connection((address.host, address.tcp_port), timeout=CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._socket.sendall(data)

    def read(self, deadline: float) -> bytes:
        """Whatever has arrived, waiting for the first byte until `deadline`."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return b""
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the instrument closed the connection")
        return data

    def drain(self) -> bytes:
        """Throw away, and return, what has arrived without being asked for."""
        stale = b""
        while select.select([self._socket], [], [], 0)[0]:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the instrument closed the connection")
            stale += data
            _refuse_flood(stale)
        return stale

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()


class VisaTransport:
    """A VISA resource by PyVISA with pyvisa-py, so that no vendor library is needed."""

    def __init__(self, address: VisaAddress) -> None:
        import pyvisa
        from pyvisa.constants import StatusCode

        self._error = pyvisa.errors.VisaIOError
        self._timed_out = StatusCode.error_timeout
        # One manager serves the whole process, whoever asks for one: closing it would close every other VISA line too.
        manager = pyvisa.ResourceManager("@py")
        # read_termination makes pyvisa-py's socket session return at the line end instead of at its time-out.
        try:
            self._resource: Any = manager.open_resource(
                address.resource,
                read_termination="\n",
                write_termination="\n",
                open_timeout=int(CONNECT_TIMEOUT_S * 1000),
            )
        except Exception as error:
            if not isinstance(error, (self._error, ValueError)) and type(error) is not Exception:
                raise
            raise ConnectionError(str(error)) from error
        library: Any = self._resource.visalib  # pyvisa-py keeps its sessions; the base class does not say so
        self._session = library.sessions[self._resource.session]
        interface = getattr(self._session, "interface", None)
        self._socket = interface if isinstance(interface, socket.socket) else None
        if self._socket is not None:
            # The VISA attribute for this is refused by pyvisa-py; without it write-then-query takes 44 ms.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._socket.getpeername()  # pyvisa-py calls a refused connection open
            except OSError as error:
                self.close()
                raise ConnectionRefusedError(f"nothing listens at {address.resource}") from error

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._resource.write_raw(data)
        except self._error as error:
            raise ConnectionError(str(error)) from error

    def read(self, deadline: float) -> bytes:
        """One line, waiting until `deadline`; the line end included."""
        self._resource.timeout = max(1, int((deadline - time.monotonic()) * 1000))
        try:
            return bytes(self._resource.read_raw())
        except self._error as error:
            if error.error_code != self._timed_out:
                raise ConnectionError(str(error)) from error
        # pyvisa-py reports a socket that its peer has closed as a time-out, for ever; a peek tells the two apart.
        if self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            self._received(self._socket.recv(1, socket.MSG_PEEK))
        return b""

    def drain(self) -> bytes:
        """Throw away, and return, what has arrived without being asked for."""
        if self._socket is None:
            try:
                self._resource.clear()
            except self._error as error:
                raise ConnectionError(str(error)) from error
            return b""
        # Not clear(): on a socket it waits 0.1 s, and never returns once the peer has closed.
        stale = bytes(self._session._pending_buffer)  # noqa: SLF001 - what a timed-out read has left there
        self._session._pending_buffer.clear()  # noqa: SLF001
        while select.select([self._socket], [], [], 0)[0]:
            stale += self._received(self._socket.recv(65536))
            _refuse_flood(stale)
        return stale

    @staticmethod
    def _received(data: bytes) -> bytes:
        if not data:
            raise ConnectionResetError("the instrument closed the connection")
        return data

    def close(self) -> None:
        """Close the resource."""
        with contextlib.suppress(self._error, OSError):
            self._resource.close()


def _refuse_flood(stale: bytes) -> None:
    if len(stale) > DRAIN_BYTES:
        raise ConnectionAbortedError(f"flooded with {len(stale)} bytes nobody asked for, the last {stale[-20:]!r}")
