"""Several campaigns in one lab under all that can happen, with protocols that are in each other's way on purpose.

Their routes return and cross, they keep positions, go round in loops, share devices, and leave containers behind. The
oracle looks after every event that nothing waits for what never comes; and a campaign's own events say all of it.
"""

from __future__ import annotations

import os
from typing import Any

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labwright.engine import CampaignCore, LabCore, validate_state
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Answered,
    DrainAsked,
    Event,
    Extended,
    Instruction,
    Overdue,
    PauseAsked,
    ResumeAsked,
    Resumed,
    RunStep,
    Started,
    StepEnded,
    StopAsked,
    Suggested,
)
from labwright.engine.experiment import Experiment
from labwright.engine.questions import Question
from labwright.engine.snapshots import dumped, loaded
from labwright.model.campaign import Objective, PlannerSpec, Suggestion, Trial
from labwright.model.protocol import (
    AskWithin,
    NumberParameter,
    NumberResult,
    ProtocolSpec,
    Repeat,
    StepOrder,
    StepOutcome,
    StepSpec,
    When,
)
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec

FAULTS = ("equipment", "equipment", "timeout", "refused", "sample", "plan")
"""What may be at fault; most often an instrument."""

POSITIONS = ("a", "b", "c")
STATIONS = ("arm", "mixer", "meter")
SHARED = {"mixer": ("plate",), "meter": ("plate",)}


@st.composite
def policies(draw: st.DrawFn, *, skip: bool) -> Any:
    """What a step does about faults: the same about all, or by class.

    Args:
        draw: of hypothesis.
        skip: whether the sample may go on without the step.
    """
    known = ["ask", "ask", "abandon", "stop", "quarantine", *(["skip"] if skip else [])]
    if draw(st.integers(0, 2)):
        return draw(st.sampled_from(known))
    classes = draw(st.lists(st.sampled_from([*FAULTS, "otherwise"]), min_size=1, max_size=3, unique=True))
    return {name: draw(st.sampled_from(known)) for name in classes}


def questions_asked(draw: st.DrawFn) -> AskWithin | None:
    return draw(st.sampled_from([None, AskWithin(within_s=100)]))


def not_closed_out(experiment: Experiment, core: CampaignCore) -> list[str]:
    """Steps that close an experiment out that is over, and were never begun though they could be."""
    lost = experiment.cleared or experiment.in_gripper
    return [
        run.step_id
        for run in experiment.steps.values()
        if run.spec.always and not run.carrier and run.state == "skipped"
        if not (run.spec.when or run.error or core.stop_asked or (lost and run.spec.sample))
    ]


@st.composite
def protocols(draw: st.DrawFn) -> ProtocolSpec:
    """Any way through three positions and three stations, two of which share a device."""
    steps: list[StepSpec] = []
    chain = draw(st.booleans())  # or steps of a sample may go on side by side
    for number in range(draw(st.integers(2, 5))):
        before = f"s{number - 1 if chain or not number else draw(st.integers(0, number - 1))}"
        loop = number > 0 and chain and draw(st.integers(0, 3)) == 0
        moves_to = draw(st.sampled_from(["", *POSITIONS]))
        steps.append(
            StepSpec(
                name=f"s{number}",
                station=draw(st.sampled_from(STATIONS)),
                needs=(before,) if number else (),
                expected_s=1,
                moves_to=moves_to,
                keeps=tuple(draw(st.sampled_from([(), (), ("a",), ("b", "c"), ("plate",)]))),
                repeat=Repeat(back_to=before, until=When(result=f"s{number}.rsd", op="<", value=0.5), at_most=2)
                if loop
                else None,
                retries=draw(st.integers(0, 1)),
                on_failure=draw(policies(skip=not (loop or moves_to))),
                ask=questions_asked(draw),
            )
        )
    every = tuple(one.name for one in steps)
    always = draw(st.booleans())
    if draw(st.booleans()):
        rinse = StepSpec(
            name="rinse", station="mixer", needs=every, expected_s=1, sample=False, always=True, on_failure="ask"
        )
        steps.append(rinse)
    steps.append(StepSpec(name="out", station="arm", needs=every, expected_s=1, leaves=True, always=always))
    results = (NumberResult(name="y", unit="1"),)
    return ProtocolSpec(name="p", version="1", title="P", parameters=PARAMETERS, results=results, steps=tuple(steps))


def preparation(valid_s: float) -> ProtocolSpec:
    """What brings the lab to where others can measure; campaigns share what it finds, if it holds for a while."""
    carry = StepSpec(name="carry", station="arm", expected_s=1, keeps=("b", "c"), on_failure="ask")
    measure = StepSpec(name="measure", station="meter", needs=("carry",), expected_s=1, on_failure="ask")
    empty = StepSpec(name="empty", station="meter", needs=("measure",), expected_s=1, sample=False, always=True)
    steps, results = (carry, measure, empty), (NumberResult(name="y", unit="1"),)
    return ProtocolSpec(name="q", version="1", title="Q", parameters=(), results=results, steps=steps, valid_s=valid_s)


def optional(protocol: ProtocolSpec) -> tuple[str, ...]:
    """Steps that a person may leave out, as far as a protocol's data say it."""
    asked = {one.when.step for one in protocol.steps if one.when}
    asked |= {one.repeat.until.step for one in protocol.steps if one.repeat}
    return tuple(
        one.name
        for one in protocol.steps
        if not (one.moves_to or one.leaves or one.holds or one.always or one.repeat or one.name in asked)
    )


def reading(protocol: ProtocolSpec) -> dict[str, tuple[str, ...]]:
    """Which steps read the only parameter: every second."""
    return {one.name: ("x",) if index % 2 == 0 else () for index, one in enumerate(protocol.steps)}


PARAMETERS = (NumberParameter(name="x", unit="1", low=0, high=1),)


def answer_to(question: Question, answer: str, x: float | None = None) -> Answered:
    """What a person says; a step that can be is repeated with another value, if one is given."""
    edits = {"x": x} if x is not None and answer == "again" and question.parameters else {}
    return Answered(question=question.id, answer=answer, by="Kim", because="looked", parameters=edits, closeouts=True)


def started(
    campaign: str,
    protocol: ProtocolSpec,
    *,
    engine: int = ENGINE,
    preparing: ProtocolSpec | None = None,
    **changes: Any,
) -> Started:
    protocols = (protocol,) if preparing is None else (protocol, preparing)
    spec = CampaignSpec(
        name=campaign,
        title=campaign,
        protocol="p",
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        objective=Objective(name="y", goal="max", unit="1"),
        planner=PlannerSpec(name="random"),
        prepare=tuple(one.name for one in protocols[1:]),
        **{"budget": 3, **changes},
    )
    shared = SHARED if engine > 1 else {}
    may = {"optional": {one.name: optional(one) for one in protocols}, "reads": {"p": reading(protocol)}}
    return Started(campaign=campaign, spec=spec, protocols=protocols, shared=shared, naming=2, engine=engine, **may)


def ended(order: StepOrder, state: Any = "done", rsd: float = 0.1, fault: Any = None) -> StepEnded:
    outcome = StepOutcome(
        step_id=order.step_id,
        state=state,
        results={"y": rsd, "rsd": rsd} if state == "done" else {},
        fail_kind=None if state in ("done", "unknown") else "equipment",
        fault=fault if state == "failed" else None,
        error=state,
        doubt=3 if state == "unknown" else None,
        kept=0 if state == "failed" else None,
        started_s=0,
        ended_s=1,
    )
    return StepEnded(outcome=outcome)


def own_view(lab: LabCore, campaign: str) -> dict[str, Any]:
    """What a campaign is, without its place among the others of its lab."""
    kept = orjson.loads(dumped(lab, whole=True))
    core = kept["campaigns"][campaign]
    del core["turn"]
    live = [{**one, "turn": 0, "seen": 0} for one in kept["experiments"] if one["owner"] == campaign]
    questions = {key: one for key, one in kept["questions"]["open"].items() if one["owner"] == campaign}
    return {"core": core, "live": live, "questions": questions}


def one_after_another(protocol: ProtocolSpec) -> bool:
    """Whether no two steps move a sample at once: engine 1 then could give its position away while one uses it."""
    names = [step.name for step in protocol.steps]
    return all(before in step.needs for before, step in zip(names, protocol.steps[1:], strict=False))


class ManyCampaigns:
    """A lab's core, what it has logged, and the steps its stations carry out."""

    def __init__(self) -> None:
        self.lab = LabCore()
        self.log: list[tuple[str, bytes]] = []
        self.running: dict[str, StepOrder] = {}
        self.begun: list[str] = []
        """Steps in the order in which they began."""
        self.kept: tuple[int, bytes] | None = None
        """A snapshot, and how many events are in it."""
        self.seen: dict[str, Experiment] = {}
        """All experiments there were, as they were last."""
        self._at: dict[str, str] = {}

    def feed(self, campaign: str, event: Event) -> None:
        self.take({campaign: event})

    def take(self, events: dict[str, Event]) -> None:
        """Handle events of several campaigns, and then see what the lab grants."""
        instructions: list[Instruction] = []
        for campaign, event in events.items():
            instructions += self.lab.handle(campaign, event, 0.0)
            self._keep(campaign, event)
        for grant in self.lab.grant(0.0):
            self._keep(grant.campaign, grant.event)
            instructions += grant.instructions
        self._carry_out(instructions)
        self.seen |= {one.id: one for live in self.lab.work.live.values() for one in live.values()}
        self.look_for_closeouts()

    def look_for_closeouts(self) -> None:
        for key, experiment in list(self.seen.items()):
            core = self.lab.campaigns.get(experiment.owner)
            if experiment.state in ("complete", "abandoned"):
                del self.seen[key]
                assert core is None or not not_closed_out(experiment, core), f"{key} was not closed out"

    def overdue(self, question: str) -> None:
        self.feed(self.lab.work.questions.open[question].owner, Overdue(question=question))

    def end(self, step_id: str, state: str = "done", rsd: float = 0.1, fault: str | None = None) -> None:
        del self._at[step_id]
        order = self.running.pop(step_id)
        self.feed(order.campaign, ended(order, state, rsd, fault))

    def suggest(self, campaign: str) -> None:
        self.feed(campaign, Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r")))

    def replayed(self, campaign: str = "", before: int | None = None) -> LabCore:
        """The lab as the log has it; of one campaign's events only, if it is named, and of those `before` a number."""
        lab = LabCore()
        for owner, raw in self.log[:before]:
            if campaign in ("", owner):
                lab.handle(owner, EVENTS.validate_json(raw), 0.0)
        return lab

    def take_snapshot(self) -> None:
        self.kept = len(self.log), dumped(self.lab)

    def restored(self, events: int, state: bytes, now: dict[str, list[Trial]]) -> LabCore:
        """The lab by a snapshot, the trials as they are now, and the events after the snapshot."""
        first = {owner: event for owner, raw in self.log if (event := EVENTS.validate_json(raw)).kind == "started"}

        def trials(campaign: str, number: int) -> list[Trial]:
            return [Trial.model_validate_json(one.model_dump_json()) for one in now[campaign][:number]]

        lab = loaded(state, first.__getitem__, trials)
        assert dumped(lab) == state
        for number, (owner, raw) in enumerate(self.log[events:], events):
            event = EVENTS.validate_json(raw)
            if isinstance(event, Extended) and owner not in lab.campaigns:
                lab.take_back(owner, self.replayed(owner, number))
            lab.handle(owner, event, 0.0)
            if lab.campaigns[owner].over:
                lab.dirty.clear()
                lab.forget(owner)
        return lab

    def patiently(self, *, suggesting: bool = False) -> bool:
        """Do the next thing that a patient person, planner or station would do; whether there was one."""
        for core in self.lab.campaigns.values():
            if core.paused:
                self.feed(core.campaign, ResumeAsked(by="Kim"))
                return True
        for core in self.lab.campaigns.values():
            asked = core.asking or (core.proposals.unwanted and not core.questions)
            if not core.over and asked and (suggesting or not self.running):
                self.suggest(core.campaign)
                return True
        if self.running:
            self.end(min(self.running))
            return True
        for question in self.lab.work.questions.open.values():
            answer = "again" if "again" in question.choices else next(iter(question.choices))
            answered = Answered(question=question.id, answer=answer, by="Kim", because="", closeouts=True)
            self.feed(question.owner, answered)
            return True
        return False

    def crash(self) -> None:
        """The controller dies; another rebuilds the state from the log, and the campaigns go on."""
        again = self.replayed()
        trials = {campaign: list(core.trials) for campaign, core in again.campaigns.items()}
        for campaign, core in list(again.campaigns.items()):
            if core.over and campaign not in self.lab.campaigns:  # it was over before the controller started
                again.forget(campaign)
        assert dumped(again, whole=True) == dumped(self.lab, whole=True)
        for campaign in self.lab.campaigns:  # of those that a snapshot has left
            alone = self.replayed(campaign)
            assert own_view(alone, campaign) == own_view(self.lab, campaign), f"{campaign}'s events differ"
        if self.kept is not None:
            restored = self.restored(*self.kept, trials)
            assert dumped(restored) == dumped(again)
            again = restored
        self.lab, before, self.running, self._at = again, set(self.running), {}, {}
        resumed = Resumed(epoch=len(self.log), shared=SHARED, engine=ENGINE)
        self.take({campaign: resumed for campaign, core in again.campaigns.items() if not core.over})
        stopped = {step_id for step_id in before if again.campaigns[step_id.split("/", 1)[0]].stop_asked}
        assert before - stopped <= set(self.running), "a step under way is forgotten"

    def _keep(self, campaign: str, event: Event) -> None:
        self.log.append((campaign, event.model_dump_json().encode()))

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            if isinstance(one, RunStep):
                assert one.order.step_id not in self.running, "a step is started twice"
                assert one.station not in self._at.values(), f"{one.station} is told to do two steps at once"
                self.running[one.order.step_id] = one.order
                self._at[one.order.step_id] = one.station
                self.begun.append(one.order.step_id)


class LabMachine(RuleBasedStateMachine):
    """A lab with two or three campaigns that does whatever hypothesis likes."""

    @initialize(
        ways=st.lists(protocols(), min_size=2, max_size=3),
        parallel=st.integers(1, 3),
        priority=st.integers(-1, 1),
        before=st.sampled_from([-1, -1, -1, 0, 3, 6, 9]),
        preparing=st.sampled_from([None, None, preparation(0.0), preparation(100.0), preparation(100.0)]),
    )
    def begin(
        self, ways: list[ProtocolSpec], parallel: int, priority: int, before: int, preparing: ProtocolSpec | None
    ) -> None:
        """Start them; perhaps another release has started the first, and got it this far before it ended."""
        self.many = ManyCampaigns()
        for number, way in enumerate(ways):
            old = number == 0 and before >= 0 and one_after_another(way)
            event = started(
                f"c{number}",
                way,
                engine=1 if old else ENGINE,
                preparing=None if old else preparing,
                parallel=parallel,
                priority=priority * number,
            )
            self.many.feed(f"c{number}", event)
            if old:
                for _ in range(before):
                    self.many.patiently(suggesting=True)
                self.many.crash()

    @property
    def cores(self) -> dict[str, CampaignCore]:
        return self.many.lab.campaigns

    def pick(self, data: st.DataObject, these: list[str]) -> str:
        return data.draw(st.sampled_from(sorted(these)))

    def of(self, condition: Any) -> list[str]:
        return [key for key, core in self.cores.items() if not core.over and condition(core)]

    @precondition(lambda self: self.of(lambda core: core.asking))
    @rule(data=st.data())
    def planner_answers(self, data: st.DataObject) -> None:
        self.many.suggest(self.pick(data, self.of(lambda core: core.asking)))

    @precondition(lambda self: self.many.running)
    @rule(data=st.data(), rsd=st.floats(0, 1))
    def step_is_done(self, data: st.DataObject, rsd: float) -> None:
        self.many.end(self.pick(data, list(self.many.running)), rsd=rsd)

    @precondition(lambda self: self.many.running)
    @rule(
        data=st.data(),
        state=st.sampled_from(["failed", "failed", "unknown", "stopped"]),
        fault=st.sampled_from([None, *FAULTS]),
    )
    def step_ends_otherwise(self, data: st.DataObject, state: str, fault: str | None) -> None:
        self.many.end(self.pick(data, list(self.many.running)), state, fault=fault)

    @property
    def due(self) -> list[str]:
        return [key for key, one in self.many.lab.work.questions.open.items() if one.then == "park"]

    @precondition(lambda self: self.due)
    @rule(data=st.data())
    def the_deadline_of_a_question_passes(self, data: st.DataObject) -> None:
        self.many.overdue(self.pick(data, self.due))

    @precondition(lambda self: self.many.lab.work.questions.open)
    @rule(data=st.data(), x=st.one_of(st.none(), st.floats(0, 1)))
    def person_answers(self, data: st.DataObject, x: float | None) -> None:
        question = self.many.lab.work.questions.open[self.pick(data, list(self.many.lab.work.questions.open))]
        answer = data.draw(st.sampled_from(sorted(question.choices)))
        self.many.feed(question.owner, answer_to(question, answer, x))

    @precondition(lambda self: self.of(lambda core: not core.paused and not core.stop_asked))
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        campaign = self.pick(data, self.of(lambda core: not core.paused and not core.stop_asked))
        self.many.feed(campaign, PauseAsked(by="Kim"))

    @precondition(lambda self: self.of(lambda core: core.paused))
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        self.many.feed(self.pick(data, self.of(lambda core: core.paused)), ResumeAsked(by="Kim"))

    @precondition(lambda self: self.of(lambda core: core.phase == "running"))
    @rule(data=st.data(), sure=st.integers(0, 9))
    def drain(self, data: st.DataObject, sure: int) -> None:
        if sure == 0:
            self.many.feed(self.pick(data, self.of(lambda core: core.phase == "running")), DrainAsked(by="Kim"))

    @precondition(lambda self: self.of(lambda core: True))
    @rule(data=st.data(), sure=st.integers(0, 9), now=st.booleans())
    def stop(self, data: st.DataObject, sure: int, now: bool) -> None:
        if sure == 0:
            stop = StopAsked(why="enough", now=now, closeouts=not now)
            self.many.feed(self.pick(data, self.of(lambda core: True)), stop)

    def run_out(self) -> list[str]:
        cores = self.many.lab.campaigns.items()
        return [key for key, core in cores if core.over and not core.no_extension(core.tried + 1)]

    @precondition(lambda self: self.run_out())
    @rule(data=st.data())
    def extend_what_has_run_out(self, data: st.DataObject) -> None:
        self.extend(self.pick(data, self.run_out()))

    def extend(self, campaign: str) -> None:
        self.many.feed(campaign, Extended(budget=self.cores[campaign].tried + 1, by="Kim"))
        assert not self.many.running.keys() & {key for key in self.many.running if key.startswith(f"{campaign}/")}
        self.many.feed(campaign, Resumed(epoch=len(self.many.log), shared=SHARED, engine=ENGINE))

    @rule(sure=st.integers(0, 2))
    def crash(self, sure: int) -> None:
        if sure == 0:
            self.many.crash()

    @rule()
    def take_snapshot(self) -> None:
        self.many.take_snapshot()

    @rule()
    def lose_snapshot(self) -> None:
        self.many.kept = None

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self, "many"):
            validate_state(self.many.lab)

    def teardown(self) -> None:
        """Whatever has happened: with patience and a person, every campaign ends; and again, if it is extended."""
        if not hasattr(self, "many"):
            return
        self.end_all()
        for campaign in self.run_out():
            self.extend(campaign)
        self.end_all()

    def end_all(self) -> None:
        for _ in range(600):
            if not self.many.patiently():
                break
            validate_state(self.many.lab)
        waits = {key: core.waits_for() for key, core in self.cores.items() if not core.over}
        assert not waits, f"they wait: {waits}"
        self.many.crash()


EXAMPLES = int(os.environ.get("LABWRIGHT_EXAMPLES", "75"))
"""A soak runs thousands."""

LabMachine.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLabMachine = LabMachine.TestCase
