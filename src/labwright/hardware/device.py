"""Base of all drivers: an ophyd device on a port.

A driver is one class: readings and axes as components, and one plain method for each. The same class serves the
real instrument and its simulator; only the address of the port differs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from ophyd import Device
from ophyd.status import Status

from labwright.clock import LabClock
from labwright.hardware.acts import Act, current_act
from labwright.hardware.axis import Axis, Limits, Reading
from labwright.hardware.framing import Framing, Lines
from labwright.hardware.mqtt import MqttLink
from labwright.hardware.port import Port
from labwright.hardware.reconcile import (
    FIND_OUT_S,
    EvidenceStatus,
    axis_mistakes,
    by_table,
    measuring_mistakes,
    without_asking,
)
from labwright.model.errors import BadReplyError, DeviceError
from labwright.model.operations import Evidence, Reconcile

T = TypeVar("T")


class LabDevice(Device):
    """An instrument on a port.

    Args:
        name: unique in the lab; Bluesky's data keys start with it.
        port: the open line, or MQTT link, it is reached by.
        clock: the lab clock; all its waits go through it.
        limits: for each axis (by attribute name) lowest and highest value, from the lab's configuration; they can
            only narrow what the driver itself allows.

    Subclasses set `framing`, declare components (`Reading`, `Axis`), and override `connect` and `halt`.
    """

    framing: ClassVar[Framing] = Lines()

    cannot_halt: ClassVar[str] = ""
    """Why an instrument with axes needs no `halt`, in words; without a reason, a driver that can move must have one."""

    measuring: ClassVar[Reconcile] = "by_state"
    """How it is found out whether a measurement was made; measuring again is harmless unless a driver says otherwise.

    A driver that says ``by_command_id`` takes ``trigger(command_id="", epoch=0)`` and has a `measure_outcome`.
    """

    def __init__(
        self, *, name: str, port: Port | MqttLink, clock: LabClock, limits: dict[str, Limits] | None = None
    ) -> None:
        self.port = port
        self.clock = clock
        self._acts: dict[str, Act] = {}
        self._statuses: dict[str, Status] = {}
        self._finding: dict[str, EvidenceStatus] = {}
        self._acts_lock = threading.Lock()
        self._told: dict[str, float] = {}
        super().__init__("", name=name)
        axes = {attr: signal for attr, signal in self._signals.items() if isinstance(signal, Axis)}
        for axis, (low, high) in (limits or {}).items():
            if axis not in axes:
                raise DeviceError(f"{name} has no axis {axis!r} to limit (axes: {', '.join(sorted(axes)) or 'none'})")
            axes[axis].narrow(low, high)

    def connect(self) -> None:
        """Check that the right instrument answers, and set up what can be set up while it works.

        Whatever is under way continues: a controller that comes back after a crash must find a dispense still running.

        Raises:
            DeviceError: it does not answer, or it is another one.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a connect() that checks whether its instrument answers")

    @classmethod
    def axis_names(cls) -> list[str]:
        """What can be set, by attribute name."""
        return [name for name, component in cls._sig_attrs.items() if issubclass(component.cls, Axis)]

    @classmethod
    def mistakes(cls) -> list[str]:
        """What is wrong with the driver itself: axes and readings without their methods, motion without a `halt`."""
        found = []
        for name, component in cls._sig_attrs.items():
            for key in ("set", "get"):
                method = component.kwargs.get(key)
                if method and not callable(getattr(cls, method, None)):
                    found.append(f"{name} names {key}={method!r}, but there is no such method")
            if "unit" not in component.kwargs and issubclass(component.cls, Reading):
                found.append(f"{name} has no unit")
            if issubclass(component.cls, Axis):
                found += axis_mistakes(name, component.kwargs, cls)
        if cls.axis_names() and cls.halt is LabDevice.halt and not cls.cannot_halt:
            found.append("it sets something, but has no halt(); if it cannot be stopped, say why in cannot_halt")
        if cls.connect is LabDevice.connect:
            found.append("it has no connect() that finds out whether its instrument answers")
        return found + measuring_mistakes(cls, LabDevice)

    def halt(self) -> None:
        """Make the instrument stop moving, now; called by `stop`, before anything else on the line."""

    def make_safe(self) -> None:
        """Bring the instrument to the state it may be left alone in; `stop`, unless a driver knows more."""
        self.stop()

    def measure_outcome(self, command_id: str) -> Evidence | None:
        """What became of the measurement `command_id`, its readings held again; None while it is under way."""
        raise NotImplementedError(f"{type(self).__name__} has no measure_outcome() to reconcile a measurement")

    def find_out_measurement(self, command_id: str) -> EvidenceStatus:
        """Start to reconcile a measurement whose end was not seen; see `measuring`.

        A CommunicationError ends the status failed; nothing is halted.
        """

        def find_out(act: Act) -> Evidence:
            if self.measuring == "by_command_id":
                return by_table(act, self.measure_outcome, command_id)
            return without_asking(self.name, self.measuring, "measuring")

        return self.find_out(find_out, f"find_out_measurement({command_id})", timeout_s=FIND_OUT_S)

    def query(self, command: str, parse: Callable[[str], T], *, timeout_s: float | None = None) -> T:
        """Ask for something without changing anything; repeated after a failure.

        Raises:
            CommunicationError: no valid reply in time.
        """
        return self._line().exchange(command, self.framing, parse, idempotent=True, timeout_s=timeout_s)

    def identify(self, command: str, is_it: Callable[[str], bool], expected: str) -> str:
        """Ask which instrument answers, and again if the answer is not as expected: a line may carry noise at first.

        Args:
            command: harmless, asks for a name or a setting that other instruments do not have.
            is_it: whether the answer is the expected one.
            expected: that in words, for the message.

        Returns:
            the answer.

        Raises:
            DeviceError: the answer stays another one.
            CommunicationError: no answer in time.
        """
        answers: list[str] = []

        def parse(text: str) -> str:
            answers.append(text)
            if not is_it(text):
                raise BadReplyError(f"expected {expected}, got {text!r}")
            return text

        try:
            return self.query(command, parse)
        except BadReplyError as error:
            if not answers:  # bytes came, but no whole message
                raise
            heard = " and ".join(repr(one) for one in dict.fromkeys(answers))
            raise DeviceError(
                f"{self.name}: expected {expected} at {self.port}, but {command!r} got {heard}"
            ) from error

    def query_steady(
        self, command: str, parse: Callable[[str], float], jump: float, *, timeout_s: float | None = None
    ) -> float:
        """As `query`, for numbers on a line without a checksum, where a lost digit leaves a well-formed number.

        A value further than `jump` from the last one is believed when it is read twice.

        Raises:
            BadReplyError: three answers in a row do not agree.
            CommunicationError: no valid reply in time.
        """
        last = self._told.get(command)
        value = self.query(command, parse, timeout_s=timeout_s)
        if last is None or abs(value - last) > jump:
            again = self.query(command, parse, timeout_s=timeout_s)
            if abs(again - value) > jump:
                value = self.query(command, parse, timeout_s=timeout_s)
                if abs(again - value) > jump:
                    raise BadReplyError(f"{self.name}: {command} reads {value:g} and {again:g} one after the other")
        self._told[command] = value
        return value

    def command(
        self,
        command: str,
        parse: Callable[[str], T] | None = None,
        *,
        repeatable: bool = False,
        urgent: bool = False,
        timeout_s: float | None = None,
    ) -> T:
        """Make the instrument do or set something; refused once the act it belongs to was stopped.

        Args:
            command: the text to send.
            parse: checks the reply; None if the instrument gives none.
            repeatable: sending it twice is as good as once (a set-point is, a dispense is not).
            urgent: overtake what waits; for `halt`.
            timeout_s: wall seconds for the reply.
        """
        act = current_act()
        return self._line().exchange(
            command,
            self.framing,
            parse,
            idempotent=repeatable,
            urgent=urgent,
            timeout_s=timeout_s,
            allowed=None if act is None or urgent else act.check,
        )

    def act(
        self, work: Callable[..., None], *args: Any, timeout_s: float, join: bool = False, name: str = ""
    ) -> Status:
        """Start something that takes lab time.

        Args:
            work: called as ``work(act, *args)`` in a thread of its own; it waits with `act.sleep` and `act.poll`.
            args: its arguments.
            timeout_s: lab seconds it may take.
            join: whether a second call with the same arguments while it is under way gets its status too; for
                measurements, and for set-points that samples share.
            name: what it is called, if not as `work` is.

        Returns:
            a status that ends when the act ends, with the instrument's own alarm if it fails.

        Raises:
            DeviceError: the same act is still under way.
        """
        name = name or getattr(work, "__name__", "act")
        what = f"{self.name}.{name}({', '.join(str(arg) for arg in args)})"
        with self._acts_lock:
            if join and name in self._acts and self._acts[name].what == what:
                return self._statuses[name]
            act = self._new_act(name, what, timeout_s, moves=True)
            status = self._statuses[name] = Status(self)
        self._start(name, act, status, lambda act: work(act, *args))
        return status

    def find_out(
        self, work: Callable[[Act], Evidence], what: str, *, timeout_s: float, join: bool = False
    ) -> EvidenceStatus:
        """Start to find something out; as `act`, but nothing is halted when it fails.

        Args:
            work: called with the act in a thread of its own.
            what: what is found out, for messages.
            timeout_s: lab seconds it may take.
            join: whether a second call for the same meanwhile gets its status too.

        Raises:
            DeviceError: the same is being found out already.
        """
        with self._acts_lock:
            if join and what in self._acts:
                return self._finding[what]
            act = self._new_act(what, f"{self.name}.{what}", timeout_s, moves=False)
            status = self._finding[what] = EvidenceStatus(self)

        def keep(act: Act) -> None:
            status.evidence = work(act)

        self._start(what, act, status, keep)
        return status

    def _new_act(self, name: str, what: str, timeout_s: float, *, moves: bool) -> Act:
        """Register an act; the caller holds the lock."""
        if name in self._acts:
            raise DeviceError(f"{what} refused: {self._acts[name].what} is still under way")
        act = self._acts[name] = Act(what, self.clock, timeout_s, moves=moves)
        return act

    def _start(self, name: str, act: Act, status: Status, work: Callable[[Act], None]) -> None:
        def whole(act: Act) -> None:
            try:
                work(act)
            finally:
                with self._acts_lock:
                    self._acts.pop(name, None)

        act.start(status, whole, self.halt)

    def stop(self, *, success: bool = False) -> None:
        """Stop whatever the device does: its acts end failed, and `halt` overtakes all commands on the line."""
        self.end_acts("stop was called")
        self.halt()

    def end_acts(self, why: str) -> None:
        """End what is under way without a word on the wire; `stop` does this first, and then halts the instrument."""
        with self._acts_lock:
            acts = list(self._acts.values())
        for act in acts:
            act.stop(why)

    def stop_acts(self) -> None:
        """Stop what is under way, if anything is; a temperature that is held is left alone."""
        with self._acts_lock:
            moving = any(act.moves for act in self._acts.values())
        if moving:
            self.stop()

    def _line(self) -> Port:
        if not isinstance(self.port, Port):
            raise TypeError(f"{self.name} is on an MQTT link; use its request and latest instead of query and command")
        return self.port
