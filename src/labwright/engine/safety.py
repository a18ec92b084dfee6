"""Whether all samples under way can still end: no step begins that would make samples wait for each other for ever.

A sample waits for another if the other has what its own steps may still take: a position, a device on other terms, or
the last of a station's positions. A state is safe if there is an order in which all samples can end, each with what is
free then. That is the banker's rule; where each thing is there once, it comes to a ring of samples that wait for each
other, and a walk over those ahead finds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from labwright.engine.experiment import SITE, Experiment, StepRun
from labwright.engine.layout import Bench, Layout
from labwright.engine.reservations import Reservation, Reservations
from labwright.engine.work import Work


@dataclass
class Safety:
    """Looks ahead over what samples have and may still take.

    Attributes:
        work: the samples under way.
        layout: of the lab.
    """

    work: Work
    layout: Layout
    _leaving: tuple[str, str] | None = None
    """A sample, and the position that it would leave."""
    _units: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    _benches: dict[str, Bench | None] = field(default_factory=dict)
    _seen: dict[str, list[Experiment]] = field(default_factory=dict)

    def look_anew(self) -> None:
        """What was seen ahead before is no longer right: a step has started or ended."""
        self._seen.clear()

    @property
    def _reservations(self) -> Reservations:
        return self.work.reservations

    def blocks(self, experiment: Experiment, more: Collection[str], *, moves: bool = False) -> list[Experiment]:
        """Samples that, and this one, could never end if it had these resources too; empty if all can.

        Args:
            experiment: that would have them.
            more: free positions and devices.
            moves: whether it leaves the position where it stands for them.
        """
        new = [one for one in more if not self._reservations.held(experiment, one)]
        if not new:
            return []
        leaves = moves and experiment.stands_at and experiment.leaves_for_good(experiment.stands_at)
        if leaves or self._moves_on(experiment, new):
            self._leaving = experiment.id, f"position:{experiment.stands_at}"
        try:
            return self._in_a_ring(experiment, new)
        finally:
            self._leaving = None

    def _in_a_ring(self, experiment: Experiment, new: Collection[str]) -> list[Experiment]:
        ring = self._ring(experiment, new)
        if not ring or not self._several(experiment, ring):
            return ring
        stuck = self._stuck(experiment, new)
        return [one for one in ring if one.id in stuck] or [one for one in stuck.values() if one is not experiment]

    def units(self, claim: str, experiment: Experiment) -> tuple[str, ...]:
        """The resources of which one is enough for a claim."""
        if not claim.startswith(SITE):
            return (claim,)
        key = claim, experiment.protocol.labware
        known = self._units.get(key)
        if known is None:
            sites = self.layout.sites_for(claim.removeprefix(SITE), experiment.protocol.labware)
            known = self._units[key] = tuple(f"position:{site}" for site in sites)
        return known

    def claims(self, experiment: Experiment, resource: str) -> bool:
        """Whether an experiment may still take a resource."""
        claims = self.work.claims(experiment)
        return resource in claims or any(
            resource in self.units(claim, experiment) for claim in claims if claim.startswith(SITE)
        )

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
        for site in self.layout.sites_at(bench.name, experiment.protocol.labware):
            holder = self._reservations.taken.get(f"position:{site}")
            other = self.of(holder) if holder is not None else None
            if other is not None and other is not experiment and self._differs(experiment, other, bench):
                yield other

    def staying_rivals(self, experiment: Experiment, bench: Bench) -> Iterator[Experiment]:
        """Those of its rivals that are not on their way out of the station."""
        for other in self.rivals(experiment, bench):
            if self.layout.bench_at(other.stands_at) != bench or not self.is_left(other, f"position:{other.stands_at}"):
                yield other

    def _holder(self, position: str) -> Experiment | None:
        """The sample that has a position, and does not leave it just now."""
        holder = self._reservations.taken.get(position)
        other = self.of(holder) if holder is not None else None
        return None if other is None or self.is_left(other, position) else other

    def _differs(self, experiment: Experiment, other: Experiment, bench: Bench) -> bool:
        """Whether a station cannot work on two samples at once, and the other still needs it."""
        claims = self.work.claims(other)
        needs = [one for one in bench.claims if one in claims]
        if not needs:
            return False
        mine = next((recipe for one in bench.claims if (recipe := experiment.recipe(one))), "")
        return not mine or any(other.recipe(one) != mine for one in needs)

    def _bench(self, unit: str) -> Bench | None:
        """The station with one recipe at a time of which a resource is a position."""
        if unit in self._benches:
            return self._benches[unit]
        bench = self.layout.bench_at(unit.removeprefix("position:")) if unit.startswith("position:") else None
        found = self._benches[unit] = bench if bench is not None and bench.one_recipe else None
        return found

    def ahead(
        self, experiment: Experiment, new: Collection[str] = (), by: Experiment | None = None
    ) -> list[Experiment]:
        """Samples that have what an experiment may still take, if nothing else would do.

        Args:
            experiment: that waits for them.
            new: what is free now, and another would have.
            by: that other.
        """
        if by is experiment or not self._wanted(new).isdisjoint(self.work.claims(experiment)):
            return self._ahead(experiment, new, by)
        known = self._seen.get(experiment.id)
        if known is None:
            leaving, self._leaving = self._leaving, None
            known = self._seen[experiment.id] = self._ahead(experiment)
            self._leaving = leaving
        if self._leaving is not None and any(one.id == self._leaving[0] for one in known):
            return self._ahead(experiment, new, by)
        return known

    def _wanted(self, new: Collection[str]) -> set[str]:
        """What samples claim that may want one of these resources, or its station on other terms."""
        benches = (self.layout.bench_at(one.removeprefix("position:")) for one in new if one.startswith("position:"))
        return {*new, *(claim for bench in benches if bench is not None for claim in bench.claims)}

    def _ahead(
        self, experiment: Experiment, new: Collection[str] = (), by: Experiment | None = None
    ) -> list[Experiment]:
        set_to = {
            bench.name for one in new if (bench := self._bench(one)) and by and self._differs(experiment, by, bench)
        }
        ahead: list[Experiment] = []
        rivals: dict[str, list[Experiment]] = {}
        for claim in self.work.claims(experiment):
            found: list[Experiment] = []
            for unit in self.units(claim, experiment):
                others = list(self._against(experiment, unit))
                bench = self._bench(unit)
                if bench is not None:
                    if bench.name not in rivals:
                        rivals[bench.name] = list(self.staying_rivals(experiment, bench))
                    others += rivals[bench.name]
                its = by is experiment or (unit not in new and (bench is None or bench.name not in set_to))
                if not others and its:
                    break  # one that it can have
                found += others
            else:
                ahead += found
        return ahead + self._in_its_batch(experiment, new if by is experiment else ())

    def all_ahead(self, experiment: Experiment) -> list[Experiment]:
        """Samples that must end before an experiment can, each with those that must before it."""
        found: dict[str, Experiment] = {}
        todo = [experiment]
        while todo:
            for other in self.ahead(todo.pop()):
                if other.id not in found:
                    found[other.id] = other
                    todo.append(other)
        return list(found.values())

    def must_leave_first(self, experiment: Experiment, run: StepRun) -> list[Experiment]:
        """Samples in a station where a sample waits for its batch, and with which it cannot begin."""
        mine = experiment.left()
        return self._in_its_batch(experiment) if mine and mine[0].spec.station == run.spec.station else []

    def _in_its_batch(self, experiment: Experiment, new: Collection[str] = ()) -> list[Experiment]:
        """Samples in its next station with which its batch cannot begin: they are done there, or are not of it.

        Args:
            experiment: that is in the station, or has a position there.
            new: what it would have, too.
        """
        mine = experiment.left()
        if not mine or mine[0].active:
            return []
        claim = f"{SITE}{mine[0].spec.station}"
        if claim not in self.work.claims(experiment):
            return []
        coming = (one.removeprefix("position:") for one in new if one in self.units(claim, experiment))
        at = next(coming, "") or experiment.booked.get(mine[0].spec.name, experiment.stands_at)
        bench = self.layout.bench_at(at)
        if bench is None or not bench.together or mine[0].spec.station not in (bench.kind, bench.name):
            return []
        names = (bench.kind, bench.name)
        found = []
        for site in self.layout.sites_at(bench.name, experiment.protocol.labware):
            other = self._holder(f"position:{site}")
            if other is None or other is experiment or other.stands_at != site:
                continue
            left = other.left()
            if not left or left[0].active or left[0].spec.station not in names:
                found.append(other)
        return found

    def _against(self, experiment: Experiment, resource: str) -> Iterator[Experiment]:
        """Samples under way that keep a resource from an experiment."""
        for holder in self._reservations.of_resource(resource):
            if holder.of(experiment) or (holder.recipe and holder.recipe == experiment.recipe(resource)):
                continue
            if (other := self.of(holder)) is not None and not self.is_left(other, resource):
                yield other

    def is_left(self, experiment: Experiment, resource: str) -> bool:
        """Whether a sample is on its way, or would be, from a position that it does not need any more."""
        if resource == experiment.being_left or self._leaving == (experiment.id, resource):
            return True
        return resource == f"position:{experiment.stands_at}" and self._moves_on(experiment)

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
        site = booked or next((one.removeprefix("position:") for one in new if one in units), "")
        if site in ("", here) or f"position:{here}" in units:
            return False
        needs = experiment.needs(spec)
        if any(one not in new and not self._reservations.held(experiment, one) for one in needs):
            return False
        return any(site in carrier.reaches for carrier in self.layout.reaching(here, experiment.protocol.labware))

    def _ring(self, experiment: Experiment, new: Collection[str]) -> list[Experiment]:
        """Samples that the experiment would wait for, and that would wait for it if it had what is new.

        What an experiment has left behind that is over does not count: a person is asked to take it away.
        """
        seen, todo, found = {experiment.id}, [experiment], dict[str, Experiment]()
        while todo:
            here = todo.pop()
            for other in self.ahead(here, new, experiment):
                if other is experiment:
                    found[here.id] = here
                elif other.id not in seen:
                    seen.add(other.id)
                    todo.append(other)
                    if any(self._keeps_from(experiment, other, one) for one in new):
                        found[other.id] = other
        found.pop(experiment.id, None)
        return sorted(found.values(), key=lambda one: one.turn)

    def _keeps_from(self, experiment: Experiment, other: Experiment, resource: str) -> bool:
        """Whether another sample may want what the experiment would have, and could not have it with it."""
        if not self.claims(other, resource):
            return False
        recipe = experiment.recipe(resource) if resource.startswith("device:") else ""
        return not recipe or recipe != other.recipe(resource)

    def _several(self, experiment: Experiment, ring: list[Experiment]) -> bool:
        """Whether a ring need not mean that all wait for ever: one of several positions may become free elsewhere."""
        return any(
            len(self.units(claim, one)) > 1
            for one in (experiment, *ring)
            for claim in self.work.claims(one)
            if claim.startswith(SITE)
        )

    def _stuck(self, experiment: Experiment, new: Collection[str]) -> dict[str, Experiment]:
        """Samples that have something and are left if one after the other ends that can, by id."""
        left = {experiment.id: experiment}
        holders: dict[str, list[tuple[str, str]]] = {}
        inside: dict[str, dict[str, Experiment]] = {}
        for resource, holder in self._reservations.taken.items():
            if (other := self.of(holder)) is not None:
                left[other.id] = other
                if self.is_left(other, resource):
                    continue
                holders.setdefault(holder.device or resource, []).append((other.id, holder.recipe))
                if (bench := self._bench(resource)) is not None:
                    inside.setdefault(bench.name, {})[other.id] = other
        for resource in new:
            recipe = experiment.recipe(resource) if resource.startswith("device:") else ""
            holders.setdefault(resource, []).append((experiment.id, recipe))
            if (bench := self._bench(resource)) is not None:
                inside.setdefault(bench.name, {})[experiment.id] = experiment

        rivals: dict[tuple[str, str], set[str]] = {}

        def rivals_of(one: Experiment, bench: Bench) -> set[str]:
            found = rivals.get((one.id, bench.name))
            if found is None:
                others = inside.get(bench.name, {})
                found = {key for key, other in others.items() if other is not one and self._differs(one, other, bench)}
                rivals[one.id, bench.name] = found
            return found

        def free(one: Experiment, resource: str) -> bool:
            bench = self._bench(resource)
            if bench is not None and not left.keys().isdisjoint(rivals_of(one, bench)):
                return False
            return all(
                key == one.id or key not in left or (recipe and recipe == one.recipe(resource))
                for key, recipe in holders.get(resource, ())
            )

        needed = {
            key: [units for claim in self.work.claims(one) if (units := self.units(claim, one))]
            for key, one in left.items()
        }
        first = {
            key: {other.id for other in self._in_its_batch(one, new if one is experiment else ())}
            for key, one in left.items()
        }
        grown = True
        while grown:
            grown = False
            for key, one in list(left.items()):
                if first[key].isdisjoint(left) and all(any(free(one, unit) for unit in units) for units in needed[key]):
                    del left[key]
                    grown = True
        return left
