"""What a step found: checked where the blame belongs, and readable like every other device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from labwright.clock import LabClock
from labwright.model.errors import DeviceError, unknown
from labwright.model.protocol import ProtocolSpec, ResultSpec


def checked_results(values: Any, protocol: ProtocolSpec, step: str) -> dict[str, Any]:
    """What a step's plan returned, as plain JSON.

    Args:
        values: a mapping, or None for nothing.
        protocol: whose declared results must be finite numbers.
        step: its name, for messages.

    Raises:
        DeviceError: something a journal cannot record or a planner must not learn from; every such place.
    """
    where = f"protocol {protocol.name}, step {step}"
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise DeviceError(
            f"{where} returned {type(values).__name__}; a step returns a dict of what it found, or nothing"
        )
    wrong: list[str] = []
    plain = {str(key): _json(str(key), value, wrong) for key, value in values.items()}
    for name in (one.name for one in protocol.results):
        if name in plain and not isinstance(plain[name], float) and not _is_number(plain[name]):
            wrong.append(f"{name} = {plain[name]!r} is no number")
        sem = plain.get(f"{name}_sem")
        if sem is not None and (not _is_number(sem) or sem < 0):
            wrong.append(f"{name}_sem = {sem!r} is no standard error")
    made = plain.get("measured_params")
    if made is not None and not isinstance(made, dict):
        wrong.append(f"measured_params = {made!r} is no dict of parameters")
    elif made is not None:
        known = [one.name for one in protocol.parameters]
        wrong += [f"measured_params: {unknown('parameter', key, known)}" for key in made if key not in known]
        wrong += [f"measured_params.{key} = {one!r} is no number" for key, one in made.items() if not _is_number(one)]
    if wrong:
        raise DeviceError(f"{where}: {'; '.join(dict.fromkeys(wrong[:5]))}")
    return plain


class StepResults:
    """Numbers (and lists of numbers) a step found, with units where the protocol declares them.

    Args:
        values: as `checked_results` gives them; nested things stay in the step's outcome and are not read here.
        specs: the protocol's results.
        clock: the lab clock.
    """

    name = "results"
    parent = None

    def __init__(self, values: Mapping[str, Any], specs: tuple[ResultSpec, ...], clock: LabClock) -> None:
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


def _json(where: str, value: Any, wrong: list[str]) -> Any:
    """`value` as JSON has it, numpy's numbers and arrays included; what it cannot have goes into `wrong`."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _json(f"{where}.{key}", one, wrong) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(f"{where}[{index}]", one, wrong) for index, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        wrong.append(f"{where} = {value} is no finite number")
    elif not isinstance(value, (str, int, float, bool)) and value is not None:
        wrong.append(f"{where} is a {type(value).__name__}, which JSON cannot represent")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, (int, float)) for one in value)
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)
