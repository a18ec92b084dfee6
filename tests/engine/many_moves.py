"""A lab's core on a clock that jumps, as the machine of moves and the tests of its faults drive it."""

from __future__ import annotations

from typing import Any

from orjson import loads

from labwright.engine import LabCore, validate_state
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Event,
    Foreseen,
    Instruction,
    Overdue,
    ResumeAsked,
    Resumed,
    RunStep,
    StepEnded,
    Stocked,
    Suggested,
)
from labwright.engine.experiment import Experiment
from labwright.engine.layout import Layout
from labwright.engine.rules import Rule
from labwright.engine.snapshots import dumped, loaded
from labwright.engine.work import IllegalEventError
from labwright.model.campaign import Suggestion
from labwright.model.latch import LatchScope
from labwright.model.protocol import StepOrder, StepOutcome
from tests.engine.test_lab_machine import answer_to, not_closed_out, own_view


def outcome(order: StepOrder, state: Any, rsd: float, began_s: float, now_s: float, fault: Any = None) -> StepOutcome:
    return StepOutcome(
        step_id=order.step_id,
        state=state,
        results={"y": rsd, "rsd": rsd} if state == "done" else {},
        fail_kind=None if state in ("done", "unknown") else "equipment",
        fault=fault if state == "failed" else None,
        error=state,
        doubt=3 if state == "unknown" else None,
        kept=0 if state == "failed" else None,
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
        stand = {
            name: min(site.takes) if name.startswith("rack") else ""
            for name, site in plan.sites.items()
            if not site.leaves
        }
        self.take(("", Stocked(containers=stand)))

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
        if not known:
            assert not self.lab.dispatcher.could_begin(), "something could begin, and nothing runs"
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

    def latch(self, scope: LatchScope) -> None:
        """A person stops something: nothing more begins there."""
        self.told.append(f"{self.now_s:g} stop of {scope.words}")
        self.lab.latch(scope)
        self.take()

    def reset(self, scope: LatchScope) -> None:
        """A person resets a stop."""
        self.told.append(f"{self.now_s:g} reset of {scope.words}")
        self.lab.reset(scope)
        self.take()

    def foresee(self, rule: Rule) -> None:
        """The lab was rolled out, and another rule is the best."""
        self.rule = rule
        batches = rule.plan.batches
        wait_s = rule.batch_wait_s
        self.take(
            ("", Foreseen(at_s=self.now_s, order=rule.order, batch_wait_s=wait_s, batches=batches, flows=rule.flows))
        )

    def forget(self) -> None:
        """Campaigns that are over are forgotten."""
        for campaign in [name for name, core in self.lab.campaigns.items() if core.over]:
            self.lab.forget(campaign)

    def suggest(self, campaign: str, x: float) -> None:
        self.take((campaign, Suggested(suggestion=Suggestion(params={"x": x}, rationale="r"))))

    def answer(self, question_id: str, answer: str, x: float | None = None) -> None:
        question = self.lab.work.questions.open[question_id]
        self.take((question.owner, answer_to(question, answer, x)))

    def overdue(self) -> None:
        """The next deadline of a question passes."""
        questions = self.lab.work.questions
        self.now_s = max(self.now_s, questions.due_s or 0.0)
        self.take(*((one.owner, Overdue(question=one.id)) for one in questions.due(self.now_s)))

    def replayed(self, campaign: str = "") -> LabCore:
        """The lab as the log has it; of one campaign's events only, if it is named. Nothing of its layout is known."""
        lab = LabCore()
        for owner, raw, at_s in self.log:
            if campaign and owner not in ("", campaign):
                continue
            try:
                lab.handle(owner, EVENTS.validate_json(raw), at_s)
            except IllegalEventError:
                if owner or not campaign:
                    raise  # else it was about what another campaign had used or left
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
        latches = self.lab.dispatcher.latches
        self.lab = self.restored(dumped(self.lab), first)
        self.lab.dispatcher.rule = self.rule
        self.lab.dispatcher.arrange(self.plan)
        for scope in latches:
            self.lab.latch(scope)
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
        for scope in sorted(self.lab.dispatcher.latches, key=lambda one: one.words):
            self.reset(scope)
            return True
        for question in self.lab.work.questions.open.values():
            self.answer(question.id, "again" if "again" in question.choices else next(iter(question.choices)))
            return True
        return False
