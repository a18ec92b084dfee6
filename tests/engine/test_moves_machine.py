"""Samples that the dispatcher brings from station to station, in random labs, under all that can happen.

As `tests.engine.test_lab_machine`, for protocols that name their labware: slots, recipes, batches, kinds of stations,
hand-over positions, limited waits, stations that are held, preparations, hours and maintenance, stops and resets, plans
of batches, containers that go back to their places. The oracle looks after every event that all samples can still end;
with patience and a person all of them do; and a campaign's own events say all of it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labwright.engine import CampaignCore, validate_state
from labwright.engine.events import (
    DrainAsked,
    MovedByHand,
    PauseAsked,
    Recounted,
    ResumeAsked,
    SampleStopAsked,
    StopAsked,
)
from labwright.engine.hours import never_in_time
from labwright.engine.layout import Layout
from labwright.engine.rules import Plan, Rule
from labwright.model.latch import WHOLE_LAB, LatchScope, latch_campaign, latch_sample, latch_station
from tests.engine.many_moves import ManyMoves
from tests.engine.moving import started
from tests.engine.random_labs import calendars, layouts, preparations, ways
from tests.engine.test_lab_machine import FAULTS


class MovesMachine(RuleBasedStateMachine):
    """A lab with two campaigns, or more, that does whatever hypothesis likes."""

    started = 0
    """How many campaigns."""

    @initialize(
        data=st.data(),
        plan=layouts(),
        priority=st.integers(-1, 1),
        parallel=st.integers(1, 4),
        order=st.sampled_from(["first", "longest", "shortest", "nearest"]),
        batch_wait_s=st.sampled_from([0.0, 0.0, 500.0]),
        device=st.booleans(),
        projects=st.sampled_from([(None, None), ("p", "p"), ("p", "q")]),
        deadline=st.sampled_from([None, None, datetime.fromtimestamp(600, UTC)]),
    )
    def begin(
        self, data: st.DataObject, plan: Layout, priority: int, parallel: int, order: Any, batch_wait_s: float,
        device: bool, projects: tuple[str | None, str | None], deadline: datetime | None,
    ) -> None:  # fmt: skip
        stations = [*plan.benches, *(one.station for one in plan.carriers.values())]
        plan = replace(plan, calendar=data.draw(calendars(stations)))
        self.many = ManyMoves(plan, Rule(order, batch_wait_s))
        kinds = list(dict.fromkeys(bench.kind for bench in plan.benches.values()))
        self.kinds = kinds
        several = {bench.kind for bench in plan.benches.values() if bench.slots > 1 or bench.together}
        self.single = set(kinds) - several
        self.shared = dict.fromkeys(kinds[:2], ("plate",)) if device and len(kinds) > 1 else {}
        preparing = data.draw(preparations(plan))
        for number in range(2):
            terms = {"project": projects[number], "share": 1.0 + number, "deadline": deadline if number else None}
            self.start(data, parallel=parallel, priority=priority * number, preparing=preparing, **terms)

    def start(self, data: st.DataObject, **terms: Any) -> None:
        campaign = f"c{self.started}"
        self.started += 1
        protocol = data.draw(ways(self.kinds, self.single))
        if "jar" in self.many.plan.sites["waste"].takes and self.started % 2:
            protocol = protocol.model_copy(update={"labware": "jar"})
        if never_in_time(protocol, self.many.plan, self.many.now_s):  # it is refused
            unlimited = (one.model_copy(update={"max_wait_s": None}) for one in protocol.steps)
            protocol = protocol.model_copy(update={"steps": tuple(unlimited)})
        self.many.take((campaign, started(campaign, protocol, self.shared, **terms)))

    @property
    def cores(self) -> dict[str, CampaignCore]:
        return self.many.lab.campaigns

    def pick(self, data: st.DataObject, these: list[str]) -> str:
        return data.draw(st.sampled_from(sorted(these)))

    def of(self, condition: Any) -> list[str]:
        return [key for key, core in self.cores.items() if not core.over and condition(core)]

    @precondition(lambda self: self.of(lambda core: core.asking))
    @rule(data=st.data(), x=st.sampled_from([0.2, 0.2, 0.8]))
    def planner_answers(self, data: st.DataObject, x: float) -> None:
        self.many.suggest(self.pick(data, self.of(lambda core: core.asking)), x)

    @precondition(lambda self: self.many.running)
    @rule(data=st.data(), rsd=st.sampled_from([0.1, 0.9]), after_s=st.sampled_from([1.0, 30.0, 400.0]))
    def step_is_done(self, data: st.DataObject, rsd: float, after_s: float) -> None:
        self.many.end(self.pick(data, list(self.many.running)), rsd=rsd, after_s=after_s)

    @precondition(lambda self: self.many.running)
    @rule(data=st.data(), number=st.integers(1, 6))
    def much_goes_well(self, data: st.DataObject, number: int) -> None:
        for _ in range(number):
            self.many.patiently()

    @precondition(lambda self: self.many.running)
    @rule(
        data=st.data(),
        state=st.sampled_from(["failed", "failed", "unknown", "stopped"]),
        fault=st.sampled_from([None, *FAULTS]),
    )
    def step_ends_otherwise(self, data: st.DataObject, state: str, fault: str | None) -> None:
        self.many.end(self.pick(data, list(self.many.running)), state, fault=fault)

    @precondition(lambda self: self.many.lab.work.questions.due_s is not None)
    @rule()
    def the_deadline_of_a_question_passes(self) -> None:
        self.many.overdue()

    @precondition(lambda self: self.many.lab.work.questions.open)
    @rule(data=st.data(), x=st.one_of(st.none(), st.floats(0, 1)))
    def person_answers(self, data: st.DataObject, x: float | None) -> None:
        question = self.many.lab.work.questions.open[self.pick(data, list(self.many.lab.work.questions.open))]
        self.many.answer(question.id, data.draw(st.sampled_from(sorted(question.choices))), x)

    @precondition(lambda self: self.of(lambda core: not core.paused and not core.stop_asked))
    @rule(data=st.data(), sure=st.integers(0, 3))
    def pause(self, data: st.DataObject, sure: int) -> None:
        if sure == 0:
            campaign = self.pick(data, self.of(lambda core: not core.paused and not core.stop_asked))
            self.many.take((campaign, PauseAsked(by="Kim")))

    @precondition(lambda self: self.of(lambda core: core.paused))
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self.many.take((self.pick(data, self.of(lambda core: core.paused)), ResumeAsked(by="Kim")))

    @precondition(lambda self: self.of(lambda core: core.phase == "running"))
    @rule(data=st.data(), sure=st.integers(0, 9))
    def drain(self, data: st.DataObject, sure: int) -> None:
        if sure == 0:
            self.many.take((self.pick(data, self.of(lambda core: core.phase == "running")), DrainAsked(by="Kim")))

    @precondition(lambda self: self.of(lambda core: True))
    @rule(data=st.data(), sure=st.integers(0, 9), now=st.booleans())
    def stop(self, data: st.DataObject, sure: int, now: bool) -> None:
        if sure == 0:
            stop = StopAsked(why="enough", now=now, closeouts=not now)
            self.many.take((self.pick(data, self.of(lambda core: True)), stop))

    def unused(self) -> list[str]:
        """Positions that a person may put a container at, or take one from: no sample under way has them."""
        lab = self.many.lab
        stands = {one.stands_at for many in lab.work.live.values() for one in many.values()}
        taken = {name for name, one in lab.reservations.taken.items() if lab.work.has(one.owner, one.label)}
        return [
            name
            for name, site in self.many.plan.sites.items()
            if not site.leaves and name not in stands and f"position:{name}" not in taken
        ]

    @precondition(lambda self: self.unused())
    @rule(data=st.data(), sure=st.integers(0, 4), there=st.booleans())
    def a_person_puts_a_container_somewhere(self, data: st.DataObject, sure: int, there: bool) -> None:
        if sure == 0:
            place = self.pick(data, self.unused())
            kinds = self.many.plan.sites[place].takes if there else {""}
            self.many.take(("", Recounted(containers={place: self.pick(data, [*kinds])})))

    def movable(self) -> list[str]:
        holds = self.many.lab.material.holds
        return [name for name in self.unused() if (held := holds.get(name)) is not None and held.kind]

    @precondition(lambda self: self.movable())
    @rule(data=st.data(), sure=st.integers(0, 4), out=st.booleans())
    def a_person_moves_a_container(self, data: st.DataObject, sure: int, out: bool) -> None:
        empty = [name for name in self.unused() if name not in self.movable()]
        if sure == 0 and (out or empty):
            to = "outside" if out else f"position:{self.pick(data, empty)}"
            start = f"position:{self.pick(data, self.movable())}"
            self.many.take(("", MovedByHand(container=start, to=to, by="Kim", because="tidy")))

    def stoppable(self) -> list[str]:
        live = self.many.lab.work.live
        return [one.id for many in live.values() for one in many.values() if not one.given_up]

    @precondition(lambda self: self.stoppable())
    @rule(data=st.data(), sure=st.integers(0, 4), now=st.booleans())
    def stop_a_sample(self, data: st.DataObject, sure: int, now: bool) -> None:
        if sure == 0:
            campaign, label = self.pick(data, self.stoppable()).split("/")
            self.many.take((campaign, SampleStopAsked(label=label, why="bad", now=now)))

    @precondition(lambda self: self.started < 4)
    @rule(data=st.data(), sure=st.integers(0, 9), priority=st.integers(-1, 1), parallel=st.integers(1, 4))
    def another_campaign_starts(self, data: st.DataObject, sure: int, priority: int, parallel: int) -> None:
        if sure == 0:
            self.start(data, parallel=parallel, priority=priority)

    @precondition(lambda self: any(core.over for core in self.cores.values()))
    @rule()
    def what_is_over_is_forgotten(self) -> None:
        self.many.forget()

    def scopes(self) -> list[LatchScope]:
        live = [one for many in self.many.lab.work.live.values() for one in many.values()]
        carriers = [one.station for one in self.many.plan.carriers.values()]
        known = [WHOLE_LAB, *map(latch_station, [*self.many.plan.benches, *carriers])]
        known += [latch_campaign(name) for name in self.of(lambda core: True)]
        known += [latch_sample(one.owner, one.label) for one in live]
        return [one for one in known if one not in self.many.lab.dispatcher.latches]

    @precondition(lambda self: self.scopes())
    @rule(data=st.data(), sure=st.integers(0, 5))
    def stop_something_until_it_is_reset(self, data: st.DataObject, sure: int) -> None:
        if sure == 0:
            self.many.latch(data.draw(st.sampled_from(self.scopes())))

    @precondition(lambda self: self.many.lab.dispatcher.latches)
    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        latches = sorted(self.many.lab.dispatcher.latches, key=lambda one: one.words)
        self.many.reset(data.draw(st.sampled_from(latches)))

    def plannable(self) -> list[str]:
        live = self.many.lab.work.live
        return [one.id for many in live.values() for one in many.values() if not one.given_up]

    @precondition(lambda self: self.plannable())
    @rule(
        data=st.data(),
        sure=st.integers(0, 3),
        order=st.sampled_from(["first", "longest", "shortest", "nearest"]),
        wait_s=st.sampled_from([0.0, 300.0]),
        flows=st.booleans(),
    )
    def the_lab_is_foreseen(self, data: st.DataObject, sure: int, order: Any, wait_s: float, flows: bool) -> None:
        if sure:
            return
        ids = data.draw(st.permutations(self.plannable()))
        size = data.draw(st.integers(0, 3))
        plan = Plan(tuple(tuple(ids[at : at + size]) for at in range(0, len(ids), size))) if size else Plan()
        self.many.foresee(Rule(order, wait_s, plan, flows))

    @rule(sure=st.integers(0, 3))
    def crash(self, sure: int) -> None:
        if sure == 0:
            self.many.crash()

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self, "many"):
            validate_state(self.many.lab)

    def teardown(self) -> None:
        """Whatever has happened: with patience and a person, every campaign ends."""
        if not hasattr(self, "many"):
            return
        for _ in range(900):
            if not self.many.patiently():
                break
        waits = {key: core.waits_for() for key, core in self.cores.items() if not core.over}
        assert not waits, f"they wait: {waits}"
        self.many.same_as_recorded()
        for campaign in [*self.cores]:
            self.many.lab.forget(campaign)
        validate_state(self.many.lab)


EXAMPLES = int(os.environ.get("LABWRIGHT_EXAMPLES", "15"))
"""A soak runs thousands, and others each time."""

MovesMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate) if "LABWRIGHT_EXAMPLES" not in os.environ else tuple(Phase),
    derandomize="LABWRIGHT_EXAMPLES" not in os.environ,
)
TestMovesMachine = MovesMachine.TestCase
