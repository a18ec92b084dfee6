"""The simulated analyser."""

from __future__ import annotations

import base64
from typing import Any

from labwright.simulation import Refused

from .gateway import Meter


class Analyser(Meter):
    """``measure``; the reading stays in the table.

    Args:
        name: as in the lab.
        world: a flask.
        topic: prefix of its topics.
        lamp_off: number of the measurement that finds the lamp switched off, once; 0 for none.
    """

    def __init__(self, name: str, world: Any, *, topic: str, lamp_off: int = 0) -> None:
        super().__init__(name, world, topic=topic)
        self.lamp_off = lamp_off

    def begin(self, message: dict[str, Any]) -> float:
        """Begin to measure."""
        if len(self.world.log) + 1 == self.lamp_off:
            self.lamp_off = 0
            raise Refused("the lamp is off")
        return super().begin(message)

    def finish(self, message: dict[str, Any]) -> dict[str, Any]:
        """All of the reading."""
        ester, water, boiled = self.world.analyse()
        grey = max(0, min(255, round(2.55 * ester)))
        return {
            "y": ester / 100,
            "ester": ester,
            "water": water,
            "crystals": int(ester // 10),
            "phase": "clear" if water < 20 else "two layers",
            "boiled": boiled,
            "spectrum": [[400.0 + 100 * step, ester / (1 + step)] for step in range(4)],
            "picture": base64.b64encode(b"P5 1 1 255\n" + bytes([grey])).decode(),
        }
