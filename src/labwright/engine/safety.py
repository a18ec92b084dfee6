"""Whether all samples under way can still end: no step begins that would make samples wait for each other for ever.

What is claimed. A sample claims what its steps that are left may still take, further rounds of loops included
(`Experiment.claims`): positions by name, any position of a station, devices that several stations have, and stations.
It has a claim met by a resource that is free, or its own, or that it may share (a device with the same recipe); of the
positions and stations of one kind any will do (`Safety.units`). What keeps a unit from it are its keepers: the sample
that has it, one that holds its station from one step to the next, one that works there with another recipe. In a
station whose samples begin together it also needs those out that are done there or are not of its batch; and as long as
it has no position there, all that have one, free positions or not: they will be done there before it comes.

The invariant is the banker's: there is an order in which the samples that have something can end, each with what is
free, or will be once those before it have ended. `Safety.blocks` sees to it: it is asked about all that a step or a
move takes for longer than itself - the positions of the whole way, hand-overs included, devices, a station that it
holds - before it takes any. What happens without a grant does not break it: a step that ends, is skipped or given up,
only takes claims away, and a sample that begins has but its place, which none under way claims, so it comes last. Not
in the order: transports, and stations for one step (they are free when that ends, and if it fails a person is asked),
and hand-overs (a sample that has one has all of its way).

From the invariant follows that something begins where nothing runs, no person is asked, nothing is latched and no time
wakes the lab: the first of the order finds all it claims, whichever of the free units is chosen for it. For that, what
keeps a step from beginning without being a resource must lapse where nothing runs: the look ahead at limited waits
(`Moving._in_time`), planned batches (`Moving._as_planned`), batches that wait for others (`Batches.starting`). What is
kept for an older sample (`Dispatcher._keep`) stops only those that have nothing, and hours wake the lab.

The rest is a person's, and is found by `labwright.engine.stuck`: containers that are no sample's, what experiments that
are over have left, a place that was taken while its sample was away, a layout that was changed under samples under way,
journals of engine 1.

How it is looked for: a walk from the one that asks over those that keep something from it, and so on. The order is
looked for among these alone, and only if one of them waits for the one that asks: those that wait for each other
without it did so before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from labwright.engine.experiment import SITE, STATION, Experiment, StepRun
from labwright.engine.layout import Bench, Layout
from labwright.engine.reservations import POSITION, Reservation, Reservations
from labwright.engine.work import Work

DEVICE = "device:"

_Lack = list[tuple[Experiment, ...]]
"""What keeps a claim from being met: samples that must end, where all of any of these are enough."""


@dataclass(frozen=True)
class _Grant:
    """What is looked ahead at.

    Attributes:
        by: the sample that would have it.
        new: free positions, devices and stations.
        leaves: the position, by ``position:NAME``, that it would leave for them; empty if none.
    """

    by: Experiment
    new: frozenset[str]
    leaves: str = ""


@dataclass
class Safety:
    """Looks ahead over what samples have and may still take.

    Attributes:
        work: the samples under way.
        layout: of the lab.
    """

    work: Work
    layout: Layout
    _units: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _benches: dict[str, Bench | None] = field(default_factory=dict)
    _seen: dict[str, list[_Lack]] = field(default_factory=dict)
    _held: bool | None = None

    def look_anew(self) -> None:
        """What was seen ahead before is no longer right: a step has started or ended."""
        self._seen.clear()
        self._held = None

    @property
    def _reservations(self) -> Reservations:
        return self.work.reservations

    def blocks(self, experiment: Experiment, more: Collection[str], *, moves: bool = False) -> list[Experiment]:
        """Samples that, and this one, could never end if it had these resources too; empty if all can.

        Args:
            experiment: that would have them.
            more: free positions and devices, and a station that it would hold.
            moves: whether it leaves the position where it stands for them.
        """
        new = frozenset(one for one in more if not self._reservations.held(experiment, one))
        if not new:
            return []
        leaves = moves and experiment.stands_at and experiment.leaves_for_good(experiment.stands_at)
        leaves = leaves or self._moves_on(experiment, new)
        grant = _Grant(experiment, new, f"{POSITION}{experiment.stands_at}" if leaves else "")
        lacking = self._lacking_ahead(experiment, grant)
        ring = [one for one, lacks in lacking.values() if any(experiment in some for each in lacks for some in each)]
        stuck = _stuck(lacking) if ring else {}
        if experiment.id not in stuck:
            return []
        found = [one for one in ring if one.id in stuck and one is not experiment]
        return sorted(found or (one for one in stuck.values() if one is not experiment), key=lambda one: one.turn)

    def units(self, claim: str, experiment: Experiment) -> tuple[str, ...]:
        """The resources of which one is enough for a claim."""
        if claim.startswith(STATION):
            return self._stations(claim.removeprefix(STATION), experiment)
        if not claim.startswith(SITE):
            return (claim,)
        key = claim, experiment.protocol.labware
        known = self._units.get(key)
        if known is None:
            sites = self.layout.sites_for(claim.removeprefix(SITE), experiment.protocol.labware)
            known = self._units[key] = tuple(f"{POSITION}{site}" for site in sites)
        if experiment.protocol.holds_stations and (held := self.held(experiment, claim.removeprefix(SITE))) is not None:
            return tuple(one for one in known if self.layout.bench_at(one.removeprefix(POSITION)) == held)
        return known

    def _stations(self, station: str, experiment: Experiment) -> tuple[str, ...]:
        benches = self.layout.serving(station)
        if len(benches) > 1:
            bench = self.held(experiment, station) or self._bound_to(experiment, station)
            benches = benches if bench is None else (bench,)
        return tuple(f"{STATION}{bench.name}" for bench in benches)

    def _bound_to(self, experiment: Experiment, station: str) -> Bench | None:
        """The station where its next step will be done, if that is at one of these and its position there is known."""
        left = experiment.left()
        if not left or left[0].spec.station != station:
            return None
        bench = self.layout.bench_at(experiment.booked.get(left[0].spec.name) or experiment.stands_at)
        return bench if bench is not None and station in (bench.kind, bench.name) else None

    def held(self, experiment: Experiment, station: str) -> Bench | None:
        """The station that a sample holds from one step to the next, of those that `station` names."""
        for bench in self.layout.serving(station):
            holder = self._reservations.taken.get(f"{STATION}{bench.name}")
            if holder is not None and holder.of(experiment) and (holder.held_as or not holder.step_id):
                return bench
        return None

    def holder(self, station: str) -> Experiment | None:
        """The sample that has a station, by its own name, for longer than the step that it may have there."""
        reservation = self._reservations.taken.get(f"{STATION}{station}")
        other = self.of(reservation) if reservation is not None else None
        if other is None or reservation is None:
            return None
        if reservation.held_as or not reservation.step_id:
            return other
        holds = (run.spec.holds for run in other.running if run.step_id == reservation.step_id)
        return other if any(holds) else None

    def is_held_from(self, experiment: Experiment, bench: Bench) -> bool:
        """Whether another sample holds one of several stations of a kind: none is brought there meanwhile.

        To the only station of its kind the next one may be brought already, if it blocks none there.
        """
        if len(self.layout.serving(bench.kind)) < 2:
            return False
        other = self.holder(bench.name)
        return other is not None and other is not experiment

    def claims(self, experiment: Experiment, resource: str) -> bool:
        """Whether an experiment may still take a resource."""
        claims = self.work.claims(experiment)
        return resource in claims or any(
            resource in self.units(claim, experiment) for claim in claims if claim.startswith((SITE, STATION))
        )

    def stands_in_place(self, experiment: Experiment, resource: str) -> Experiment | None:
        """A sample that has nothing yet, and whose container is where a protocol that moves its own would put one.

        For the samples that are brought, `labwright.engine.moving` sees to what stands where.
        """
        if experiment.brought or not resource.startswith(POSITION) or resource in self._reservations.taken:
            return None
        name = resource.removeprefix(POSITION)
        held = self.work.material.holds.get(name)
        other = self.work.of(held.campaign).get(held.label) if held is not None and held.campaign else None
        return other if other is not None and other is not experiment and other.stands_at == name else None

    def of(self, holder: Reservation) -> Experiment | None:
        """The experiment under way that has it."""
        return self.work.of(holder.owner).get(holder.label)

    def rivals(self, experiment: Experiment, bench: Bench) -> Iterator[Experiment]:
        """Samples at a station, or with a position there, that keep an experiment out as long as they need it.

        Args:
            experiment: with another recipe than theirs.
            bench: a station with one recipe at a time.
        """
        if not bench.one_recipe:
            return
        for site in self.layout.sites_of(bench.name):
            holder = self._reservations.taken.get(f"{POSITION}{site}")
            other = self.of(holder) if holder is not None else None
            if other is not None and other is not experiment and self._differs(experiment, other, bench):
                yield other

    def staying_rivals(self, experiment: Experiment, bench: Bench) -> Iterator[Experiment]:
        """Those of its rivals that are not on their way out of the station."""
        for other in self.rivals(experiment, bench):
            if self.layout.bench_at(other.stands_at) != bench or not self.is_left(
                other, f"{POSITION}{other.stands_at}"
            ):
                yield other

    def _differs(self, experiment: Experiment, other: Experiment, bench: Bench) -> bool:
        """Whether a station cannot work on two samples at once, and the other still needs it."""
        claims = self.work.claims(other)
        needs = [one for one in bench.claims if one in claims]
        if not needs:
            return False
        mine = next((recipe for one in bench.claims if (recipe := experiment.recipe(one))), "")
        return not mine or any(other.recipe(one) != mine for one in needs)

    def all_ahead(self, experiment: Experiment) -> list[Experiment]:
        """Samples that must end before an experiment can, each with those that must before it."""
        found = self._lacking_ahead(experiment, None)
        return [one for key, (one, _) in found.items() if key != experiment.id]

    def must_leave_first(self, experiment: Experiment, run: StepRun) -> list[Experiment]:
        """Samples in a station where a sample waits for its batch, and with which it cannot begin."""
        bench = self.layout.bench_at(experiment.stands_at)
        if bench is None or run.spec.station not in (bench.kind, bench.name):
            return []
        return self._not_of_its_batch(experiment, bench, None)

    def _lacks(self, experiment: Experiment, grant: _Grant | None, wanted: Collection[str]) -> list[_Lack]:
        """What keeps an experiment from all that it may still take.

        Args:
            experiment: that waits.
            grant: what one would have.
            wanted: claims that the grant may keep from being met.
        """
        if grant is not None and (grant.by is experiment or not self.work.claims(experiment).isdisjoint(wanted)):
            return self._all_lacks(experiment, grant)
        known = self._seen.get(experiment.id)
        if known is None:
            known = self._seen[experiment.id] = self._all_lacks(experiment, None)
        if grant is not None and grant.leaves and any(grant.by in some for lack in known for some in lack):
            return self._all_lacks(experiment, grant)
        return known

    def _all_lacks(self, experiment: Experiment, grant: _Grant | None) -> list[_Lack]:
        lacks: list[_Lack] = []
        rivals: dict[str, list[Experiment]] = {}
        held = self._any_held(grant)
        for claim in self.work.claims(experiment):
            if claim.startswith(STATION) and not held:
                continue
            lack: _Lack = []
            for unit in self.units(claim, experiment):
                keepers = self._keepers(experiment, unit, grant, rivals)
                if not keepers:
                    break
                lack.append(keepers)
            else:
                lacks += [lack] if lack else []
        if inside := self._in_its_batch(experiment, grant):
            lacks.append([tuple(inside)])
        return lacks

    def _keepers(
        self, experiment: Experiment, unit: str, grant: _Grant | None, rivals: dict[str, list[Experiment]]
    ) -> tuple[Experiment, ...]:
        """Samples under way that keep a resource from an experiment.

        Args:
            experiment: that waits.
            unit: the resource.
            grant: what one would have.
            rivals: of the experiment, by station, as far as they are known; and whom a later batch there waits for.
        """
        found = []
        by = grant.by if grant is not None and grant.by is not experiment else None
        if by is not None and grant is not None and unit in grant.new and not self._shares(experiment, by, unit):
            found.append(by)
        if unit.startswith(STATION):
            holder = self.holder(unit.removeprefix(STATION))
            return (*found, *(() if holder is None or holder is experiment else (holder,)))
        for reservation in self._reservations.of_resource(unit):
            if reservation.of(experiment):
                continue
            if reservation.recipe and reservation.recipe == experiment.recipe(unit):
                continue
            if (other := self.of(reservation)) is not None and not self.is_left(other, unit, grant):
                found.append(other)
        if (stands := self.stands_in_place(experiment, unit)) is not None:
            found.append(stands)
        bench = self._bench(unit)
        if bench is None:
            return tuple(found)
        if bench.one_recipe:
            if bench.name not in rivals:
                rivals[bench.name] = list(self._rivals(experiment, bench, grant))
            found += rivals[bench.name]
        if bench.together:
            later = f"later at {bench.name}"
            if later not in rivals:
                comes = self._comes_to(experiment, bench, grant)
                rivals[later] = [] if comes else list(self._inside(experiment, bench, grant))
            found += rivals[later]
        if self._any_held(grant) and len(self.layout.serving(bench.kind)) > 1:
            holder = self.holder(bench.name)
            found += [] if holder is None or holder is experiment else [holder]
            found += [by] if by is not None and grant is not None and f"{STATION}{bench.name}" in grant.new else []
        return tuple(found)

    def _bench(self, unit: str) -> Bench | None:
        """The station of which a resource is a position."""
        if unit not in self._benches:
            there = unit.startswith(POSITION)
            self._benches[unit] = self.layout.bench_at(unit.removeprefix(POSITION)) if there else None
        return self._benches[unit]

    def _rivals(self, experiment: Experiment, bench: Bench, grant: _Grant | None) -> Iterator[Experiment]:
        """Samples with which a station with one recipe cannot work on an experiment, and that stay there."""
        for other in self.rivals(experiment, bench):
            position = f"{POSITION}{other.stands_at}"
            if self._bench(position) != bench or not self.is_left(other, position, grant):
                yield other
        if grant is None or grant.by is experiment or not self._differs(experiment, grant.by, bench):
            return
        if any(self._bench(one) == bench for one in grant.new):
            yield grant.by

    def _shares(self, experiment: Experiment, other: Experiment, resource: str) -> bool:
        """Whether two samples can have a device at the same time."""
        recipe = experiment.recipe(resource) if resource.startswith(DEVICE) else ""
        return bool(recipe) and recipe == other.recipe(resource)

    def _comes_to(self, experiment: Experiment, bench: Bench, grant: _Grant | None) -> bool:
        """Whether a sample is in a station, or has a position there, or would have one."""
        new = grant.new if grant is not None and grant.by is experiment else ()
        mine = [experiment.stands_at, *experiment.booked.values(), *(one.removeprefix(POSITION) for one in new)]
        return any(self.layout.bench_at(site) == bench for site in mine)

    def _inside(self, experiment: Experiment, bench: Bench, grant: _Grant | None) -> Iterator[Experiment]:
        """Samples that a later batch waits for: they are in its station, or come there before it, and must leave."""
        for site in self.layout.sites_of(bench.name):
            holder = self._reservations.taken.get(f"{POSITION}{site}")
            other = self.of(holder) if holder is not None else None
            if other is not None and other is not experiment and not self.is_left(other, f"{POSITION}{site}", grant):
                yield other
        if grant is not None and grant.by is not experiment and any(self._bench(one) == bench for one in grant.new):
            yield grant.by

    def _in_its_batch(self, experiment: Experiment, grant: _Grant | None) -> list[Experiment]:
        """Samples in its next station with which its batch cannot begin: they are done there, or are not of it.

        Args:
            experiment: that is in the station, or has a position there.
            grant: what one would have.
        """
        left = experiment.left()
        if not left or any(run.active for run in left):
            return []
        new = grant.new if grant is not None and grant.by is experiment else frozenset()
        for run in (left[0], *(one for one in experiment.startable() if one in left[1:])):
            units = self.units(f"{SITE}{run.spec.station}", experiment)
            coming = (one.removeprefix(POSITION) for one in new if one in units)
            at = next(coming, "") or experiment.booked.get(run.spec.name, "")
            if run is left[0] and not at:
                at = experiment.stands_at
            bench = self.layout.bench_at(at)
            if bench is not None and bench.together and run.spec.station in (bench.kind, bench.name):
                return self._not_of_its_batch(experiment, bench, grant)
        return []

    def _not_of_its_batch(self, experiment: Experiment, bench: Bench, grant: _Grant | None) -> list[Experiment]:
        found = []
        for site in self.layout.sites_of(bench.name):
            holder = self._reservations.taken.get(f"{POSITION}{site}")
            other = self.of(holder) if holder is not None else None
            if other is None or other is experiment or other.stands_at != site:
                continue
            names, left = (bench.kind, bench.name), other.left()
            if left and not left[0].active and left[0].spec.station in names:
                continue
            if other.pending_at(*names) is None and not self.is_left(other, f"{POSITION}{site}", grant):
                found.append(other)
        return found

    def is_left(self, experiment: Experiment, resource: str, grant: _Grant | None = None) -> bool:
        """Whether a sample is on its way, or would be, from a position that it does not need any more."""
        if resource == experiment.being_left:
            return True
        if grant is not None and grant.by is experiment and resource == grant.leaves:
            return True
        return resource == f"{POSITION}{experiment.stands_at}" and self._moves_on(experiment)

    def _moves_on(self, experiment: Experiment, new: Collection[str] = ()) -> bool:
        """Whether nothing of others keeps a sample where it is: it has all that its next step there needs, elsewhere.

        Args:
            experiment: the sample.
            new: what it would have, too.
        """
        if not (experiment.booked or new) or not experiment.stands_at or experiment.given_up:
            return False
        left = experiment.left()
        if not left or left[0].active or not experiment.leaves_for_good(experiment.stands_at):
            return False
        spec, here = left[0].spec, experiment.stands_at
        units = self.units(f"{SITE}{spec.station}", experiment)
        booked = experiment.booked.get(spec.name, "")
        site = booked or next((one.removeprefix(POSITION) for one in new if one in units), "")
        if site in ("", here) or f"{POSITION}{here}" in units:
            return False
        needs = experiment.needs(spec)
        if any(one not in new and not self._reservations.held(experiment, one) for one in needs):
            return False
        return any(site in carrier.reaches for carrier in self.layout.reaching(here, experiment.protocol.labware))

    def _lacking_ahead(self, experiment: Experiment, grant: _Grant | None) -> dict[str, tuple[Experiment, list[_Lack]]]:
        """What a sample lacks, and those whom it would wait for, each with what it lacks; by id."""
        found: dict[str, tuple[Experiment, list[_Lack]]] = {}
        wanted = self._wanted(grant)
        todo = [experiment]
        while todo:
            one = todo.pop()
            if one.id not in found:
                lacks = self._lacks(one, grant, wanted)
                found[one.id] = one, lacks
                todo += [other for lack in lacks for some in lack for other in some]
        return found

    def _wanted(self, grant: _Grant | None) -> set[str]:
        """What samples claim that may want something of a grant, or its station on other terms."""
        wanted = set() if grant is None else set(grant.new)
        for resource in () if grant is None else grant.new:
            name = resource.removeprefix(STATION)
            bench = self._bench(resource) if name == resource else self.layout.serving_one(name)
            if bench is not None:
                wanted |= {*bench.claims, f"{STATION}{bench.kind}", f"{STATION}{bench.name}"}
        return wanted

    def _any_held(self, grant: _Grant | None) -> bool:
        """Whether a sample holds a station, or would: else all claims of stations are met."""
        if grant is not None and any(one.startswith(STATION) for one in grant.new):
            return True
        if self._held is None:
            self._held = any(
                resource.startswith(STATION)
                and (other := self.of(holder)) is not None
                and other.protocol.holds_stations
                for resource, holder in self._reservations.taken.items()
            )
        return self._held


def _stuck(lacking: dict[str, tuple[Experiment, list[_Lack]]]) -> dict[str, Experiment]:
    """Samples that are left if one after the other ends that can, by id."""
    left = {key: one for key, (one, _) in lacking.items()}
    while ends := [
        key
        for key in left
        if all(any(all(one.id not in left for one in some) for some in lack) for lack in lacking[key][1])
    ]:
        for key in ends:
            del left[key]
    return left
