"""What is done to one sample, as data: typed parameters, steps that need each other, typed results."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.errors import OutOfRangeError, unknown
from labwright.model.material import Part, Used

FailKind = Literal["infeasible", "equipment", "aborted"]
"""Why there are no outcomes: it cannot be made, an instrument failed, or it was given up."""

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq}


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


class When(Frozen):
    """A condition on what a step found.

    Attributes:
        result: ``step.result``.
        op: how it is compared.
        value: with what.
    """

    result: Annotated[str, Field(pattern=r"^[A-Za-z]\w*\.[A-Za-z]\w*$")]
    op: Literal["<", "<=", ">", ">=", "=="]
    value: float

    @property
    def step(self) -> str:
        """The step that finds it."""
        return self.result.partition(".")[0]

    def holds(self, found: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it holds for what the steps found.

        Raises:
            KeyError: the step found no such number; the message says what it did find.
        """
        step, _, name = self.result.partition(".")
        here = found.get(step, {})
        if not isinstance(here.get(name), (int, float)):
            raise KeyError(f"{self}: step {step!r} found no number {name!r} (it found {', '.join(here) or 'nothing'})")
        return bool(_COMPARE[self.op](here[name], self.value))

    def __str__(self) -> str:
        return f"{self.result} {self.op} {self.value:g}"


class Repeat(Frozen):
    """A loop with a bound: from `back_to` to the step that carries it, again until a condition holds.

    Attributes:
        back_to: the step to begin again with; this step must need it, directly or through others.
        until: no further round once it holds.
        at_most: rounds in all; after them the protocol goes on as it is.
    """

    back_to: Name
    until: When
    at_most: Annotated[int, Field(ge=2, le=100)]


class StepSpec(Frozen):
    """One station's share of a protocol; runs as one Bluesky run.

    Attributes:
        name: also the name of the method that plans it.
        station: where it is done.
        needs: steps that must be done (or skipped) before.
        expected_s: how long it usually takes, lab seconds; what was seen in earlier campaigns counts more.
        timeout_s: how long it may take at most, lab seconds.
        moves_to: the sample's location afterwards; the position must be free, and is reserved with the station.
        leaves: the sample leaves the lab, and its position is free.
        keeps: what nothing else may have from this step on: positions, until the sample stands there or has left the
            lab, and devices that several stations have, until the sample's last step at one of them.
        when: done only if this holds, else skipped.
        repeat: a loop that ends with this step.
        retries: how often it is retried automatically after a fault, if nothing is in doubt.
        on_failure: then: a person is asked, the sample is given up, or the campaign ends.
        before_again: what a person must see to before the step is repeated, in words; shown with the question.
        always: done also for a sample that was given up, to bring it out of the lab.
    """

    name: Name
    station: Name
    needs: tuple[Name, ...] = ()
    expected_s: Annotated[float, Field(gt=0)]
    timeout_s: Annotated[float, Field(gt=0)] = 7200.0
    moves_to: str = ""
    leaves: bool = False
    keeps: tuple[Name, ...] = ()
    when: When | None = None
    repeat: Repeat | None = None
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    on_failure: Literal["ask", "abandon", "stop"] = "stop"
    before_again: str = ""
    always: bool = False


class ProtocolSpec(Frozen):
    """A protocol as data.

    Attributes:
        name: in campaigns' files.
        version: of it.
        title: for people.
        parameters: that it takes.
        results: that it finds.
        steps: in an order in which each comes after those it needs.
        uses_up: positions whose containers serve it once, such as a standard solution: a person replaces them.
        valid_s: as a preparation: for so long after it was made, lab seconds, what it found holds for other campaigns
            on the same instruments too; 0 if each makes its own.
    """

    name: Name
    version: str
    title: str
    parameters: tuple[ParameterSpec, ...]
    results: tuple[ResultSpec, ...]
    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1)]
    uses_up: tuple[Name, ...] = ()
    valid_s: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for kind in ("parameters", "results", "steps"):
            names = [one.name for one in getattr(self, kind)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{kind} named twice: {', '.join(twice)}")
        before: list[str] = []
        for step in self.steps:
            self._check_names(step, before)
            before.append(step.name)
        return self

    def _check_names(self, step: StepSpec, before: list[str]) -> None:
        """Refuse a step that refers to one that is not before it: so the steps are a graph without a ring."""
        wanted = [("needs", need) for need in step.needs]
        wanted += [("when", step.when.step)] if step.when else []
        for what, name in wanted:
            if name not in before:
                raise ValueError(f"step {step.name}: {what} {name!r}, which is no step before it; {_known(before)}")
        if step.repeat is not None:
            if step.repeat.until.step not in (*before, step.name):
                raise ValueError(f"step {step.name}: repeat until {step.repeat.until}, which is no step up to it")
            if step.name not in self.between(step.repeat.back_to, step.name):
                raise ValueError(
                    f"step {step.name}: repeat goes back to {step.repeat.back_to!r}, which it does not need; "
                    f"{_known(before)}"
                )

    def between(self, first: str, last: str) -> tuple[str, ...]:
        """The steps from `first` to `last`: those that need `first` and that `last` needs, both ends included."""
        needs = {step.name: set(step.needs) for step in self.steps}

        def before(name: str) -> set[str]:
            return {name}.union(*(before(need) for need in needs.get(name, ())))

        wanted = before(last)
        return tuple(step.name for step in self.steps if step.name in wanted and first in before(step.name))

    def same_work(self, other: ProtocolSpec) -> bool:
        """Whether another release of the protocol does the same work.

        What is done about faults may differ, and what is kept from others: a campaign goes on as it has started.
        """
        policy = {"expected_s", "timeout_s", "retries", "on_failure", "before_again", "keeps"}
        left_out: dict[str, Any] = {"title": True, "valid_s": True, "steps": {"__all__": policy}}
        mine, others = (one.model_dump(exclude=left_out) for one in (self, other))
        return mine == others

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


class Prepared(Frozen):
    """What a preparation has found, for other campaigns on the same instruments.

    Attributes:
        protocol: its name.
        version: of that.
        campaign: id of the campaign that has made it.
        at_s: when it was made, lab time.
        lab_sha256: hash of the lab's files then.
        results: what it has found.
    """

    protocol: str
    version: str
    campaign: str
    at_s: float
    lab_sha256: str
    results: dict[str, Any]

    def holds(self, protocol: ProtocolSpec, lab_sha256: str, now_s: float) -> bool:
        """Whether it can be used instead of another: the lab's files are the same, and it is not too long ago.

        Args:
            protocol: that is to be carried out.
            lab_sha256: hash of the lab's files now.
            now_s: lab time; accelerated lab time may lie before the time of an earlier process.
        """
        same = (self.protocol, self.version, self.lab_sha256) == (protocol.name, protocol.version, lab_sha256)
        return same and abs(now_s - self.at_s) <= protocol.valid_s


class StepOrder(Frozen):
    """The order for a station.

    Attributes:
        step_id: unique; starting it twice is refused.
        campaign: the campaign's id.
        experiment: number of the experiment, 0 for a preparation.
        label: the experiment's in the journal.
        sample: id of the sample.
        place: position of the sample's container at the start of the experiment.
        stands_at: its location now.
        protocol: the protocol's name.
        step: the step's name.
        round: of a loop, from 1.
        attempt: 1, and one more for each retry after a fault.
        resumed: whether it was started before: its records must be looked up first.
        expected_s: how long it should take, lab seconds.
        parameters: of the experiment, by name.
        results: what earlier steps found, by step.
        calibrations: what preparations found, by protocol.
    """

    step_id: str
    campaign: str
    experiment: int
    label: str = ""
    sample: str
    place: str
    stands_at: str = ""
    protocol: str
    step: str
    round: int = 1
    attempt: int = 1
    resumed: bool = False
    expected_s: float = 0.0
    parameters: dict[str, float]
    results: dict[str, dict[str, Any]] = {}
    calibrations: dict[str, dict[str, Any]] = {}


class StepOutcome(Frozen):
    """How a step ended.

    Attributes:
        step_id: as in its order.
        state: done, failed, stopped on request, or unknown: an operation may or may not have happened.
        results: what it found, JSON.
        fail_kind: whose fault a failure is.
        error: what happened, in words.
        doubt: number of the operation that may or may not have happened whole; None if nothing is in doubt.
        value_lost: whether it is a measurement whose value was not recorded: knowing that it ran is no use.
        run_uids: Bluesky runs that belong to it.
        used: what the step has taken of the stocks so far, in all its attempts, by stock.
        part: of the operation in doubt, where its device could say how much of it was done.
        started_s: lab time.
        ended_s: lab time.
    """

    step_id: str
    state: Literal["done", "failed", "stopped", "unknown"]
    results: dict[str, Any] = {}
    fail_kind: FailKind | None = None
    error: str = ""
    doubt: int | None = None
    value_lost: bool = False
    run_uids: tuple[str, ...] = ()
    used: dict[str, Used] = {}
    part: Part | None = None
    started_s: float
    ended_s: float


def _known(names: list[str]) -> str:
    return f"before it are: {', '.join(names) or 'none'}"
