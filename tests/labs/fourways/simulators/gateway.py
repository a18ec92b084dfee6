"""Simulated gateways with a table of commands."""

from __future__ import annotations

from typing import Any

from labwright.simulation import CommandTable, Refused

DOSE_UL_PER_S = 100.0
MEASURE_S = 1.0
MOST_UL = 500.0


class Doser(CommandTable):
    """``dose`` with ``volume_ul``."""

    def begin(self, message: dict[str, Any]) -> float:
        """Begin to dose."""
        if message["op"] != "dose":
            raise Refused(f"a doser does not {message['op']}")
        volume_ul = float(message["volume_ul"])
        if not 0 < volume_ul <= MOST_UL:
            raise Refused(f"{volume_ul:g} ul is outside 0 to {MOST_UL:g} ul")
        self.effect("dose", id=message["id"], volume_ul=volume_ul)
        return volume_ul / DOSE_UL_PER_S

    def progress(self, message: dict[str, Any], share: float) -> None:
        """Some of it is out."""
        self.world.pour(self.name, float(message["volume_ul"]) * share)

    def finish(self, message: dict[str, Any]) -> dict[str, Any]:
        """How much it gave."""
        return {"volume_ul": float(message["volume_ul"])}


class Meter(CommandTable):
    """``measure``; the reading stays in the table."""

    def begin(self, message: dict[str, Any]) -> float:
        """Begin to measure."""
        if message["op"] != "measure":
            raise Refused(f"a meter does not {message['op']}")
        self.effect("measure", id=message["id"])
        return MEASURE_S

    def finish(self, message: dict[str, Any]) -> dict[str, Any]:
        """The reading."""
        return {"y": float(self.world.measure())}
