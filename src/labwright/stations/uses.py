"""Which operations take from which source, and how much: by the lab's sources and wastes, and the axes' units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from labwright.hardware import Axis
from labwright.model.errors import ConfigError
from labwright.model.lab import LabModel
from labwright.model.material import COUNTED_AS, NL_PER_ML
from labwright.model.quantities import Counted


class Uses:
    """What setting an axis takes of the lab's stocks, or out of the sample.

    Args:
        lab: whose sources and wastes name their devices.
    """

    def __init__(self, lab: LabModel) -> None:
        self._sources: dict[str, list[str]] = defaultdict(list)
        self._units: dict[str, Counted] = {}
        for name, source in lab.sources.items():
            if (stock := lab.stocks.get(source.container)) is not None:
                self._sources[source.device].append(name)
                self._units[name] = stock.unit
        self._wastes = {waste.device: name for name, waste in lab.wastes.items() if waste.device}
        self._units |= {name: waste.capacity.unit for name, waste in lab.wastes.items()}
        self._chosen: dict[str, str] = {}

    def choose(self, source: str, device: str) -> None:
        """A plan takes from this source now: of a device with several, the one that its next operations take from."""
        self._chosen[device] = source

    def stock(self, axis: Any) -> str:
        """The source that setting `axis` takes from, or the waste that it fills from the sample; empty if none.

        Raises:
            ConfigError: its device has several, and the plan has chosen none.
        """
        device = (getattr(axis, "parent", None) or axis).name
        sources = self._sources.get(device, [])
        name = sources[0] if sources else self._wastes.get(device, "")
        scale, unit = counted_as(axis)
        if not name or not scale or unit != self._units[name]:
            return ""
        if len(sources) > 1:
            if device not in self._chosen:
                raise ConfigError(
                    f"device {device} dispenses from several sources ({', '.join(sources)}), and the plan has not said "
                    "from which; take it by context.source(MATERIAL)"
                )
            return self._chosen[device]
        return name

    def amount(self, axis: Any, value: float, before: float = 0.0) -> int:
        """What setting `value` takes, in the smallest unit, beyond an earlier part; as the instrument rounds it."""
        scale, _ = counted_as(axis)
        if isinstance(axis, Axis) and axis.delivered(value) != value:
            return round(scale * axis.delivered(value))  # the instrument rounds each part for itself
        return round(scale * (before + value)) - round(scale * before)

    def counted(self, devices: Mapping[str, Any]) -> tuple[str, ...]:
        """Sources and wastes whose use can be counted by operations; of others only promises are known."""
        found = []
        named = [(device, name) for device, names in self._sources.items() for name in names]
        for device, name in [*named, *self._wastes.items()]:
            axes = getattr(devices.get(device), "_signals", {}).values()
            if any(
                counted_as(axis)[0] and counted_as(axis)[1] == self._units[name]
                for axis in axes
                if isinstance(axis, Axis) or hasattr(axis, "ml_per_unit")
            ):
                found.append(name)
        return tuple(sorted(found))


def counted_as(axis: Any) -> tuple[float, Counted]:
    """What one unit of an axis takes, and in which smallest unit that is; 0 if it takes nothing."""
    declared = getattr(axis, "ml_per_unit", None)
    if declared is not None:
        return float(declared) * NL_PER_ML, "nL"
    return COUNTED_AS.get(getattr(axis, "unit", ""), (0.0, "nL"))
