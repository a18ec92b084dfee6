"""What authors of protocols write against: a class with its data, and one plan for each step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal

from bluesky.utils import Msg

from labwright.clock import LabClock
from labwright.model.errors import ConfigError, JournalError, OutOfRangeError, unknown
from labwright.model.lab import LabModel
from labwright.model.material import nanolitres
from labwright.model.protocol import ProtocolParameter, ProtocolResult, ProtocolSpec, StepOrder, StepSpec
from labwright.model.quantities import Amount, amount
from labwright.stations.files import keep_file
from labwright.stations.fits import misfits, stations_of

Plan = Generator[Msg, Any, Any]


@dataclass(frozen=True)
class Source:
    """What gives a material.

    Attributes:
        name: of the source.
        device: what dispenses.
        settings: what the lab's files say of it, such as the port of a valve.
    """

    name: str
    device: Any
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class StepContext:
    """What a step's plan may know and use.

    Attributes:
        order: the order it carries out: sample, parameters, earlier results, calibrations.
        devices: the station's devices by role; of some roles one for each slot.
        lab: the lab as data: positions, transports, constants.
        clock: the lab clock.
        checkpoint: raises StoppedError once the station was asked to stop.
        data: the data folder; None where nothing is kept.
        sources: devices that dispense at this station, by source.
        chosen: called with a source and its device's name when the plan takes that source.
        here: all devices of the station by their names, its monitors too.
    """

    order: StepOrder
    devices: Mapping[str, Any]
    lab: LabModel
    clock: LabClock
    checkpoint: Any
    data: Path | None = None
    sources: Mapping[str, Any] = field(default_factory=dict)
    chosen: Callable[[str, str], None] = lambda source, device: None
    here: Mapping[str, Any] = field(default_factory=dict)

    def keep_file(self, content: bytes, media_type: str) -> dict[str, str]:
        """Keep a file in the data folder; the reference that a `FileResult` wants.

        Raises:
            JournalError: it cannot be written, or nothing is kept here.
        """
        if self.data is None:
            raise JournalError(f"step {self.order.step!r}: there is no data folder to keep a file in")
        return keep_file(self.data, content, media_type)

    def device(self, role: str) -> Any:
        """The device that plays `role` at this station; where each slot has its own, that of the sample's slot.

        Raises:
            ConfigError: none does, or the sample stands in none of the station's slots.
        """
        if role not in self.devices:
            raise ConfigError(f"step {self.order.step!r}: {unknown('role at this station', role, list(self.devices))}")
        of_role = self.devices[role]
        return of_role[self._slot(role)] if isinstance(of_role, tuple) else of_role

    def _slot(self, role: str) -> int:
        """The slot in which the sample stands, from 0, in the order of the station's positions."""
        place = self.order.stands_at
        station = self.lab.positions[place].station if place in self.lab.positions else ""
        if not station:
            raise ConfigError(
                f"step {self.order.step!r}: every slot has its own {role!r} here, and the location of "
                f"the sample is {place or 'no position'}; bring it to a slot first"
            )
        return [name for name, one in self.lab.positions.items() if one.station == station].index(place)

    def source(self, material: str) -> Source:
        """What gives a material at this station: the source that the order names, or the only one.

        Raises:
            ConfigError: none does.
        """
        gives = {self.lab.material_of(self.lab.sources[name]): name for name in self.sources}
        name = self.order.sources.get(material) or gives.get(material)
        if name is None or name not in self.sources:
            known = [one for one in gives if one is not None]
            words = unknown("source at this station that gives", name or material, known)
            raise ConfigError(f"step {self.order.step!r}: {words}")
        self.chosen(name, self.lab.sources[name].device)
        return Source(name, self.sources[name], self.lab.sources[name].settings)

    def result(self, step: str, name: str) -> Any:
        """What an earlier step found.

        Raises:
            ConfigError: that step found no such thing.
        """
        found = self.order.results.get(step, {})
        if name not in found:
            raise ConfigError(f"step {self.order.step!r} wants {name!r} of step {step!r}, which found {sorted(found)}")
        return found[name]


class LabProtocol:
    """Base of protocols: declare the data, and write one generator method for each step that no person does.

    A plan yields Bluesky messages and returns a dict of what it found, in JSON. Results named in `results` are the
    protocol's, and are held against their declaration there and then.

    Args:
        lab: the lab it will run in; refuse here what cannot work there.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    title: ClassVar[str]
    parameters: ClassVar[tuple[ProtocolParameter, ...]] = ()
    results: ClassVar[tuple[ProtocolResult, ...]] = ()
    steps: ClassVar[tuple[StepSpec, ...]]
    labware: ClassVar[str] = ""
    """What each sample is made in: the kind of empty container that positions `hold`; empty if none is handled."""
    afterwards: ClassVar[Literal["leaves", "returns"]] = "leaves"
    """What becomes of it when all is done: it leaves the lab, or goes back to its place."""
    uses_up: ClassVar[tuple[str, ...]] = ()
    """Positions whose containers serve this protocol once: no campaign follows until a person has replaced them."""
    valid_s: ClassVar[float] = 0.0
    """As a preparation: what it finds holds for other campaigns too, for so many lab seconds; 0: each makes its own."""

    def __init__(self, lab: LabModel) -> None:
        self.lab = lab
        if not self.labware and (earlier := getattr(self, "container", "")):  # as it was called in earlier releases
            type(self).labware = earlier

    @cached_property
    def spec(self) -> ProtocolSpec:
        """The protocol as data."""
        return ProtocolSpec(
            name=self.name,
            version=self.version,
            title=self.title,
            parameters=self.parameters,
            results=self.results,
            steps=self.steps,
            labware=self.labware,
            afterwards=self.afterwards,
            uses_up=self.uses_up,
            valid_s=self.valid_s,
        )

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters this lab cannot carry out; override to add the protocol's own reasons.

        Raises:
            OutOfRangeError: outside the envelope.
            InfeasibleError: inside, but it cannot be made; carries the nearest parameters that can.
        """
        self.spec.check(parameters)

    def check_made(self, parameters: Mapping[str, Any]) -> None:
        """As `check`, and refuse what would overfill the sample's container.

        All liquids that a source does not send into a waste count, whatever is drawn out between them; a protocol that
        empties its container on the way overrides this.

        Raises:
            OutOfRangeError: outside the envelope, or more than the container holds.
            InfeasibleError: inside, but it cannot be made; carries the nearest parameters that can.
            ConfigError: an amount is none.
        """
        self.check(parameters)
        labware = self.lab.labware.get(self.spec.labware)
        if labware is None or labware.capacity_ul is None:
            return
        elsewhere = {*self.lab.wastes, *(one.facts.material for one in self.lab.stocks.values() if one.facts.into)}
        solid = {one.facts.material for one in self.lab.stocks.values() if one.facts.unit != "nL"}
        poured = {name: count for name, count in self.uses(parameters).items() if name not in elsewhere | solid}
        whole, room = sum(poured.values()), round(labware.capacity_ul * 1000)
        if whole - len(poured) > room:  # each is rounded up to a nanolitre
            words = ", ".join(f"{Amount(count=count, unit='nL')} of {name}" for name, count in poured.items() if count)
            raise OutOfRangeError(
                f"protocol {self.name}: {Amount(count=whole, unit='nL')} would go into a {self.spec.labware}, which "
                f"holds {Amount(count=room, unit='nL')}: {words}"
            )

    def consumption_ml(self, parameters: Mapping[str, Any]) -> dict[str, float]:
        """Millilitres that an experiment with `parameters` takes of each material, and puts into each waste."""
        return {}

    def worst_consumption_ml(self) -> dict[str, float]:
        """The same of any experiment at most, for the check before a campaign."""
        return {}

    def consumption(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """What an experiment with `parameters` takes of materials that are no liquids, ``{"LiPF6": "12.5 mg"}``."""
        return {}

    def worst_consumption(self) -> dict[str, str]:
        """The same of any experiment at most."""
        return {}

    def uses(self, parameters: Mapping[str, Any]) -> dict[str, int]:
        """What an experiment with `parameters` takes of each material, in its smallest unit.

        Raises:
            ConfigError: an amount is none.
        """
        return self._counted(self.consumption_ml(parameters), self.consumption(parameters))

    def worst_uses(self) -> dict[str, int]:
        """What any experiment takes of each material at most, in its smallest unit.

        Raises:
            ConfigError: an amount is none.
        """
        return self._counted(self.worst_consumption_ml(), self.worst_consumption())

    def _counted(self, volumes_ml: Mapping[str, float], others: Mapping[str, str]) -> dict[str, int]:
        found = {}
        units = {stock.material: stock.unit for stock in self.lab.stocks.values()}
        units |= {name: waste.capacity.unit for name, waste in self.lab.wastes.items()}
        for name, ml in volumes_ml.items():
            if not (math.isfinite(ml) and ml >= 0):
                raise ConfigError(f"protocol {self.name}: consumption of {name}: {ml!r} ml is no amount")
            found[name] = Amount(count=nanolitres(ml), unit="nL")
        for name, words in others.items():
            try:
                found[name] = amount(words)
            except ValueError as error:
                raise ConfigError(f"protocol {self.name}: consumption of {name}: {error}") from error
        for name, one in found.items():
            if units.get(name, one.unit) != one.unit:
                raise ConfigError(
                    f"protocol {self.name}: consumption of {name}: {one}, but the lab counts it in {units[name]}; give "
                    "it in a unit of that kind"
                )
        return {name: one.count for name, one in found.items()}

    def check_fits(self) -> None:
        """Refuse a lab that lacks a station, or a step without a plan.

        Raises:
            ConfigError: what is missing.
            pydantic.ValidationError: the protocol's own data are wrong.
        """
        for step in self.spec.steps:
            if not stations_of(self.lab, step.station):
                kinds = [one.kind for one in self.lab.stations.values() if one.kind]
                raise ConfigError(
                    f"protocol {self.name}, step {step.name}: "
                    + unknown("station", step.station, [*self.lab.stations, *dict.fromkeys(kinds)])
                )
            for name in step.recipe:
                known = [parameter.name for parameter in self.spec.parameters]
                if name not in known:
                    raise ConfigError(
                        f"protocol {self.name}, step {step.name}: recipe: {unknown('parameter', name, known)}"
                    )
            self._check_manual(step)
            if step.manual is None and not inspect.isgeneratorfunction(getattr(self, step.name, None)):
                raise ConfigError(f"protocol {self.name}: step {step.name!r} has no generator method of that name")
            if step.moves_to and step.moves_to not in self.lab.positions:
                raise ConfigError(
                    f"protocol {self.name}, step {step.name}: "
                    + unknown("position", step.moves_to, list(self.lab.positions))
                )
            for name in step.keeps:
                self._check_kept(step, name)
        if wrong := list(misfits(self.spec, self.lab)):
            raise ConfigError("\n".join(f"protocol {self.name}, {words}" for words in wrong))
        for position in self.uses_up:
            if position not in self.lab.positions:
                raise ConfigError(
                    f"protocol {self.name}, uses_up: " + unknown("position", position, list(self.lab.positions))
                )

    def _check_manual(self, step: StepSpec) -> None:
        """Refuse a step of a person's at a station of devices, or the other way round, or with a plan."""
        where = f"protocol {self.name}, step {step.name}"
        people = [name for name, one in self.lab.stations.items() if one.people]
        here = stations_of(self.lab, step.station)
        wrong = [name for name in here if self.lab.stations[name].people != (step.manual is not None)]
        if wrong and step.manual is not None:
            raise ConfigError(
                f"{where}: it is done by a person, and station {wrong[0]} has no people: true; stations of people are: "
                f"{', '.join(people) or 'none'}"
            )
        if wrong:
            raise ConfigError(
                f"{where}: people work at station {wrong[0]}, so say in the step what they do: manual=Manual(task=...)"
            )
        if step.manual is not None and inspect.isgeneratorfunction(getattr(self, step.name, None)):
            raise ConfigError(
                f"{where}: it is done by a person, so no method plans it; take the method {step.name} out, or manual"
            )

    def _check_kept(self, step: StepSpec, name: str) -> None:
        shared = {device for devices in self.lab.shared.values() for device in devices}
        if name in self.lab.positions and name in shared:
            raise ConfigError(
                f"protocol {self.name}, step {step.name}: keeps {name!r}, which is a position and a device; rename one"
            )
        if name in self.lab.positions or name in shared:
            return
        if self.spec.brought and any(name == one.station for one in self.steps):
            return
        if name in self.lab.devices:
            raise ConfigError(
                f"protocol {self.name}, step {step.name}: keeps device {name!r}, which not two stations have; keep a "
                f"position, or one of {', '.join(sorted(shared)) or 'no device'}"
            )
        known = [*self.lab.positions, *sorted(shared)]
        raise ConfigError(
            f"protocol {self.name}, step {step.name}: " + unknown("position or shared device", name, known)
        )

    def simulated_readings(self, order: StepOrder, draw: Random) -> Mapping[str, Any]:
        """What a simulated person reads in a manual step; override it where anything will not do.

        Args:
            order: of the step.
            draw: where chance comes from: the same for the same step.
        """
        manual = next(step.manual for step in self.spec.steps if step.name == order.step)
        return manual.drawn(draw) if manual is not None else {}

    def plan(self, context: StepContext) -> Plan:
        """The plan of the step `context` orders."""
        plan: Plan = getattr(self, context.order.step)(context)
        return plan
