"""Every error Labwright raises on purpose.

A message says what, where, which value, which limit, and what to do next. Drawn as a tree::

    LabwrightError                 exit code 1
    ├── ConfigError                3   a lab folder, campaign or protocol is wrong before anything moves
    │   └── OutOfRangeError        3   a value outside its declared bounds, NaN or infinite
    ├── UnreachableError           4   a port, broker or station does not answer at start
    ├── RefusedError               5   a limit, an interlock or a permission said no
    │   ├── LimitError             5   a command outside a device's limit; nothing was sent
    │   └── InfeasibleError        5   no dispensing reaches the target composition; carries the nearest that does
    ├── UnsafeError                1   devices that could not be brought to their safe state; a person must look
    ├── DeviceError                1   an instrument answered, but with a fault
    │   ├── CommunicationError     1   a reply did not come in time, or the line is lost
    │   │   └── BadReplyError      1   a reply came that does not belong to its command or is damaged
    │   ├── ActTimeoutError        1   an act (dispense, move, ramp) did not end in its time
    │   └── AlarmError             1   the instrument's own alarm (stall, over-temperature, ...)
    ├── SampleError                1   a sample is not fit for its next step; the instruments are well
    ├── JournalError               1   the journal cannot be written or read; nothing may move without it
    │   └── NoJournalError         5   found before anything was started
    ├── StoreError                 1   the data store cannot be reached or refuses; the journal still holds all
    ├── PlannerError               1   a planner cannot answer
    └── StoppedError             130   a person or a stop rule ended it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class LabwrightError(Exception):
    """Root of all errors Labwright raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(LabwrightError):
    """A lab folder, a campaign or a protocol is wrong; found before anything moves."""

    exit_code = 3


class OutOfRangeError(ConfigError):
    """A value is outside its declared bounds, or is not a finite number."""


class UnreachableError(LabwrightError):
    """Devices that do not answer at start, all of them in one indented tree; those behind a dead port under it.

    Args:
        failures: why, by name of the device, or of the port that could not be opened.
        behind: devices on each of those ports.
        simulated: whether the instruments are simulated.
    """

    exit_code = 4

    def __init__(
        self,
        failures: Mapping[str, str],
        behind: Mapping[str, Sequence[str]] | None = None,
        *,
        simulated: bool = False,
    ) -> None:
        self.failures = dict(failures)
        self.behind = {port: tuple(devices) for port, devices in (behind or {}).items()}
        lines: list[str] = []
        for name, why in self.failures.items():
            if name in self.behind:
                lines += [f"  {why}", *(f"    {device}" for device in self.behind[name])]
            else:
                lines.append(_line(name, why))
        count = len(self.failures) - len(self.behind) + sum(map(len, self.behind.values()))
        head = f"{count} device{'s' if count != 1 else ''} cannot be reached; nothing was moved:"
        advice = (
            "These instruments are simulated: compare driver (devices/) and simulator (simulators/), and look whether "
            "a fault is on."
            if simulated
            else "Check power, cables and addresses (lab_config/devices.yaml), or use simulated instruments "
            "(--simulated)."
        )
        super().__init__("\n".join([head, *lines, advice]))


def _line(name: str, why: str) -> str:
    """A device's failure; what its driver raises often begins with its name."""
    return f"  {name}: {why.removeprefix(f'{name}: ')}"


class RefusedError(LabwrightError):
    """A limit, an interlock or a permission said no; nothing was sent."""

    exit_code = 5


class LimitError(RefusedError):
    """A command lies outside a device's limit; nothing was sent."""


class InfeasibleError(RefusedError):
    """No dispensing of the stocks reaches the target.

    Args:
        message: what was asked and why it cannot be made.
        nearest: the nearest parameters that can be made, by name.
    """

    def __init__(self, message: str, nearest: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.nearest = dict(nearest)


class UnsafeError(LabwrightError):
    """Devices that could not be brought to their safe state, or ports that could not be given back.

    Args:
        failures: why, by name of the device or port.
        simulated: whether the instruments are simulated.
    """

    def __init__(self, failures: Mapping[str, str], *, simulated: bool = False) -> None:
        self.failures = dict(failures)
        what = f"{'SIMULATED ' if simulated else ''}device{'s' if len(self.failures) != 1 else ''}"
        lines = [_line(name, why) for name, why in self.failures.items()]
        super().__init__(
            "\n".join(
                [
                    f"NOT SAFE: {len(lines)} {what} may still move, heat or pump; they could not be made safe:",
                    *lines,
                    "Go and look at them now; switch them off by hand where they do not answer.",
                ]
            )
        )


class DeviceError(LabwrightError):
    """An instrument answered, but with a fault."""


class CommunicationError(DeviceError):
    """A reply did not come in time, or the line is lost."""


class BadReplyError(CommunicationError):
    """A reply does not belong to its command, or is damaged."""


class ActTimeoutError(DeviceError):
    """An act of a device did not end in time; the device was halted."""


class AlarmError(DeviceError):
    """The instrument's own alarm, such as a stall or an over-temperature."""


class SampleError(LabwrightError):
    """A sample is not fit for its next step: spilled, turbid, not where it should be; the instruments are well.

    For the plans of protocols; what is done then is the step's ``on_failure`` for the class ``sample``.
    """


class JournalError(LabwrightError):
    """The journal cannot be written or read: nothing may move without it."""


class NoJournalError(JournalError):
    """There is no place for a journal; found before anything was started, so nothing was."""

    exit_code = 5


class StoreError(LabwrightError):
    """The data store cannot be reached or refuses; the journal still holds every document."""


class PlannerError(LabwrightError):
    """A planner cannot answer."""


class StoppedError(LabwrightError):
    """A person or a stop rule ended the work."""

    exit_code = 130


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """A message for a name that is not known, with the nearest known one.

    Args:
        kind: what the name should be, as in ``"device"``.
        name: the name that was given.
        known: the names that would have been right.
    """
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no {kind} {name!r}{hint} (known: {', '.join(sorted(known)) or 'none'})"
