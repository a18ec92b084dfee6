"""Stations at a service: what can be set and read there by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from labwright.answers.lab import HandDevice, HandOperation
from labwright.client.wire import Wire
from labwright.model.by_hand import WAIT_S, HandWork

Rows = list[dict[str, Any]]
"""Answers, as JSON."""


class Stations:
    """Set an axis, take a reading, and see what has become of it.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def devices(self, station: str) -> Sequence[HandDevice]:
        """What can be set and read at a station by hand, with units and limits."""
        found = self._wire.get(f"/v1/stations/{quote(station, safe='')}/devices")["items"]
        return [HandDevice.model_validate(one) for one in found]

    def set(
        self,
        station: str,
        device: str,
        axis: str,
        value: float,
        unit: str,
        because: str,
        *,
        sample_present_ok: bool = False,
        wait_s: float = WAIT_S,
        key: str | None = None,
    ) -> str:
        """Set one axis of a device by hand; the id under which it is asked about (`state`).

        Args:
            station: its name.
            device: of it.
            axis: of the device.
            value: to which.
            unit: of the value, as the axis declares it; empty for a pure number.
            because: why.
            sample_present_ok: though a sample stands there that it could spoil.
            wait_s: lab seconds for which it waits for the station; it is given up then.
            key: the Idempotency-Key; a new one if None.

        Raises:
            ProblemError: it does not fit the lab, or is not done by hand, or not now.
        """
        work = HandWork(
            station=station, device=device, axis=axis, value=value, unit=unit, sample_present_ok=sample_present_ok,
            wait_s=wait_s,
        )  # fmt: skip
        return self.operate(work, because, key=key)

    def read(self, station: str, device: str, because: str, *, wait_s: float = WAIT_S, key: str | None = None) -> str:
        """Take one reading of a device by hand; the id under which it is asked about (`state`).

        Args:
            station: its name.
            device: of it.
            because: why.
            wait_s: lab seconds for which it waits for the station; it is given up then.
            key: the Idempotency-Key; a new one if None.

        Raises:
            ProblemError: it does not fit the lab, or is not done by hand, or not now.
        """
        return self.operate(HandWork(station=station, device=device, wait_s=wait_s), because, key=key)

    def operate(self, work: HandWork, because: str, *, key: str | None = None) -> str:
        """Have something done by hand; the id under which it is asked about.

        Args:
            work: what.
            because: why.
            key: the Idempotency-Key; a new one if None.

        Raises:
            ProblemError: it does not fit the lab, or is not done by hand, or not now.
        """
        sets = work.axis is not None
        left_out = {"station"} if sets else {"station", "axis", "value", "unit", "sample_present_ok"}
        body = {**work.model_dump(mode="json", exclude=left_out), "because": because}
        path = f"/v1/stations/{quote(work.station, safe='')}/{'set' if sets else 'read'}"
        answer = self._wire.send("POST", path, body, key=key)
        return str(answer.get("campaign") or answer["result"])

    def by_hand(self, station: str, *, everything: bool = False) -> Sequence[HandOperation]:
        """What people have done at a station by hand, and what of it waits, the newest first.

        Args:
            station: its name.
            everything: older ones than of the last day, too.
        """
        return [HandOperation.model_validate(one) for one in self.by_hand_facts(station, everything=everything)]

    def by_hand_facts(self, station: str, *, everything: bool = False) -> Rows:
        """The same, as JSON."""
        path = f"/v1/stations/{quote(station, safe='')}/by-hand"
        found: Rows = self._wire.get(path, everything="true" if everything else "")["items"]
        return found

    def state(self, station: str, operation: str) -> HandOperation:
        """How something stands that was asked for by hand.

        Args:
            station: its name.
            operation: its id.
        """
        return HandOperation.model_validate(self.hand_facts(station, operation))

    def hand_facts(self, station: str, operation: str) -> dict[str, Any]:
        """The same, as JSON."""
        path = f"/v1/stations/{quote(station, safe='')}/by-hand/{quote(operation, safe='')}"
        found: dict[str, Any] = self._wire.get(path)
        return found
