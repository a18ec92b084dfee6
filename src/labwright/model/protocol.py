"""What is done to one sample, as data: typed parameters, steps that need each other, typed results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.errors import OutOfRangeError, unknown

FailKind = Literal["infeasible", "equipment", "aborted"]


class ParameterSpec(Frozen):
    """A parameter of a protocol and the envelope it is safe and meaningful in."""

    name: Name
    unit: str
    low: float
    high: float
    description: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"parameter {self.name}: low {self.low:g} is not below high {self.high:g}")
        return self


class ResultSpec(Frozen):
    """A result of a protocol."""

    name: Name
    unit: str
    description: str = ""


class StepSpec(Frozen):
    """One station's share of a protocol; runs as one Bluesky run.

    Attributes:
        name: also the name of the method that plans it.
        station: where it is done.
        needs: steps that must be done before.
        expected_s: how long it usually takes, lab seconds.
        timeout_s: how long it may take at most, lab seconds.
    """

    name: Name
    station: Name
    needs: tuple[Name, ...] = ()
    expected_s: Annotated[float, Field(gt=0)]
    timeout_s: Annotated[float, Field(gt=0)] = 7200.0


class ProtocolSpec(Frozen):
    """A protocol as data."""

    name: Name
    version: str
    title: str
    parameters: tuple[ParameterSpec, ...]
    results: tuple[ResultSpec, ...]
    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for kind in ("parameters", "results", "steps"):
            names = [one.name for one in getattr(self, kind)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{kind} named twice: {', '.join(twice)}")
        return self

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that are unknown, missing, no finite numbers, or outside the envelope.

        Raises:
            OutOfRangeError: with every violation.
        """
        known = {one.name: one for one in self.parameters}
        found = [unknown("parameter", name, list(known)) for name in parameters if name not in known]
        for name, one in known.items():
            value = parameters.get(name)
            if value is None:
                found.append(f"{name} is missing ({one.low:g} to {one.high:g} {one.unit})")
            elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                found.append(f"{name} = {value!r} is not a finite number")
            elif not one.low <= value <= one.high:
                found.append(f"{name} = {value:g} {one.unit} is outside {one.low:g} to {one.high:g} {one.unit}")
        if found:
            raise OutOfRangeError(f"protocol {self.name}: " + "; ".join(found))


class StepOrder(Frozen):
    """What a station is told to do.

    Attributes:
        step_id: unique; starting it twice is refused.
        campaign: the campaign's id.
        experiment: number of the experiment, 0 for a preparation.
        sample: id of the sample.
        place: where the sample's container stands at the start of the experiment.
        protocol: the protocol's name.
        step: the step's name.
        parameters: of the experiment, by name.
        results: what earlier steps found, by step.
        calibrations: what preparations found, by protocol.
    """

    step_id: str
    campaign: str
    experiment: int
    sample: str
    place: str
    protocol: str
    step: str
    parameters: dict[str, float]
    results: dict[str, dict[str, Any]] = {}
    calibrations: dict[str, dict[str, Any]] = {}


class StepOutcome(Frozen):
    """How a step ended.

    Attributes:
        step_id: as in its order.
        state: done, failed, or stopped on request.
        results: what it found, JSON.
        fail_kind: whose fault a failure is.
        error: what happened, in words.
        run_uids: Bluesky runs that belong to it.
        started_s: lab time.
        ended_s: lab time.
    """

    step_id: str
    state: Literal["done", "failed", "stopped"]
    results: dict[str, Any] = {}
    fail_kind: FailKind | None = None
    error: str = ""
    run_uids: tuple[str, ...] = ()
    started_s: float
    ended_s: float
