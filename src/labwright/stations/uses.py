"""Which operations take from which stock, and how much: by the lab's sources and the axes' units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from labwright.hardware import Axis
from labwright.model.lab import LabModel
from labwright.model.material import ML_PER_UNIT, nanolitres


class Uses:
    """What setting an axis takes of the lab's stocks.

    Args:
        lab: whose sources name their devices. A device of several is left out: which of them it takes is not known.
    """

    def __init__(self, lab: LabModel) -> None:
        sources_of = Counter(source.device for source in lab.sources.values())
        self._stock = {one.device: name for name, one in lab.stocks.items() if sources_of[one.device] == 1}

    def stock(self, axis: Any) -> str:
        """The stock that setting `axis` takes from; empty if none."""
        device = getattr(axis, "parent", None) or axis
        return self._stock.get(device.name, "") if ml_per_unit(axis) else ""

    def nl(self, axis: Any, value: float, before: float = 0.0) -> int:
        """Nanolitres that setting `value` takes, beyond an earlier part; parts add up to the whole exactly."""
        scale = ml_per_unit(axis)
        return nanolitres(scale * (before + value)) - nanolitres(scale * before)

    def counted(self, devices: Mapping[str, Any]) -> tuple[str, ...]:
        """Stocks whose use can be counted by the operations of their pumps; of others only promises are known."""
        found = []
        for pump, stock in self._stock.items():
            axes = getattr(devices.get(pump), "_signals", {}).values()
            if any(ml_per_unit(axis) for axis in axes if isinstance(axis, Axis) or hasattr(axis, "ml_per_unit")):
                found.append(stock)
        return tuple(sorted(found))


def ml_per_unit(axis: Any) -> float:
    """Millilitres that one unit of an axis takes; 0 if it takes nothing."""
    declared = getattr(axis, "ml_per_unit", None)
    return ML_PER_UNIT.get(getattr(axis, "unit", ""), 0.0) if declared is None else float(declared)
