"""What a driver declares: values that can be read, and what can be set.

Each names the methods of its driver that ask the instrument, or move it.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from typing import Any

from ophyd import Kind, Signal
from ophyd.status import Status

from labwright.hardware.acts import Act
from labwright.hardware.reconcile import FIND_OUT_S, EvidenceStatus, by_counter, by_table, without_asking
from labwright.model.errors import BadReplyError, DeviceError, LimitError
from labwright.model.operations import Evidence, Reconcile

Limits = tuple[float, float]
"""Lowest and highest value."""


class Reading(Signal):
    """A value the instrument reports.

    Args:
        get: name of the device's method that asks for it; without one it holds what `hold` last gave it, so that
            values which belong together are read off the wire together (in `trigger`).
        unit: as written in the data, ``""`` for a pure number.
        precision: decimals that mean something.
        shape: (n,) for arrays.
    """

    def __init__(
        self,
        *,
        get: str = "",
        unit: str,
        precision: int = 3,
        shape: Sequence[int] = (),
        kind: Kind | str = "hinted",
        value: Any = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(kind=kind, value=value, **kwargs)
        self._ask = get
        self.unit = unit
        self._precision = precision
        self._shape = tuple(shape)

    def get(self, **kwargs: Any) -> Any:
        """The value, asked for now if there is a way to ask."""
        if self._ask:
            value = getattr(self.parent, self._ask)()
            if value is None or (isinstance(value, float) and not math.isfinite(value)):
                raise BadReplyError(f"{self.name}: its driver's {self._ask}() gave {value!r}, which is no reading")
            self.hold(value)
        return self._readback

    def hold(self, value: Any) -> None:
        """Keep `value`, with the lab's time, until the next."""
        self.put(value, timestamp=self.parent.clock.now(), force=True)

    def describe(self) -> dict[str, dict[str, Any]]:
        """Unit, precision and source, for the event descriptor."""
        value = self._readback
        array = bool(self._shape) or isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0
        described: dict[str, Any] = {
            "source": f"{getattr(self.parent.port, 'address', 'none')}#{self.parent.name}",
            "dtype": "array" if array else "string" if isinstance(value, str) else "number",
            "shape": list(getattr(value, "shape", self._shape)) if array else [],
            "units": self.unit,
            "precision": self._precision,
        }
        if array:
            described["dtype_numpy"] = "<f8"
        return {self.name: described}


class Axis(Reading):
    """Something that can be set: a set-point, a position, a volume to dispense.

    Args:
        set: name of the device's method ``method(act, value)`` that does it.
        get: name of the method that asks for the present value.
        limits: lowest and highest value; anything outside is refused before a byte is sent.
        timeout_s: lab seconds the act may take, or the name of a method that gives them for a value.
        reconcile: how it is found out whether it was done after the controller has died; see `Reconcile`. With
            ``by_command_id`` the set method is called as ``method(act, value, command_id, epoch)``.
        ready: name of a method ``method(value)`` that is called before anything is promised: harmless set-up that moves
            nothing.
        counter: name of a method that returns the amount since `ready`, in the axis' unit; for ``by_counter``.
        quiet: name of a method ``method(act)`` that waits until the instrument is at rest and no command that was sent
            before can still arrive; for ``by_counter``.
        outcome: name of a method ``method(command_id) -> Evidence | None``, None while the command is under way; for
            ``by_command_id``. Once it has reported that a command is absent, it must never carry that command out.
        holds: whether it holds a set-point that a restart may lose and that is harmless to set again.
        tolerance: error of the counter, in the axis' unit.
        ml_per_unit: millilitres that one unit takes of the source whose device it is (`sources` in inventory.yaml); 0
            for an axis that takes nothing. Without it a unit of volume is enough, and any other unit takes nothing.
        delivers: name of a method ``method(value)`` that returns what the instrument does when a value is sent, of
            which it takes only so many digits, in the axis' unit: that is what the ledger books.
        not_by_hand: why people do not set it at the station's page or by `labwright station set`, in words: where what
            the plans take for granted would be wrong afterwards.
    """

    def __init__(
        self,
        *,
        set: str,
        limits: Limits,
        timeout_s: float | str,
        reconcile: Reconcile = "ask",
        ready: str = "",
        counter: str = "",
        quiet: str = "",
        outcome: str = "",
        holds: bool = False,
        tolerance: float = 0.0,
        ml_per_unit: float | None = None,
        delivers: str = "",
        not_by_hand: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._set = set
        self._range = (float(limits[0]), float(limits[1]))
        self._timeout_s = timeout_s
        self._reconcile = reconcile
        self._ready = ready
        self._counter = counter
        self._quiet = quiet
        self._outcome = outcome
        self._holds = holds
        self._tolerance = tolerance
        self.ml_per_unit = ml_per_unit
        self._delivers = delivers
        self._not_by_hand = not_by_hand

    @property
    def not_by_hand(self) -> str:
        """Why people do not set it by hand, in words; empty if they may."""
        if self._counter:
            return f"it doses: what its counter ({self._counter}) counts is taken from somewhere"
        return self._not_by_hand

    @property
    def precision(self) -> int:
        """Decimals that mean something."""
        return self._precision

    @property
    def reads(self) -> bool:
        """Whether the instrument can be asked what it is now."""
        return bool(self._ask)

    def delivered(self, value: float) -> float:
        """What the instrument does when a value is sent, in the axis' unit."""
        return float(getattr(self.parent, self._delivers)(value)) if self._delivers else value

    @property
    def reconcile(self) -> Reconcile:
        """How it is found out whether it was done."""
        return self._reconcile

    @property
    def holds(self) -> bool:
        """Whether it holds a set-point that a restart may lose and that is harmless to set again."""
        return self._holds

    @property
    def limits(self) -> Limits:
        """Lowest and highest value."""
        return self._range

    def narrow(self, low: float, high: float) -> None:
        """Tighten the limits; a limit wider than the driver's own changes nothing.

        Raises:
            DeviceError: nothing would be left.
        """
        narrowed = (max(low, self._range[0]), min(high, self._range[1]))
        if not narrowed[0] <= narrowed[1]:
            raise DeviceError(
                f"{self.name}: limits {low:g} to {high:g} {self.unit} leave nothing of the driver's own "
                f"{self._range[0]:g} to {self._range[1]:g} {self.unit}"
            )
        self._range = narrowed

    def check_value(self, value: Any, **kwargs: Any) -> None:
        """Refuse what is no finite number within the limits.

        Raises:
            LimitError: naming value, limit and unit; nothing was sent.
        """
        low, high = self._range
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise LimitError(f"{self.name}: {value!r} is not a finite number; nothing was sent")
        if not low <= value <= high:
            raise LimitError(
                f"{self.name}: {value:g} {self.unit} is outside {low:g} to {high:g} {self.unit}; nothing was sent"
            )

    def make_ready(self, value: float) -> None:
        """Prepare the instrument for `value`; harmless, moves nothing, and may be said again.

        Raises:
            LimitError: the value is outside the limits; nothing was sent.
            DeviceError: the instrument refuses, or is not at rest.
        """
        self.check_value(value)
        if self._ready:
            getattr(self.parent, self._ready)(float(value))

    def witness(self) -> float | None:
        """What the counter shows now; None for an axis without one."""
        return float(getattr(self.parent, self._counter)()) if self._reconcile == "by_counter" else None

    def set(self, value: float, *, command_id: str = "", epoch: int = 0, **kwargs: Any) -> Status:
        """Begin to set `value`; the status ends when the instrument has done it.

        Args:
            value: in the axis' unit.
            command_id: of the command, to reconcile it later; the caller has called `make_ready`. Without one the act
                starts with it.
            epoch: of the controller; an instrument with a table of commands refuses an older one than it has heard.
            kwargs: Bluesky's, not used.
        """
        self.check_value(value)
        value = float(value)
        method = getattr(self.parent, self._set)

        def work(act: Act, value: float) -> None:
            if not command_id:
                self.make_ready(value)
            if self._reconcile == "by_command_id":
                method(act, value, command_id or uuid.uuid4().hex, epoch)
            else:
                method(act, value)

        status: Status = self.parent.act(
            work, value, timeout_s=self.takes_at_most_s(value), join=self._holds, name=self._set
        )
        return status

    def find_out(self, value: float, witness: float | None, command_id: str) -> EvidenceStatus:
        """Start to reconcile a `set(value)` whose end was not seen.

        Args:
            value: what was to be set.
            witness: what the counter showed before it, for ``by_counter``.
            command_id: of the command, for ``by_command_id``.

        Returns:
            a status with the evidence; a CommunicationError ends it failed. Nothing is halted.
        """

        def find_out(act: Act) -> Evidence:
            if self._reconcile == "by_counter" and witness is not None:
                getattr(self.parent, self._quiet)(act)
                counted = float(getattr(self.parent, self._counter)()) - witness
                return by_counter(self.parent.name, self.unit, value, counted, self._tolerance)
            if self._reconcile == "by_command_id":
                return by_table(act, getattr(self.parent, self._outcome), command_id)
            # A counter that was not read before the act shows as little as none.
            return without_asking(self.parent.name, self._reconcile, "setting")

        what = f"find_out_{self.attr_name or self.name}({value:g})"
        status: EvidenceStatus = self.parent.find_out(
            find_out, what, timeout_s=self.takes_at_most_s(value) + FIND_OUT_S, join=self._holds
        )
        return status

    def takes_at_most_s(self, value: float) -> float:
        """Lab seconds that setting `value` may take."""
        limit = getattr(self.parent, self._timeout_s)(value) if isinstance(self._timeout_s, str) else self._timeout_s
        return float(limit)

    def stop(self, *, success: bool = False) -> None:
        """Stop what is under way; a RunEngine calls this at the end of every plan, for every axis that was set."""
        self.parent.stop_acts()

    def describe(self) -> dict[str, dict[str, Any]]:
        """As of a reading, with the limits."""
        described = super().describe()
        low, high = self._range
        described[self.name] |= {
            "lower_ctrl_limit": low,
            "upper_ctrl_limit": high,
            "limits": {"control": {"low": low, "high": high}},
        }
        return described
