"""One worker thread per physical port: the only thing that touches a line.

Rules, each measured to be needed (a stale reply goes to the next query, a second writer corrupts a frame):
the line is drained before a write and after a time-out; a reply is checked against its command; only commands
that are harmless to send twice are sent twice; `stop` overtakes whatever waits; every read has a deadline.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from labwright.hardware.descriptors import FOR_A_PORT, with_room
from labwright.hardware.exclusive import ExclusiveLock
from labwright.hardware.framing import Framing
from labwright.hardware.transport import Transport, open_transport
from labwright.model.errors import BadReplyError, CommunicationError, ConfigError
from labwright.model.ports import MqttAddress, SerialAddress, TcpAddress, VisaAddress

T = TypeVar("T")

RETRIES = 2
"""How often a command that is harmless to repeat is sent again."""

RECONNECT_WAIT_S = 0.05

CLOSE_S = 10.0

SETTLE_S = 0.05
"""A line that was silent this long after a failure has said all it had to say."""

SETTLE_MOST_S = 1.0
"""A line that is still talking after this is cut."""

FLOOD_BYTES = 100_000
"""An instrument that sends more than this unasked never stops talking."""

LOOK_S = 0.1
"""While it waits for a reply, a port looks this often whether the act was stopped or the port closed."""


@dataclass
class PortStats:
    """What happened on a port since it was opened."""

    exchanges: int = 0
    retries: int = 0
    timeouts: int = 0
    bad_replies: int = 0
    reconnects: int = 0
    stale_bytes: int = 0
    slowest_s: float = 0.0


@dataclass(order=True)
class _Job:
    urgency: int
    number: int
    command: str = field(compare=False)
    framing: Framing = field(compare=False)
    parse: Callable[[str], Any] | None = field(compare=False)
    timeout_s: float = field(compare=False)
    tries: int = field(compare=False)
    tries_left: int = field(compare=False)
    allowed: Callable[[], None] | None = field(compare=False)
    future: Future[Any] = field(compare=False)


_CLOSE = _Job(-1, -1, "", None, None, 0, 0, 0, None, Future())  # type: ignore[arg-type]


class Port:
    """A line and the thread that owns it; devices on a multi-drop line share one.

    Args:
        name: the port's name in the lab, used in messages.
        address: where it is.
    """

    def __init__(self, name: str, address: SerialAddress | TcpAddress | VisaAddress) -> None:
        self.name = name
        self.address = address
        self.stats = PortStats()
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._transport: Transport | None = None
        self._lock: ExclusiveLock | None = None
        self._thread: threading.Thread | None = None
        self._last_end = 0.0
        self._gate = threading.Lock()
        self._wire = threading.Lock()
        self._was_cut = False
        self._closing = False

    def __str__(self) -> str:
        return f"port {self.name!r} ({self.address})"

    def open(self) -> None:
        """Take the line for this process alone and start its worker.

        Raises:
            CommunicationError: it cannot be opened, or another process has it.
        """
        try:
            self._transport = with_room(self._connected, FOR_A_PORT, str(self))
        except (OSError, ConfigError) as error:
            reason = _reason(error) if isinstance(error, OSError) else str(error)
            raise CommunicationError(f"{self} cannot be opened: {reason}") from error
        self._closing = False
        thread = threading.Thread(target=self._work, name=f"port:{self.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread": a limit of the user or of the container
            self._disconnect()
            raise CommunicationError(
                f"{self} cannot be opened: {error}; {threading.active_count()} run already, raise the limit (ulimit -u)"
            ) from error
        self._thread = thread

    def close(self) -> None:
        """Give up the command on the line, refuse the rest, and give the line back; nothing is sent afterwards.

        Raises:
            CommunicationError: the line is not given back, since something still uses it.
        """
        with self._gate:
            thread, self._thread = self._thread, None
            self._closing = True
            self._jobs.put(_CLOSE)
        if thread is not None:
            thread.join(timeout=CLOSE_S)
            if thread.is_alive():  # it keeps the line: a second controller beside it would garble both
                raise CommunicationError(f"{self}: its worker does not end within {CLOSE_S:g} s; the line stays taken")
        self._disconnect()

    def cut(self) -> None:
        """Send nothing any more, as if this process had been killed; for tests of what comes after."""
        with self._wire:
            self._was_cut = True

    def exchange(
        self,
        command: str,
        framing: Framing,
        parse: Callable[[str], T] | None,
        *,
        idempotent: bool,
        timeout_s: float | None = None,
        urgent: bool = False,
        allowed: Callable[[], None] | None = None,
    ) -> T:
        """Send `command` and return its parsed reply.

        Args:
            command: the text to send, without line ends.
            framing: how the instrument frames commands and replies.
            parse: turns the reply into a value and raises BadReplyError if it does not belong to the command;
                None if the instrument does not answer this command (then None is returned).
            idempotent: whether sending it twice is harmless; only then it is repeated after a failure.
            timeout_s: wall seconds for the reply; the port's own time-out if not given.
            urgent: overtake everything that waits (stop).
            allowed: called right before the bytes go out; raises if the command may not be sent any more, so that
                no command of a stopped act can follow the stop.

        Raises:
            CommunicationError: no valid reply came in time; the caller must find out what the instrument did.
            AlarmError: whatever `parse` raises for an instrument's own alarm.
        """
        timeout_s = self.address.timeout_s if timeout_s is None else timeout_s
        tries = 1 + (RETRIES if idempotent else 0)
        future: Future[T] = Future()
        job = _Job(
            0 if urgent else 1, next(self._numbers), command, framing, parse, timeout_s, tries, tries, allowed, future
        )
        with self._gate:
            if self._thread is None:
                raise CommunicationError(f"{self} is closed; open the lab before using its devices")
            self._jobs.put(job)
        return future.result()  # the worker ends every job: by its deadline, or when the port is closed

    def _work(self) -> None:
        while (job := self._jobs.get()) is not _CLOSE:
            started = time.monotonic()
            try:
                value = self._once(job)
            except (OSError, CommunicationError) as error:
                self._failed(job, error)
            except Exception as error:  # noqa: BLE001 - the caller's thread, not the worker, is where it belongs
                job.future.set_exception(error)
            else:
                job.future.set_result(value)
            self._last_end = time.monotonic()
            self.stats.exchanges += 1
            self.stats.slowest_s = max(self.stats.slowest_s, self._last_end - started)
        while True:
            try:
                left = self._jobs.get_nowait()
            except queue.Empty:
                return
            if left is not _CLOSE:
                left.future.set_exception(CommunicationError(f"{self} was closed before {left.command!r} was sent"))

    def _failed(self, job: _Job, error: OSError | CommunicationError) -> None:
        """Send it again, behind what is as urgent: a silent pump must not delay the halt of its neighbours."""
        if isinstance(error, OSError):
            self._disconnect()
        job.tries_left -= 1
        if job.tries_left > 0 and not self._closing:
            self.stats.retries += 1
            job.number = next(self._numbers)
            self._jobs.put(job)
            return
        kind = BadReplyError if isinstance(error, BadReplyError) else CommunicationError
        again = f" ({job.tries} tries)" if job.tries > 1 else " (sent once; it is not safe to repeat)"
        failure = kind(f"{self}: command {job.command!r}{again}: {error}")
        failure.__cause__ = error
        job.future.set_exception(failure)

    def _once(self, job: _Job) -> Any:
        self._refuse_if_cut()
        transport = self._transport or self._reconnect()
        pause = self._last_end + self.address.gap_s - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self.stats.stale_bytes += len(transport.drain())
        if job.allowed is not None:
            job.allowed()
        with self._wire:
            self._refuse_if_cut()
            transport.write(job.framing.encode(job.command))
        if job.parse is None:
            return None
        deadline = time.monotonic() + job.timeout_s
        buffer = b""
        while True:
            try:
                message = job.framing.split(buffer)
                if message is not None:
                    return _understood(job, message[0])
                if len(buffer) > FLOOD_BYTES:
                    raise BadReplyError(f"{len(buffer)} bytes and no end, the last {buffer[-20:]!r}")
            except BadReplyError:
                self.stats.bad_replies += 1
                self._settle(transport)
                raise
            if time.monotonic() >= deadline:
                self.stats.timeouts += 1
                self._settle(transport)
                got = f"only {buffer[-60:]!r}" if buffer else "nothing"
                raise CommunicationError(f"no complete reply within {job.timeout_s:g} s, got {got}")
            self._still_wanted(job)
            buffer += transport.read(min(deadline, time.monotonic() + LOOK_S))

    def _refuse_if_cut(self) -> None:
        if self._was_cut:
            raise CommunicationError("the line was cut")

    def _still_wanted(self, job: _Job) -> None:
        """Give up a reply whose act was stopped, so that the halt behind it gets through."""
        if self._closing:
            raise CommunicationError("the port was closed")
        if job.allowed is not None:
            job.allowed()

    def _settle(self, transport: Transport) -> None:
        """Let the rest of a damaged or late reply arrive, and throw it away; a line that never falls silent is cut."""
        began, flood = time.monotonic(), 0
        while stale := transport.read(time.monotonic() + SETTLE_S):
            flood += len(stale)
            self.stats.stale_bytes += len(stale)
            if flood > FLOOD_BYTES or time.monotonic() - began > SETTLE_MOST_S:
                raise OSError(f"flooded with {flood} unrequested bytes, the last {stale[-20:]!r}")

    def _connected(self) -> Transport:
        """The line, locked: by whichever of its names a serial line is opened, it is one line."""
        place = os.path.realpath(self.address.path) if isinstance(self.address, SerialAddress) else str(self.address)
        lock = ExclusiveLock(place)
        lock.acquire()
        self._lock = lock
        try:
            return open_transport(self.address)
        except OSError:
            self._let_go()
            raise

    def _disconnect(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._let_go()

    def _let_go(self) -> None:
        """A disconnected line may come back under another name, and another line may get this one's."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _reconnect(self) -> Transport:
        with contextlib.suppress(OSError):  # the first try may come too early after an instrument's restart
            self._transport = self._connected()
        if self._transport is None:
            time.sleep(RECONNECT_WAIT_S)
            self._transport = self._connected()
        self.stats.reconnects += 1
        return self._transport


def _reason(error: OSError) -> str:
    """The system's own word for it, without the path and number that pyserial repeats."""
    has_number = error.errno is not None and error.errno > 0
    return os.strerror(error.errno) if has_number and error.errno else str(error.strerror or error)


def _understood(job: _Job, message: Any) -> Any:
    """The reply as its command's parser takes it; what the parser cannot read, and what is no finite number, is bad."""
    assert job.parse is not None  # noqa: S101 - only called for commands with a reply
    try:
        value = job.parse(message)
    except ValueError as error:
        raise BadReplyError(f"{message!r} is no answer to {job.command!r}: {error}") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise BadReplyError(f"{message!r} is no finite number")
    return value


def open_port(name: str, address: SerialAddress | TcpAddress | VisaAddress | MqttAddress) -> Port:
    """A port that speaks bytes; MQTT ports are links of their own."""
    if isinstance(address, MqttAddress):
        raise TypeError(f"port {name!r} is an MQTT link, not a byte line")
    port = Port(name, address)
    port.open()
    return port
