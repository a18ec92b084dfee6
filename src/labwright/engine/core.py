"""The engine's core: events in, instructions out. No clock, no file, no thread.

The same code on a virtual clock rehearses a campaign, and fed with journalled events it rebuilds its state, byte for
byte. States and the ways between them: `labwright.model.states`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from labwright.engine.durations import Durations
from labwright.engine.events import (
    Answered,
    Ask,
    AskPerson,
    DeckChecked,
    DrainAsked,
    Event,
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
    Settle,
    Started,
    StepEnded,
    StepLate,
    StopAsked,
    StopStations,
    Suggested,
    Vetoed,
)
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.proposals import Proposals, veto_words, wrong_veto
from labwright.engine.questions import Question, Questions
from labwright.engine.resources import Resources
from labwright.engine.stopping import Stopping
from labwright.engine.tables import Touched
from labwright.model.campaign import CampaignState, Outcome, Trial, Veto
from labwright.model.errors import LabwrightError, unknown
from labwright.model.judging import counts
from labwright.model.material import Used
from labwright.model.protocol import ProtocolSpec, StepOutcome
from labwright.model.records import Follow
from labwright.model.spec import CampaignSpec
from labwright.model.states import CampaignPhase, check_transition

MAX_INFEASIBLE = 20
"""So many suggestions in a row that cannot be made mean that planner and protocol disagree about the space."""

Ending = Literal["completed", "stopped", "failed"]


class IllegalEventError(LabwrightError):
    """An event that cannot happen in the present state: a bug, a journal of another campaign, or a late command."""


class CampaignCore:
    """One campaign; its first event, `Started`, names it."""

    def __init__(self) -> None:
        self.campaign = ""
        self.phase: CampaignPhase = "draft"
        self.reason = ""
        self.proposals = Proposals()
        self.calibrations: dict[str, dict[str, Any]] = {}
        self.live: dict[str, Experiment] = {}
        self._asked = Questions()
        self.resources = Resources()
        self._changed: dict[str, None] = {}
        """Samples that the present event has changed, in their order."""
        self._look: set[str] = set()
        """Samples that something has happened to, or that wait for something another has."""
        self.tried = 0
        """Experiments carried out or under way, which is what the budget counts."""
        self.touched = Touched()
        self._started: Started | None = None
        self._ending: Ending = "completed"
        self._stopping = False
        self.paused = False
        """Whether no operation may begin: beside the phase, for something can begin while it is draining too."""
        self._to_prepare: list[str] = []
        self.stopping = Stopping()
        self.deck_checked: DeckChecked | None = None
        self.durations = Durations()
        self._out: list[Instruction] = []

    @property
    def started(self) -> Started:
        """The event it started with.

        Raises:
            IllegalEventError: it has not started.
        """
        if self._started is None:
            raise IllegalEventError("the campaign has not been started")
        return self._started

    @property
    def spec(self) -> CampaignSpec:
        """What is carried out."""
        return self.started.spec

    @property
    def trials(self) -> list[Trial]:
        """All of them, in the order in which they were proposed."""
        return self.proposals.trials

    @property
    def vetoes(self) -> list[Veto]:
        """What people do not want to be tried."""
        return self.proposals.vetoes

    @property
    def proposed(self) -> dict[int, dict[str, float]]:
        """Proposals of people that have not started: index among the trials, and use of each stock in ml."""
        return self.proposals.wanted

    @property
    def asking(self) -> int:
        """Number of what the planner is asked; 0 if it is not."""
        return self.proposals.asking

    @property
    def over(self) -> bool:
        """Whether the campaign has ended."""
        return self.phase in ("completed", "stopped", "failed")

    @property
    def status(self) -> str:
        """The phase, and whether it is paused, for people and tables: ``paused`` is a running campaign's."""
        if not self.paused:
            return self.phase
        return "paused" if self.phase == "running" else f"{self.phase}, paused"

    @property
    def stop_asked(self) -> bool:
        """Whether it ends with what is under way given up, not carried out."""
        return self._stopping

    @property
    def questions(self) -> dict[str, Question]:
        """What waits for a person, by id."""
        return self._asked.open

    @property
    def open_questions(self) -> list[Question]:
        """What waits for a person."""
        return list(self.questions.values())

    def state(self) -> CampaignState:
        """What a planner may know."""
        spec = self.spec
        # Not validated again: every trial was when it was made, and there may be thousands.
        return CampaignState.model_construct(
            space=spec.space,
            objective=spec.objective,
            more_objectives=spec.more_objectives,
            outcome_limits=spec.outcome_limits,
            cost=spec.cost,
            fidelity=spec.fidelity,
            trials=tuple(self.trials),
            earlier=self.started.earlier,
            vetoes=tuple(self.vetoes),
            seed=spec.seed,
            planner=spec.planner,
        )

    @property
    def best(self) -> float | None:
        """The best mean of the objective so far, of experiments that count."""
        return self.stopping.best

    @property
    def counted(self) -> list[Trial]:
        """Trials that may be called the best."""
        return [one for one in self.trials if counts(one, self.spec.outcome_limits, self.spec.fidelity)]

    @property
    def spent(self) -> float:
        """What all experiments have cost so far, those under way and those that failed included."""
        return sum(one.cost for one in self.trials if one.cost is not None)

    def waits_for(self) -> list[str]:
        """What has to happen before anything else can, in words for a person."""
        if self.over:
            return []
        waits = [f"answer to {one.id}" for one in self.open_questions]
        waits += [f"step {run.step_id}" for one in self.live.values() for run in one.running if run.state == "running"]
        if self.asking or (self.proposals.unwanted and self.phase == "running" and not self.paused):
            waits.append(f"planner {self.spec.planner.name}")
        if self.paused:
            waits.append("labwright campaign resume")
        for one in self.live.values():
            for run in one.startable():
                if taken := self.resources.taken(one, run.spec):
                    waits.append(f"{run.step_id} for {taken}")
        return waits

    def handle(self, event: Event) -> list[Instruction]:
        """Take an event; what is to be done now.

        Raises:
            IllegalEventError: the event does not fit the state, which is as before.
        """
        if self.over and isinstance(event, DeckChecked) and self.deck_checked is None:
            self.deck_checked = event
            return []
        if self.over:
            raise IllegalEventError(f"campaign {self.campaign} is {self.phase}; it takes no {event.kind!r} any more")
        if isinstance(event, Started) != (self.phase == "draft"):
            raise IllegalEventError(f"event {event.kind!r} cannot happen in phase {self.phase!r} of {self.campaign!r}")
        self._out = []
        self._changed = {}
        match event:
            case Started():
                self._start(event)
            case Resumed():
                self._resumed(event)
            case Suggested():
                self._suggested(event)
            case Infeasible():
                self._not_feasible(event)
            case Proposed():
                self._propose(event)
            case Vetoed():
                self._veto(event)
            case NotSuggested():
                if not self._too_late(event):
                    self._drain("failed", f"no further suggestion: {event.reason}")
            case StepEnded():
                self._step_ended(event.outcome)
            case PauseAsked():
                self._expect(not self.paused and not self._stopping, event, f"it is {self.status}")
                self._pause(on=True)
            case ResumeAsked():
                self._expect(self.paused, event, f"it is {self.status}, and not paused")
                self._pause(on=False)
            case DrainAsked():
                self._expect(self.phase == "running" or self.paused, event, f"it is {self.status}")
                self._drain(
                    "completed", f"drained by {event.by or 'an unnamed person'}: {event.because or 'no reason given'}"
                )
            case StopAsked():
                self._stop(event)
            case Answered():
                self._answered(event)
            case StepLate() | Noted():
                pass
            case DeckChecked():
                self._expect(False, event, f"it is {self.phase}: a deck is looked at when its campaign is over")
        self._go_on()
        return self._out

    def forget_changes(self) -> None:
        """The tables have them already."""
        self.touched = self.resources.touched = self._asked.touched = Touched()

    def snapshot(self) -> bytes:
        """The whole state as canonical JSON; equal states give equal bytes."""
        hidden = ("touched", "_out", "_started", "_changed")
        state = {name: value for name, value in vars(self).items() if name not in hidden}
        how = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
        return orjson.dumps(state, default=_plain, option=how)

    def _start(self, event: Started) -> None:
        self._started = event
        self.campaign = event.campaign
        self._to_prepare = list(event.spec.prepare)
        self.durations = Durations(event.learnt_s)
        self.resources = Resources(
            list(event.places), dict(event.lots_ml), self.touched, counted=frozenset(event.counted)
        )
        self._asked = Questions(self.touched, mark=":q" if event.naming > 1 else "?")
        self.phase = "queued"
        self._become("running")
        self.touched.spec = True
        for name in event.lots_ml:
            self.touched.lots.add(name)

    def _resumed(self, event: Resumed) -> None:
        """Stations get the orders again that the last controller left under way; they know what is done of them."""
        if self.paused:
            self._out.append(PauseStations(on=True))
        for one in self.live.values():
            for run in one.running:
                if run.state != "running":
                    continue
                self.resources.use(one, run, self.campaign, event.used.get(run.step_id, {}))
                if self._stopping:
                    run.become("failed")
                    run.error = "the controller ended while it was being stopped"
                    self._touch(one, run)
                    self.resources.release_station(run)
                else:
                    self._out.append(self._order(one, run))
            if self._stopping:
                self._give_up(one, self.reason)
        self.proposals.unwanted = False  # the planner that was asked has ended with the controller
        if self.asking:
            self._out.append(Ask(self.asking, self.state()))

    def _suggested(self, event: Suggested) -> None:
        if self._too_late(event):
            return
        if event.advice is not None and (reason := self.stopping.advised(self.spec, event.advice)):
            self._drain("completed", reason)
            return
        if (veto := self.proposals.vetoing(event.suggestion.params, self.spec.space)) is not None:
            self.proposals.add(event.suggestion, "abandoned", veto_words(veto))
            self._fruitless("are vetoed", veto_words(veto), "Choose another planner, or end the campaign.")
            return
        self.proposals.fruitless = 0
        if lacking := self.resources.lacking(event.uses_ml):
            self._drain("completed", f"{lacking}; refill it (inventory.yaml)")
            return
        self._begin_trial(self.proposals.add_experiment(self.tried + 1, event.suggestion), event.uses_ml)

    def _begin_trial(self, index: int, uses_ml: dict[str, float]) -> None:
        """Begin the experiment of a trial that is running by now."""
        self.tried += 1
        params = self.trials[index].params
        if self.spec.cost is not None:
            self.proposals.change(index, cost=self.spec.cost.of(params))
        parameters = {**{k: float(v) for k, v in params.items()}, **self.spec.fixed}
        place = self.resources.next_place()
        protocol = self._protocol(self.spec.protocol)
        label = self.trials[index].id
        self._begin(
            Experiment(
                label, self.tried, f"{self.campaign}-{label}", place, place, protocol, parameters, index, uses_ml
            )
        )
        self.resources.reserve_lots(uses_ml)

    def _propose(self, event: Proposed) -> None:
        """A person's experiment comes next."""
        self._expect(self.phase == "running", event, f"it is {self.status}")
        params, space = event.suggestion.params, self.spec.space
        wrong = "; ".join(space.violations(params))
        self._expect(not wrong, event, f"{wrong}; the campaign's space does not allow it")
        veto = self.proposals.vetoing(params, space)
        self._expect(veto is None, event, veto_words(veto) if veto else "")
        left = self.spec.budget - self.tried - len(self.proposed)
        self._expect(left > 0, event, f"the budget of {self.spec.budget} experiments is spent or promised")
        lacking = self.resources.lacking(self.proposals.wanted_ml(event.uses_ml))
        self._expect(not lacking, event, f"{lacking}; refill it (inventory.yaml)")
        self.proposals.want(event.suggestion, event.uses_ml)

    def _veto(self, event: Vetoed) -> None:
        """Withdraw an experiment that has not started, or forbid a point to all later ones."""
        if event.veto is None:
            index = self.proposals.waiting(event.trial, by_place=self.started.naming == 1)
            if index is None:
                began = self.proposals.became.get(event.trial)
                known = [self.trials[one].id for one in self.proposed]
                why = f"proposal {event.trial} has started: it is experiment {began}" if began else ""
                raise IllegalEventError(why or unknown("proposal that has not started", event.trial, known))
            self.proposals.drop(index, veto_words(event))
            return
        wrong = wrong_veto(event.veto, self.spec.space)
        self._expect(not wrong, event, wrong)
        self.proposals.forbid(event.veto, self.spec.space)

    def _not_feasible(self, event: Infeasible) -> None:
        if self._too_late(event):
            return
        self.proposals.add(event.suggestion, "failed", event.reason, fail_kind="infeasible")
        self._fruitless("cannot be made", event.reason, "Add the limit to the campaign's space.constraints.")

    def _fruitless(self, what: str, last: str, advice: str) -> None:
        """A suggestion came to nothing; too many in a row end the campaign."""
        self.proposals.fruitless += 1
        if self.proposals.fruitless >= MAX_INFEASIBLE:
            self._drain("failed", f"{MAX_INFEASIBLE} suggestions in a row {what}, the last because: {last} {advice}")

    def _too_late(self, event: Event) -> bool:
        """Take the planner's answer; whether it is no longer wanted, because the campaign was asked to end meanwhile.

        Raises:
            IllegalEventError: the planner was not asked.
        """
        self._expect(self.asking > 0 or self.proposals.unwanted, event, "the planner was not asked")
        return not self.proposals.answered()

    def _begin(self, one: Experiment) -> None:
        one.begin(self.campaign, self.durations.expected_s(one.protocol))
        self.live[one.label] = one
        self._touch(one, *one.steps.values())

    def _step_ended(self, outcome: StepOutcome) -> None:
        one, run = self._find(outcome.step_id)
        run.ended_s = outcome.ended_s
        run.error = outcome.error
        self.resources.use(one, run, self.campaign, outcome.used)
        if outcome.state == "done":
            run.become("done")
            self.resources.done(one, run)
            one.take(run, outcome)
            self.durations.take(one.protocol, run)
            self._touch(one, run)
            if one.given_up == "":
                self._loop(one, run)
                self._measured(one)
            return
        run.become("unknown")
        self._touch(one, run)
        if self._stopping or outcome.state == "stopped":
            if not self._stopping:
                self._stop(StopAsked(why=outcome.error))  # a station was stopped from elsewhere: so is the campaign
                return
            self._step_lost(one, run)
            self._give_up(one, self.reason)
        elif outcome.state == "unknown":
            self._ask_person(one, run, outcome)
        elif outcome.fail_kind == "infeasible":
            self._step_lost(one, run)
            self._give_up(one, f"step {run.spec.name}: {outcome.error}", "infeasible")
        elif run.attempt <= run.spec.retries and outcome.doubt is None:
            self._try_again(one, run)
        elif run.spec.on_failure == "ask":
            self._ask_person(one, run, outcome)
        else:
            self._step_lost(one, run)
            where = f"experiment {one.label}" if one.number > 0 else f"preparation {one.protocol.name}"
            reason = f"{where}, step {run.spec.name}: {outcome.error}"
            self._give_up(one, reason, "equipment")
            if run.spec.on_failure == "stop" or one.trial is None:
                self._drain("failed", reason)

    def _loop(self, one: Experiment, run: StepRun) -> None:
        """Another round, if the loop that ends here has not reached what it is for."""
        repeat = run.spec.repeat
        if repeat is None or run.round >= repeat.at_most:
            return
        try:
            reached = repeat.until.holds(one.found)
        except KeyError as error:
            self._fail_experiment(one, f"protocol {one.protocol.name}, step {run.spec.name}: repeat: {error.args[0]}")
            return
        if not reached:
            one.again(self.campaign, run.spec, self.durations.expected_s(one.protocol))
            self._touch(one, *one.steps.values())

    def _measured(self, one: Experiment) -> None:
        """All that the protocol promises is found, and no loop will find it again: the planner may learn it."""
        if one.state not in ("active", "held") or one.given_up:
            return
        found = one.results()
        left = {run.spec.name for run in one.steps.values() if run.state not in ("done", "skipped", "failed")}
        promised = {spec.name for spec in one.protocol.results}
        if one.trial is not None:
            promised.update(self.spec.outcomes)
        if missing := [name for name in sorted(promised) if name not in found]:
            if not left:
                promised_words = f"promised {', '.join(missing)}; found {', '.join(found) or 'nothing'}"
                self._fail_experiment(one, f"protocol {one.protocol.name} {promised_words}")
            return
        if any(name in left and promised & set(here) for name, here in one.found.items()):
            return  # another round of a loop will find it again
        if one.trial is None:
            one.become("measured")
            self._touch(one)
            return
        try:
            update = {
                "outcomes": {
                    name: Outcome(mean=found[name], sem=found.get(f"{name}_sem")) for name in self.spec.outcomes
                },
                "measured_params": found.get("measured_params"),
            }
            trial = Trial.model_validate({**self.trials[one.trial].model_dump(), **update, "status": "done"})
        except ValidationError as error:
            words = f"protocol {one.protocol.name} found what cannot be used: {error.errors()[0]['msg']}"
            self._fail_experiment(one, words)
            return
        self.trials[one.trial] = trial
        one.become("measured")
        self._touch(one)
        self.stopping.take(self.spec, trial, self.trials)

    def _fail_experiment(self, one: Experiment, reason: str) -> None:
        """Every step ended well, and still the results are not those the protocol declares."""
        self._give_up(one, reason, "equipment")
        self._drain("failed", reason)

    def _give_up(
        self, one: Experiment, reason: str, kind: Literal["infeasible", "equipment", "aborted"] = "aborted"
    ) -> None:
        """Nothing more is done for this sample but to bring it out of the lab; its measurements stay."""
        for run in one.steps.values():
            if run.state in ("waiting", "ready") and (self._stopping or not (one.given_up or run.spec.always)):
                run.become("skipped")
                self._touch(one, run)
        self._touch(one)
        if one.given_up:
            return
        one.given_up = one.reason = reason
        if one.trial is not None and self.trials[one.trial].status != "done":
            if kind == "aborted":
                self.proposals.change(one.trial, status="abandoned", rationale=reason)
            else:
                self.proposals.change(one.trial, status="failed", fail_kind=kind, rationale=reason)

    def _step_lost(self, one: Experiment, run: StepRun) -> None:
        run.become("failed")
        self.resources.release_station(run)
        self._touch(one, run)

    def _try_again(self, one: Experiment, run: StepRun) -> None:
        run.attempt += 1
        run.again = True
        run.become("ready")
        self.resources.release_station(run)
        self._touch(one, run)

    def _ask_person(self, one: Experiment, run: StepRun, outcome: StepOutcome) -> None:
        """The sample waits, and its station with it; everything else continues."""
        stock = outcome.part.stock if outcome.part is not None else ""
        left_ml = self.resources.left_ml(stock) if stock in self.resources.lots_ml else None
        self._hold(one, self._asked.of_step(self.campaign, one, run, outcome, left_ml))
        self._touch(one, run)

    def _left_behind(self, one: Experiment) -> bool:
        """Whether a sample that was given up stands where others must pass."""
        if one.state == "held" or self._stopping or not one.given_up or one.stands_at in ("", one.place):
            return False
        ends = self.phase == "draining" and not self.paused and self._ending == "failed" and len(self.live) == 1
        return not ends and f"position:{one.stands_at}" in self.resources.reserved

    def _hold(self, one: Experiment, question: Question) -> None:
        """Hold a sample until a person has answered."""
        if one.state != "held":
            one.become("held")
        self._touch(one)
        self._out.append(AskPerson(question.id, question.text))

    def _answered(self, event: Answered) -> None:
        question = self.questions.get(event.question)
        if question is None:
            raise IllegalEventError(unknown("open question", event.question, list(self.questions)))
        if event.answer not in question.choices:
            raise IllegalEventError(unknown(f"answer to {event.question}", event.answer, list(question.choices)))
        self._asked.answered(self.campaign, event)
        one = self.live[question.label]
        if question.step_id:
            self._step_answered(one, question, event)
        else:
            one.stands_at = ""
        self._let_go(one)

    def _let_go(self, one: Experiment) -> None:
        """Hold a sample no longer, once no question about it is open."""
        if one.state == "held" and not self._asked.about(one):
            measured = one.trial is not None and self.trials[one.trial].status == "done"
            one.become("measured" if measured else "active")
            self._touch(one)

    def _step_answered(self, one: Experiment, question: Question, event: Answered) -> None:
        run = next(run for run in one.steps.values() if run.step_id == question.step_id)
        if question.doubt is not None:
            self._settle(one, run, question, question.doubt, event)
        if event.answer == "abandon":
            self._step_lost(one, run)
            one.stands_at = ""
            reason = f"given up by {event.by}: {event.because or question.text}"
            self._give_up(one, reason, "equipment")
            if one.trial is None:
                self._drain("failed", f"preparation {one.protocol.name}, step {run.spec.name}: {reason}")
            for other in one.steps.values():
                if other.state in ("waiting", "ready"):
                    other.become("skipped")
                    self._touch(one, other)
        else:
            if question.doubt is None:
                run.attempt += 1
                run.again = True
            run.become("ready")
            self.resources.release_station(run)
            self._touch(one, run)

    def _settle(self, one: Experiment, run: StepRun, question: Question, doubt: int, event: Answered) -> None:
        """Write down what becomes of an operation in doubt."""
        part, confirmed = question.part, event.answer == "done"
        if part is None or confirmed:
            if event.answer != "abandon":
                state: Literal["confirmed", "absent"] = "confirmed" if confirmed else "absent"
                self._out.append(Settle(run.step_id, doubt, state, event.by, event.because))
            return
        follow: Follow = "rest" if event.answer == "rest" else "again" if event.answer == "again" else ""
        self._out.append(Settle(run.step_id, doubt, "confirmed", event.by, event.because, part, follow))
        if part.stock:
            settled = Used(nl=part.counted_nl, unknown_nl=-part.nl)
            now = {part.stock: run.used.get(part.stock, Used()) + settled}
            self.resources.use(one, run, self.campaign, now)

    def _pause(self, *, on: bool) -> None:
        self.paused = on
        self.touched.campaign = True
        self._out.append(PauseStations(on=on))

    def _stop(self, event: StopAsked) -> None:
        self.paused = False  # nothing is left that could begin
        if self.phase != "draining":
            self._stopping = True
            self._drain("stopped", event.why)
        elif not self._stopping:
            self._stopping, self._ending, self.reason = True, "stopped", event.why
            self.touched.campaign = True
        for one in list(self.live.values()):
            for run in one.running:
                if run.state == "unknown":
                    self._step_lost(one, run)
            self._asked.withdraw(self.campaign, one, event.why)
            self._let_go(one)
            self._give_up(one, event.why)
        if any(one.running for one in self.live.values()):
            self._out.append(StopStations(event.why, event.now))

    def _drain(self, ending: Ending, reason: str) -> None:
        """No further experiment; when those under way have ended, so has the campaign."""
        if self.phase == "draining":
            if ending == "failed" and (self._ending == "completed" or self.paused):
                self._ending, self.reason = ending, reason
                self.touched.campaign = True
            return
        self._become("draining")
        self._ending, self.reason = ending, reason
        self.proposals.forget_ask()
        for index in list(self.proposed):
            self.proposals.drop(index, f"it was not started: {reason}")
        self.touched.campaign = True

    def _go_on(self) -> None:
        """Start what can start, ask for what is needed, end what has ended."""
        for label in list(self._changed):
            one = self.live.get(label)
            if one is None:
                continue
            self._skip(one)
            if one.over and self._left_behind(one):
                self._hold(one, self._asked.of_removal(self.campaign, one))
            elif one.over and one.state != "held":
                self._experiment_over(one)
        if self.paused:
            return  # a person has paused it, and only a person lets it continue, to its end too
        if self.phase == "running":
            self._prepare_or_ask()
        if not self._stopping:
            self._dispatch()
        if self.phase == "draining" and not self.live:
            self._become(self._ending)
            self._out.append(Finish(self._ending, self.reason))

    def _skip(self, one: Experiment) -> None:
        """Skip steps whose condition does not hold; one may let another be skipped."""
        again = True
        while again:
            again = False
            for run in list(one.startable()):
                condition = run.spec.when
                if condition is None or run.state != "waiting":
                    continue
                try:
                    holds = condition.holds(one.found)
                except KeyError as error:
                    self._fail_experiment(one, f"protocol {one.protocol.name}, step {run.spec.name}: {error.args[0]}")
                    return
                if not holds:
                    run.become("skipped")
                    self._touch(one, run)
                    self._measured(one)
                    again = True

    def _experiment_over(self, one: Experiment) -> None:
        if one.given_up:
            one.become("abandoned")
        else:
            self._measured(one)  # a protocol that promises nothing is measured when it is over
            if one.given_up:
                return
            if one.state == "accepted":
                one.become("active")
            if one.state == "active":
                one.become("measured")
            one.become("complete")
        self.resources.leave(one, self.campaign)
        self._touch(one)
        del self.live[one.label]
        self._look.discard(one.label)
        if one.trial is None and not one.given_up:
            self.calibrations[one.protocol.name] = one.results()
            self._to_prepare.pop(0)

    def _prepare_or_ask(self) -> None:
        if self._to_prepare:
            if not self.live:
                protocol = self._protocol(self._to_prepare[0])
                sample = f"{self.campaign}-{protocol.name}"
                self._begin(Experiment(protocol.name, 0, sample, "", "", protocol, {}, None))
            return
        while self.proposed and len(self.live) < self.spec.parallel:
            self._begin_proposed()
        if self.proposed or self.asking or self.proposals.unwanted:
            return
        if self.tried >= self.spec.budget:
            self._drain("completed", f"the budget of {self.spec.budget} experiments is spent")
        elif reason := self.stopping.reason(self.spec, lambda: self.spent):
            self._drain("completed", reason)
        elif len(self.live) < self.spec.parallel:
            self._out.append(Ask(self.proposals.ask(), self.state()))

    def _begin_proposed(self) -> None:
        """Begin the next experiment that a person wants, if the stocks still last."""
        index = next(iter(self.proposed))
        uses_ml = self.proposed[index]
        if lacking := self.resources.lacking(uses_ml):
            self.proposals.drop(index, f"it was not started: {lacking}")
            return
        del self.proposed[index]
        self.proposals.begin(index, self.tried + 1)
        self._begin_trial(index, uses_ml)

    def _dispatch(self) -> None:
        """Start every step whose needs are done and whose station and positions are free, the oldest sample first."""
        for label, one in self.live.items():
            if label not in self._look:
                continue
            blocked = False
            for run in list(one.startable()):
                if not self.resources.take(one, run):
                    blocked = True
                    continue
                if run.state == "waiting":
                    run.become("ready")
                run.become("reserved")
                run.become("running")
                if one.state == "accepted":
                    one.become("active")
                self._out.append(self._order(one, run))
                self._touch(one, run)
            if not blocked:
                self._look.discard(label)

    def _order(self, one: Experiment, run: StepRun) -> RunStep:
        again, order = run.again, one.order(self.campaign, run, self.calibrations)
        run.begun, run.again = True, False
        return RunStep(run.spec.station, order, run.spec.timeout_s, again=again)

    def _find(self, step_id: str) -> tuple[Experiment, StepRun]:
        _, label, _ = step_id.rsplit("/", 2)
        one = self.live.get(label)
        if one is None:
            raise IllegalEventError(f"step {step_id} ended, but no experiment {label} is under way")
        for run in one.steps.values():
            if run.step_id == step_id and run.state == "running":
                return one, run
        running = [run.step_id for run in one.steps.values() if run.state == "running"]
        raise IllegalEventError(
            f"step {step_id} ended, but it does not run; {unknown('running step', step_id, running)}"
        )

    def _become(self, phase: CampaignPhase) -> None:
        check_transition("campaign", self.campaign, self.phase, phase)
        self.phase = phase
        self.touched.campaign = True

    def _touch(self, one: Experiment, *runs: StepRun) -> None:
        self.touched.experiments[one.label] = one
        self._changed[one.label] = None
        self._look.add(one.label)
        for run in runs:
            self.touched.steps[run.step_id] = (one, run)

    def _protocol(self, name: str) -> ProtocolSpec:
        return next(one for one in self.started.protocols if one.name == name)

    def _expect(self, condition: bool, event: Event, why: str) -> None:
        if not condition:
            raise IllegalEventError(f"{self.campaign} takes no {event.kind!r} now: {why}")


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, deque):
        return list(value)
    return {key: one for key, one in vars(value).items() if key != "touched"}
