"""What is done to one sample, as data: typed parameters, steps that need each other, typed results."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, StrictBool, StrictStr, field_validator, model_validator

from labwright.model.base import Frozen, Name
from labwright.model.by_hand import ByHand
from labwright.model.errors import OutOfRangeError, unknown
from labwright.model.figures import spelled
from labwright.model.manual import Manual, mismatched_readings
from labwright.model.material import Part, Used
from labwright.model.protocol_parameters import (
    ChoiceParameter,
    FlagParameter,
    IntegerParameter,
    NumberParameter,
    OrdinalParameter,
    ParameterSpec,
    ProtocolParameter,
    TextParameter,
    given_to,
)
from labwright.model.results import (
    ArrayResult,
    ChoiceResult,
    FileResult,
    FlagResult,
    IntegerResult,
    NumberResult,
    ProtocolResult,
    ResultSpec,
    mistaken,
)
from labwright.model.undeclared import made_by_name, sem_by_name, sem_key, wrong_by_name

__all__ = [
    "ArrayResult",
    "AskWithin",
    "ChoiceParameter",
    "ChoiceResult",
    "FailKind",
    "FaultClass",
    "FileResult",
    "FlagParameter",
    "FlagResult",
    "IntegerParameter",
    "IntegerResult",
    "Manual",
    "NumberParameter",
    "NumberResult",
    "OrdinalParameter",
    "ParameterSpec",
    "Policy",
    "Prepared",
    "ProtocolParameter",
    "ProtocolResult",
    "ProtocolSpec",
    "Repeat",
    "ResultSpec",
    "StepOrder",
    "StepOutcome",
    "StepSpec",
    "TextParameter",
    "When",
]

FailKind = Literal["infeasible", "equipment", "aborted"]
"""Why there are no outcomes: it cannot be made, an instrument failed, or it was given up."""

FaultClass = Literal["equipment", "timeout", "refused", "sample", "plan"]
"""What is at fault: an instrument; what took too long; a limit or an interlock; the sample itself; the plan's code."""

Policy = Literal["ask", "abandon", "stop", "skip", "quarantine"]
"""What is done about a step that has failed, once it is not tried again."""

TIMEOUT_S = 7200.0
"""How long a step may take at most that says no other time, lab seconds."""

OTHERWISE = "otherwise"
"""Stands for all classes of fault that a step does not name."""

TRIED_AGAIN: tuple[FaultClass | None, ...] = (None, "equipment", "timeout")
"""Classes of fault that may be gone the next time; those of outcomes of earlier releases are not known."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class When(Frozen):
    """A condition on what a step found.

    Attributes:
        result: ``step.result``.
        op: how it is compared; a level or a truth value only as the same or another.
        value: with what: a number, the level of a choice, or the truth value of a flag.
    """

    result: Annotated[str, Field(pattern=r"^[A-Za-z]\w*\.[A-Za-z]\w*$")]
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    value: StrictBool | float | StrictStr

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if isinstance(self.value, bool | str) and self.op not in ("==", "!="):
            raise ValueError(f"{self}: {self.value!r} has no order; compare it with == or !=")
        return self

    @property
    def step(self) -> str:
        """The step that finds it."""
        return self.result.partition(".")[0]

    def holds(self, found: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it holds for what the steps found.

        Raises:
            KeyError: the step found no such number, level or truth value; the message says what it did find.
        """
        step, _, name = self.result.partition(".")
        here = found.get(step, {})
        value = here.get(name)
        wanted, kind = {bool: (bool, "truth value"), str: (str, "level")}.get(
            type(self.value), ((int, float), "number")
        )
        if not isinstance(value, wanted):
            raise KeyError(f"{self}: step {step!r} found no {kind} {name!r} (it found {', '.join(here) or 'nothing'})")
        return bool(_COMPARE[self.op](value, self.value))

    def __str__(self) -> str:
        value = spelled(self.value) if isinstance(self.value, bool | str) else f"{self.value:g}"
        return f"{self.result} {self.op} {value}"


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


class AskWithin(Frozen):
    """Until when a question about a step is to be answered, and what is done if no person has.

    Attributes:
        within_s: after it was asked, lab seconds.
        then: ``park``: the sample is kept where it is safe, and the question stays open; there is nothing else that
            could be done without a person.
    """

    within_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    then: Literal["park"] = "park"


class StepSpec(Frozen):
    """One station's share of a protocol; runs as one Bluesky run.

    Attributes:
        name: also the name of the method that plans it.
        station: where it is done.
        needs: steps that must be done (or skipped) before.
        expected_s: how long it usually takes, lab seconds; what was seen in earlier campaigns counts more.
        timeout_s: how long it may take at most, lab seconds.
        sample: whether the sample must be at its station. Where the protocol names its `labware` it is brought there,
            to a position that is kept for it; without the sample, a step may go on while it is elsewhere.
        max_wait_s: how long after this step the next one that needs the sample may begin at most, lab seconds; this
            step begins only when a position for that one is certain. None if it may wait.
        recipe: parameters of the experiment that must be the same for all samples which a station with one recipe, or
            a device that several stations have, serves at the same time; without any, it serves one sample at a time.
        moves_to: the sample's location afterwards, if this step itself moves it; the position must be free, and is
            reserved with the station.
        leaves: this step itself takes the sample out of the lab, and its position is free.
        holds: whether its station stays the sample's afterwards, until its next step there has ended: what the station
            holds of it then (the filling of a cell) must not be touched, though its container may be carried away.
        keeps: what nothing else may have from this step on: positions, or a position of a station, until the sample
            stands there or has left the lab, and devices that several stations have, until the sample's last step at
            one of them.
        when: done only if this holds, else skipped.
        repeat: a loop that ends with this step.
        retries: how often it is retried automatically after a fault of an instrument, or one that took too long, if
            nothing is in doubt.
        on_failure: then: a person is asked (``ask``), the sample is given up (``abandon``), or set aside until a person
            releases it (``quarantine``), the step is left out (``skip``), or the campaign ends (``stop``); one for all
            classes of fault, or by class, where a person is asked about those that are not named.
        ask: until when a question about it is to be answered; None if it may wait.
        before_again: what a person must see to before the step is repeated, in words; shown with the question.
        always: done also for a sample that was given up, to bring it out of the lab.
        manual: what a person does, where the step is a person's; then no method plans it, its station is one of people,
            and it lasts until its card is signed, however long that takes.
    """

    name: Name
    station: Name
    needs: tuple[Name, ...] = ()
    expected_s: Annotated[float, Field(gt=0)]
    timeout_s: Annotated[float, Field(gt=0)] = TIMEOUT_S
    sample: bool = True
    max_wait_s: Annotated[float, Field(gt=0)] | None = None
    recipe: tuple[Name, ...] = ()
    moves_to: str = ""
    leaves: bool = False
    keeps: tuple[Name, ...] = ()
    holds: bool = False
    when: When | None = None
    repeat: Repeat | None = None
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    on_failure: Policy | dict[str, Policy] = "stop"
    ask: AskWithin | None = None
    before_again: str = ""
    always: bool = False
    manual: Manual | None = None

    @model_validator(mode="after")
    def _waits_for_its_person(self) -> Self:
        if self.manual is not None and self.retries:
            raise ValueError(
                f"step {self.name}: retries: what a person could not do is not asked for once more by itself; leave "
                "retries out, and see on_failure"
            )
        if self.manual is not None and self.timeout_s != TIMEOUT_S:
            raise ValueError(f"step {self.name}: timeout_s: its card waits for a person; leave timeout_s out")
        return self

    @field_validator("on_failure", mode="before")
    @classmethod
    def _policies(cls, given: Any) -> Any:
        policies, classes = get_args(Policy), [*get_args(FaultClass), OTHERWISE]
        if not isinstance(given, Mapping):
            if given not in policies:
                raise ValueError(unknown("policy", str(given), policies))
            return given
        wrong = [_no_class(str(name), classes) for name in given if name not in classes]
        wrong += [
            f"{name}: {unknown('policy', str(one), policies)}" for name, one in given.items() if one not in policies
        ]
        if not given:
            wrong.append(f"no class of fault is named; known are {', '.join(classes)}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return dict(given)

    def policy(self, fault: FaultClass | None) -> Policy:
        """What is done about a fault of this class; None for one of an earlier release, which names none."""
        if isinstance(self.on_failure, str):
            return self.on_failure
        return self.on_failure.get(fault or "equipment") or self.on_failure.get(OTHERWISE, "ask")

    @property
    def skipped_after(self) -> tuple[str, ...]:
        """Classes of fault after which the sample goes on without this step."""
        if isinstance(self.on_failure, str):
            return (OTHERWISE,) if self.on_failure == "skip" else ()
        return tuple(name for name, one in self.on_failure.items() if one == "skip")


class ProtocolSpec(Frozen):
    """A protocol as data.

    Attributes:
        name: in campaigns' files.
        version: of it.
        title: for people.
        parameters: that it takes.
        results: that it finds.
        steps: in an order in which each comes after those it needs.
        labware: the kind of container that each sample is in, which is brought to where its steps need it; empty where
            no container is handled, or the protocol's own steps move it, as they did in earlier releases.
        afterwards: what becomes of the container when all is done: it leaves the lab, or goes back to its place.
        uses_up: positions whose containers serve it once, such as a standard solution: a person replaces them.
        valid_s: as a preparation: for so long after it was made, lab seconds, what it found holds for other campaigns
            on the same instruments too; 0 if each makes its own.
        by_hand: what a person does at a station, where that is all of it; None for a protocol of the lab.
    """

    name: Name
    version: str
    title: str
    parameters: tuple[ProtocolParameter, ...]
    results: tuple[ProtocolResult, ...]
    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1)]
    labware: str = ""
    afterwards: Literal["leaves", "returns"] = "leaves"
    uses_up: tuple[Name, ...] = ()
    valid_s: Annotated[float, Field(ge=0)] = 0.0
    by_hand: ByHand | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for kind in ("parameters", "results", "steps"):
            names = [one.name for one in getattr(self, kind)]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{kind} named twice: {', '.join(twice)}")
        if wrong := list(mistaken(self.results, self.parameters)):
            raise ValueError("; ".join(wrong))
        before: list[str] = []
        for step in self.steps:
            if step.manual is not None:
                wrong = list(mismatched_readings(step.manual, self.parameters, self.results))
                if wrong:
                    raise ValueError(f"step {step.name}: {'; '.join(wrong)}")
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

    @cached_property
    def stations(self) -> frozenset[str]:
        """Stations, or kinds of them, that carry out its steps."""
        return frozenset(step.station for step in self.steps)

    @cached_property
    def limits_waits(self) -> bool:
        """Whether a sample can wait only so long after one of its steps."""
        return any(step.max_wait_s is not None for step in self.steps)

    @cached_property
    def leaves_some_out(self) -> bool:
        """Whether one of its steps is done without the sample."""
        return not all(step.sample for step in self.steps)

    @cached_property
    def holds_stations(self) -> bool:
        """Whether one of its steps leaves its station to the sample until the next step there has ended."""
        return any(step.holds for step in self.steps)

    @cached_property
    def brought(self) -> bool:
        """Whether samples are brought to where they are needed; else its own steps move them, or nothing is handled."""
        return bool(self.labware) and not any(step.moves_to or step.leaves for step in self.steps)

    @cached_property
    def loops_before(self) -> dict[str, tuple[str, ...]]:
        """For steps beside a loop that need a step in it, by name: the ends of these loops, as far as they come before.

        Two loops that would wait for each other do not.
        """
        found: dict[str, tuple[str, ...]] = {}
        bodies = {step.name: {*self.between(step.repeat.back_to, step.name)} for step in self.steps if step.repeat}
        before: list[str] = []
        for step in self.steps:
            ends = [end for end in before if end in bodies and step.name not in bodies[end]]
            if wanted := tuple(end for end in ends if bodies[end] & {*step.needs} and end not in step.needs):
                found[step.name] = wanted
            before.append(step.name)
        return found

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
        policy = {"expected_s", "timeout_s", "retries", "on_failure", "ask", "before_again", "keeps"}
        hints = {"description", "log", "descriptors"}
        left_out: dict[str, Any] = {
            **{"title": True, "valid_s": True, "steps": {"__all__": policy}},
            **{"parameters": {"__all__": hints}, "results": {"__all__": {"description"}}},
        }
        mine, others = (one.model_dump(exclude=left_out) for one in (self, other))
        if "" in (self.labware, other.labware):  # specs of earlier releases did not name it
            mine["labware"] = others["labware"] = ""
        return mine == others and self.brought == other.brought

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that are unknown, missing, of another type, or not allowed.

        Raises:
            OutOfRangeError: with every violation.
        """
        known = {one.name: one for one in self.parameters}
        found = [unknown("parameter", name, list(known)) for name in parameters if name not in known]
        for name, one in known.items():
            value = parameters.get(name)
            found += [f"{name} is missing ({one.allowed})"] if value is None else one.violations(value)
        if found:
            raise OutOfRangeError(f"protocol {self.name}: " + "; ".join(found))

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a campaign as the protocol gets them: of the declared types."""
        return given_to(self.parameters, values)

    @property
    def declares(self) -> bool:
        """Whether it says what its results are; else they are read by their names (`labwright.model.undeclared`)."""
        return any(not isinstance(one, ResultSpec) for one in self.results)

    def wrong_results(self, found: Mapping[str, Any]) -> list[str]:
        """What a step has found that is not as declared, one sentence each."""
        wrong = [words for one in self.results for words in one.wrong(found)]
        return wrong if self.declares else [*wrong, *wrong_by_name(found, [one.name for one in self.parameters])]

    def sem(self, found: Mapping[str, Any], name: str) -> float | None:
        """The standard error of a number that an experiment has found; None if it is not known."""
        if not self.declares:
            return sem_by_name(found, name)
        for one in self.results:
            if one.name == name and isinstance(one, NumberResult) and one.uncertainty:
                return found.get(one.uncertainty)
        return None

    def declared(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The declared results of all that an experiment has found, with their uncertainties."""
        names = [one.name for one in self.results]
        names += [one.uncertainty for one in self.results if isinstance(one, NumberResult) and one.uncertainty]
        if not self.declares:
            names += [key for name in names if (key := sem_key(name)) not in names]
        return {name: found[name] for name in dict.fromkeys(names) if name in found}

    def made(self, found: Mapping[str, Any]) -> dict[str, float] | None:
        """What was really made, by parameter, by what an experiment has found; None if nothing of it was measured."""
        if not self.declares:
            return made_by_name(found)
        measured = [one for one in self.results if isinstance(one, NumberResult) and one.measures]
        return {one.measures: found[one.name] for one in measured if one.name in found} or None


class Prepared(Frozen):
    """What a preparation has found, for other campaigns on the same instruments.

    Attributes:
        protocol: its name.
        version: of that.
        campaign: id of the campaign that has made it.
        at_s: when it was made, lab time.
        lab_sha256: hash of the lab's files then.
        results: what it has found.
        stations: that have made it, as its protocol names them; not known, if empty.
    """

    protocol: str
    version: str
    campaign: str
    at_s: float
    lab_sha256: str
    results: dict[str, Any]
    stations: tuple[str, ...] = ()

    def disturbed(self, stations: Collection[str]) -> bool:
        """Whether it holds no more once something was set by hand at one of these stations, or kinds of them."""
        return not self.stations or not set(self.stations).isdisjoint(stations)

    def holds(self, protocol: ProtocolSpec, lab_sha256: str, now_s: float) -> bool:
        """Whether it can be used instead of another: the lab's files are the same, and it is not too long ago.

        Args:
            protocol: that is to be carried out.
            lab_sha256: hash of the lab's files now.
            now_s: lab time; accelerated lab time may lie before the time of an earlier process.
        """
        same = (self.protocol, self.version, self.lab_sha256) == (protocol.name, protocol.version, lab_sha256)
        return same and abs(now_s - self.at_s) <= protocol.valid_s


MOVE_TIMES, MOVE_S = 10, 600.0
"""A move may take so many times as long as expected, and so many lab seconds more."""


class Move(Frozen):
    """What a transport is to carry.

    Attributes:
        transport: its name.
        start: position where the container stands.
        end: position where it is wanted.
        leaves: whether it has left the lab there.
        labware: kind of the container.
        timeout_s: how long it may take at most, lab seconds.
    """

    transport: str
    start: str
    end: str
    leaves: bool = False
    labware: str = ""
    timeout_s: float = 0.0
    """0 in journals of engine 4 and before: by how long it should take (`move_timeout_s`)."""


def move_timeout_s(expected_s: float) -> float:
    """How long a move may take at most, lab seconds."""
    return MOVE_TIMES * expected_s + MOVE_S


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
        protocol: the protocol's name; of a move, the transport's.
        step: the step's name.
        slot: the position it is about, where a station works on several samples, each by itself.
        move: what is to be carried; None if it is no move.
        batch: the other samples that are worked on with this one, in one go.
        round: of a loop, from 1.
        attempt: 1, and one more for each retry after a fault.
        resumed: whether it was started before: its records must be looked up first.
        expected_s: how long it should take, lab seconds.
        sources: which source gives a material, by material; the only one at the station of a material that is not here.
        parameters: of the experiment, by name, of the types that the protocol declares.
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
    slot: str = ""
    move: Move | None = None
    batch: tuple[StepOrder, ...] = ()
    round: int = 1
    attempt: int = 1
    resumed: bool = False
    expected_s: float = 0.0
    sources: dict[str, str] = {}
    parameters: dict[str, Any]
    results: dict[str, dict[str, Any]] = {}
    calibrations: dict[str, dict[str, Any]] = {}


class StepOutcome(Frozen):
    """How a step ended.

    Attributes:
        step_id: as in its order.
        state: done, failed, stopped on request, or unknown: an operation may or may not have happened.
        results: what it found, JSON.
        fail_kind: whose fault a failure is, as far as a planner is concerned.
        fault: of which class it is; None if it is none, if it cannot be made, or in outcomes of earlier releases.
        error: what happened, in words.
        doubt: number of the operation that may or may not have happened whole; None if nothing is in doubt.
        value_lost: whether it is a measurement whose value was not recorded: knowing that it ran is no use.
        run_uids: Bluesky runs that belong to it.
        used: what the step has taken of the stocks so far, in all its attempts, by stock.
        part: of the operation in doubt, where its device could say how much of it was done.
        kept: how many of its operations have happened, or may have, that are not done again when it is repeated; None
            where its station does not say.
        started_s: lab time.
        ended_s: lab time.
    """

    step_id: str
    state: Literal["done", "failed", "stopped", "unknown"]
    results: dict[str, Any] = {}
    fail_kind: FailKind | None = None
    fault: FaultClass | None = None
    error: str = ""
    doubt: int | None = None
    value_lost: bool = False
    run_uids: tuple[str, ...] = ()
    used: dict[str, Used] = {}
    part: Part | None = None
    kept: int | None = None
    started_s: float
    ended_s: float


def _no_class(name: str, classes: list[str]) -> str:
    """A class of fault that is none, in words."""
    words = unknown("class of fault", name, classes)
    if name in ("infeasible", "input"):
        words += "; a sample that cannot be made is always given up, and the planner learns it"
    if name in ("unknown", "doubt"):
        words += "; what may or may not have happened is always asked about"
    return words


def _known(names: list[str]) -> str:
    return f"before it are: {', '.join(names) or 'none'}"
