"""Seeded runs of the reference lab with faults on its instruments: four samples of two campaigns in flight.

At each event a sample stands where the journal has it, or a person is asked about it. The person looks, puts the vials
where the question wants them, and answers. At the end the deck is as the journal has it.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignCore, LabController, load_campaign
from labwright.engine.events import Event
from labwright.engine.experiment import Experiment
from labwright.engine.questions import Question
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, LabFolder, read_lab
from labwright.lab.classes import resolve
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
MOST_EVENTS = 4000


class Person:
    """Puts faults on instruments, looks at the deck, and answers what is asked."""

    def __init__(self, seed: int, twin: SimulatedLab, controller: LabController, journal: Journal) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        self.twin = twin
        self.world: Any = twin.world
        self.controller = controller
        self.journal = journal
        self.answered: set[str] = set()
        self.first = {position: vial for position, vial in self.world.places.items() if vial is not None}
        self.vials: dict[str, Any] = {}
        self.faults = sorted(self.chance.sample(range(4, 120), self.chance.randint(1, 5)))
        self.put: list[str] = []
        self.asked = 0
        self.events = 0

    def sees(self, event: Event, core: CampaignCore) -> None:
        """Called with each event, while the lab waits."""
        self.events += 1
        assert self.events < MOST_EVENTS, "it does not come to an end"
        self.looks()
        if self.faults and self.events >= self.faults[0]:
            self.faults.pop(0)
            self.breaks()
        for question in list(self.controller.core.work.questions.open.values()):
            if question.id not in self.answered:
                self.answered.add(question.id)
                self.answers(question)

    def looks(self) -> None:
        """Each sample at rest stands where it is known to, or a person is asked about it."""
        work = self.controller.core.work
        for live in work.live.values():
            for one in live.values():
                if (
                    one.preparation
                    or not one.stands_at
                    or any(run.moves and run.state == "running" for run in one.running)
                ):
                    continue
                vial = self.world.places.get(one.stands_at)
                known = self.vials.setdefault(one.id, vial)
                doubtful = one.in_gripper or any(run.moves and run.state == "unknown" for run in one.running)
                asked = work.questions.about(one) or self.controller.core.campaign(one.owner).stop_asked
                if doubtful or vial is None or vial is not known:
                    assert asked, f"{one.id} is not at {one.stands_at}, and no person is asked ({self.put})"

    def breaks(self) -> None:
        arm = self.chance.random() < 0.4  # what it carries is what may be lost
        name = "arm" if arm else self.chance.choice(sorted(self.twin.instruments))
        instrument = self.twin.instruments[name]
        kind = self.chance.choice([*instrument.wire_kinds, *instrument.physical_faults, *instrument.physical_faults])
        self.put.append(f"{kind} on {name}")
        self.twin.fault(name, kind, count=self.chance.randint(1, 4), value=self.chance.choice([0.5, 5.0]))

    def answers(self, question: Question) -> None:
        self.asked += 1
        self.twin.clear_faults()
        experiment = self.controller.core.work.live[question.owner][question.label]
        answer = self.chance.choice([*question.choices])
        run = next((one for one in experiment.steps.values() if one.step_id == question.step_id), None)
        if run is not None and run.moves and "again" in question.choices and answer == "done":
            answer = "again"  # whether it did happen cannot be seen from here
        if experiment.preparation:
            self.tidies()
        elif answer in ("abandon", "removed"):
            self.takes_out(experiment, question.frees)
        elif run is not None and run.moves:
            self.puts(self.vials[experiment.id], run.start or experiment.stands_at)
        self.journal.command(
            question.owner, "answer", {"question": question.id, "answer": answer}, by="Kim", because="looked"
        )

    def tidies(self) -> None:
        """Standards go back to where they were."""
        for position, vial in self.first.items():
            if position.startswith("standard"):
                self.puts(vial, position)

    def takes_out(self, experiment: Experiment, frees: str) -> None:
        if frees.startswith("position:"):
            self.world.places[frees.removeprefix("position:")] = None
        elif frees:
            self.world.holding = None
            left = self.controller.core.reservations.taken.get(frees)
            if left is not None:
                self.puts(self.vials.get(f"{left.owner}/{left.label}"), "")
        else:
            self.puts(self.vials.get(experiment.id), "")

    def puts(self, vial: Any, position: str) -> None:
        """Take a vial from wherever it is, and put it down at a position, or out of the lab."""
        if self.world.holding is vial:
            self.world.holding = None
        for place, one in self.world.places.items():
            if one is vial and vial is not None:
                self.world.places[place] = None
        if position:
            self.world.places[position] = vial

    def deck(self) -> None:
        """At the end the deck is as the journal has it, but for what is still kept from others."""
        core = self.controller.core
        for position, vial in self.world.places.items():
            if position.startswith("standard") or f"position:{position}" in core.reservations.taken:
                continue
            held = core.material.holds.get(position)
            stands = held is not None and bool(held.kind)
            assert stands == (vial is not None), f"{position}: {held} in the journal, {vial} there ({self.put})"


def run(folder: LabFolder, data: Path, seed: int) -> Person:
    clock = SteppedClock()
    campaigns = [load_campaign(folder, SPEC, budget=4, seed=seed + n, planner="random", parallel=2) for n in range(2)]
    with (
        SimulatedLab(folder.model, clock, resolve, seed=seed) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(data)) as journal,
    ):
        controller = LabController(lab, journal, data, by="Kim")
        person = Person(seed, twin, controller, journal)
        controller.on_event = person.sees
        for campaign in campaigns:
            controller.start(campaign)
        controller.run(lambda: controller.all_over)
        person.deck()
    return person


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2])
def test_a_sample_is_where_it_is_known_to_be(folder: LabFolder, tmp_path: Path, seed: int) -> None:
    person = run(folder, tmp_path, seed)
    assert person.put


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(100, 600, 50))
def test_five_hundred_runs(folder: LabFolder, tmp_path: Path, first: int) -> None:
    """Fifty of them; make soak has all."""
    asked = sum(run(folder, tmp_path / str(seed), seed).asked for seed in range(first, first + 50))
    assert asked > 10, "faults lead to questions"
