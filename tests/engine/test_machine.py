"""The core under all that can happen, in any order, with crashes in between; an oracle looks after every event."""

from __future__ import annotations

import os
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from labwright.engine import validate_state
from labwright.engine.core import IllegalEventError
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Answered,
    Ask,
    DrainAsked,
    Event,
    Extended,
    Finish,
    Infeasible,
    Instruction,
    Noted,
    NotSuggested,
    PauseAsked,
    PauseStations,
    Proposed,
    ResumeAsked,
    Resumed,
    RunStep,
    Started,
    StepEnded,
    StopAsked,
    Suggested,
    Vetoed,
)
from labwright.engine.snapshots import dumped, loaded
from labwright.model.campaign import (
    Cost,
    Objective,
    OutcomeLimit,
    PlannerSpec,
    StopAdvice,
    Suggestion,
    Trial,
    Veto,
)
from labwright.model.judging import covers
from labwright.model.protocol import (
    Manual,
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
from labwright.model.spec import CampaignSpec, StopRule
from tests.engine.alone import Alone

PROTOCOL = ProtocolSpec(
    name="p",
    version="1",
    title="P",
    parameters=(NumberParameter(name="x", unit="1", low=0, high=1),),
    results=(NumberResult(name="y", unit="1"),),
    steps=(
        StepSpec(name="fetch", station="arm", expected_s=1, moves_to="bench", retries=1, on_failure="ask"),
        StepSpec(name="mix", station="bench", needs=("fetch",), expected_s=1, on_failure="ask"),
        StepSpec(name="warm", station="oven", needs=("mix",), expected_s=1, retries=2, on_failure="abandon"),
        StepSpec(name="rinse", station="meter", needs=("fetch",), expected_s=1, keeps=("cell",)),
        StepSpec(name="bring", station="arm", needs=("warm", "rinse"), expected_s=1, moves_to="cell", on_failure="ask"),
        StepSpec(
            name="measure",
            station="meter",
            needs=("bring",),
            expected_s=1,
            on_failure="ask",
            repeat=Repeat(back_to="bring", until=When(result="measure.rsd", op="<", value=0.5), at_most=3),
        ),
        StepSpec(
            name="look",
            station="bench",
            needs=("measure",),
            expected_s=1,
            when=When(result="measure.rsd", op=">=", value=0.8),
        ),
        StepSpec(name="discard", station="arm", needs=("measure", "look"), expected_s=1, leaves=True, always=True),
    ),
)
STAYS = PROTOCOL.model_copy(update={"steps": tuple(one.model_copy(update={"always": False}) for one in PROTOCOL.steps)})
"""A sample that is given up stays where it is, until a person takes it away."""

_CRIMP = Manual(
    task="Crimp {sample} at {x:g}.", readings=(NumberParameter(name="torque", unit="N.m", low=0.5, high=2),)
)
_BY_HAND = {
    "fetch": {"manual": Manual(task="Bring it to the bench."), "retries": 0},
    "mix": {"manual": _CRIMP, "on_failure": "abandon"},
    "warm": {"manual": _CRIMP, "retries": 0, "on_failure": "abandon"},
}
BY_HAND = PROTOCOL.model_copy(
    update={
        "steps": tuple(one.model_copy(update=_BY_HAND.get(one.name, {})) for one in PROTOCOL.steps),
        "results": (*PROTOCOL.results, NumberResult(name="torque", unit="N.m")),
    }
)
"""Its first steps are a person's, and last until their cards are signed."""

MOVES = ("fetch", "bring", "discard")
"""Steps that carry a sample."""

SPACE = Space(parameters=(Real(name="x", unit="1", low=0, high=1),))

PREPARE = ProtocolSpec(
    name="calibrate",
    version="1",
    title="C",
    parameters=(),
    results=(),
    steps=(StepSpec(name="cal", station="meter", expected_s=1),),
)


def started(
    parallel: int,
    budget: int,
    stop: StopRule,
    protocol: ProtocolSpec = PROTOCOL,
    *,
    two: bool = False,
    engine: int = ENGINE,
) -> Started:
    spec = CampaignSpec(
        name="c",
        title="C",
        protocol="p",
        prepare=("calibrate",),
        space=SPACE,
        objective=Objective(name="y", goal="max", unit="1"),
        more_objectives=(Objective(name="z", goal="target", target=0.5, unit="1"),) if two else (),
        outcome_limits=(OutcomeLimit(name="y", unit="1", low=0.2),) if two else (),
        cost=Cost(unit="min", base=1.0, per={"x": 2.0}),
        planner=PlannerSpec(name="random"),
        budget=budget,
        parallel=parallel,
        stop=stop,
    )
    places = tuple(f"rack_{number}" for number in range(1, budget + 1))
    return Started(
        campaign="c-1",
        spec=spec,
        protocols=(protocol, PREPARE),
        places=places,
        lots_ml={"water": 7.5},
        optional={"p": ("mix", "warm", "rinse"), "calibrate": ("cal",)},
        reads={"p": {one.name: ("x",) if one.name == "mix" else () for one in PROTOCOL.steps}},
        engine=engine,
    )


def outcome(order: StepOrder, state: Any = "done", results: dict[str, Any] | None = None, **more: Any) -> StepEnded:
    kind: Any = more.pop("kind", None if state == "done" else "equipment")
    found = StepOutcome(
        step_id=order.step_id,
        state=state,
        results=results or {},
        fail_kind=kind,
        error=state,
        started_s=0,
        ended_s=1,
        **more,
    )
    return StepEnded(outcome=found)


def written(tables: dict[tuple[str | int, ...], Any], core: Alone) -> None:
    """Bring the tables up to date, as the journal does: a row may leave out columns that stay as they are."""
    for key, row in core.changes().items():
        if key[0] == "waiting":
            continue  # what the dispatcher has decided last: no state, and not decided again in a replay
        before = tables.get(key)
        tables[key] = {**before, **row} if before is not None and row is not None else row


class Machine(RuleBasedStateMachine):
    """A lab that does whatever hypothesis likes."""

    @initialize(
        parallel=st.integers(1, 4),
        budget=st.integers(1, 5),
        stop=st.sampled_from(
            [
                StopRule(),
                StopRule(target=0.9),
                StopRule(no_better_for=2),
                StopRule(gain_below_noise_for=2),
                StopRule(advised_for=2),
                StopRule(regret_below=0.1),
                StopRule(cost=5.0),
            ]
        ),
        protocol=st.sampled_from([PROTOCOL, STAYS, BY_HAND]),
        two=st.booleans(),
        seldom=st.booleans(),
        engine=st.sampled_from([1, ENGINE]),
    )
    def begin(
        self, parallel: int, budget: int, stop: StopRule, protocol: ProtocolSpec, two: bool, seldom: bool, engine: int
    ) -> None:
        self.seldom = seldom
        self.core = Alone()
        self.log: list[bytes] = []
        self.kept: tuple[int, bytes] | None = None
        """A snapshot, and how many events are in it."""
        self.tables: dict[tuple[str | int, ...], Any] = {}
        self.running: dict[str, StepOrder] = {}
        self.at: dict[str, str] = {}
        """The station of each step that runs."""
        self.paused = False
        self.finished: Finish | None = None
        self.feed(started(parallel, budget, stop, protocol, two=two, engine=engine))

    def feed(self, event: Event) -> list[Instruction]:
        handled = len(self.core.events)
        instructions = self.core.handle(event)
        self.keep(handled)
        self.take(instructions)
        return instructions

    def keep(self, handled: int) -> None:
        """Log the events from the one of this number on, and what they have changed."""
        self.log += [event.model_dump_json().encode() for event in self.core.events[handled:]]
        self.write(self.core, self.tables, len(self.log))

    def write(self, core: Alone, tables: dict[tuple[str | int, ...], Any], events: int) -> None:
        """Bring the tables up to date; some controllers do that only after several events."""
        if not self.seldom or events % 3 == 0:
            written(tables, core)

    def take(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            if isinstance(one, RunStep):
                assert not self.paused, "a step is started while paused"
                assert one.order.step_id not in self.running, "a step is started twice"
                assert one.station not in self.at.values(), f"{one.station} is told to do two steps at once"
                self.running[one.order.step_id] = one.order
                self.at[one.order.step_id] = one.station
            elif isinstance(one, PauseStations):
                self.paused = one.on
            elif isinstance(one, Finish):
                assert self.finished is None
                self.finished = one

    def pick(self, data: st.DataObject) -> StepOrder:
        return self.ended(data.draw(st.sampled_from(sorted(self.running))))

    def ended(self, step_id: str) -> StepOrder:
        del self.at[step_id]
        return self.running.pop(step_id)

    @precondition(lambda self: self.core.asking)
    @rule(
        x=st.floats(0, 1),
        what=st.sampled_from(["good"] * 5 + ["cannot be made", "no answer"]),
        gain=st.one_of(st.none(), st.floats(0, 1)),
    )
    def planner_answers(self, x: float, what: str, gain: float | None) -> None:
        suggestion = Suggestion(params={"x": x}, rationale="r")
        if what == "good":
            tried, vetoed = self.core.tried, any(covers(one, SPACE, {"x": x}) for one in self.core.vetoes)
            advice = None
            if gain is not None and self.core.spec.stop.advised:
                advice = StopAdvice(stop=gain < 0.3, reason="r", expected_gain=gain, noise=0.5, regret_bound=gain)
            self.feed(Suggested(suggestion=suggestion, uses_ml={"water": 2.0}, advice=advice))
            assert not (vetoed and self.core.tried > tried), "what was vetoed is tried"
        elif what == "no answer":
            self.feed(NotSuggested(reason="space exhausted"))
        else:
            self.feed(Infeasible(suggestion=suggestion, reason="too rich"))

    @precondition(lambda self: self.core.phase == "running")
    @rule(x=st.floats(-0.1, 1))
    def person_suggests(self, x: float) -> None:
        core, before = self.core, self.core.snapshot()
        event = Proposed(suggestion=Suggestion(params={"x": x}, rationale="r"), uses_ml={"water": 2.0}, by="Kim")
        trials, full = len(core.trials), len(core.live) >= core.spec.parallel or core.paused
        try:
            self.feed(event)
        except IllegalEventError:
            assert core.snapshot() == before
            return
        assert core.trials[trials].source == "human"
        assert core.trials[trials].status == "proposed" or not full

    @precondition(lambda self: self.core.proposed)
    @rule(data=st.data())
    def person_vetoes_an_experiment(self, data: st.DataObject) -> None:
        index = data.draw(st.sampled_from(sorted(self.core.proposed)))
        self.feed(Vetoed(trial=self.core.trials[index].id, by="Kim", because="no"))
        assert self.core.trials[index].status == "abandoned"

    @precondition(lambda self: not self.core.over and len(self.core.vetoes) < 2)
    @rule(x=st.floats(0, 1), reach=st.floats(0, 0.2), sure=st.integers(0, 3))
    def person_vetoes_a_region(self, x: float, reach: float, sure: int) -> None:
        if sure == 0:
            self.feed(Vetoed(veto=Veto(params={"x": x}, reach=reach, by="Kim"), by="Kim"))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), y=st.floats(0, 1), rsd=st.floats(0, 1))
    def step_is_done(self, data: st.DataObject, y: float, rsd: float) -> None:
        self.done(self.pick(data), y, rsd)

    def done(self, order: StepOrder, y: float = 0.5, rsd: float = 0.1) -> None:
        self.feed(outcome(order, results={"y": y, "z": y, "rsd": rsd} if order.step == "measure" else {}))

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(),
        state=st.sampled_from(["failed", "unknown", "infeasible", "stopped", "nothing found"]),
        doubt=st.booleans(),
    )
    def step_ends_otherwise(self, data: st.DataObject, state: str, doubt: bool) -> None:
        order = self.pick(data)
        if state == "nothing found":
            self.feed(outcome(order))
        elif state == "infeasible":
            self.feed(outcome(order, "failed", kind="infeasible"))
        else:
            in_doubt = state == "unknown" or doubt
            self.feed(outcome(order, state, doubt=3 if in_doubt else None, kept=None if in_doubt else 0))

    @precondition(lambda self: self.core.questions)
    @rule(data=st.data(), x=st.one_of(st.none(), st.floats(0, 1)))
    def person_answers(self, data: st.DataObject, x: float | None) -> None:
        question = self.core.questions[data.draw(st.sampled_from(sorted(self.core.questions)))]
        answer = data.draw(st.sampled_from(sorted(question.choices)))
        edits = {"x": x} if answer == "again" and question.parameters and x is not None else {}
        uses = {"water": 1_000_000} if edits else {}
        event = Answered(question=question.id, answer=answer, by="Kim", because="looked", parameters=edits, uses=uses)
        before = self.core.snapshot()
        try:
            self.feed(event)
        except IllegalEventError:  # a veto is on what it would be now
            assert edits
            assert self.core.snapshot() == before

    @precondition(lambda self: self.core.cards)
    @rule(
        data=st.data(),
        answer=st.sampled_from(["done", "done", "done", "failed", "wrong"]),
        torque=st.floats(0.5, 2),
    )
    def person_signs(self, data: st.DataObject, answer: str, torque: float) -> None:
        card = data.draw(st.sampled_from(self.core.cards))
        readings = {"torque": torque} if card.readings else {}
        signed = Answered(question=card.id, answer=answer, by="Kim", because="looked", readings=readings)
        before = self.core.snapshot()
        if answer != "done" and (answer == "wrong" or readings):  # what was not done has no readings
            with pytest.raises(IllegalEventError):
                self.core.take(signed)
            assert self.core.snapshot() == before, "a signature that is refused changes something"
            signed = signed.model_copy(update={"answer": "failed", "readings": {}})
        self.ended(card.step_id)
        self.feed(signed)
        assert self.core.lab.work.questions.card_of(card.step_id) is None or answer != "done"

    @precondition(lambda self: not self.core.over and not self.core.paused and not self.core.stop_asked)
    @rule()
    def pause(self) -> None:
        self.feed(PauseAsked(by="Kim"))

    @precondition(lambda self: self.core.paused)
    @rule()
    def resume(self) -> None:
        self.feed(ResumeAsked(by="Kim"))

    @precondition(lambda self: self.core.phase == "running" or self.core.paused)
    @rule(sure=st.integers(0, 9))
    def drain(self, sure: int) -> None:
        if sure == 0:
            self.feed(DrainAsked(by="Kim"))

    @precondition(lambda self: self.core.phase == "running" or self.core.reason.endswith("experiments is spent"))
    @precondition(lambda self: not self.core.over)
    @rule(more=st.integers(1, 2))
    def extend(self, more: int) -> None:
        drains = self.core.phase == "draining"
        if drains and self.core.stop_asked:
            return
        self.feed(Extended(budget=self.core.budget + more, by="Kim"))
        assert self.core.phase == "running"
        assert self.core.budget - more >= self.core.tried - len(self.core.proposed)

    @precondition(lambda self: self.core.over and not self.core.no_extension(self.core.tried + 1))
    @rule(at_once=st.booleans())
    def extend_what_has_run_out(self, at_once: bool) -> None:
        """A controller that runs takes it up at once; if none does, the next one, perhaps after another wish."""
        self.finished = None
        tried = self.core.tried
        assert self.feed(Extended(budget=tried + 1, by="Kim")) == []
        if not at_once:
            assert self.feed(Extended(budget=tried + 2, by="Bo")) == []
        assert (self.core.phase, self.core.live) == ("running", {})
        self.feed(Resumed(epoch=len(self.log), engine=ENGINE))
        assert self.core.asking or self.core.reason

    @precondition(lambda self: not self.core.over)
    @rule(sure=st.integers(0, 19), now=st.booleans())
    def stop(self, sure: int, now: bool) -> None:
        if sure == 0:
            self.feed(StopAsked(why="enough", now=now))

    @precondition(lambda self: not self.core.over)
    @rule()
    def take_snapshot(self) -> None:
        self.kept = len(self.log), dumped(self.core.lab)

    @precondition(lambda self: not self.core.over)
    @rule(from_snapshot=st.booleans())
    def crash(self, from_snapshot: bool) -> None:
        """The controller dies; another rebuilds the state from the log, and tells the stations what runs."""
        again, tables = self.replayed()
        assert again.snapshot() == self.core.snapshot()
        written(tables, again)
        written(self.tables, self.core)
        assert tables == self.tables
        if from_snapshot and self.kept is not None:
            again = self.restored(*self.kept)
            assert again.snapshot() == self.core.snapshot()
        self.core, before, self.running, self.at = again, self.running, {}, {}
        paused, self.paused = self.paused, False
        instructions = self.core.handle(Resumed(epoch=len(self.log), engine=ENGINE))
        self.keep(0)
        told = [one for one in instructions if isinstance(one, RunStep)]
        self.paused = paused
        if not self.core.over and self.core.phase != "draining":
            assert set(before) <= {one.order.step_id for one in told}, "a step under way is forgotten"
        assert all(one.order.resumed for one in told if one.order.step_id in before)
        asked = [one for one in instructions if isinstance(one, Ask)]
        assert len(asked) == bool(self.core.asking)
        self.paused = False
        self.take([one for one in instructions if not isinstance(one, PauseStations)])
        self.paused = paused

    def replayed(self) -> tuple[Alone, dict[tuple[str | int, ...], Any]]:
        core = Alone()
        tables: dict[tuple[str | int, ...], Any] = {}
        for number, raw in enumerate(self.log, start=1):
            core.take(EVENTS.validate_json(raw))
            self.write(core, tables, number)
        return core, tables

    def restored(self, events: int, state: bytes) -> Alone:
        """The state by a snapshot, the tables as they are now, and the events after the snapshot."""
        first = EVENTS.validate_json(self.log[0])
        assert isinstance(first, Started)

        def trials(campaign: str, number: int) -> list[Trial]:
            rows = [self.tables["trial", campaign, n + 1] for n in range(number)]
            return [Trial.model_validate_json(row["trial"]) for row in rows]

        lab = loaded(state, lambda campaign: first, trials)
        assert dumped(lab) == state
        core = Alone(lab)
        for raw in self.log[events:]:
            core.take(EVENTS.validate_json(raw))
        core.lab.dirty.clear()
        return core

    @precondition(lambda self: not self.core.over)
    @rule(which=st.sampled_from(["step", "answer", "started", "suggested", "pause", "resume", "veto"]))
    def nonsense(self, which: Literal["step", "answer", "started", "suggested", "pause", "resume", "veto"]) -> None:
        """Events that cannot happen are refused and change nothing."""
        before = self.core.snapshot()
        stranger = StepOrder(
            step_id="c-1/0099/mix",
            campaign="c-1",
            experiment=99,
            sample="s",
            place="",
            protocol="p",
            step="mix",
            parameters={},
        )
        events: dict[str, Event] = {
            "step": outcome(stranger),
            "answer": Answered(question="c-1?99", answer="done", by="Kim", because=""),
            "started": started(1, 1, StopRule()),
        }
        if not self.core.asking and not self.core.proposals.unwanted:
            events["veto"] = Vetoed(trial="9999", by="Kim")
            events["suggested"] = Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"))
        if self.core.paused or self.core.stop_asked:
            events["pause"] = PauseAsked(by="Kim")
        if not self.core.paused:
            events["resume"] = ResumeAsked(by="Kim")
        if which in events:
            with pytest.raises(IllegalEventError):
                self.core.handle(events[which])
            assert self.core.snapshot() == before

    @precondition(lambda self: self.core.proposals.unwanted and not self.core.over)
    @rule()
    def planner_answers_too_late(self) -> None:
        trials = len(self.core.trials)
        self.feed(Suggested(suggestion=Suggestion(params={"x": 0.5}, rationale="r"), uses_ml={"water": 2.0}))
        assert len(self.core.trials) == trials

    @rule()
    def nothing(self) -> None:
        """A campaign that is over takes nothing any more."""

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self, "core"):
            validate_state(self.core.lab)

    def teardown(self) -> None:
        """Whatever has happened: with patience and a person, the campaign ends; and again, if it is extended."""
        if not hasattr(self, "core"):
            return
        self.end_it()
        if not self.core.no_extension(self.core.tried + 1):
            self.extend_what_has_run_out(at_once=len(self.log) % 2 == 0)
            self.end_it()

    def end_it(self) -> None:
        for _ in range(500):
            if self.core.over:
                break
            if self.core.paused:
                self.resume()
            elif self.running:
                self.done(self.ended(min(self.running)))
            elif self.core.asking or (self.core.proposals.unwanted and not self.core.questions):
                free = next(
                    x / 20 for x in range(21) if not any(covers(v, SPACE, {"x": x / 20}) for v in self.core.vetoes)
                )
                self.feed(Suggested(suggestion=Suggestion(params={"x": free}, rationale="r"), uses_ml={"water": 2.0}))
            elif self.core.questions:
                question = next(iter(self.core.questions.values()))
                answer = "again" if "again" in question.choices else next(iter(question.choices))
                self.feed(Answered(question=question.id, answer=answer, by="Kim", because=""))
            elif self.core.short:  # no person is there to refill it
                self.core.lab.attended = False
                self.feed(Noted(words="it is late"))
            validate_state(self.core.lab)
        assert self.core.over, f"it waits for {self.core.waits_for()}"
        assert self.finished is not None
        written(self.tables, self.core)
        for key, row in list(self.tables.items()):
            if key[0] == "reservation" and str(key[2]).startswith("station:") and row:
                # It ended in the middle of a move, or of a preparation, of whose containers less is known.
                step = self.tables["step", row["step_id"]]
                assert step is not None
                carries = step["name"] in MOVES or step["protocol"] == PREPARE.name
                assert (step["state"], carries) == ("failed", True)
        core, tables = self.replayed()
        assert core.snapshot() == self.core.snapshot()
        written(tables, core)
        assert tables == self.tables


EXAMPLES = int(os.environ.get("LABWRIGHT_EXAMPLES", "75"))
"""A soak runs thousands."""

Machine.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMachine = Machine.TestCase
