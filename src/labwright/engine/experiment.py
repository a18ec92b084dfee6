"""A protocol on its way through the stations: which steps are where, and what may follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from uuid import NAMESPACE_OID, uuid5

from labwright.model.material import Used
from labwright.model.protocol import Move, ProtocolSpec, StepOrder, StepOutcome, StepSpec, move_timeout_s
from labwright.model.rows import Row
from labwright.model.states import ExperimentState, StepState, check_transition

Disposition = Literal["under way", "in the lab", "left", "removed", "used up"]
"""In the lab: where it stands when all is over. Left: by a position that leads out. Removed: by a person."""

SITE = "site:"
"""What begins the name of any one of a station's positions, where it does not matter which."""

STATION = "station:"
"""What begins the name of a station, or of a kind of them."""

LATE_WAIT_S = 1.0
"""Lab seconds by which a limited wait may be exceeded without a word: what clocks and wires take."""

TO = "to-"
"""What begins the name of a move."""

VIA = "via:"
"""What begins the key of a position in `Experiment.booked` that only lies on the way."""

WHOLE_WAY = 4
"""From this engine on a sample has all of its way until it has come to its end."""

LOOPS_END = 4
"""From this engine on a step beside a loop waits for the end of the loop, not only for a step in it."""

BEFORE_MOVE = (
    "put the container back to {start}, and see that the gripper is empty and nothing is in the way; the whole move is "
    "made again"
)


@dataclass
class StepRun:
    """A step of an experiment; another round of a loop is another one."""

    spec: StepSpec
    step_id: str
    round: int = 1
    state: StepState = "waiting"
    attempt: int = 1
    begun: bool = False
    again: bool = False
    """Whether what is harmless to do again is to be done again, when its station is ordered to do it next."""
    error: str = ""
    expected_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None
    ordered_s: float | None = None
    """Lab time at which its station was ordered to do it."""
    used: dict[str, Used] = field(default_factory=dict)
    """What it has taken of the stocks so far, in all its attempts."""
    cut_off: bool = False
    """Whether it was given up in the middle, and no person has looked since what is at its station."""
    at: str = ""
    """The station that carries it out, where its protocol names a kind of them."""
    slot: str = ""
    """The position there, where steps at several positions of a station begin and end each by itself."""
    batch: str = ""
    """Id of the step whose orders its batch follows; its own for that one, empty where there is no batch."""
    carrier: str = ""
    """The transport, if it is a move that the dispatcher makes."""
    start: str = ""
    """Where such a move begins."""
    parked: bool = False
    """Whether it has failed, and its sample is kept aside until a person has answered what is to be done."""

    @property
    def station(self) -> str:
        """The station that carries it out, or the kind of stations that can."""
        return self.at or self.spec.station

    @property
    def unit(self) -> str:
        """What a step has for itself at its station, as reservations name it."""
        return f"station:{self.station}/{self.slot}" if self.slot else f"station:{self.station}"

    @property
    def move_end(self) -> str:
        """Where a move of the dispatcher ends."""
        return self.spec.name.removeprefix(TO)

    @property
    def follows(self) -> bool:
        """Whether another step of its batch has the station."""
        return self.batch not in ("", self.step_id)

    @property
    def moves(self) -> bool:
        """Whether it carries its sample."""
        return bool(self.spec.moves_to) or self.spec.leaves

    def become(self, state: StepState) -> None:
        """Change the state.

        Raises:
            IllegalTransitionError: there is no such way.
        """
        check_transition("step", self.step_id, self.state, state)
        self.state = state

    @property
    def settled(self) -> bool:
        """Whether the steps that need it may start."""
        return self.state in ("done", "skipped")

    @property
    def active(self) -> bool:
        """Whether it has a station."""
        return self.state in ("reserved", "running", "unknown")


@dataclass
class Experiment:
    """A protocol on its way; preparations are experiments too.

    Attributes:
        owner: id of the campaign that wants it.
        label: ``0007``, or the preparation's protocol.
        number: of the experiment, 0 for a preparation.
        sample: its id.
        place: where its container stood at the start.
        stands_at: where it stands now; empty if it has none, or it has left the lab.
        wanted: names of the results without which it is not measured.
        promised: what it was promised of each stock, and room in each waste, in the smallest unit.
        takes: the stock that it takes each material of.
        contents: what its sample is known to hold, by smallest unit.
        doubts: ids of steps that have failed, or are in doubt, until a person has looked.
        found: results by step, of the newest round.
        given_up: why, once only its way out of the lab is left.
        used: what its steps have taken of the stocks so far, in all rounds.
        turn: its number among all experiments of the lab, in the order in which they began.
        seen: the last turn in the lab that had started when a step of it ended last; its own before.
        priority: of its campaign.
        devices: which it takes that several stations have, by step.
        engine: version of the engine that decides for it.
        began_s: lab time at which it began.
        cleared: whether a person has taken its containers out of the lab.
        booked: positions that are kept for it, by the step that will need each; of its way there, by ``via:POSITION``.
        stays: whether it is not brought out of the lab: its campaign was stopped.
        moved: how often the dispatcher has moved it to each position.
        charged_s: what its campaign was charged for it when its first step started, lab seconds.
        spent_s: what its steps have taken so far, in all rounds and attempts, lab seconds; without moves.
        set_aside: whether it was given up and is kept in the lab, for a person to look at.
        quarantine: why it may not be used before a person has released it; empty if it may.
        disturbed: whether something was set by hand meanwhile where it is made: it prepares nothing for others.
    """

    owner: str
    label: str
    number: int
    sample: str
    place: str
    stands_at: str
    protocol: ProtocolSpec
    parameters: dict[str, Any]
    wanted: frozenset[str] = frozenset()
    promised: dict[str, int] = field(default_factory=dict)
    takes: dict[str, str] = field(default_factory=dict)
    contents: dict[str, int] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    state: ExperimentState = "accepted"
    reason: str = ""
    steps: dict[str, StepRun] = field(default_factory=dict)
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    given_up: str = ""
    measured: bool = False
    """Whether all that is wanted of it was found, and its campaign has taken it."""
    used: dict[str, Used] = field(default_factory=dict)
    turn: int = 0
    seen: int = 0
    priority: int = 0
    devices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    engine: int = 1
    cleared: bool = False
    began_s: float | None = None
    booked: dict[str, str] = field(default_factory=dict)
    stays: bool = False
    moved: dict[str, int] = field(default_factory=dict)
    charged_s: float = 0.0
    spent_s: float = 0.0
    set_aside: bool = False
    quarantine: str = ""
    disturbed: bool = False
    sample_row: Row = field(default_factory=dict)
    """Of its sample, as it was written last. Not part of the state."""
    recipes: dict[str, str] = field(default_factory=dict)
    """By resource, as `recipe` has found them; they follow from the rest."""

    @cached_property
    def id(self) -> str:
        """Unique in the lab."""
        return f"{self.owner}/{self.label}"

    @property
    def uuid(self) -> str:
        """Of its sample: the same wherever it is worked out, and no other sample has it."""
        return str(uuid5(NAMESPACE_OID, f"labwright:{self.id}"))

    @property
    def disposition(self) -> Disposition:
        """What has become of its sample, as far as the lab has done it."""
        if self.state not in ("complete", "abandoned"):
            return "under way"
        if self.stands_at:
            return "in the lab"
        if self.cleared:
            return "removed"
        return "left" if self.place or self.moved else "used up"

    @property
    def preparation(self) -> bool:
        """Whether it prepares the lab for the experiments that count."""
        return self.number == 0

    def become(self, state: ExperimentState) -> None:
        """Change the state.

        Raises:
            IllegalTransitionError: there is no such way.
        """
        check_transition("experiment", self.sample, self.state, state)
        self.state = state

    @property
    def brought(self) -> bool:
        """Whether the dispatcher brings its sample to where it is needed."""
        return self.protocol.brought

    @property
    def to_leave(self) -> bool:
        """Whether its container is still to be brought to where it ends, when no step needs it any more."""
        if not self.stands_at or self.stays or not self.brought or not self.moved or self.in_gripper:
            return False
        if self.kept_aside:
            return self.stands_at != self.place
        return self.protocol.afterwards == "leaves" or self.stands_at != self.place

    @property
    def parks(self) -> bool:
        """Whether it waits for a person aside from the station where a step of it has failed."""
        return any(run.parked for run in self.steps.values())

    @property
    def kept_aside(self) -> bool:
        """Whether it is brought back to its place and kept there: a person has to look at it."""
        return bool(self.place and (self.set_aside or self.parks))

    def may_step_aside(self, run: StepRun) -> bool:
        """Whether it can leave the station of a step that has failed without a person, and come back to it later.

        Nothing of it may be left there: it does not carry the sample, is no preparation's, of no batch, and its station
        holds nothing of it.
        """
        if self.preparation or run.carrier or run.moves or run.batch or not (self.brought and self.place):
            return False
        holds = any(step.holds and step.station == run.spec.station for step in self.protocol.steps)
        return not (run.spec.always or holds)

    @property
    def needed(self) -> bool:
        """Whether a step that is left, or a move under way, needs its container."""
        return any(run.carrier or run.spec.sample for run in self._may_follow())

    @property
    def at_rest(self) -> bool:
        """Whether no step has its sample, and no move of it is to be made again."""
        return not any(
            run.active
            if run.spec.sample and not run.carrier
            else run.carrier and not run.settled and run.state != "failed"
            for run in self.steps.values()
        )

    def left(self) -> list[StepRun]:
        """Steps that need the sample and are not done, the one at work first."""
        return [
            run
            for run in self.steps.values()
            if not run.carrier and run.spec.sample and run.state not in ("done", "failed", "skipped")
        ]

    def kept_for_later(self) -> set[str]:
        """Positions that are booked for steps that are left."""
        return {
            site
            for name, site in self.booked.items()
            if name in self.steps and self.steps[name].state in ("waiting", "ready")
        }

    def leaves_for_good(self, position: str) -> bool:
        """Whether a position where it stands is free for others once it is moved away."""
        if position == self.place and self.brought and self.protocol.afterwards == "returns":
            return False
        return position not in self.kept_for_later()

    @property
    def being_left(self) -> str:
        """The position, by ``position:NAME``, that will be free when a move that is under way has ended."""
        moves = any(run.carrier and run.state == "running" for run in self.running)
        return f"position:{self.stands_at}" if moves and self.leaves_for_good(self.stands_at) else ""

    def due_s(self, run: StepRun) -> float:
        """Lab time at which a step must have started, since the sample cannot wait any longer after the one before."""
        due_s, todo = math.inf, list(run.spec.needs)
        while todo:
            before = self.steps[todo.pop()]
            if before.spec.max_wait_s is not None and before.ended_s is not None:
                due_s = min(due_s, before.ended_s + before.spec.max_wait_s)
            if not before.spec.sample or before.state == "skipped":
                todo += before.spec.needs  # the sample waits meanwhile
        return due_s

    def after(self, run: StepRun) -> StepRun | None:
        """The step that is left and needs the sample next, after one that may need it or not."""
        left = self.left()
        if run in left:
            return next(iter(left[left.index(run) + 1 :]), None)
        known = {run.spec.name}
        for one in self.steps.values():
            if not one.carrier and known.intersection(one.spec.needs):
                if one in left:
                    return one
                known.add(one.spec.name)
        return None

    def meanwhile(self, run: StepRun | None = None) -> list[StepRun]:
        """Steps without the sample that are left, of those that a step needs; all of them, if it is None."""
        needed, todo = set[str](), list(self.steps if run is None else run.spec.needs)
        while todo:
            one = self.steps[todo.pop()]
            if not (
                one.spec.sample or one.carrier or one.state in ("done", "failed", "skipped") or one.spec.name in needed
            ):
                needed.add(one.spec.name)
                todo += one.spec.needs
        return [one for name, one in self.steps.items() if name in needed] if needed else []

    def bound_to(self, run: StepRun) -> bool:
        """Whether the sample is on its way to a step and cannot stop before: each wait up to it is limited."""
        limited = self.due_s(run) < math.inf or self._prepared_for(run)
        for one in self.left():
            if one is run:
                return limited
            limited = one.spec.max_wait_s is not None and (one.active or limited or self.due_s(one) < math.inf)
        return False

    @property
    def under_way_s(self) -> float:
        """Lab time at which its first step or move was ordered; infinite if none was."""
        return min((run.ordered_s for run in self.steps.values() if run.ordered_s is not None), default=math.inf)

    @property
    def looked_ahead_s(self) -> float:
        """Lab time at which the waits up to its newest step were foreseen to be kept; infinite if none are limited."""
        begun = [run for run in self.steps.values() if run.ordered_s is not None]
        chain_s = math.inf
        for run in sorted((one for one in begun if not one.carrier and one.spec.sample), key=_ordered_s, reverse=True):
            if run.spec.max_wait_s is None:
                break
            chain_s = _ordered_s(run)
        return max((s for one in begun if one.carrier and (s := _ordered_s(one)) <= chain_s), default=chain_s)

    def from_now(self, run: StepRun) -> list[StepRun]:
        """A step, and those that are left after it and need the sample."""
        left = self.left()
        later = self.after(run)
        if run in left or later is None:
            return left[left.index(run) :] if run in left else [run]
        return [run, *left[left.index(later) :]]

    def _prepared_for(self, run: StepRun) -> bool:
        """Whether a step without the sample is under way after which this one must begin within a time."""
        return any(
            one.active and not one.spec.sample and one.spec.max_wait_s is not None and self.after(one) is run
            for one in self.steps.values()
            if not one.carrier
        )

    @property
    def pressing_s(self) -> float:
        """Lab time at which its next step must have started; infinite if it may wait."""
        left = self.left()
        return self.due_s(left[0]) if left and not left[0].active else math.inf

    def wants_sample(self, spec: StepSpec) -> bool:
        """Whether the dispatcher brings the sample to a step."""
        return spec.sample and self.brought

    def begin(self, expected_s: dict[str, float]) -> None:
        """Make the first round of every step."""
        for spec in self.protocol.steps:
            self.steps[spec.name] = self._run(spec, 1, expected_s)

    def again(self, spec: StepSpec, expected_s: dict[str, float]) -> Sequence[str]:
        """Make another round of the loop that `spec` ends.

        Returns:
            the names of its steps.
        """
        assert spec.repeat is not None  # noqa: S101 - the caller has looked
        names = self.protocol.between(spec.repeat.back_to, spec.name)
        for name in names:
            old = self.steps[name]
            self.steps[name] = self._run(old.spec, old.round + 1, expected_s)
        return names

    def carry(self, move: Move, station: str, expected_s: float) -> StepRun:
        """Make the step that moves its container.

        Args:
            move: from where to where.
            station: that carries it out.
            expected_s: how long it should take, lab seconds.
        """
        number = self.moved[move.end] = self.moved.get(move.end, 0) + 1
        spec = move_spec(move, station, expected_s)
        run = self._run(spec, number, {})
        run.carrier, run.start = move.transport, move.start
        self.steps[spec.name] = run
        return run

    def startable(self) -> Iterator[StepRun]:
        """Steps that wait, and whose needs are done; in the protocol's order."""
        steps, given_up = self.steps, bool(self.given_up)
        for run in steps.values():
            if run.state not in ("waiting", "ready") or run.parked:
                continue
            for need in self.before(run.spec):
                state = steps[need].state
                # A sample that was given up is brought out though a step has failed.
                if state not in ("done", "skipped") and not (given_up and state == "failed"):
                    break
            else:
                yield run

    def pending_at(self, *names: str) -> StepRun | None:
        """The step that could begin and needs the sample at a station, by its kind and its name; None if none could."""
        if not self.at_rest:
            return None
        for run in self.startable():
            if run.spec.station in names and self.wants_sample(run.spec):
                return run
        return None

    def before(self, spec: StepSpec) -> tuple[str, ...]:
        """Steps that must be done before one begins: those it needs, and the whole of the loops that these are in."""
        if self.engine < LOOPS_END or not self.protocol.loops_before:
            return spec.needs
        return (*spec.needs, *self.protocol.loops_before.get(spec.name, ()))

    def results(self) -> dict[str, Any]:
        """All that was found, by name."""
        return {key: value for found in self.found.values() for key, value in found.items()}

    def edit(self, parameters: dict[str, Any]) -> None:
        """What is left of it is done with other values."""
        self.parameters = parameters
        self.recipes.clear()
        vars(self).pop("terms", None)

    @property
    def has_results(self) -> bool:
        """Whether it has found what its protocol promises."""
        return self.measured or (self.preparation and self.state == "complete")

    def order(
        self, run: StepRun, calibrations: dict[str, dict[str, Any]], sources: dict[str, str] | None = None
    ) -> StepOrder:
        """What a step's station is ordered to do.

        Args:
            run: the step.
            calibrations: what the campaign's preparations found, by protocol.
            sources: from which source each material is taken.
        """
        return StepOrder.model_construct(  # every part of it was checked when it came
            step_id=run.step_id,
            campaign=self.owner,
            experiment=self.number,
            label=self.label,
            sample=self.sample,
            place=self.place,
            stands_at=self.stands_at,
            protocol=run.carrier or self.protocol.name,
            step=run.spec.name,
            slot=run.slot,
            move=self._move(run) if run.carrier else None,
            round=run.round,
            attempt=run.attempt,
            resumed=run.begun,
            expected_s=run.expected_s,
            parameters=self.parameters,
            results=dict(self.found),
            calibrations=calibrations,
            sources=sources or {},
        )

    def needs(self, spec: StepSpec) -> list[str]:
        """Positions and shared devices that a step takes with its station, as reservations name them."""
        devices = self.devices.get(spec.name, ())
        if not (devices or spec.moves_to or spec.keeps):
            return []
        positions = [spec.moves_to] if spec.moves_to else []
        others = (*devices, *self.kept_stations(spec)) if self.brought else devices
        positions += [name for name in spec.keeps if name not in others]
        return [*(f"position:{name}" for name in dict.fromkeys(positions)), *(f"device:{name}" for name in devices)]

    def claims(self) -> frozenset[str]:
        """What the steps that are left may take, those that take it now included: positions, shared devices, stations.

        A station is named as its protocol does, ``station:NAME``, and any of its positions ``site:NAME``.
        """
        left = self._may_follow()
        specs = [run.spec for run in left]
        claimed = {resource for spec in specs for resource in self.needs(spec)}
        claimed |= {f"{STATION}{run.spec.station}" for run in left if not run.carrier}
        if self.brought:
            claimed |= {f"{SITE}{spec.station}" for spec in specs if spec.sample and not (spec.moves_to or spec.leaves)}
            claimed |= {f"{SITE}{station}" for spec in specs for station in self.kept_stations(spec)}
        return frozenset(claimed)

    def _may_follow(self) -> list[StepRun]:
        """Steps that are left, those at work included, and those that another round of a loop would bring back."""
        left = [name for name, run in self.steps.items() if run.state not in ("done", "failed", "skipped")]
        for name in left:  # grows: a round that is left brings the steps of its loop back
            run = self.steps[name]
            repeat = run.spec.repeat
            if repeat is not None and (run.round < repeat.at_most or run.state == "done") and not self.given_up:
                left += [one for one in self.protocol.between(repeat.back_to, name) if one not in left]
        return [self.steps[name] for name in left]

    def kept_stations(self, spec: StepSpec) -> tuple[str, ...]:
        """Stations at which a step keeps a position for the sample."""
        return tuple(name for name in spec.keeps if any(name == step.station for step in self.protocol.steps))

    def recipe(self, resource: str) -> str:
        """On which terms it can share a device, or a station, with other samples; empty if it cannot.

        Args:
            resource: ``device:NAME`` or ``site:STATION``.
        """
        known = self.recipes.get(resource)
        if known is None:
            known = self.recipes[resource] = self._recipe(resource)
        return known

    @cached_property
    def terms(self) -> str:
        """Its recipes at all stations and devices of its protocol: who has the same can share the same."""
        resources = [f"{SITE}{step.station}" for step in self.protocol.steps]
        resources += [f"device:{name}" for names in self.devices.values() for name in names]
        return " | ".join(self.recipe(one) for one in resources)

    def _recipe(self, resource: str) -> str:
        names: set[str] = set()
        for step in self.protocol.steps:
            if resource in (f"{SITE}{step.station}", *(f"device:{one}" for one in self.devices.get(step.name, ()))):
                if not step.recipe:
                    return ""
                names.update(step.recipe)
        return "; ".join(f"{name} = {self.parameters.get(name)!r}" for name in sorted(names))

    def take(self, run: StepRun, outcome: StepOutcome) -> None:
        """A step is done."""
        run.started_s, run.ended_s = outcome.started_s, outcome.ended_s
        if not run.carrier:
            self.found[run.spec.name] = outcome.results
        if run.spec.leaves:
            self.stands_at = ""
        elif run.spec.moves_to:
            self.stands_at = run.spec.moves_to

    @property
    def in_gripper(self) -> bool:
        """Whether it may be in a gripper: a step ended while it carried the sample, and no person has looked since."""
        return not self.cleared and any(run.cut_off and run.moves for run in self.steps.values())

    @property
    def over(self) -> bool:
        """Whether no step is left to be done."""
        return all(run.state in ("done", "failed", "skipped") for run in self.steps.values()) and not self.to_leave

    @property
    def running(self) -> list[StepRun]:
        """Steps at a station, those in doubt included."""
        if self.state == "accepted":
            return []  # it is active from its first step on
        return [run for run in self.steps.values() if run.active]

    def _move(self, run: StepRun) -> Move:
        return Move(
            transport=run.carrier, start=run.start, end=run.move_end,
            leaves=run.spec.leaves, labware=self.protocol.labware, timeout_s=run.spec.timeout_s,
        )  # fmt: skip

    def _run(self, spec: StepSpec, number: int, expected_s: dict[str, float]) -> StepRun:
        tail = f"~{number}" if number > 1 else ""
        step_id = f"{self.id}/{spec.name}{tail}"
        return StepRun(spec, step_id, number, expected_s=expected_s.get(spec.name, spec.expected_s))


def move_spec(move: Move, station: str, expected_s: float) -> StepSpec:
    """A move as a step. Its name is none that a protocol's step can have."""
    return StepSpec.model_construct(
        name=f"{TO}{move.end}",
        station=station,
        expected_s=expected_s,
        timeout_s=move.timeout_s or move_timeout_s(expected_s),
        moves_to="" if move.leaves else move.end,
        leaves=move.leaves,
        always=True,
        on_failure="ask",
        before_again=BEFORE_MOVE.format(start=move.start),
    )


def devices_of(protocol: ProtocolSpec, shared: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Which shared devices each step takes: those of its station, and those that it keeps.

    Args:
        protocol: whose steps they are.
        shared: devices that several stations have, by station.
    """
    known = {device for devices in shared.values() for device in devices}
    wanted = {
        step.name: dict.fromkeys([*shared.get(step.station, ()), *(one for one in step.keeps if one in known)])
        for step in protocol.steps
    }
    return {name: tuple(devices) for name, devices in wanted.items() if devices}


def _ordered_s(run: StepRun) -> float:
    return math.inf if run.ordered_s is None else run.ordered_s
