"""What a step needs for itself: its station, and positions and shared devices for its sample.

All of it is taken together or none. A sample's position stays taken until the sample has left it. A device that several
stations have stays a sample's until its last step at one of them: a hotplate is not heated for another while the sample
it was heated for waits for the next step. Samples with the same recipe can have such a device at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from labwright.engine.dirty import DirtyRows
from labwright.engine.experiment import Experiment, StepRun
from labwright.model.states import check_transition

HELD_BY_KIND = 4
"""From this engine on a station is held also where the protocol names a kind of it, and until a repeated step ends."""

POSITION = "position:"
"""What begins the name of a position."""

SHARE = "#"
"""What stands between a device and the sample that has a share of it."""


@dataclass
class Reservation:
    """Who has a resource: a step has a station, a sample has a position or a device.

    Attributes:
        owner: id of the campaign.
        label: of the experiment.
        step_id: of the step, if it is a station.
        state: of the reservation.
        device: that this is a share of, by ``device:NAME``; empty if one sample has it for itself.
        recipe: on which terms it is shared.
        held_as: the station, or kind of stations, as the protocol names it, if the sample has it until its next step
            there has ended; empty if it has it for one step.
    """

    owner: str
    label: str
    step_id: str = ""
    state: str = "requested"
    device: str = ""
    recipe: str = ""
    held_as: str = ""

    def become(self, resource: str, state: str) -> None:
        """Change the state.

        Raises:
            IllegalTransitionError: there is no such way.
        """
        check_transition("reservation", resource, self.state, state)
        self.state = state

    def of(self, experiment: Experiment) -> bool:
        """Whether it is an experiment's."""
        return self.label == experiment.label and self.owner == experiment.owner

    def holder(self, asks: Experiment) -> str:
        """Who has it, in words for the one that waits."""
        experiment = self.label if self.owner == asks.owner else f"{self.owner}/{self.label}"
        return self.step_id or experiment


@dataclass
class Reservations:
    """Stations, positions and shared devices that are taken.

    Attributes:
        dirty: collects what has changed.
        taken: by ``station:name``, ``position:name`` or ``device:name``; a share of a device by
            ``device:name#campaign/label``.
        shares: names of the shares of a device, by ``device:name``.
    """

    dirty: DirtyRows
    taken: dict[str, Reservation] = field(default_factory=dict)
    shares: dict[str, list[str]] = field(default_factory=dict)

    def obstacle(self, experiment: Experiment, run: StepRun) -> str:
        """Why the step cannot start: a resource that another has; empty if it can."""
        for resource in self.obstacles(experiment, run):
            return f"{resource.replace(':', ' ')}, which {self.first(resource).holder(experiment)} has"
        return ""

    def obstacles(self, experiment: Experiment, run: StepRun) -> Iterator[str]:
        """Resources that the step needs and another has."""
        if run.unit in self.taken and not run.follows and not self.holds(experiment, run.unit):
            yield run.unit
        yield from self.not_free(experiment, experiment.needs(run.spec))

    def not_free(self, experiment: Experiment, resources: Iterable[str]) -> Iterator[str]:
        """Positions and devices among `resources` that an experiment cannot have now, since another has them."""
        for resource in resources:
            holder = self.taken.get(resource)
            if holder is not None:
                if not holder.of(experiment):
                    yield resource
            elif resource in self.shares:
                recipe = experiment.recipe(resource)
                if any(
                    not (held := self.taken[share]).of(experiment) and held.recipe != recipe
                    for share in self.shares[resource]
                ):
                    yield resource

    def first(self, resource: str) -> Reservation:
        """Who has a resource; of several that share it one that keeps others from it."""
        return self.taken.get(resource) or self.taken[self.shares[resource][0]]

    def held(self, experiment: Experiment, resource: str) -> bool:
        """Whether an experiment has a position, or a device or a share of it."""
        holder = self.taken.get(resource) or self.taken.get(_share(resource, experiment))
        return holder is not None and holder.of(experiment)

    def of_resource(self, resource: str) -> Iterator[Reservation]:
        """All who have it, or a share of it."""
        if (holder := self.taken.get(resource)) is not None:
            yield holder
        for share in self.shares.get(resource, ()):
            yield self.taken[share]

    def holders(self, resource: str) -> set[str]:
        """Ids of the samples that have it, or a share of it."""
        return {f"{one.owner}/{one.label}" for one in self.of_resource(resource)}

    def take(self, experiment: Experiment, run: StepRun) -> bool:
        """Reserve all that a step needs, or nothing; whether it has it now."""
        if self.obstacle(experiment, run):
            return False
        wanted = [*([] if run.follows else [run.unit]), *experiment.needs(run.spec)]
        if experiment.stands_at:
            wanted.append(f"position:{experiment.stands_at}")
        for resource in wanted:
            key = self.keep(experiment, resource)
            here = self.taken[key]
            if here.state == "held":
                here.become(key, "active")
            if resource == run.unit:
                here.step_id = run.step_id
        return True

    def keep(self, experiment: Experiment, resource: str) -> str:
        """Reserve a resource that is free; the name by which it is taken."""
        key = resource
        recipe = experiment.recipe(resource) if resource.startswith("device:") else ""
        if recipe and resource not in self.taken:
            key = _share(resource, experiment)
        if key not in self.taken:
            here = self.taken[key] = Reservation(experiment.owner, experiment.label)
            here.become(key, "held")
            if key != resource:
                here.device, here.recipe = resource, recipe
                self.shares.setdefault(resource, []).append(key)
        self.dirty.resources.add(key)
        return key

    def holds(self, experiment: Experiment, unit: str) -> bool:
        """Whether an experiment has a station between two of its steps there."""
        holder = self.taken.get(unit)
        return holder is not None and holder.of(experiment) and not holder.step_id

    def leave_stations(self, experiment: Experiment) -> None:
        """Stations that it has held, and where none of its steps is left, are free."""
        left = [run for run in experiment.steps.values() if run.state not in ("done", "failed", "skipped")]
        wanted, names = {run.unit for run in left}, {run.spec.station for run in left}
        cut_off = {run.unit for run in experiment.steps.values() if run.cut_off}
        for resource in [one for one in self.taken if one.startswith("station:") and self.holds(experiment, one)]:
            if resource not in wanted | cut_off and self.taken[resource].held_as not in names:
                self._release(resource)

    def done(self, experiment: Experiment, run: StepRun) -> None:
        """A step is done: its station is free unless it holds it, and so is the position that its sample has left."""
        if run.spec.holds and run.unit in self.taken:
            self.taken[run.unit].step_id = ""
            self.taken[run.unit].held_as = run.spec.station if experiment.engine >= HELD_BY_KIND else ""
            self.dirty.resources.add(run.unit)
        elif not run.follows:
            self._release(run.unit)
        left = experiment.stands_at
        if experiment.engine > 1 and any(
            f"position:{left}" in experiment.needs(one.spec) for one in experiment.running
        ):
            return  # another step of its own has it
        if not experiment.leaves_for_good(left):
            return
        if (run.spec.moves_to or run.spec.leaves) and left and left != run.spec.moves_to:
            self._release(f"position:{left}")

    def release_station(self, run: StepRun) -> None:
        """A step is not carried out there any more: the station is free, unless it was its sample's before."""
        if run.follows:
            return
        if (here := self.taken.get(run.unit)) is not None and here.held_as:
            here.step_id = ""
            self.dirty.resources.add(run.unit)
        else:
            self._release(run.unit)

    def leave(self, experiment: Experiment) -> None:
        """An experiment is over: all it had is free, except what its container may still be in the way of.

        That is the position where it stands. If it was being carried, it may be in the gripper, or at either end of its
        way; and it is not known where those of a preparation are.
        """
        unknown = experiment.in_gripper or (experiment.preparation and not experiment.cleared)
        anywhere = experiment.engine > 1 and unknown
        for resource, holder in list(self.taken.items()):
            if not holder.of(experiment):
                continue
            if resource == f"position:{experiment.stands_at}" and experiment.given_up:
                continue  # no person has confirmed that it is empty
            if anywhere and experiment.given_up and not resource.startswith("device:"):
                continue
            self._release(resource)

    def leave_devices(self, experiment: Experiment, claims: frozenset[str]) -> None:
        """Shared devices that no step of an experiment needs any more are free."""
        for resource in {f"device:{name}" for names in experiment.devices.values() for name in names}:
            if resource not in claims and self.held(experiment, resource):
                self._release(_share(resource, experiment) if resource not in self.taken else resource)

    def let_go(self, experiment: Experiment, resource: str) -> None:
        """An experiment does not need a position any more that is kept for it."""
        if self.held(experiment, resource):
            self._release(resource)

    def free(self, resource: str) -> None:
        """What was left there was taken away by a person; from wherever it may have been, if it was being carried."""
        holder = self.taken.get(resource)
        self._release(resource)
        if holder is not None and resource.startswith("station:"):
            for other in [name for name, one in self.taken.items() if _same(one, holder)]:
                self._release(other)

    def left_at(self, resource: str) -> str:
        """Where a person is to look for what an experiment that is over has left: at its station first."""
        holder = self.first(resource)
        stations = [name for name, one in self.taken.items() if name.startswith("station:") and _same(one, holder)]
        return stations[0] if stations else resource

    def give(self, experiment: Experiment, resource: str) -> None:
        """An experiment has something that it uses already, unless another has it."""
        if resource not in self.taken and not any(self.not_free(experiment, [resource])):
            key = self.keep(experiment, resource)
            if self.taken[key].state == "held":
                self.taken[key].become(key, "active")

    def of_owner(self, owner: str) -> list[str]:
        """What an owner's samples have, or have left behind."""
        return [resource for resource, holder in self.taken.items() if holder.owner == owner]

    def _release(self, resource: str) -> None:
        holder = self.taken.pop(resource, None)
        if holder is not None:
            holder.become(resource, "released")
            self.dirty.resources.add(resource)
            if holder.device:
                shares = self.shares[holder.device]
                shares.remove(resource)
                if not shares:
                    del self.shares[holder.device]


def _share(resource: str, experiment: Experiment) -> str:
    return f"{resource}{SHARE}{experiment.id}"


def _same(one: Reservation, other: Reservation) -> bool:
    return (one.owner, one.label) == (other.owner, other.label)
