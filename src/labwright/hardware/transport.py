"""Bytes to and from an instrument: serial line, TCP, VISA.

Every failure of a line is an OSError (pyserial's and socket's errors are; VISA's are turned into one), so a port
has one thing to catch. Settings are never touched after opening: on a pseudo-terminal a later change fails.

Lines are waited for with poll(), never with select(): a process with more than 1,024 descriptors open could not.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import socket
import time
from collections.abc import Iterator
from typing import Any, Protocol

from labwright.model.ports import SerialAddress, TcpAddress, VisaAddress

CONNECT_TIMEOUT_S = 2.0

WRITE_TIMEOUT_S = 2.0
"""A serial line that takes no byte for so long is stuck (flow control, a dead adapter)."""

READ_BYTES = 65_536

DRAIN_BYTES = 1_000_000
"""A line that keeps sending while it is drained is cut."""


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
        OSError: it cannot be opened, or another process has it.
    """
    if isinstance(address, SerialAddress):
        return SerialTransport(address)
    if isinstance(address, TcpAddress):
        return TcpTransport(address.host, address.tcp_port)
    if mistake := visa_mistake(address.resource):
        raise OSError(mistake)
    if (socket_of := _visa_socket(address.resource)) is not None:
        return TcpTransport(*socket_of)
    return VisaTransport(address)


def visa_mistake(resource: str) -> str:
    """What is wrong with a VISA resource string, in words; empty if nothing is."""
    from pyvisa import rname

    try:
        rname.ResourceName.from_string(resource)
        _visa_socket(resource)
    except ValueError as error:  # pyvisa's own is one too
        return (
            f"{resource!r} is no VISA resource ({error}); write it as TCPIP::host::5025::SOCKET, TCPIP::host::INSTR, "
            "ASRL/dev/ttyUSB0::INSTR, USB::0x2A8D::0x2F01::MY46200000::INSTR or GPIB::17::INSTR, in capitals"
        )
    return ""


def _visa_socket(resource: str) -> tuple[str, int] | None:
    """Host and port of a VISA resource that is a plain TCP connection; None for any other.

    Such a resource needs nothing of VISA. pyvisa-py would hide what has arrived when a time-out ends a read, report a
    connection that its peer has closed as a time-out for ever, and wait for it with select().

    Raises:
        ValueError: it is one, but has no port number.
    """
    from pyvisa import rname

    try:
        name: Any = rname.ResourceName.from_string(resource)
    except rname.InvalidResourceName:
        return None
    if (name.interface_type, name.resource_class) != ("TCPIP", "SOCKET"):
        return None
    if not name.port.isdigit() or not 1 <= int(name.port) <= 65535:
        raise ValueError(f"its port {name.port!r} is no number from 1 to 65535")
    return name.host_address, int(name.port)


def _readable(descriptor: int, timeout_s: float) -> bool:
    """Whether bytes (or the end of the line) have come; waits for them up to `timeout_s`."""
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(max(0, math.ceil(1000 * timeout_s))))


class SerialTransport:
    """A serial line, opened exclusively and set up by pyserial, read and written here.

    Of the five descriptors that pyserial opens for a port, one stays open.
    """

    def __init__(self, address: SerialAddress) -> None:
        import termios

        import serial

        try:
            with serial.Serial(
                address.path,
                address.baud,
                bytesize=address.data_bits,
                parity=address.parity[0].upper(),
                stopbits=address.stop_bits,
                exclusive=True,
            ) as line:
                # The copy is the same open line: settings, the lock and O_NONBLOCK stay as pyserial has set them.
                self._line = os.dup(line.fileno())
        except termios.error as error:  # no OSError, and pyserial lets it through
            raise OSError(*error.args) from error

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        deadline = time.monotonic() + WRITE_TIMEOUT_S
        while data:
            try:
                data = data[os.write(self._line, data) :]
            except BlockingIOError:
                poller = select.poll()
                poller.register(self._line, select.POLLOUT)
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not poller.poll(math.ceil(1000 * left_s)):
                    raise TimeoutError(
                        errno.ETIMEDOUT, f"the line took no byte for {WRITE_TIMEOUT_S:g} s; is its flow control right?"
                    ) from None

    def read(self, deadline: float) -> bytes:
        """Whatever has arrived, waiting for the first byte until `deadline`."""
        if not _readable(self._line, deadline - time.monotonic()):
            return b""
        try:
            data = os.read(self._line, READ_BYTES)
        except BlockingIOError:  # another reader was faster
            return b""
        if not data:
            raise ConnectionResetError("the line is gone: its adapter was pulled, or its other end closed")
        return data

    def drain(self) -> bytes:
        """Throw away, and return, what has arrived without being asked for."""
        return _drained(self)

    def close(self) -> None:
        """Close the line."""
        if self._line >= 0:
            os.close(self._line)
            self._line = -1


class TcpTransport:
    """A TCP connection with Nagle's algorithm off: it costs 40 ms on every write that is followed by a query.

    Args:
        host: name or number.
        tcp_port: where the instrument listens.
    """

    def __init__(self, host: str, tcp_port: int) -> None:
        self._socket = socket.create_connection((host, tcp_port), timeout=CONNECT_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._socket.sendall(data)

    def read(self, deadline: float) -> bytes:
        """Whatever has arrived, waiting for the first byte until `deadline`."""
        if not _readable(self._socket.fileno(), deadline - time.monotonic()):
            return b""
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the instrument closed the connection")
        return data

    def drain(self) -> bytes:
        """Throw away, and return, what has arrived without being asked for."""
        return _drained(self)

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
        self._status = StatusCode
        # One manager serves the whole process: closing it would close every other VISA line too.
        manager = pyvisa.ResourceManager("@py")
        try:
            self._resource: Any = manager.open_resource(
                address.resource,
                read_termination="\n",
                write_termination="\n",
                open_timeout=int(CONNECT_TIMEOUT_S * 1000),
            )
        except Exception as error:
            if not isinstance(error, (self._error, ValueError, AttributeError)) and type(error) is not Exception:
                raise
            raise ConnectionError(str(error)) from error
        library: Any = self._resource.visalib  # pyvisa-py keeps its sessions; the base class does not say so
        self._session = library.sessions[self._resource.session]
        self._is_serial = address.resource.upper().startswith("ASRL")
        self._reply_is_due = False
        self._write_ms = max(1, math.ceil(1000 * address.timeout_s))

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        with self._as_line_errors():
            self._resource.timeout = self._write_ms  # not what the last read had left of its time
            self._resource.write_raw(data)

    def read(self, deadline: float) -> bytes:
        """Whatever has arrived, waiting until `deadline`.

        The session is asked, not the resource, which throws away what had arrived when a time-out ended it.
        """
        with self._as_line_errors():
            self._resource.timeout = max(1, math.ceil((deadline - time.monotonic()) * 1000))
            data, status = self._session.read(READ_BYTES)
        self._reply_is_due = not data
        if not data and status < 0 and status != self._status.error_timeout:
            raise ConnectionError(str(self._error(status)))
        return bytes(data or b"")

    def drain(self) -> bytes:
        """Throw away what has arrived without being asked for; what it was is known of a serial line only.

        Other resources are cleared, but only after a reply that did not come: clearing may end a measurement.
        """
        if self._is_serial:
            return _drained(self)
        if self._reply_is_due:
            with self._as_line_errors():
                self._resource.clear()
            self._reply_is_due = False
        return b""

    @contextlib.contextmanager
    def _as_line_errors(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise ConnectionError(str(error)) from error
        except ValueError as error:  # of select()
            raise ConnectionError(
                f"pyvisa-py: {error}; a process with so many open files can have VISA lines of the form "
                "TCPIP::host::port::SOCKET only, or a port of type serial or tcp instead"
            ) from error

    def close(self) -> None:
        """Close the resource."""
        with contextlib.suppress(self._error, OSError):
            self._resource.close()


def _drained(line: Transport) -> bytes:
    """What has arrived, read without waiting.

    Raises:
        ConnectionAbortedError: it never ends.
    """
    stale = b""
    while data := line.read(0.0):
        stale += data
        if len(stale) > DRAIN_BYTES:
            raise ConnectionAbortedError(f"flooded with {len(stale)} unrequested bytes, the last {stale[-20:]!r}")
    return stale
