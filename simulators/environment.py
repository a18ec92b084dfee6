"""Simulated environment gateway of the glove box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from labwright.simulation import MqttInstrument
from labwright.simulation.mqtt import Publication


class Environment(MqttInstrument):
    """Publishes the glove box's atmosphere.

    Args:
        name: as in the lab.
        world: a plant with `ambient_celsius`.
        topic: prefix of its topics.
    """

    physical_faults: ClassVar[Sequence[str]] = ("leak", "door_open")

    def received(self, message: Any) -> list[Publication]:
        """Answer a read with its id."""
        if not isinstance(message, dict) or message.get("op") != "read":
            self.not_understood(str(message))
            return []
        return [(f"{self.topic}/evt", {"id": message.get("id"), **self._values()}, False)]

    def periodic(self) -> list[Publication]:
        """Retained telemetry."""
        return [(f"{self.topic}/env", self._values(), True)]

    def _values(self) -> dict[str, Any]:
        leak_ppm = self.flags.get("leak", 0.0)
        return {
            "o2_ppm": round(max(0.0, 0.4 + leak_ppm + self.rng.gauss(0, 0.02)), 3),
            "h2o_ppm": round(max(0.0, 0.3 + leak_ppm / 2 + self.rng.gauss(0, 0.02)), 3),
            "celsius": round(self.world.ambient_celsius + self.rng.gauss(0, 0.05), 3),
            "door": "open" if "door_open" in self.flags else "closed",
        }
