"""Samples that the dispatcher brings from station to station, in random labs, under all that can happen.

As `tests.engine.test_lab_machine`, for protocols that name their labware: slots, recipes, batches, kinds of stations,
hand-over positions, limited waits, containers that go back to their places. The oracle looks after every event that all
samples can still end; with patience and a person all of them do; and a campaign's own events say all of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from orjson import loads

from labwright.engine import CampaignCore, LabCore, validate_state
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Answered,
    DrainAsked,
    Event,
    Instruction,
    Overdue,
    PauseAsked,
    Recounted,
    ResumeAsked,
    Resumed,
    RunStep,
    SampleStopAsked,
    StepEnded,
    Stocked,
    StopAsked,
    Suggested,
)
from labwright.engine.experiment import Experiment
from labwright.engine.layout import Carrier, Layout, Site
from labwright.engine.rules import Rule
from labwright.engine.snapshots import dumped, loaded
from labwright.model.availability import Availability
from labwright.model.calendars import MaintenanceSpec
from labwright.model.campaign import Suggestion
from labwright.model.protocol import ProtocolSpec, Repeat, StepOrder, StepOutcome, StepSpec, When
from tests.engine.moving import VIAL, layout, started, way
from tests.engine.test_lab_machine import FAULTS, not_closed_out, own_view, policies, questions_asked

STATIONS = ("a", "b", "c", "d")


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """One to four stations, the last two perhaps of one kind, one or two transports, and few racks."""
    names = STATIONS[: draw(st.integers(1, 4))]
    pair = len(names) == 4 and draw(st.booleans())
    benches = []
    how = "own"
    for name in names:
        if not (pair and name == "d"):
            how, number = draw(st.sampled_from(["own", "own", "one", "batch"])), draw(st.integers(1, 3))
        benches.append((f"{name}:c" if pair and name == "d" else name, number, how))
    racks = tuple(f"rack_{number}" for number in range(1, draw(st.integers(2, 6)) + 1))
    arms = draw(st.integers(1, 2))
    plan = layout(*benches, arms=arms, racks=racks)
    if arms == 2 and draw(st.booleans()):
        return handed_over(plan, draw(st.integers(1, len(names))))
    return plan


@st.composite
def calendars(draw: st.DrawFn, stations: Sequence[str]) -> dict[str, Availability]:
    """People work on some stations for a time, perhaps; most often on none."""
    found = {}
    for station in stations if draw(st.integers(0, 2)) == 0 else ():
        spans = draw(st.lists(st.tuples(st.integers(0, 3000), st.sampled_from([50, 400, 2500])), max_size=2))
        if spans:
            closed = (
                MaintenanceSpec(
                    station=station,
                    starts=datetime.fromtimestamp(first, UTC),
                    ends=datetime.fromtimestamp(first + takes, UTC),
                    why="new seals",
                )
                for first, takes in spans
            )
            found[station] = Availability(tuple(closed))
    return found


def handed_over(plan: Layout, near: int) -> Layout:
    """The same stations, with an arm for the racks and the nearest, another for the rest, and a shelf between them."""
    sites = {**plan.sites, "shelf": Site("shelf", "", VIAL)}
    by_first = {name for name, site in sites.items() if site.station in ("", *list(plan.benches)[:near])} - {"waste"}
    by_second = {name for name in sites if name not in by_first} | {"shelf"}
    carriers = {
        "arm": Carrier("arm", "arm_1", VIAL, 10, frozenset(by_first)),
        "cart": Carrier("cart", "arm_2", VIAL, 25, frozenset(by_second)),
    }
    return Layout(sites, plan.benches, carriers)


@st.composite
def ways(draw: st.DrawFn, stations: Sequence[str]) -> ProtocolSpec:
    """Any way over these stations: it may return, go round, prepare a station beforehand, and know limited waits."""
    steps: list[StepSpec] = []
    recipe = draw(st.sampled_from([(), ("x",)]))
    number = draw(st.integers(1, 5))
    for index in range(number):
        before = steps[-1].name if steps else ""
        station = draw(st.sampled_from(stations))
        if draw(st.integers(0, 5)) == 0 and index < number - 1:
            rinse = StepSpec(
                name=f"rinse{index}", station=station, needs=(before,) if before else (), expected_s=20, sample=False,
                keeps=(station,), on_failure="ask",
            )  # fmt: skip
            steps.append(rinse)
            before = rinse.name
        apart = len(steps) > 1 and draw(st.integers(0, 6)) == 0
        loop = len(steps) > 0 and not apart and draw(st.integers(0, 4)) == 0
        kept = draw(st.sampled_from([(), (), (), ("a",), (stations[-1],)]))
        always = draw(st.integers(0, 5)) == 0
        steps.append(
            StepSpec(
                name=f"s{index}",
                station=station,
                needs=(steps[0].name,) if apart else (before,) if before else (),
                expected_s=draw(st.sampled_from([10, 60, 300])),
                sample=index == 0 or draw(st.integers(0, 7)) > 0,
                recipe=recipe,
                keeps=kept,
                max_wait_s=draw(st.sampled_from([None, None, 200, 2000])),
                when=When(result=f"{before}.rsd", op="<", value=0.5)
                if before and not loop and draw(st.integers(0, 5)) == 0 and not before.startswith("rinse")
                else None,
                repeat=Repeat(back_to=before, until=When(result=f"s{index}.rsd", op="<", value=0.5), at_most=2)
                if loop
                else None,
                retries=draw(st.integers(0, 1)),
                on_failure=draw(policies(skip=not (loop or always))),
                ask=questions_asked(draw),
                always=always,
            )
        )
    known = {step.station for step in steps}
    steps = [step.model_copy(update={"keeps": tuple(one for one in step.keeps if one in known)}) for step in steps]
    return way(*steps, afterwards=draw(st.sampled_from(["leaves", "leaves", "returns"])))


def outcome(order: StepOrder, state: Any, rsd: float, began_s: float, now_s: float, fault: Any = None) -> StepOutcome:
    return StepOutcome(
        step_id=order.step_id,
        state=state,
        results={"y": rsd, "rsd": rsd} if state == "done" else {},
        fail_kind=None if state in ("done", "unknown") else "equipment",
        fault=fault if state == "failed" else None,
        error=state,
        doubt=3 if state == "unknown" else None,
        started_s=began_s,
        ended_s=now_s,
    )


class ManyMoves:
    """A lab's core on a clock that jumps, what it has logged, and the steps its stations carry out."""

    def __init__(self, plan: Layout, order: Rule) -> None:
        self.plan = plan
        self.rule = order
        self.lab = self.core()
        self.log: list[tuple[str, bytes, float]] = []
        self.now_s = 0.0
        self.running: dict[str, RunStep] = {}
        self.began_s: dict[str, float] = {}
        self.told: list[str] = []
        self.xs = 0
        self.seen: dict[str, Experiment] = {}
        """All experiments there were, as they were last."""
        racks = {name: "vial" for name in plan.sites if name.startswith("rack")}
        self.take(("", Stocked(containers=racks)))

    def core(self) -> LabCore:
        lab = LabCore(self.plan)
        lab.dispatcher.rule = self.rule
        return lab

    def take(self, *events: tuple[str, Event]) -> None:
        """Handle events that come together, and then see what the lab grants."""
        instructions: list[Instruction] = []
        for campaign, event in events:
            instructions += self.lab.handle(campaign, event, self.now_s)
            self.log.append((campaign, event.model_dump_json().encode(), self.now_s))
            self.told.append(f"{self.now_s:g} {campaign} {event!r}")
        for grant in self.lab.grant(self.now_s):
            self.log.append((grant.campaign, grant.event.model_dump_json().encode(), self.now_s))
            self.told.append(f"{self.now_s:g} {grant.campaign} {grant.event!r}")
            instructions += grant.instructions
        for one in instructions:
            if isinstance(one, RunStep):
                assert one.order.step_id not in self.running, "a step is started twice"
                self.running[one.order.step_id] = one
                self.began_s[one.order.step_id] = self.now_s
        self.looks_right()
        self.seen |= {one.id: one for live in self.lab.work.live.values() for one in live.values()}
        for key, experiment in list(self.seen.items()):
            if experiment.state in ("complete", "abandoned"):
                del self.seen[key]
                core = self.lab.campaigns[experiment.owner]
                assert not not_closed_out(experiment, core), f"{key} was not closed out"

    def looks_right(self) -> None:
        """What holds in every state; and stations do what the core knows of, and nothing else."""
        validate_state(self.lab)
        live = [one for many in self.lab.work.live.values() for one in many.values()]
        known = {run.step_id for one in live for run in one.running if run.state == "running"}
        assert set(self.running) == known, f"{set(self.running) ^ known} run at a station or in the core, not in both"

    def end(
        self, step_id: str, state: str = "done", rsd: float = 0.1, after_s: float = 30.0, fault: str | None = None
    ) -> None:
        """A step ends, and with it those of its batch."""
        self.now_s += after_s
        one = self.running[step_id]
        leader = one.batch or step_id
        ended = [step_id] if not one.batch else [key for key, other in self.running.items() if other.batch == leader]
        events: list[tuple[str, Event]] = []
        for key in sorted(ended, key=lambda key: key != leader):
            order = self.running.pop(key).order
            how = "failed" if state == "unknown" and key != leader else state
            end = outcome(order, how, rsd, self.began_s.pop(key), self.now_s, fault)
            events.append((order.campaign, StepEnded(outcome=end)))
        self.take(*events)

    def suggest(self, campaign: str, x: float) -> None:
        self.take((campaign, Suggested(suggestion=Suggestion(params={"x": x}, rationale="r"))))

    def answer(self, question_id: str, answer: str) -> None:
        question = self.lab.work.questions.open[question_id]
        answered = Answered(question=question_id, answer=answer, by="Kim", because="looked", closeouts=True)
        self.take((question.owner, answered))

    def overdue(self) -> None:
        """The next deadline of a question passes."""
        questions = self.lab.work.questions
        self.now_s = max(self.now_s, questions.due_s or 0.0)
        self.take(*((one.owner, Overdue(question=one.id)) for one in questions.due(self.now_s)))

    def replayed(self, campaign: str = "") -> LabCore:
        """The lab as the log has it; of one campaign's events only, if it is named. Nothing of its layout is known."""
        lab = LabCore()
        for owner, raw, at_s in self.log:
            if not campaign or owner in ("", campaign):
                lab.handle(owner, EVENTS.validate_json(raw), at_s)
        return lab

    def same_as_recorded(self) -> None:
        """The log says what the lab is, each campaign's own events what that is, and so does a snapshot."""
        again, state = self.replayed(), dumped(self.lab)
        for campaign in [name for name in again.campaigns if name not in self.lab.campaigns]:
            again.forget(campaign)  # it was over before the controller started
        assert loads(dumped(again, whole=True)) == loads(dumped(self.lab, whole=True))
        for campaign in self.lab.campaigns:
            mine, its = own_view(self.replayed(campaign), campaign), own_view(self.lab, campaign)
            assert mine == its, f"{campaign}'s events differ"
        first = {owner: event for owner, raw, _ in self.log if (event := EVENTS.validate_json(raw)).kind == "started"}
        assert dumped(self.restored(state, first)) == state

    def restored(self, state: bytes, first: dict[str, Any]) -> LabCore:
        return loaded(state, first.__getitem__, lambda name, number: list(self.lab.campaigns[name].trials[:number]))

    def crash(self) -> None:
        """The controller dies; another knows the state by a snapshot, and the campaigns go on."""
        self.same_as_recorded()
        first = {owner: event for owner, raw, _ in self.log if (event := EVENTS.validate_json(raw)).kind == "started"}
        self.lab = self.restored(dumped(self.lab), first)
        self.lab.dispatcher.rule = self.rule
        self.lab.dispatcher.arrange(self.plan)
        before, self.running = set(self.running), {}
        live = [name for name, core in self.lab.campaigns.items() if not core.over]
        stopped = {key for key in before if self.lab.campaigns[key.split("/", 1)[0]].stop_asked}
        self.take(*((name, Resumed(epoch=len(self.log), engine=ENGINE)) for name in live))
        assert before - stopped <= set(self.running), "a step under way is forgotten"

    def patiently(self) -> bool:
        """Do the next thing that a patient person, planner or station would do; whether there was one."""
        for core in self.lab.campaigns.values():
            if core.paused:
                self.take((core.campaign, ResumeAsked(by="Kim")))
                return True
        for core in self.lab.campaigns.values():
            if not core.over and (core.asking or (core.proposals.unwanted and not core.questions)):
                self.xs += 1
                self.suggest(core.campaign, 0.2 if self.xs % 3 else 0.8)
                return True
        if self.running:
            self.end(min(self.running, key=lambda key: self.began_s[key] + self.running[key].order.expected_s))
            return True
        wake_s = self.lab.dispatcher.wake_s
        if wake_s is not None:
            self.now_s = max(self.now_s, wake_s)
            self.take()
            return True
        for question in self.lab.work.questions.open.values():
            self.answer(question.id, "again" if "again" in question.choices else next(iter(question.choices)))
            return True
        return False


class MovesMachine(RuleBasedStateMachine):
    """A lab with two campaigns that does whatever hypothesis likes."""

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
        shared = dict.fromkeys(kinds[:2], ("plate",)) if device and len(kinds) > 1 else {}
        for number in range(2):
            protocol = data.draw(ways(kinds))
            terms = {"project": projects[number], "share": 1.0 + number, "deadline": deadline if number else None}
            event = started(f"c{number}", protocol, shared, parallel=parallel, priority=priority * number, **terms)
            self.many.take((f"c{number}", event))

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
    @rule(data=st.data())
    def person_answers(self, data: st.DataObject) -> None:
        question = self.many.lab.work.questions.open[self.pick(data, list(self.many.lab.work.questions.open))]
        self.many.answer(question.id, data.draw(st.sampled_from(sorted(question.choices))))

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
        known = lab.reservations
        return [
            name
            for name, site in self.many.plan.sites.items()
            if not site.leaves and name not in stands and f"position:{name}" not in known.taken
        ]

    @precondition(lambda self: self.unused())
    @rule(data=st.data(), sure=st.integers(0, 4), there=st.booleans())
    def a_person_puts_a_container_somewhere(self, data: st.DataObject, sure: int, there: bool) -> None:
        if sure == 0:
            self.many.take(("", Recounted(containers={self.pick(data, self.unused()): "vial" if there else ""})))

    def stoppable(self) -> list[str]:
        live = self.many.lab.work.live
        return [one.id for many in live.values() for one in many.values() if not one.given_up]

    @precondition(lambda self: self.stoppable())
    @rule(data=st.data(), sure=st.integers(0, 4), now=st.booleans())
    def stop_a_sample(self, data: st.DataObject, sure: int, now: bool) -> None:
        if sure == 0:
            campaign, label = self.pick(data, self.stoppable()).split("/")
            self.many.take((campaign, SampleStopAsked(label=label, why="bad", now=now)))

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
