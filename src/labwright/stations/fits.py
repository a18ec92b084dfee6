"""Whether a protocol's samples can be brought to where its steps need them, in a lab, and in time."""

from __future__ import annotations

from collections.abc import Iterator

from labwright.model.errors import unknown
from labwright.model.lab import LabModel
from labwright.model.protocol import ProtocolSpec, StepSpec
from labwright.model.reach_checks import brought


def stations_of(lab: LabModel, name: str) -> list[str]:
    """Stations that a step may mean: the one of that name, or all of that kind."""
    return [key for key, station in lab.stations.items() if name in (key, station.kind)]


def misfits(protocol: ProtocolSpec, lab: LabModel) -> Iterator[str]:
    """What keeps samples from where they are needed, one sentence each."""
    if not protocol.labware:
        return
    carriers = {name: one for name, one in lab.transports.items() if one.carries is not None}
    own = [step.name for step in protocol.steps if step.moves_to or step.leaves]
    if own and carriers:
        yield (
            f"step {own[0]}: moves_to and leaves are for labs without transports; here {', '.join(carriers)} brings "
            "each sample to where its next step is, so take the steps that carry it out of the protocol"
        )
        return
    if lab.labware and protocol.labware not in lab.labware:
        yield f"labware: {unknown('labware', protocol.labware, list(lab.labware))}"
        return
    yield from _holds(protocol, lab)
    if not protocol.brought:
        return
    kind = protocol.labware
    stored = [name for name, one in lab.positions.items() if kind in one.takes and not (one.station or one.leaves)]
    reached = brought(lab, kind, stored, planned=True)
    moved = False
    for step in protocol.steps:
        sites = _sites(lab, protocol, step)
        if not step.sample or not sites:
            continue
        moved = True
        if not reached.intersection(sites):
            yield (
                f"step {step.name}: no transport brings a {protocol.labware} to {step.station} ({', '.join(sites)}); "
                "give one of them `carries` and a location in `reaches`"
            )
    if moved and protocol.afterwards == "leaves":
        ends = [name for name, one in lab.positions.items() if one.leaves and protocol.labware in one.takes]
        if not reached.intersection(ends):
            yield (
                f"no transport brings a {protocol.labware} out of the lab when all is done; give a position "
                "`leaves: true`, or let the container go back to its place (afterwards = 'returns')"
            )
    yield from _waits(protocol, lab)


def _holds(protocol: ProtocolSpec, lab: LabModel) -> Iterator[str]:
    """Steps that hold a station which is not one sample's at a time, or of which the station would hold nothing."""
    for step in protocol.steps:
        if not step.holds:
            continue
        if not step.sample:
            yield f"step {step.name}: holds, but it does not need the sample, so its station holds nothing of it"
        for name in stations_of(lab, step.station):
            station = lab.stations[name]
            if station.slots > 1:
                yield (
                    f"step {step.name}: holds, but station {name} has {station.slots} slots and is no one sample's; "
                    "make each of them a station, with one `kind` for all"
                )
            elif station.starts == "together":
                yield f"step {step.name}: holds, but station {name} works on batches and is no one sample's"


def _waits(protocol: ProtocolSpec, lab: LabModel) -> Iterator[str]:
    """Waits that cannot be kept even by a sample that is alone."""
    fastest_s = min((one.move_s for one in lab.transports.values() if one.can_carry(protocol.labware)), default=0.0)
    for index, step in enumerate(protocol.steps):
        if step.max_wait_s is None:
            continue
        following = _following(protocol, index)
        if following is None:
            yield f"step {step.name}: max_wait_s, but no step that needs the sample comes after it"
            continue
        here, there = set(_sites(lab, protocol, step)), set(_sites(lab, protocol, following))
        least_s = fastest_s if there and not here & there else 0.0
        least_s += _between_s(protocol, step, following)
        if least_s > step.max_wait_s:
            yield (
                f"step {step.name}: max_wait_s {step.max_wait_s:g} cannot be kept even by a sample that is alone: "
                f"{following.name} begins {least_s:g} s after it at the earliest"
            )


def _following(protocol: ProtocolSpec, index: int) -> StepSpec | None:
    """The next step that needs the sample, after one."""
    after = {protocol.steps[index].name}
    for step in protocol.steps[index + 1 :]:
        if after.intersection(step.needs):
            if step.sample:
                return step
            after.add(step.name)
    return None


def _between_s(protocol: ProtocolSpec, step: StepSpec, following: StepSpec) -> float:
    """What must be done between two steps, that does not need the sample; lab seconds."""
    specs = {one.name: one for one in protocol.steps}

    def before_s(name: str) -> float:
        if name == step.name:
            return 0.0
        one = specs[name]
        if step.name not in protocol.between(step.name, name):
            return 0.0
        return one.expected_s + max((before_s(need) for need in one.needs), default=0.0)

    return max((before_s(need) for need in following.needs), default=0.0)


def _sites(lab: LabModel, protocol: ProtocolSpec, step: StepSpec) -> list[str]:
    """Positions where a step can be done."""
    stations = stations_of(lab, step.station)
    return [name for name, one in lab.positions.items() if one.station in stations and protocol.labware in one.takes]
