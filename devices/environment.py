"""Environment gateway of the glove box over MQTT: oxygen, water, temperature, door.

The message form is ours (a micro-controller publishes whatever its author chose): retained telemetry on
``<topic>/env``, retained ``<topic>/status`` online or offline by last will, and ``<topic>/cmd`` with an id answered
on ``<topic>/evt`` with the same id.
"""

from __future__ import annotations

import math
from typing import Any

from ophyd import Component
from ophyd.status import Status

from labwright.hardware import Act, LabDevice, MqttLink, Reading
from labwright.model.errors import AlarmError, BadReplyError, CommunicationError

FIELDS = {"o2_ppm": "o2", "h2o_ppm": "h2o", "celsius": "temperature"}


class Environment(LabDevice):
    """Triggering it asks the gateway for its present values.

    Args:
        topic: prefix of the gateway's topics.
        max_o2_ppm: above it reading fails with an alarm.
        max_h2o_ppm: above it reading fails with an alarm.
        device: name, port, clock and limits, as for every device.
    """

    o2 = Component(Reading, unit="ppm", precision=2)
    h2o = Component(Reading, unit="ppm", precision=2)
    temperature = Component(Reading, unit="degC", precision=2)
    door = Component(Reading, unit="", value="unknown", kind="normal")

    def __init__(self, *, topic: str, max_o2_ppm: float = 10.0, max_h2o_ppm: float = 10.0, **device: Any) -> None:
        super().__init__(**device)
        self.topic = topic
        self._limits = {"o2_ppm": max_o2_ppm, "h2o_ppm": max_h2o_ppm}

    @property
    def link(self) -> MqttLink:
        """The MQTT link; this device is on no other."""
        if not isinstance(self.port, MqttLink):
            raise CommunicationError(f"{self.name}: its port must be an MQTT link, not {self.port}")
        return self.port

    def connect(self) -> None:
        """Subscribe, and ask once.

        Raises:
            CommunicationError: the gateway is offline or does not answer.
        """
        self.link.subscribe(f"{self.topic}/status")
        self._keep(self._ask(again=False))  # a missing gateway is reported at once

    def trigger(self) -> Status:
        """Ask for the present values."""
        return self.act(self.measure, timeout_s=60.0, join=True)  # several stations may watch one glove box

    def measure(self, act: Act) -> None:
        """Ask once.

        Raises:
            AlarmError: the glove box is open or its atmosphere is too wet or has too much oxygen.
        """
        values = self._ask()
        self._keep(values)
        for field, limit in self._limits.items():
            if values[field] > limit:
                raise AlarmError(f"{self.name}: {field} is {values[field]:.1f}, the limit is {limit:g}")
        if values["door"] != "closed":
            raise AlarmError(f"{self.name}: the door is {values['door']}")

    def _ask(self, *, again: bool = True) -> dict[str, Any]:
        status = self.link.latest(f"{self.topic}/status")
        if status is not None and isinstance(status.payload, dict) and status.payload.get("state") == "offline":
            raise CommunicationError(
                f"{self.name}: the gateway has been offline since lab time {status.received_s:.0f}"
            )
        values = self.link.request(f"{self.topic}/cmd", {"op": "read"}, f"{self.topic}/evt", idempotent=again)
        if not isinstance(values, dict) or values.get("door") not in ("open", "closed"):
            raise BadReplyError(f"{self.name}: {values} has no state of the door")
        for field in FIELDS:
            value = values.get(field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise BadReplyError(f"{self.name}: {field} is {value!r}, no finite number")
        return values

    def _keep(self, values: dict[str, Any]) -> None:
        for field, reading in FIELDS.items():
            getattr(self, reading).hold(float(values[field]))
        self.door.hold(values["door"])
