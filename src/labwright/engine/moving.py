"""Where a sample is brought for its next step, by which way, and what is kept for it before it is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labwright.engine.events import Carried, Start
from labwright.engine.experiment import SITE, Experiment, StepRun
from labwright.engine.layout import Bench, Carrier, Layout
from labwright.engine.reservations import Reservations
from labwright.engine.safety import Safety
from labwright.engine.work import Work
from labwright.model.protocol import Move, StepSpec
from labwright.model.waiting import Waiting

VIA = "via:"
"""What begins the key of a position in `Experiment.booked` that only lies on the way."""

OUT = StepSpec(name="out", station="out", expected_s=1)
"""What is left when all steps are done: the container is brought to where it ends."""


@dataclass
class Moving:
    """Decides about moves.

    Attributes:
        work: the samples under way.
        layout: of the lab.
        safety: looks ahead.
    """

    work: Work
    layout: Layout
    safety: Safety

    @property
    def _reservations(self) -> Reservations:
        return self.work.reservations

    def is_there(self, experiment: Experiment, run: StepRun) -> bool:
        """Whether the sample is where a step needs it, or the step does not need it anywhere."""
        if run.carrier or not experiment.wants_sample(run.spec):
            return True
        if run.spec is OUT:
            return False
        sites = self._sites(experiment, run)
        return not sites or experiment.stands_at in sites

    def bench(self, experiment: Experiment, run: StepRun) -> Bench:
        """The station that is to carry a step out: where the sample is, or the first of its kind that is free."""
        if run.carrier:
            return self.layout.serving_one(run.station)
        benches = self.layout.serving(run.spec.station)
        here = self.layout.bench_at(experiment.stands_at) if experiment.wants_sample(run.spec) else None
        if here is not None and here in benches:
            return here
        free = (bench for bench in benches if f"station:{bench.name}" not in self._reservations.taken)
        return next(free, benches[0])

    def start(self, experiment: Experiment, run: StepRun, bench: Bench) -> Start | Waiting:
        """What is decided with a step that begins where its sample is; or what it lacks."""
        named = bench.name if bench.name != run.spec.station else ""
        slot = experiment.stands_at if bench.slotted and experiment.wants_sample(run.spec) and not run.carrier else ""
        booked: dict[str, str] = {}
        if experiment.brought and not run.carrier:
            for station in experiment.kept_stations(run.spec):
                later = self._later_at(experiment, station)
                if later is None or later.spec.name in experiment.booked:
                    continue
                if experiment.stands_at in self._sites(experiment, later):
                    continue
                site = self._free_site(experiment, later, booked)
                if site is None:
                    return self._full(experiment, run, station)
                booked[later.spec.name] = site
            short = self._book_ahead(experiment, run, booked)
            if short is not None:
                return short
        keeps = tuple(f"position:{site}" for site in booked.values())
        return Start(step_id=run.step_id, station=named, slot=slot, keeps=keeps, booked=booked)

    def bring(self, experiment: Experiment, run: StepRun) -> Carried | Waiting:
        """The move that a step needs, as far as its destination and its way are free; or what it waits for."""
        booked: dict[str, str] = {}
        if run.spec is OUT:
            ends = self._ends(experiment)
        else:
            known = experiment.booked.get(run.spec.name)
            site = known or self._free_site(experiment, run, booked)
            if site is None:
                return self._full(experiment, run, run.spec.station)
            ends = (site,)
            booked[run.spec.name] = site
            short = self._book_ahead(experiment, run, booked)
            if short is not None:
                return short
        ways = (
            self.layout.way(
                experiment.stands_at, end, experiment.protocol.labware, self._hand_over(experiment), self._busy_s
            )
            for end in ends
        )
        legs = min((way for way in ways if way), key=len, default=())
        step = (run.step_id, experiment.owner, experiment.label)
        if not legs:
            return Waiting(*step, "way", ends[0] if ends else "out of the lab", experiment.owner, experiment.label)
        leaves = legs[0].end in self.layout.sites and self.layout.sites[legs[0].end].leaves
        booked |= {f"{VIA}{leg.end}": leg.end for leg in legs[:-1]}
        positions = [*booked.values(), *([] if leaves or run.spec is not OUT else [legs[-1].end])]
        keeps = [f"position:{one}" for one in dict.fromkeys(positions)]
        if run.spec is not OUT:
            keeps += [one for one in experiment.needs(run.spec) if one not in keeps]
        carrier = legs[0].carrier
        return Carried(
            label=experiment.label,
            move=Move(
                transport=carrier.name,
                start=experiment.stands_at,
                end=legs[0].end,
                leaves=leaves,
                labware=experiment.protocol.labware,
            ),
            station=carrier.station,
            expected_s=carrier.move_s,
            keeps=tuple(keeps),
            booked={key: site for key, site in booked.items() if experiment.booked.get(key) != site},
        )

    def out(self, experiment: Experiment) -> StepRun | None:
        """What is left to be done for a sample of which all steps are; None if there is no way out."""
        return StepRun(OUT, f"{experiment.id}/{OUT.name}") if self._ends(experiment) else None

    def obstacles(self, experiment: Experiment, run: StepRun) -> Iterator[str]:
        """Positions, devices and transports of others that keep a move from beginning."""
        carriers = [
            f"station:{carrier.station}"
            for carrier in self.layout.carriers.values()
            if experiment.stands_at in carrier.reaches and experiment.protocol.labware in carrier.labware
        ]
        if all(unit in self._reservations.taken for unit in carriers):
            yield from carriers
        if run.spec is OUT:
            return
        site = experiment.booked.get(run.spec.name)
        sites = (site,) if site else self._sites(experiment, run)
        positions = [f"position:{one}" for one in sites]
        taken = list(self._reservations.not_free(experiment, positions))
        if len(taken) == len(positions):
            yield from taken
        yield from self._reservations.not_free(experiment, experiment.needs(run.spec))

    def in_the_way(self, waiting: Waiting) -> list[str]:
        """Ids of samples of which any may make room at the station that a step waits for."""
        holders = [
            holder
            for bench in self.layout.serving(waiting.name)
            for resource in (f"station:{bench.name}", *(f"position:{site}" for site in self._sites_of(bench)))
            if (holder := self._reservations.taken.get(resource)) is not None
        ]
        return [f"{one.owner}/{one.label}" for one in holders]

    def _sites_of(self, bench: Bench) -> list[str]:
        return [site.name for site in self.layout.sites.values() if site.station == bench.name]

    def same_recipe(self, experiment: Experiment, bench: Bench, station: str) -> bool:
        """Whether all that is worked on at a station, or will be, has an experiment's recipe."""
        if not bench.one_recipe:
            return True
        mine = experiment.recipe(f"{SITE}{station}")
        for site in self.layout.sites_at(bench.name, experiment.protocol.labware):
            holder = self._reservations.taken.get(f"position:{site}")
            other = self.safety.of(holder) if holder is not None else None
            if other is None or other is experiment:
                continue
            names = [one for one in (bench.kind, bench.name) if f"{SITE}{one}" in self.work.claims(other)]
            if any(not mine or other.recipe(f"{SITE}{one}") != mine for one in names):
                return False
        return True

    def _sites(self, experiment: Experiment, run: StepRun) -> tuple[str, ...]:
        return self.layout.sites_for(run.spec.station, experiment.protocol.labware)

    def _free_site(self, experiment: Experiment, run: StepRun, booked: dict[str, str]) -> str | None:
        """A position where a step can be done, and which is free."""
        for bench in self.layout.serving(run.spec.station):
            if not self._takes(experiment, bench, run.spec.station):
                continue
            for site in self.layout.sites_at(bench.name, experiment.protocol.labware):
                if site in booked.values() or any(self._reservations.not_free(experiment, [f"position:{site}"])):
                    continue
                return site
        return None

    def _takes(self, experiment: Experiment, bench: Bench, station: str) -> bool:
        """Whether a station can be loaded with a sample now."""
        if bench.together and f"station:{bench.name}" in self._reservations.taken:
            return False
        return self.same_recipe(experiment, bench, station)

    def _book_ahead(self, experiment: Experiment, run: StepRun, booked: dict[str, str]) -> Waiting | None:
        """Book positions for the steps that must follow within a time; what is lacking, if something is."""
        here = run
        while here.spec.max_wait_s is not None:
            later = self._after(experiment, here)
            if later is None:
                return None
            name = later.spec.name
            if name not in experiment.booked and name not in booked:
                site = self._free_site(experiment, later, booked)
                if site is None and self._sites(experiment, later):
                    return self._full(experiment, run, later.spec.station)
                if site is not None:
                    booked[name] = site
            here = later
        return None

    def _after(self, experiment: Experiment, run: StepRun) -> StepRun | None:
        """The step that needs the sample next, after this one."""
        done = {run.spec.name}
        for other in experiment.steps.values():
            if other.state in ("waiting", "ready") and done.intersection(other.spec.needs):
                if experiment.wants_sample(other.spec) and not other.carrier:
                    return other
                done.add(other.spec.name)
        return None

    def _later_at(self, experiment: Experiment, station: str) -> StepRun | None:
        """The next step that needs the sample at a station."""
        for other in experiment.steps.values():
            if other.spec.station == station and other.state in ("waiting", "ready") and other.spec.sample:
                return other
        return None

    def _ends(self, experiment: Experiment) -> tuple[str, ...]:
        """Where a container may end."""
        if experiment.protocol.afterwards == "leaves":
            return self.layout.ways_out(experiment.protocol.labware)
        return (experiment.place,) if experiment.place else ()

    def _hand_over(self, experiment: Experiment) -> Hand:
        return Hand(self, experiment)

    def _busy_s(self, carrier: Carrier) -> float:
        """Lab seconds until a transport is free, as far as is known."""
        holder = self._reservations.taken.get(f"station:{carrier.station}")
        if holder is None or not self.work.runs(holder.step_id):
            return 0.0
        _, run = self.work.find(holder.step_id)
        return max(0.0, (run.started_s or self.work.material.now_s) + run.expected_s - self.work.material.now_s)

    def _full(self, experiment: Experiment, run: StepRun, station: str) -> Waiting:
        """All positions of a station are taken, or kept for others."""
        holder = None
        for site in self.layout.sites_for(station, experiment.protocol.labware):
            holder = self._reservations.taken.get(f"position:{site}")
            if holder is not None and not holder.of(experiment):
                break
        step = (run.step_id, experiment.owner, experiment.label)
        if holder is None:  # only a batch that is under way, or a recipe, keeps it out
            taken = [self._reservations.taken.get(f"station:{one.name}") for one in self.layout.serving(station)]
            holder = next((one for one in taken if one is not None), None)
        if holder is None:
            return Waiting(*step, "site", station, experiment.owner, experiment.label)
        return Waiting(*step, "site", station, holder.owner, holder.label, holder.step_id)


@dataclass(frozen=True)
class Hand:
    """Whether a sample may be put down at a position on its way."""

    moving: Moving
    experiment: Experiment

    def __call__(self, position: str) -> bool:
        """Whether it is free."""
        return not any(self.moving.work.reservations.not_free(self.experiment, [f"position:{position}"]))
