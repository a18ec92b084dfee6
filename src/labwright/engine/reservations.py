"""What a step needs for itself alone: its station, and positions and shared devices for its sample.

All of it is taken together or none. A sample's position stays taken until the sample has left it. A device that several
stations have stays a sample's until its last step at one of them: a hotplate is not heated for another while the sample
it was heated for waits for the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labwright.engine.dirty import DirtyRows
from labwright.engine.experiment import Experiment, StepRun
from labwright.model.protocol import StepSpec
from labwright.model.states import check_transition


@dataclass
class Reservation:
    """Who has a resource: a step has a station, a sample has a position or a device."""

    owner: str
    label: str
    step_id: str = ""
    state: str = "requested"

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
        taken: by ``station:name``, ``position:name`` or ``device:name``.
    """

    dirty: DirtyRows
    taken: dict[str, Reservation] = field(default_factory=dict)

    def obstacle(self, experiment: Experiment, spec: StepSpec) -> str:
        """Why the step cannot start: a resource that another has; empty if it can."""
        for resource in self.obstacles(experiment, spec):
            return f"{resource.replace(':', ' ')}, which {self.taken[resource].holder(experiment)} has"
        return ""

    def obstacles(self, experiment: Experiment, spec: StepSpec) -> Iterator[str]:
        """Resources that the step needs and another has."""
        for resource in _needed(experiment, spec):
            holder = self.taken.get(resource)
            if holder is not None and (resource.startswith("station:") or not holder.of(experiment)):
                yield resource

    def held(self, experiment: Experiment, resource: str) -> bool:
        """Whether an experiment has a position or a device."""
        holder = self.taken.get(resource)
        return holder is not None and holder.of(experiment)

    def take(self, experiment: Experiment, run: StepRun) -> bool:
        """Reserve all that a step needs, or nothing; whether it has it now."""
        if self.obstacle(experiment, run.spec):
            return False
        wanted = _needed(experiment, run.spec)
        if experiment.stands_at:
            wanted.append(f"position:{experiment.stands_at}")
        for resource in wanted:
            here = self.taken.get(resource)
            if here is None:
                here = self.taken[resource] = Reservation(experiment.owner, experiment.label)
                here.become(resource, "held")
            if here.state == "held":
                here.become(resource, "active")
            if resource.startswith("station:"):
                here.step_id = run.step_id
            self.dirty.resources.add(resource)
        return True

    def done(self, experiment: Experiment, run: StepRun) -> None:
        """A step is done: its station is free, and so is the position its sample is about to leave."""
        self.release_station(run)
        left = experiment.stands_at
        if experiment.engine > 1 and any(
            f"position:{left}" in experiment.needs(one.spec) for one in experiment.running
        ):
            return  # another step of its own has it
        if (run.spec.moves_to or run.spec.leaves) and left and left != run.spec.moves_to:
            self._release(f"position:{left}")

    def release_station(self, run: StepRun) -> None:
        """The station is free."""
        self._release(f"station:{run.spec.station}")

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
        holder = self.taken[resource]
        stations = [name for name, one in self.taken.items() if name.startswith("station:") and _same(one, holder)]
        return stations[0] if stations else resource

    def give(self, experiment: Experiment, resource: str) -> None:
        """An experiment has something that it uses already, unless another has it."""
        if resource not in self.taken:
            here = self.taken[resource] = Reservation(experiment.owner, experiment.label)
            here.become(resource, "held")
            here.become(resource, "active")
            self.dirty.resources.add(resource)

    def of_owner(self, owner: str) -> list[str]:
        """What an owner's samples have, or have left behind."""
        return [resource for resource, holder in self.taken.items() if holder.owner == owner]

    def _release(self, resource: str) -> None:
        holder = self.taken.pop(resource, None)
        if holder is not None:
            holder.become(resource, "released")
            self.dirty.resources.add(resource)


def _same(one: Reservation, other: Reservation) -> bool:
    return (one.owner, one.label) == (other.owner, other.label)


def _needed(experiment: Experiment, spec: StepSpec) -> list[str]:
    return [f"station:{spec.station}", *experiment.needs(spec)]
