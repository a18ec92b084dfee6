"""One campaign: what is to be tried next, and when it ends. Events in, instructions out; no clock, no file, no thread.

It wants experiments, and the lab's work carries them out (`labwright.engine.work`). States and the ways between them:
`labwright.model.states`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from labwright.engine.dispatch import Dispatcher
from labwright.engine.durations import Durations
from labwright.engine.events import (
    Answered,
    Ask,
    Begun,
    DeckChecked,
    DrainAsked,
    Event,
    Extended,
    Finish,
    Granted,
    Infeasible,
    Instruction,
    Noted,
    NotSuggested,
    Overdue,
    PauseAsked,
    PauseStations,
    Prepares,
    Proposed,
    ResumeAsked,
    Resumed,
    SampleStopAsked,
    Started,
    StepEnded,
    StepLate,
    StopAsked,
    StopStations,
    Suggested,
    Vetoed,
)
from labwright.engine.experiment import Experiment, StepRun, devices_of
from labwright.engine.fair import HOUR_S
from labwright.engine.material import CONTAINER, REFILL, Material
from labwright.engine.offering import offered
from labwright.engine.pacing import BLIND, pace_s, would_only_wait
from labwright.engine.proposals import Proposals, is_label, veto_words, wrong_veto
from labwright.engine.questions import Offered, Question
from labwright.engine.rules import left_s
from labwright.engine.stopping import Stopping
from labwright.engine.work import IllegalEventError, Work
from labwright.model.campaign import CampaignState, Edit, Outcome, Suggestion, Trial, Veto
from labwright.model.errors import unknown
from labwright.model.judging import counts, covers
from labwright.model.protocol import FailKind, Prepared, ProtocolSpec, StepOutcome
from labwright.model.remarks import AS_MEASURED, Use
from labwright.model.space import Params
from labwright.model.spec import CampaignSpec
from labwright.model.states import CampaignPhase, check_transition

__all__ = ["CampaignCore", "IllegalEventError"]

MAX_INFEASIBLE = 20
"""So many suggestions in a row that cannot be made mean that planner and protocol disagree about the space."""

DRAINED = "drained by "
"""How the reason begins of a campaign that a person has ended, with what was under way carried out."""

URGENT = 2.0
"""A campaign is urgent once it should need more than half of the time that is left to its deadline."""

Ending = Literal["completed", "stopped", "failed"]


@dataclass(frozen=True)
class Wish:
    """An experiment that is to begin.

    Attributes:
        proposal: id of a person's proposal; empty for the planner's suggestion.
        uses: what it takes of each material, and adds to each waste, in the smallest unit.
    """

    proposal: str
    uses: dict[str, int]


class CampaignCore:
    """One campaign of a lab; a draft until `Started`.

    Args:
        campaign: its id.
        dispatcher: of the lab, whose work carries out what is wanted.
    """

    def __init__(self, campaign: str, dispatcher: Dispatcher) -> None:
        self.campaign = campaign
        self.phase: CampaignPhase = "draft"
        self.reason = ""
        self.engine = 1
        """Version of the engine that decides for it now."""
        self.proposals = Proposals(campaign, dispatcher.work.dirty)
        self.calibrations: dict[str, dict[str, Any]] = {}
        self.budget = 0
        """Experiments it may make; more than its spec says once it was extended."""
        self.tried = 0
        """Experiments carried out or under way, which is what the budget counts."""
        self.spent = 0.0
        """What all experiments have cost so far, those under way and those that failed included."""
        self.paused = False
        """Whether no operation may begin: beside the phase, for something can begin while it is draining too."""
        self.began_s: float | None = None
        """Lab time at which it started."""
        self.ended_s: float | None = None
        """Lab time at which it was over."""
        self.stopping = Stopping()
        self.deck_checked: DeckChecked | None = None
        self.durations = Durations()
        self.shared: dict[str, tuple[str, ...]] = {}
        """Devices that several stations have, by station."""
        self.turn = 0
        """Its number among the lab's campaigns, in the order in which they started."""
        self._dispatcher = dispatcher
        self._started: Started | None = None
        self._ending: Ending = "completed"
        self._stopping = False
        self._to_prepare: list[str] = []
        self.resting = False
        """Whether it was over and is extended, and no controller has taken it up since."""
        self.held: Params = {}
        """What the experiments of the newest batch have in common."""
        self.batch_left = 0
        """Experiments that this batch still has room for."""
        self._next: tuple[Suggestion, dict[str, int]] | None = None
        """What the planner has suggested and has not started, and what it takes of each material."""
        self.replicates_left = 0
        """Experiments that are still to be made of that."""
        self.short = ""
        """What its next experiment, or preparation, waits for that the lab has too little of, in words."""
        self.closed = ""
        """Which stations its samples wait for that people have, in words."""
        self.lost = ""
        """Why its next experiment, or preparation, does not begin: stations that it needs do not work; in words."""
        self.short_since_s: float | None = None
        """Lab time since when it waits for that."""
        self.uses: dict[str, Use] = {}
        """Of experiments whose results may not be used as they were measured, by label."""
        self._trials_of: dict[str, int] = {}
        """Index of each experiment's trial, by label."""

    @property
    def work(self) -> Work:
        """Of the lab it is in."""
        return self._dispatcher.work

    @property
    def material(self) -> Material:
        """Of the lab it is in."""
        return self.work.material

    @property
    def live(self) -> dict[str, Experiment]:
        """Its experiments under way, by label."""
        return self.work.of(self.campaign)

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
    def container(self) -> str:
        """The kind of container that each of its samples needs, as far as that is known; empty if none."""
        return self.started.container or (CONTAINER if self.started.places else "")

    @property
    def refill(self) -> str:
        """What a person does where a stock is used up."""
        return "; refill it (inventory.yaml)" if self.engine == 1 else REFILL

    @property
    def trials(self) -> list[Trial]:
        """All of them, in the order in which they were proposed."""
        return self.proposals.trials

    @property
    def vetoes(self) -> list[Veto]:
        """What people do not want to be tried."""
        return self.proposals.vetoes

    @property
    def proposed(self) -> dict[int, dict[str, int]]:
        """Proposals of people that have not started: index among the trials, and what each takes of each material."""
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
    def to_prepare(self) -> tuple[str, ...]:
        """Protocols that prepare it and were not carried out yet."""
        return tuple(self._to_prepare)

    @property
    def stop_asked(self) -> bool:
        """Whether it ends with what is under way given up, not carried out."""
        return self._stopping

    @property
    def questions(self) -> dict[str, Question]:
        """What waits for a person, by id."""
        return {key: question for key, question in self.work.questions.open.items() if question.owner == self.campaign}

    @property
    def open_questions(self) -> list[Question]:
        """What waits for a person."""
        return list(self.questions.values())

    @property
    def cards(self) -> list[Question]:
        """Task cards that wait for a person."""
        return [card for card in self.work.questions.cards.values() if card.owner == self.campaign]

    @property
    def asked(self) -> list[Question]:
        """All that people are shown: questions, and task cards."""
        return [*self.open_questions, *self.cards]

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
            trials=tuple(one.learnt_from for one in self.trials) if self.uses else tuple(self.trials),
            earlier=self.started.earlier,
            vetoes=tuple(self.vetoes),
            held=self.held if self.batch_left else {},
            seed=spec.seed,
            planner=spec.planner,
        )

    @property
    def objectives(self) -> str:
        """What is to be reached, as JSON."""
        spec = self.spec
        return orjson.dumps([one.model_dump(mode="json") for one in (spec.objective, *spec.more_objectives)]).decode()

    @property
    def best(self) -> float | None:
        """The best mean of the objective so far, of experiments that count."""
        return self.stopping.best

    @property
    def on_front(self) -> int | None:
        """How many experiments are on the Pareto front; None with one objective, or before the first that counts."""
        return len(self.stopping.front) or None

    @property
    def counted(self) -> list[Trial]:
        """Trials that may be called the best."""
        return [one for one in self.trials if counts(one, self.spec.outcome_limits, self.spec.fidelity)]

    def move_to(self, dispatcher: Dispatcher) -> None:
        """Be a campaign of another lab; none of its experiments is under way."""
        self._dispatcher = dispatcher
        self.proposals.dirty = dispatcher.work.dirty

    def restore(self, started: Started, state: dict[str, Any]) -> None:
        """Be as a snapshot has it.

        Args:
            started: the event it started with.
            state: its other attributes, by name.
        """
        vars(self).update(state)
        self._started = started
        self._trials_of = {one.id: index for index, one in enumerate(self.trials) if is_label(one.id)}
        for label, index in self._trials_of.items():  # the table may know more than the snapshot
            trial, use = self.trials[index], self.uses.get(label, AS_MEASURED)
            if trial.use != use:
                self.trials[index] = trial.model_copy(update={"use": use})

    def judge(self, uses: Mapping[str, Use]) -> None:
        """People have said whether results may be used; planner and stop rules go by it from now on.

        Args:
            uses: those that have changed, by the experiment's label.
        """
        for label, use in uses.items():
            self.uses[label] = use
            if use == AS_MEASURED:
                del self.uses[label]
            if label in self._trials_of:
                self.proposals.change(self._trials_of[label], use=use)
        self.stopping.judge_again(self.spec, self.counted)
        self.proposals.forget_ask()  # what the planner is thinking about has changed
        self._changed()

    def trial_of(self, experiment: Experiment) -> int | None:
        """Index of an experiment's trial; None for a preparation."""
        return self._trials_of.get(experiment.label)

    def has_experiment(self, trial: Trial) -> bool:
        """Whether a trial is an experiment's, and so called by its label."""
        return trial.id in self._trials_of

    def waits_for(self) -> list[str]:
        """What has to happen before anything else can, in words for a person."""
        if self.over:
            return []
        waits = [f"answer to {question.id}" for question in self.open_questions]
        waits += [f"signature of {card.id}" for card in self.cards]
        if self.short:
            waits.append(f"material: {self.short}")
        if self.lost:
            waits.append(self.lost)
        for experiment in self.live.values():
            waits += [f"step {run.step_id}" for run in experiment.running if run.state == "running"]
        if (other := self.awaits) is not None:
            waits.append(f"preparation {other.label}, which {other.owner} is making")
        if self.asking or (self.proposals.unwanted and self.phase == "running" and not self.paused):
            waits.append(f"planner {self.spec.planner.name}")
        if self.paused:
            waits.append("labwright campaign resume")
        if self.resting:
            waits.append("a controller that takes it up")
        return waits + [str(one) for one in self._dispatcher.waits(self.campaign)]

    def take(self, event: Event) -> list[Instruction]:
        """Take an event, before the lab has looked at what follows for the samples.

        Raises:
            IllegalEventError: the event does not fit the state, which is as before.
        """
        if self.over and isinstance(event, DeckChecked) and self.deck_checked is None:
            self.deck_checked = event
            return []
        if self.over and not isinstance(event, Extended):
            raise IllegalEventError(f"campaign {self.campaign} is {self.phase}; it takes no {event.kind!r} any more")
        if isinstance(event, Started) != (self.phase == "draft"):
            raise IllegalEventError(f"event {event.kind!r} cannot happen in phase {self.phase!r} of {self.campaign!r}")
        match event:
            case Started():
                self._start(event)
            case Resumed():
                return self._resumed(event)
            case Granted():
                if event.lost is not None:
                    self.lose(event.lost)
                for prepared in event.prepared:
                    self.take_prepared(prepared)
                for name in event.prepares:
                    self.prepare(Prepares(protocol=name))
                for prepares in event.preparing:
                    self.prepare(prepares)
                for begun in event.begins:
                    self.begin(begun)
                if event.lacks:
                    self.fail(event.lacks)
                if event.short is not None:
                    self.fall_short(event.short)
                if event.closed is not None:
                    self.wait_to_open(event.closed)
            case Suggested():
                self._suggested(event)
            case Infeasible():
                self._not_feasible(event)
            case Proposed():
                self._propose(event)
            case Vetoed():
                self._veto(event)
            case NotSuggested():
                if self._too_late(event):
                    return []
                if not self.batch_left:
                    self._drain("failed", f"no further suggestion: {event.reason}")
                self.batch_left = 0  # nothing more has what its batch has in common: another batch
            case StepEnded():
                return self.work.ended(event.outcome, self)
            case PauseAsked():
                self._expect(not self.paused and not self._stopping, event, f"it is {self.status}")
                return self._pause(on=True)
            case ResumeAsked():
                self._expect(self.paused, event, f"it is {self.status}, and not paused")
                return self._pause(on=False)
            case DrainAsked():
                self._expect(self.phase == "running" or self.paused, event, f"it is {self.status}")
                self._drain(
                    "completed", f"{DRAINED}{event.by or 'an unnamed person'}: {event.because or 'no reason given'}"
                )
            case Extended():
                self._extend(event)
            case StopAsked():
                return self._stop(event)
            case SampleStopAsked():
                return self._stop_sample(event)
            case Answered():
                return self.work.answered(event, self)
            case Overdue(question=question):
                self.work.overdue(question, self)
            case StepLate() | Noted():
                pass
            case DeckChecked():
                self._expect(False, event, f"it is {self.phase}: a deck is looked at when its campaign is over")
        return []

    def wishes(self) -> Wish | None:
        """The experiment that is to begin next, if there is room for one."""
        if self.phase != "running" or self.resting:
            return None
        if len(self.live) >= self.spec.parallel:
            return None
        if self.proposed:
            index = next(iter(self.proposed))
            held = self.paused or self._to_prepare
            return None if held else Wish(self.trials[index].id, self.proposed[index])
        if self._next is None or self.tried >= self.budget:
            return None
        if self._repeating is not None and (self.paused or self._to_prepare):
            return None
        return Wish("", self._next[1])

    @property
    def next_preparation(self) -> ProtocolSpec | None:
        """The preparation that comes next; None if there is none."""
        if self.paused or self.phase != "running" or self.resting or self.engine == 1:
            return None
        return None if self.live or not self._to_prepare else self._protocol(self._to_prepare[0])

    @property
    def wants_prepared(self) -> ProtocolSpec | None:
        """The preparation that comes next, if another campaign may have made it; None if there is none."""
        protocol = self.next_preparation
        return protocol if protocol is not None and protocol.valid_s and not self.spec.prepare_anew else None

    @property
    def stations(self) -> frozenset[str]:
        """Stations, or kinds of them, that carry out its experiments."""
        return self._protocol(self.spec.protocol).stations

    @property
    def waits_for_material(self) -> bool:
        """Whether what cannot begin for want of material waits; before engine 4 its campaign came to an end."""
        return self.engine >= 4

    def fall_short(self, words: str) -> None:
        """Its next experiment, or preparation, waits for material; not any more if there are no words."""
        self.short_since_s = (self.short_since_s if self.short else self.material.now_s) if words else None
        self.short = words
        self._changed()

    def wait_to_open(self, words: str) -> None:
        """Its samples wait for stations that people have; not any more if there are no words."""
        self.closed = words
        self._changed()

    def lose(self, words: str) -> None:
        """Its next experiment, or preparation, waits for stations that do not work; not any more without words."""
        self.lost = words
        self._changed()

    @property
    def begins_next(self) -> ProtocolSpec | None:
        """The protocol of what is to begin next: an experiment that is wanted, or a preparation; None if nothing is."""
        if (preparation := self.next_preparation) is not None:
            return preparation if self.awaits is None else None
        return self._protocol(self.spec.protocol) if self.wishes() is not None else None

    @property
    def awaits(self) -> Experiment | None:
        """Another campaign's preparation under way, whose results it waits for; None if it waits for none."""
        wanted = self.wants_prepared
        return self.work.preparing(wanted.name) if wanted is not None else None

    def prepare(self, prepares: Prepares) -> None:
        """Make the preparation that comes next.

        Raises:
            IllegalEventError: another one comes next.
        """
        self._expect_preparation(prepares.protocol)
        protocol = self._protocol(prepares.protocol)
        sample = f"{self.campaign}-{protocol.name}"
        wanted = frozenset(spec.name for spec in protocol.results)
        made = Experiment(
            self.campaign, protocol.name, 0, sample, "", "", protocol, {}, wanted,
            promised=dict(prepares.promised), takes=prepares.takes,
        )  # fmt: skip
        self._begin(made)
        self.material.promise(made.promised)

    def take_prepared(self, prepared: Prepared) -> None:
        """Use what another campaign's preparation has found.

        Raises:
            IllegalEventError: another preparation comes next.
        """
        self._expect_preparation(prepared.protocol)
        self.calibrations[prepared.protocol] = prepared.results
        self._to_prepare.pop(0)
        self._changed()

    def _expect_preparation(self, name: str) -> None:
        if self.live or not self._to_prepare or self._to_prepare[0] != name:
            raise IllegalEventError(f"{self.campaign}: preparation {name} is not next")

    def begin(self, begun: Begun) -> None:
        """Begin the experiment that is to begin next, or learn why it cannot.

        Raises:
            IllegalEventError: another one is to begin next.
        """
        wish = self.wishes()
        if wish is None or wish.proposal != begun.proposal:
            # In earlier releases the planner's could begin before a person's that came after it.
            wish = Wish("", self._next[1]) if self._next is not None and not begun.proposal else None
        if wish is None:
            raise IllegalEventError(
                f"{self.campaign}: experiment {begun.proposal or '(suggested)'} is not next to begin"
            )
        if wish.proposal:
            self._begin_proposed(begun, wish.uses)
            return
        assert self._next is not None  # noqa: S101 - it is the wish
        suggestion, uses = self._next
        if begun.lacking:
            self._drain("completed", begun.lacking)
            return
        if self._repeating is not None:
            suggestion = self._replicate(suggestion)
        self.replicates_left -= 1
        if not self.replicates_left:
            self._next = None
        self._join_batch(suggestion.params)
        self._begin_trial(self.proposals.add_experiment(self.tried + 1, suggestion), uses, begun)

    def _join_batch(self, params: Params) -> None:
        """An experiment at a point begins a batch, or is the next of one."""
        batch = self.spec.batch
        if batch is None:
            return
        if not self.batch_left:
            self.held, self.batch_left = {name: params[name] for name in batch.same}, batch.size or 1
        self.batch_left -= 1

    def _replicate(self, suggestion: Suggestion) -> Suggestion:
        """The point that was suggested once more, with words on it."""
        number = self.spec.replicates - self.replicates_left + 1
        words = f"replicate {number} of {self.spec.replicates}; {suggestion.rationale}"
        return suggestion.model_copy(update={"rationale": words})

    def advance(self) -> list[Instruction]:
        """Prepare, ask the planner for what comes next, or come to an end."""
        if self.paused or self.phase != "running" or self.resting:
            return []  # what a person has paused, only a person lets continue, to its end too
        if self._to_prepare:
            if not self.live and self.wants_prepared is None and not self.waits_for_material:
                self.prepare(Prepares(protocol=self._to_prepare[0]))
            return []
        if self.tried >= self.budget:
            self._next = None  # its replicates are beyond the budget
        if self._next is not None or self.proposed or self.asking or self.proposals.unwanted:
            return []
        if self.tried >= self.budget:
            self._drain("completed", self._spent_words)
        elif reason := self.stopping.reason(self.spec, self.spent):
            self._drain("completed", reason)
        elif len(self.live) < self.spec.parallel and not self.sample_would_wait:
            return [Ask(self.proposals.ask(), self.state(), campaign=self.campaign)]
        return []

    @property
    def sample_would_wait(self) -> bool:
        """Whether another sample would only wait for a station, so that it begins later."""
        slots, spec = self.started.slots, self.spec
        if not slots or not self.live or spec.planner.name in BLIND or spec.batch is not None:
            return False
        protocol = self._protocol(spec.protocol)
        return would_only_wait(self.live.values(), protocol, self.expected_s(protocol), slots, self.material.now_s)

    @property
    def work_s(self) -> float:
        """What the steps of one of its experiments should take together, lab seconds."""
        protocol = self._protocol(self.spec.protocol)
        expected_s = self.expected_s(protocol)
        return sum(expected_s.get(step.name, step.expected_s) for step in protocol.steps)

    @property
    def slack_h(self) -> float:
        """Whole hours that its deadline is later than it should be over, once it is urgent; infinite before."""
        if self.spec.deadline is None:
            return math.inf
        protocol, slots = self._protocol(self.spec.protocol), self.started.slots
        each_s = pace_s(protocol, self.expected_s(protocol), slots, self.spec.parallel)
        to_begin = self.budget - self.tried if self.phase == "running" else 0
        to_begin += sum(one.state == "accepted" for one in self.live.values())
        under_way_s = max((left_s(one) for one in self.live.values() if one.state != "accepted"), default=0.0)
        needed_s = under_way_s + to_begin * each_s
        time_s = self.spec.deadline.timestamp() - self.material.now_s
        return math.inf if time_s > URGENT * needed_s else (time_s - needed_s) // HOUR_S

    def finish(self) -> list[Instruction]:
        """End, once nothing is under way any more."""
        if self.phase != "draining" or self.live or self.paused:
            return []
        self._become(self._ending)
        return [Finish(self._ending, self.reason, campaign=self.campaign)]

    def expected_s(self, protocol: ProtocolSpec) -> dict[str, float]:
        """What the steps of a protocol take, lab seconds, by name."""
        return self.durations.expected_s(protocol)

    def calibrations_of(self, experiment: Experiment) -> dict[str, dict[str, Any]]:
        """What its preparations found, by protocol."""
        return self.calibrations

    def offered(self, experiment: Experiment, run: StepRun, outcome: StepOutcome) -> Offered:
        """What a person may decide about a step that has failed, besides repeating it and giving its sample up."""
        return offered(self.started, experiment, run, outcome)

    def edited_params(self, index: int, changed: Mapping[str, Any]) -> Params:
        """The searched parameters of a trial, some of them changed; what else is changed is left out."""
        params = {**self.trials[index].params}
        params |= {name: value for name, value in changed.items() if name in self.spec.space.names}
        return Suggestion(params=params, rationale="").params

    def no_edit(self, experiment: Experiment, event: Answered) -> str:
        """Why a step cannot be repeated with other values, in words; empty if it can."""
        index = self.trial_of(experiment)
        if index is None:
            return "only an experiment has parameters"
        params, space = self.edited_params(index, event.parameters), self.spec.space
        if params != self.trials[index].params:
            if wrong := "; ".join(space.violations(params)):
                return f"{wrong}; the campaign's space does not allow it"
            if (veto := self.proposals.vetoing(params, space)) is not None:
                return veto_words(veto)
        lacking = self.material.allot_again(experiment, event.uses, self.stations).lacking
        return f"{lacking}{self.refill}" if lacking else ""

    def edit(self, experiment: Experiment, run: StepRun, event: Answered) -> None:
        """A step, and those after it, are done with other values; its trial says so."""
        index, protocol = self._trials_of[experiment.label], experiment.protocol
        trial, before = self.trials[index], experiment.parameters
        self.material.promise_again(
            experiment, self.material.allot_again(experiment, event.uses, self.stations)
        )  # fmt: skip
        experiment.edit(protocol.given({**before, **event.parameters}))
        edit = Edit(
            step=run.spec.name,
            params=dict(event.parameters),
            before={name: before.get(name) for name in event.parameters},
            by=event.by,
            because=event.because,
        )
        changes: dict[str, Any] = {"edits": (*trial.edits, edit)}
        if (params := self.edited_params(index, event.parameters)) != trial.params:
            changes |= {"params": params, "predicted": None}  # it was expected of another point
            if self.spec.cost is not None and trial.cost is not None:
                changes["cost"] = self.spec.cost.of(params)
                self.spent += changes["cost"] - trial.cost
        self.proposals.change(index, **changes)
        self._changed()

    def goes_without(self, experiment: Experiment, run: StepRun) -> None:
        """A sample goes on without a step that has failed; its trial says so."""
        if (index := self.trial_of(experiment)) is not None:
            left_out = (*self.trials[index].left_out, f"{run.spec.name}: {run.error}")
            self.proposals.change(index, left_out=left_out)

    def step_done(self, experiment: Experiment, run: StepRun) -> None:
        """A step has ended well: it is known how long it took."""
        self.durations.take(experiment.protocol, run)

    def measured(self, experiment: Experiment) -> str:
        """All that is wanted of an experiment is found; why it cannot be used, empty if it is taken."""
        index = self.trial_of(experiment)
        if index is None:
            return ""
        found = experiment.results()
        protocol = experiment.protocol
        try:
            outcomes = {name: Outcome(mean=found[name], sem=protocol.sem(found, name)) for name in self.spec.outcomes}
            trial = Trial.model_validate(
                {
                    **self.trials[index].model_dump(),
                    "outcomes": outcomes,
                    "measured_params": self._made(protocol, found),
                    "status": "done",
                }
            )
        except ValidationError as error:
            return f"found what cannot be used: {error.errors()[0]['msg']}"
        self.proposals.replace(index, trial)
        self.stopping.take(self.spec, trial)
        return ""

    def _made(self, protocol: ProtocolSpec, found: dict[str, Any]) -> Any:
        """What was really made of the parameters that are searched; of those that are fixed it is a result only."""
        made = protocol.made(found)
        if not isinstance(made, dict):
            return made
        return {name: value for name, value in made.items() if name in self.spec.space.names} or None

    def gave_up(self, experiment: Experiment, kind: FailKind, reason: str) -> None:
        """Nothing more is done for an experiment but to bring its sample out of the lab."""
        index = self.trial_of(experiment)
        if index is None or self.trials[index].status == "done":
            return
        if kind == "infeasible" and self._repeating == self.trials[index].params:
            self._next = None  # what cannot be made is not made again
        if kind == "aborted":
            self.proposals.change(index, status="abandoned", rationale=reason)
        else:
            self.proposals.change(index, status="failed", fail_kind=kind, rationale=reason)

    def fail(self, reason: str) -> None:
        """It cannot continue: what is under way is carried out, and nothing more begins."""
        self._drain("failed", reason)

    def stopped(self, why: str) -> list[Instruction]:
        """A station was stopped from elsewhere: so is the campaign."""
        return self._stop(StopAsked(why=why))

    def leaves_behind(self, experiment: Experiment) -> bool:
        """Whether a sample that was given up may stay where it is: the campaign fails, and it is its last."""
        return self.phase == "draining" and not self.paused and self._ending == "failed" and len(self.live) == 1

    def ended(self, experiment: Experiment) -> None:
        """Nothing is left to be done for an experiment."""
        self.work.fair.ended(experiment, self._dispatcher.terms(self.campaign))
        if experiment.preparation and not experiment.given_up:
            protocol, results = experiment.protocol, experiment.results()
            self.calibrations[protocol.name] = results
            self._to_prepare.pop(0)
            if protocol.valid_s and not experiment.disturbed:
                self.work.keep_prepared(
                    Prepared(
                        protocol=protocol.name,
                        version=protocol.version,
                        campaign=self.campaign,
                        at_s=self.material.now_s,
                        lab_sha256=self.started.lab_sha256,
                        results=results,
                        stations=tuple(sorted(protocol.stations)),
                    )
                )

    def _start(self, event: Started) -> None:
        self._started = event
        self.engine = event.engine
        self.shared = event.shared
        self.budget = event.spec.budget
        self._to_prepare = list(event.spec.prepare)
        self.durations = Durations(event.learnt_s)
        if event.naming == 1:
            self.work.questions.marks[self.campaign] = "?"
        self.phase = "queued"
        self._become("running")
        self.work.dirty.specs.add(self.campaign)

    def _resumed(self, event: Resumed) -> list[Instruction]:
        if self.engine == 1:
            self.proposals.write_anew()
        self.engine = max(self.engine, event.engine)
        self.resting = False
        for experiment in self.live.values():
            experiment.engine = self.engine
        if event.shared is not None and event.shared != self.shared:
            self.shared = event.shared
            for experiment in self.live.values():
                self.work.share(experiment, devices_of(experiment.protocol, self.shared))
        orders: list[Instruction] = [PauseStations(on=True, campaign=self.campaign)] if self.paused else []
        orders += self.work.resumed(self, event.used)
        self.proposals.unwanted = False  # the planner that was asked has ended with the controller
        if self.asking:
            orders.append(Ask(self.asking, self.state(), campaign=self.campaign))
        return orders

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
        self._next, self.replicates_left = (event.suggestion, event.amounts), self.spec.replicates

    def _begin_trial(self, index: int, uses: dict[str, int], begun: Begun) -> None:
        """Begin the experiment of a trial that is running by now."""
        self.tried += 1
        params, spec = self.trials[index].params, self.spec
        if spec.cost is not None:
            cost = spec.cost.of(params)
            self.proposals.change(index, cost=cost)
            self.spent += cost
        protocol = self._protocol(spec.protocol)
        parameters = protocol.given({**params, **spec.fixed})
        label = self.trials[index].id
        wanted = frozenset(result.name for result in protocol.results).union(spec.outcomes)
        promised = dict(begun.promised or uses)
        experiment = Experiment(
            self.campaign, label, self.tried, f"{self.campaign}-{label}", begun.place, begun.place, protocol,
            parameters, wanted, promised, begun.takes,
        )  # fmt: skip
        self._trials_of[label] = index
        if self.engine == 1:
            self.material.take_place(experiment)
        self._begin(experiment)
        self.material.promise(promised)

    def _begin(self, experiment: Experiment) -> None:
        experiment.priority, experiment.engine = self.spec.priority, self.engine
        experiment.devices = devices_of(experiment.protocol, self.shared)
        self.work.begin(experiment, self)

    def _propose(self, event: Proposed) -> None:
        """A person's experiment comes next."""
        self._expect(self.phase == "running", event, f"it is {self.status}")
        params, space = event.suggestion.params, self.spec.space
        wrong = "; ".join(space.violations(params))
        self._expect(not wrong, event, f"{wrong}; the campaign's space does not allow it")
        veto = self.proposals.vetoing(params, space)
        self._expect(veto is None, event, veto_words(veto) if veto else "")
        left = self.budget - self.tried - len(self.proposed)
        self._expect(left > 0, event, f"the budget of {self.budget} experiments is spent or promised")
        lacking = self.material.allot(self.proposals.wanted_in_all(event.amounts), self.stations).lacking
        self._expect(not lacking, event, f"{lacking}{self.refill}")
        self.proposals.want(event.suggestion, event.amounts)

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
        if (again := self._repeating) is not None and covers(event.veto, self.spec.space, again):
            self._next = None

    @property
    def _repeating(self) -> Params | None:
        """Where an experiment has started of which replicates are still to be made; None if there is no such point."""
        if self._next is None or self.replicates_left >= self.spec.replicates:
            return None
        return self._next[0].params

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

    def _pause(self, *, on: bool) -> list[Instruction]:
        self.paused = on
        self._changed()
        return [PauseStations(on=on, campaign=self.campaign)]

    @property
    def _spent_words(self) -> str:
        """Why it ends once its budget is spent."""
        return f"the budget of {self.budget} experiments is spent"

    def no_extension(self, budget: int) -> str:
        """Why it cannot make so many experiments in all; empty if it can."""
        if not self.over:
            if self.phase != "running" and not self._drains_for_budget:
                return f"it is {self.status}: {self.reason}"
            return "" if budget > self.budget else f"its budget is {self.budget} experiments already"
        other = f"start another that learns from it (warm_start: [{self.campaign}])"
        if self.phase != "completed" or self.reason.startswith(DRAINED):
            return f"it is {self.phase}: {self.reason}. Only a campaign that has run out goes on; {other}"
        if budget <= self.tried:
            return f"it has made {self.tried} experiments already; name more than that"
        if reached := self.stopping.reached(self.spec, self.spent):
            return f"its stop rule would end it at once: {reached}; {other}, under another rule"
        return ""

    @property
    def _drains_for_budget(self) -> bool:
        """Whether it only finishes what its budget has left."""
        return self.phase == "draining" and self._ending == "completed" and self.reason == self._spent_words

    def _extend(self, event: Extended) -> None:
        """More experiments; where it ends, or is over, only for want of them, it goes on."""
        why = self.no_extension(event.budget)
        self._expect(not why, event, why)
        drains = self._drains_for_budget
        self.budget = event.budget
        if self.over:
            self._rest()
        if drains:
            self._become("running")
            self.reason = ""
        self._changed()

    def _rest(self) -> None:
        """It was over, and goes on as soon as a controller takes it up."""
        self.resting = True
        self.ended_s = None
        self.reason = ""
        self.stopping.extend(self.spec)
        self.proposals.unwanted = False  # the planner's worker has ended with the campaign
        if self.deck_checked is not None:  # where its samples stand may have to be asked once more
            self.deck_checked = None
            self.work.dirty.questions[f"{self.campaign}:deck"] = None
        self._become("running")

    def _stop(self, event: StopAsked) -> list[Instruction]:
        if event.closeouts and self._has_closeouts:
            return self._close_out(event.why)
        self.paused = False  # nothing is left that could begin
        if self.phase != "draining":
            self._stopping = True
            self._drain("stopped", event.why)
        elif not self._stopping:
            self._stopping, self._ending, self.reason = True, "stopped", event.why
            self._changed()
        under_way = self.work.stop(self)
        return [StopStations(event.why, event.now, campaign=self.campaign)] if under_way else []

    @property
    def _has_closeouts(self) -> bool:
        """Whether a stop lets steps be done that close out: not a second one, nor while nothing may begin."""
        if self.paused or self._stopping or (self.phase == "draining" and self._ending == "stopped"):
            return False
        return any(
            run.spec.always and not run.carrier and run.state not in ("done", "failed", "skipped")
            for experiment in self.live.values()
            for run in experiment.steps.values()
        )

    def _close_out(self, why: str) -> list[Instruction]:
        """End, with what is under way given up; what closes out is done before that."""
        self._drain("stopped", why)
        self._ending, self.reason = "stopped", why
        self._changed()
        return [*self.work.close_out(self)]

    def _stop_sample(self, event: SampleStopAsked) -> list[Instruction]:
        experiment = self.live.get(event.label)
        if experiment is None:
            raise IllegalEventError(unknown("sample under way", event.label, list(self.live)))
        self._expect(not experiment.given_up, event, f"sample {event.label} was given up: {experiment.given_up}")
        stops: list[Instruction] = []
        stops += self.work.stop_sample(experiment, self, event.why, now=event.now)
        if experiment.preparation:
            self.fail(f"preparation {experiment.label}: {event.why}")
        return stops

    def _drain(self, ending: Ending, reason: str) -> None:
        """No further experiment; when those under way have ended, so has the campaign."""
        if self.phase == "draining":
            if ending == "failed" and (self._ending == "completed" or self.paused):
                self._ending, self.reason = ending, reason
                self._changed()
            return
        self._become("draining")
        self._ending, self.reason = ending, reason
        self._next, self.short, self.short_since_s, self.lost = None, "", None, ""
        self.proposals.forget_ask()
        for index in list(self.proposed):
            self.proposals.drop(index, f"it was not started: {reason}")

    def _begin_proposed(self, begun: Begun, uses: dict[str, int]) -> None:
        """Begin the next experiment that a person wants, if the stocks still last."""
        index = next(iter(self.proposed))
        if begun.lacking:
            self.proposals.drop(index, f"it was not started: {begun.lacking}")
            return
        del self.proposed[index]
        self.proposals.begin(index, self.tried + 1)
        self._begin_trial(index, uses, begun)

    def _become(self, phase: CampaignPhase) -> None:
        check_transition("campaign", self.campaign, self.phase, phase)
        self.phase = phase
        self._changed()

    def _changed(self) -> None:
        self.work.dirty.campaigns.add(self.campaign)

    def _protocol(self, name: str) -> ProtocolSpec:
        return next(protocol for protocol in self.started.protocols if protocol.name == name)

    def _expect(self, condition: bool, event: Event, why: str) -> None:
        if not condition:
            raise IllegalEventError(f"{self.campaign} takes no {event.kind!r} now: {why}")
