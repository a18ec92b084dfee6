"""A step's results as a readable device, so that they reach the data store like every other reading."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from labwright.clock import LabClock
from labwright.model.errors import DeviceError
from labwright.model.protocol import ResultSpec


class StepResults:
    """Numbers (and lists of numbers) a step found, with units where the protocol declares them.

    Args:
        values: by name; nested things stay in the step's outcome and are not read here.
        specs: the protocol's results.
        clock: the lab clock.

    Raises:
        DeviceError: something in `values` is NaN or infinite; a planner would learn from it.
    """

    name = "results"
    parent = None

    def __init__(self, values: Mapping[str, Any], specs: tuple[ResultSpec, ...], clock: LabClock) -> None:
        wrong = [f"{where} = {value}" for where, value in _numbers("", values) if not math.isfinite(value)]
        if wrong:
            raise DeviceError(f"results that are no finite numbers: {', '.join(wrong[:5])}")
        self._units = {spec.name: spec.unit for spec in specs}
        self._values = {f"result_{key}": value for key, value in values.items() if _plain(value)}
        self._time = clock.now()

    def __bool__(self) -> bool:
        return bool(self._values)

    def read(self) -> dict[str, dict[str, Any]]:
        """The values."""
        return {key: {"value": value, "timestamp": self._time} for key, value in self._values.items()}

    def describe(self) -> dict[str, dict[str, Any]]:
        """Their units and types."""
        return {key: self._describe(key, value) for key, value in self._values.items()}

    def _describe(self, key: str, value: Any) -> dict[str, Any]:
        unit = self._units.get(key.removeprefix("result_"), "")
        if isinstance(value, list):
            return {"source": "step", "dtype": "array", "shape": [len(value)], "dtype_numpy": "<f8", "units": unit}
        return {"source": "step", "dtype": "string" if isinstance(value, str) else "number", "shape": [], "units": unit}


def _numbers(where: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _numbers(f"{where}.{key}" if where else str(key), one)
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            yield from _numbers(f"{where}[{index}]", one)
    elif isinstance(value, (int, float)):
        yield where, value


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, (int, float)) for one in value)
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)
