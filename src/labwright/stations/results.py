"""What a step found: checked where the blame belongs, and readable like every other device."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labwright.clock import LabClock
from labwright.model.errors import DeviceError
from labwright.model.protocol import FileResult, NumberResult, ProtocolResult, ProtocolSpec
from labwright.model.results import shape_of
from labwright.stations.files import wrong_file


def checked_results(values: Any, protocol: ProtocolSpec, step: str, data: Path | None = None) -> dict[str, Any]:
    """What a step's plan returned, as plain JSON.

    Args:
        values: a mapping, or None for nothing.
        protocol: whose results must be as it declares them.
        step: its name, for messages.
        data: the data folder, in which files that are named must be found.

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
    said = {re.split(r"[ .:\[]", one, maxsplit=1)[0] for one in wrong}
    wrong += [one for one in protocol.wrong_results(plain) if re.split(r"[ .:\[]", one, maxsplit=1)[0] not in said]
    if not wrong:
        files = [one.name for one in protocol.results if isinstance(one, FileResult) and one.name in plain]
        wrong = [f"{name}: {words}" for name in files if (words := wrong_file(data, plain[name]))]
    if wrong:
        raise DeviceError(f"{where}: {'; '.join(dict.fromkeys(wrong[:5]))}")
    return plain


class StepResults:
    """Values and arrays of numbers that a step found, with units where the protocol declares them.

    Args:
        values: as `checked_results` gives them; other nested things stay in the step's outcome and are not read here.
        specs: the protocol's results; of a file its address is read.
        clock: the lab clock.
    """

    name = "results"
    parent = None

    def __init__(self, values: Mapping[str, Any], specs: tuple[ProtocolResult, ...], clock: LabClock) -> None:
        self._units = {spec.name: getattr(spec, "unit", "") for spec in specs}
        self._units |= {spec.uncertainty: spec.unit for spec in specs if isinstance(spec, NumberResult)}
        files = {spec.name for spec in specs if isinstance(spec, FileResult)}
        told = {key: value["uri"] if key in files else value for key, value in values.items()}
        self._values = {f"result_{key}": value for key, value in told.items() if _plain(value)}
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
        if (shape := shape_of(value)) is not None:
            return {"source": "step", "dtype": "array", "shape": list(shape), "dtype_numpy": "<f8", "units": unit}
        kind = "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
        return {"source": "step", "dtype": kind, "shape": [], "units": unit}


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


def _plain(value: Any) -> bool:
    return isinstance(value, (int, float, str)) or shape_of(value) is not None
