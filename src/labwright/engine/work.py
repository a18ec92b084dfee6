"""Samples on their way through the lab: steps, loops, skips, what is given up, and what only a person can answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from labwright.engine.dirty import DirtyRows
from labwright.engine.events import Answered, AskPerson, Instruction, Removal, RunStep, Settle, Signed, StopStep
from labwright.engine.experiment import VIA, WHOLE_WAY, Experiment, StepRun
from labwright.engine.fair import FairShare
from labwright.engine.material import Material
from labwright.engine.questions import Offered, Question, Questions, run_of
from labwright.engine.reservations import Reservations
from labwright.model.by_hand import ByHand
from labwright.model.errors import LabwrightError, unknown
from labwright.model.manual import DONE, SIGNED_BY, SIMULATED_PERSON
from labwright.model.material import Used
from labwright.model.protocol import TRIED_AGAIN, FailKind, Prepared, ProtocolSpec, StepOrder, StepOutcome
from labwright.model.records import Follow

AGAIN, SKIP = "again", "skip"
"""Answers to the question about a step that has failed: it is repeated, or left out."""


class IllegalEventError(LabwrightError):
    """An event that cannot happen in the present state: a bug, a journal of another campaign, or a late command."""


class Owner(Protocol):
    """What wants experiments carried out, such as a campaign: the questions it answers, and what is reported to it."""

    @property
    def campaign(self) -> str:
        """Its id."""

    @property
    def stop_asked(self) -> bool:
        """Whether what is under way is given up, not carried out."""

    @property
    def reason(self) -> str:
        """Why it ends, in words."""

    def expected_s(self, protocol: ProtocolSpec) -> dict[str, float]:
        """What the steps of a protocol take, lab seconds, by name."""

    def calibrations_of(self, experiment: Experiment) -> dict[str, dict[str, Any]]:
        """What its preparations found, by protocol."""

    def offered(self, experiment: Experiment, run: StepRun, outcome: StepOutcome) -> Offered:
        """What a person may decide about a step that has failed, besides repeating it and giving its sample up."""

    def no_edit(self, experiment: Experiment, event: Answered) -> str:
        """Why a step cannot be repeated with other values, in words; empty if it can."""

    def edit(self, experiment: Experiment, run: StepRun, event: Answered) -> None:
        """A step, and those after it, are done with other values."""

    def goes_without(self, experiment: Experiment, run: StepRun) -> None:
        """A sample goes on without a step that has failed."""

    def step_done(self, experiment: Experiment, run: StepRun) -> None:
        """A step has ended well."""

    def measured(self, experiment: Experiment) -> str:
        """All that is wanted of an experiment is found; why it cannot be used, empty if it is taken."""

    def gave_up(self, experiment: Experiment, kind: FailKind, reason: str) -> None:
        """Nothing more is done for an experiment but to bring its sample out of the lab."""

    def fail(self, reason: str) -> None:
        """It cannot continue: what is under way is carried out, and nothing more begins."""

    def stopped(self, why: str) -> list[Instruction]:
        """A station was stopped from elsewhere."""

    def leaves_behind(self, experiment: Experiment) -> bool:
        """Whether a sample that was given up may stay where it is, since nothing will pass there."""

    def ended(self, experiment: Experiment) -> None:
        """Nothing is left to be done for an experiment."""


@dataclass
class Work:
    """All experiments under way in a lab, by owner and label.

    Attributes:
        dirty: collects what has changed.
        reservations: of stations and positions.
        material: containers and stocks.
        questions: what waits for a person.
        live: experiments under way, by owner and label, in the order in which they began.
        look: ids of those that something has happened to, or that wait for what another has.
        turns: how many experiments there were.
        last_turn: the highest turn of those of which a step has started.
        fair: what each campaign and project has had of the lab.
        preparations: what was found with the newest of each whose results campaigns share, by protocol. Not part of
            the state: the journal has it, and what was decided by it is an event.
    """

    dirty: DirtyRows
    reservations: Reservations
    material: Material
    questions: Questions
    live: dict[str, dict[str, Experiment]] = field(default_factory=dict)
    look: set[str] = field(default_factory=set)
    turns: int = 0
    last_turn: int = 0
    fair: FairShare = field(default_factory=FairShare)
    preparations: dict[str, Prepared] = field(default_factory=dict)
    _claims: dict[str, frozenset[str]] = field(default_factory=dict)
    _changed: dict[str, Experiment] = field(default_factory=dict)
    _at: dict[str, tuple[Experiment, StepRun]] = field(default_factory=dict)
    """Steps that stations carry out, by id."""

    def of(self, owner: str) -> dict[str, Experiment]:
        """An owner's experiments under way, by label."""
        return self.live.get(owner, {})

    def begin(self, experiment: Experiment, owner: Owner) -> None:
        """An experiment begins."""
        self.turns += 1
        experiment.turn = experiment.seen = self.turns
        experiment.began_s = self.material.now_s
        experiment.begin(owner.expected_s(experiment.protocol))
        self.live.setdefault(experiment.owner, {})[experiment.label] = experiment
        self._touch(experiment, *experiment.steps.values())

    def claimed_by_name(self) -> set[str]:
        """What samples under way whose protocols move their own containers may still take, preparations included."""
        live = (one for live in self.live.values() for one in live.values())
        return {resource for one in live if not one.brought for resource in self.claims(one)}

    @property
    def limits(self) -> int:
        """How many samples under way have a wait that is limited."""
        return sum(one.protocol.limits_waits for live in self.live.values() for one in live.values())

    def claims(self, experiment: Experiment) -> frozenset[str]:
        """Positions and shared devices that the steps of an experiment that are left may take."""
        known = self._claims.get(experiment.id)
        if known is None:
            known = self._claims[experiment.id] = experiment.claims()
        return known

    def preparing(self, protocol: str) -> Experiment | None:
        """A preparation under way with this protocol; None if no campaign makes one."""
        for experiments in self.live.values():
            made = experiments.get(protocol)
            if made is not None and made.preparation and not made.given_up:
                return made
        return None

    def shared_preparations(self) -> frozenset[str]:
        """Names of the preparations under way whose results campaigns share."""
        live = [one for experiments in self.live.values() for one in experiments.values()]
        return frozenset(one.label for one in live if one.preparation and one.protocol.valid_s and not one.given_up)

    def keep_prepared(self, prepared: Prepared) -> None:
        """A preparation has found what other campaigns may use too."""
        self.preparations[prepared.protocol] = prepared
        self.dirty.preparations.add(prepared.protocol)

    def _disturb(self, work: ByHand) -> None:
        """Something is set by hand: what was prepared where that is holds no more, nor what is being prepared there."""
        if work.axis is None:
            return
        for name in [one for one, made in self.preparations.items() if made.disturbed(work.disturbs)]:
            del self.preparations[name]
            self.dirty.preparations.add(name)
        for one in (one for live in self.live.values() for one in live.values() if one.preparation):
            one.disturbed = one.disturbed or not one.protocol.stations.isdisjoint(work.disturbs)

    def void(self, campaign: str, names: Iterable[str]) -> None:
        """What a campaign has prepared may not be used: no other takes it over."""
        for name in names:
            if (made := self.preparations.get(name)) is not None and made.campaign == campaign:
                del self.preparations[name]
                self.dirty.preparations.add(name)

    def forget_prepared(self) -> None:
        """The instruments are others now: nothing that was found with the ones before holds."""
        self.dirty.preparations.update(self.preparations)
        self.preparations.clear()

    @property
    def something_runs(self) -> bool:
        """Whether a station carries out a step."""
        return any(run.state == "running" for _, run in self._at.values())

    def share(self, experiment: Experiment, devices: dict[str, tuple[str, ...]]) -> None:
        """Other devices are shared than before: an experiment has those whose use has started.

        Args:
            experiment: under way.
            devices: which it takes, by step.
        """
        experiment.devices = devices
        experiment.recipes.clear()
        vars(experiment).pop("terms", None)
        self._touch(experiment)
        used = {name for name, run in experiment.steps.items() if run.active or run.round > 1 or run.begun}
        used |= set(experiment.found)
        for resource in sorted(f"device:{one}" for name in used for one in devices.get(name, ())):
            if resource in self.claims(experiment):
                self.reservations.give(experiment, resource)

    def runs(self, step_id: str) -> bool:
        """Whether a station carries out this step."""
        return step_id in self._at

    def find(self, step_id: str) -> tuple[Experiment, StepRun]:
        """The experiment and the step that a station carries out.

        Raises:
            IllegalEventError: it carries out no such step.
        """
        found = self._at.get(step_id)
        if found is None:
            raise IllegalEventError(
                f"step {step_id} ended, but it does not run; {unknown('running step', step_id, list(self._at))}"
            )
        return found

    def start(self, experiment: Experiment, run: StepRun, owner: Owner) -> list[Instruction]:
        """A step begins, which has all that it needs; one that a person does with its card."""
        if run.state == "waiting":
            run.become("ready")
        run.become("reserved")
        run.become("running")
        run.ordered_s = self.material.now_s
        if experiment.state == "accepted":
            experiment.become("active")
        if experiment.protocol.by_hand is not None:
            self._disturb(experiment.protocol.by_hand)
        self.last_turn = max(self.last_turn, experiment.turn)
        self._goes_on(experiment)
        self._at[run.step_id] = experiment, run
        self.dirty.experiments[experiment.id] = experiment
        self.dirty.steps[run.step_id] = experiment, run
        if experiment.protocol.uses_up and not run.begun:
            self.material.use_up(experiment)
        order = self.order(experiment, run, owner)
        if run.spec.manual is None:
            return [order]
        card = self.questions.of_task(experiment, run, run.spec.manual, self.material.now_s)
        return [order, AskPerson(card.id, card.text, campaign=experiment.owner)]

    def moved(self, experiment: Experiment, run: StepRun) -> None:
        """A move of an experiment's container is made."""
        self._touch(experiment, run)

    def batch_orders(self, leader: str) -> tuple[StepOrder, ...]:
        """What is carried out with the order of a step, for other samples of its batch.

        Args:
            leader: id of the step.
        """
        return tuple(
            experiment.order(run, {}, self.material.sources(experiment, run.station))
            for experiment, run in self._at.values()
            if run.follows and run.batch == leader
        )

    def order(self, experiment: Experiment, run: StepRun, owner: Owner) -> RunStep:
        """The order for a step's station."""
        sources = self.material.sources(experiment, run.station)
        again, order = run.again, experiment.order(run, owner.calibrations_of(experiment), sources)
        run.begun, run.again = True, False
        timeout_s = run.spec.timeout_s if run.spec.manual is None else math.inf
        return RunStep(run.station, order, timeout_s, again=again, batch=run.batch)

    def ended(self, outcome: StepOutcome, owner: Owner) -> list[Instruction]:
        """A station has ended a step.

        Raises:
            IllegalEventError: it carries out no such step.
        """
        experiment, run = self.find(outcome.step_id)
        del self._at[run.step_id]
        if run.spec.manual is not None:
            self._close_card(run, outcome)
        run.ended_s = outcome.ended_s
        experiment.seen = max(self.last_turn, experiment.turn)
        run.error = outcome.error
        if not run.carrier:
            experiment.spent_s += max(0.0, outcome.ended_s - outcome.started_s)
        self.material.use(experiment, run, outcome.used)
        if outcome.state == "done":
            self._done(experiment, run, outcome, owner)
            return []
        run.become("unknown")
        self._touch(experiment, run)
        if outcome.fail_kind != "infeasible" and (outcome.state != "stopped" or outcome.doubt is not None):
            self.material.doubt(experiment, run)
        if outcome.state == "stopped" and not owner.stop_asked and not experiment.given_up:
            # A stopped station holds the sample that was there; in engine 1 it ended the campaign.
            if experiment.engine == 1:
                return owner.stopped(outcome.error)
            return self._ask(experiment, run, outcome, owner)
        if owner.stop_asked or outcome.state == "stopped":
            self._lost(experiment, run)
            self.give_up(experiment, owner, owner.reason)
        elif outcome.state == "unknown" or (outcome.doubt is not None and outcome.fault is not None):
            return self._ask(experiment, run, outcome, owner)
        elif outcome.fail_kind == "infeasible":
            self._lost(experiment, run)
            reason = f"step {run.spec.name}: {outcome.error}"
            self.give_up(experiment, owner, reason, "infeasible")
            if experiment.preparation and experiment.engine > 1:  # started again, it could not be made either
                owner.fail(f"preparation {experiment.label}, {reason}")
        elif run.attempt <= run.spec.retries and outcome.doubt is None and outcome.fault in TRIED_AGAIN:
            self._again(experiment, run)
        else:
            return self._by_policy(experiment, run, outcome, owner)
        return []

    def _close_card(self, run: StepRun, outcome: StepOutcome) -> None:
        """The step of a card has ended at its station: stopped, or done by a simulated person."""
        card = self.questions.card_of(run.step_id)
        if card is None:
            return
        if outcome.state != "done":
            self.questions.withdraw_step(run.step_id, outcome.error)
            return
        readings = {name: value for name, value in outcome.results.items() if name != SIGNED_BY}
        by = str(outcome.results.get(SIGNED_BY, SIMULATED_PERSON))
        signed = Answered.model_construct(question=card.id, answer=DONE, by=by, because="simulated", readings=readings)
        self.questions.answered(signed)

    def _signed(self, card: Question, event: Answered, owner: Owner) -> list[Instruction]:
        """A person has signed a card: its step has ended, and its station need not wait for it.

        Raises:
            IllegalEventError: it cannot be signed in this way; nothing was changed.
        """
        experiment, run = self.find(card.step_id)
        manual, done = run.spec.manual, event.answer == DONE
        if manual is None:
            raise IllegalEventError(f"step {run.step_id} is no person's")
        if wrong := manual.wrong(event.readings) if done else [*event.readings]:
            words = "; ".join(wrong) if done else f"what was not done has no readings, leave {', '.join(wrong)} out"
            raise IllegalEventError(f"task card {card.id}: {words}; nothing was recorded")
        self.questions.answered(event)
        now_s = self.material.now_s
        order = experiment.order(run, {})
        outcome = StepOutcome(
            step_id=run.step_id,
            state="done" if done else "failed",
            results={**manual.taken(event.readings), SIGNED_BY: event.by} if done else {},
            fail_kind=None if done else "equipment",
            fault=None if done else "equipment",
            error="" if done else f"{event.by} could not do it: {event.because}",
            run_uids=(run_of(event),),
            started_s=now_s if run.ordered_s is None else run.ordered_s,
            ended_s=now_s,
        )
        return [Signed(run.station, order, outcome), *self.ended(outcome, owner)]

    def _by_policy(self, experiment: Experiment, run: StepRun, outcome: StepOutcome, owner: Owner) -> list[Instruction]:
        """A step has failed, and is not tried again by itself: what its protocol says is done."""
        policy = run.spec.policy(outcome.fault)
        if policy == "ask":
            return self._ask(experiment, run, outcome, owner)
        if policy == "skip":
            self._leave_out_step(experiment, run, owner)
            return []
        self._lost(experiment, run)
        what = "preparation" if experiment.preparation else "experiment"
        reason = f"{what} {experiment.label}, step {run.spec.name}: {outcome.error}"
        if policy == "quarantine":
            experiment.set_aside, experiment.quarantine = True, reason
        self.give_up(experiment, owner, reason, "equipment")
        if policy == "stop" or experiment.preparation:
            owner.fail(reason)
        return []

    def _leave_out_step(self, experiment: Experiment, run: StepRun, owner: Owner) -> None:
        """A sample goes on without a step that has failed; its error stays, so that it is known why."""
        self._ready(experiment, run)
        run.become("skipped")
        self._without(experiment, run, owner)

    def _without(self, experiment: Experiment, run: StepRun, owner: Owner) -> None:
        """A step is left out: nothing is known by it."""
        experiment.found.pop(run.spec.name, None)  # of an earlier round of a loop
        self._touch(experiment, run)
        owner.goes_without(experiment, run)
        self._measured(experiment, owner)

    def overdue(self, key: str, owner: Owner) -> None:
        """No person has answered a question in time: its sample is parked, and the question stays open.

        Where it is safe, the step's station is left to others and the sample is brought back to its place; else both
        stay as they are.

        Raises:
            IllegalEventError: it is not open, or no deadline of it can pass.
        """
        question = self.questions.open.get(key)
        if question is None or question.owner != owner.campaign or question.then != "park":
            raise IllegalEventError(f"question {key} is not open, or has no deadline that could pass")
        experiment = self.live[question.owner][question.label]
        run = next(run for run in experiment.steps.values() if run.step_id == question.step_id)
        aside = question.movable and experiment.may_step_aside(run)
        self.questions.parked(question, experiment, aside=aside)
        if aside:
            experiment.booked.pop(run.spec.name, None)
            self._ready(experiment, run)
            run.parked = True

    def answered(self, event: Answered, owner: Owner) -> list[Instruction]:
        """A person has answered a question.

        Raises:
            IllegalEventError: there is no such question or answer.
        """
        question = self.questions.open.get(event.question) or self.questions.cards.get(event.question)
        if question is None or question.owner != owner.campaign:
            every = {**self.questions.open, **self.questions.cards}
            mine = [key for key, one in every.items() if one.owner == owner.campaign]
            raise IllegalEventError(unknown("open question", event.question, mine))
        if event.answer not in question.choices:
            raise IllegalEventError(unknown(f"answer to {event.question}", event.answer, list(question.choices)))
        if question.task is not None:
            if event.parameters:
                raise IllegalEventError(f"{event.question} is a task card, and has no parameters; nothing was recorded")
            return self._signed(question, event, owner)
        if event.readings:
            raise IllegalEventError(f"{event.question} is no task card, and has no readings; nothing was recorded")
        experiment = self.live[question.owner][question.label]
        if event.parameters:
            self._refuse_edit(experiment, question, event, owner)
        self.questions.answered(event)
        settled: list[Instruction] = []
        if question.step_id:
            settled = self._step_answered(experiment, question, event, owner)
        elif question.frees:
            if (holder := self.reservations.taken.get(question.frees)) and not self.has(holder.owner, holder.label):
                self.reservations.free(question.frees)
                self.material.removed(f"{holder.owner}/{holder.label}")
            elif holder is None:
                self.material.cleared(question.frees.removeprefix("position:"))
        else:
            self._taken_out(experiment, event, owner)
        self._let_go(experiment)
        return settled

    @staticmethod
    def _refuse_edit(experiment: Experiment, question: Question, event: Answered, owner: Owner) -> None:
        """Refuse other values than those that a step can be repeated with.

        Raises:
            IllegalEventError: with the reason; nothing was changed.
        """
        if event.answer != AGAIN:
            raise IllegalEventError(f"{event.question}: other values go with the answer {AGAIN}; nothing was recorded")
        known = [str(one["name"]) for one in question.parameters]
        wrong = [unknown("parameter to repeat it with", name, known) for name in event.parameters if name not in known]
        if why := "; ".join(wrong) or owner.no_edit(experiment, event):
            raise IllegalEventError(f"{event.question}: {why}; nothing was recorded")

    def has(self, owner: str, label: str) -> bool:
        """Whether an experiment is under way."""
        return label in self.of(owner)

    def restore(self, experiment: Experiment) -> None:
        """An experiment is under way, as a snapshot has it."""
        self.live.setdefault(experiment.owner, {})[experiment.label] = experiment
        self.look.add(experiment.id)
        self._at |= {run.step_id: (experiment, run) for run in experiment.running if run.state == "running"}

    def leave_out(self, owner: str) -> None:
        """Know nothing of an owner: its samples stay where they are, and others may have what it had."""
        for experiment in self.of(owner).values():
            self.material.release(experiment)
            self._claims.pop(experiment.id, None)
            self.look.discard(experiment.id)
        self._at = {key: (one, run) for key, (one, run) in self._at.items() if one.owner != owner}
        for resource in self.reservations.of_owner(owner):
            self.reservations.free(resource)
        self.questions.leave_out(owner)
        self.forget(owner)

    def forget(self, owner: str) -> None:
        """An owner is over, and none of its experiments is under way."""
        self.live.pop(owner, None)
        self.fair.forget(owner)
        self.questions.forget(owner)
        self.material.entries.pop(owner, None)

    def ask_removal(self, experiment: Experiment, removal: Removal) -> list[Instruction]:
        """Ask a person to take something out of the lab, without which the experiment cannot go on."""
        if not removal.resource:
            return self._hold(experiment, self.questions.of_removal(experiment, removal.why))
        return self._hold(experiment, self.questions.of_left_behind(experiment, removal.resource, removal.left))

    def stop(self, owner: Owner) -> bool:
        """Give up all of an owner's samples; whether a station still works on one."""
        for experiment in list(self.of(owner.campaign).values()):
            for run in experiment.running:
                if run.state == "unknown":
                    self._lost(experiment, run)
            self.questions.withdraw(experiment, owner.reason)
            self._let_go(experiment)
            self.give_up(experiment, owner, owner.reason)
        return any(experiment.running for experiment in self.of(owner.campaign).values())

    def close_out(self, owner: Owner) -> list[StopStep]:
        """Give up all of an owner's samples, each where it stands; what closes out is done before they end."""
        stops: list[StopStep] = []
        for experiment in list(self.of(owner.campaign).values()):
            experiment.stays = True
            self._touch(experiment)
            if not experiment.given_up:
                stops += self.stop_sample(experiment, owner, owner.reason, now=False)
        return stops

    def stop_sample(self, experiment: Experiment, owner: Owner, why: str, *, now: bool) -> list[StopStep]:
        """Give one sample up; what stations do for it ends."""
        stops = [StopStep(run.step_id, run.station, why, now) for run in experiment.running if self.runs(run.step_id)]
        for run in experiment.running:
            if run.state == "unknown":
                self._lost(experiment, run)
        self.questions.withdraw(experiment, why)
        self._let_go(experiment)
        self.give_up(experiment, owner, why)
        return stops

    def resumed(self, owner: Owner, used: Mapping[str, Mapping[str, Used]]) -> list[Instruction]:
        """Stations get the orders again that the last controller left under way; they know what is done of them."""
        orders: list[Instruction] = []
        for experiment in self.of(owner.campaign).values():
            self.material.follow(experiment)
            for run in experiment.running:
                if run.state != "running":
                    continue
                self.material.use(experiment, run, used.get(run.step_id, {}))
                if owner.stop_asked:
                    run.error = "the controller ended while it was being stopped"
                    self._lost(experiment, run)
                else:
                    orders.append(self.order(experiment, run, owner))
            if owner.stop_asked:
                self.give_up(experiment, owner, owner.reason)
        return orders

    def give_up(self, experiment: Experiment, owner: Owner, reason: str, kind: FailKind = "aborted") -> None:
        """Nothing more is done for this sample but to bring it out of the lab; its measurements stay."""
        experiment.stays = experiment.stays or owner.stop_asked
        unknown = experiment.brought and experiment.in_gripper  # where it is: nothing can be done to it
        for run in experiment.steps.values():
            if run.parked:  # that one has failed: what closes out comes after it
                run.parked = False
                run.become("skipped")
                self.questions.withdraw_step(run.step_id, reason)
                self._let_go(experiment)
                self._touch(experiment, run)
            stays = experiment.given_up or (run.spec.always and not run.carrier)  # no move is made again
            if run.state in ("waiting", "ready") and (owner.stop_asked or not stays or (unknown and run.spec.sample)):
                run.become("skipped")
                self._touch(experiment, run)
        self._touch(experiment)
        if experiment.given_up:
            return
        if experiment.engine >= WHOLE_WAY:
            self._leave_way(experiment, all_of_it=True)  # it goes another way from here
        experiment.given_up = experiment.reason = reason
        owner.gave_up(experiment, kind, reason)

    def settle(self, owners: Mapping[str, Owner]) -> list[Instruction]:
        """What follows from what has changed: steps are skipped, experiments end, or wait to be taken away."""
        asked: list[Instruction] = []
        while self._changed:
            changed, self._changed = self._changed, {}
            for experiment in changed.values():
                if self.of(experiment.owner).get(experiment.label) is not experiment:
                    continue
                owner = owners[experiment.owner]
                self._skip(experiment, owner)
                self.reservations.leave_devices(experiment, self.claims(experiment))
                self.reservations.leave_stations(experiment)
                if experiment.booked:
                    self._leave_booked(experiment)
                if not experiment.over:
                    continue
                if self._left_behind(experiment, owner):
                    asked += self._hold(experiment, self.questions.of_removal(experiment))
                elif experiment.state != "held":
                    self._over(experiment, owner)
        return asked

    def _leave_booked(self, experiment: Experiment) -> None:
        """Positions that were kept for steps that will not need them any more are free."""
        for key, position in list(experiment.booked.items()):
            if key.startswith(VIA) and experiment.engine >= WHOLE_WAY:
                continue
            run = experiment.steps.get(key)
            if run is not None and run.state not in ("done", "failed", "skipped"):
                continue
            if (
                run is None
                and not experiment.given_up
                and experiment.stands_at != position
                and self._on_way(experiment)
            ):
                continue  # it only lies on the way, and the sample has not been there yet
            if position != experiment.stands_at:
                if not any(one.spec.moves_to == position for one in experiment.running):
                    del experiment.booked[key]
                    if position not in experiment.booked.values():
                        self.reservations.let_go(experiment, f"position:{position}")
            elif run is not None:
                del experiment.booked[key]

    def _leave_way(self, experiment: Experiment, *, all_of_it: bool) -> None:
        """Positions on its way are free: those behind it, or all of them, but where it stands or is being put down.

        Args:
            experiment: the sample.
            all_of_it: whether it has come to the end of its way, or goes another; else those before where it stands.
        """
        ways = [key for key in experiment.booked if key.startswith(VIA)]
        here = f"{VIA}{experiment.stands_at}"
        for key in ways if all_of_it or here not in ways else ways[: ways.index(here)]:
            position = experiment.booked[key]
            put_down = any(one.spec.moves_to == position for one in experiment.running)
            if put_down or (position == experiment.stands_at and not all_of_it):
                continue
            del experiment.booked[key]
            if position != experiment.stands_at and position not in experiment.booked.values():
                self.reservations.let_go(experiment, f"position:{position}")

    def _on_way(self, experiment: Experiment) -> bool:
        return bool(experiment.running) or any(run.carrier and not run.settled for run in experiment.steps.values())

    def _done(self, experiment: Experiment, run: StepRun, outcome: StepOutcome, owner: Owner) -> None:
        run.become("done")
        self.material.looked_into(experiment, run.step_id)
        self.reservations.done(experiment, run)
        experiment.take(run, outcome)
        if run.carrier and experiment.engine >= WHOLE_WAY:
            self._leave_way(experiment, all_of_it=f"{VIA}{experiment.stands_at}" not in experiment.booked)
        owner.step_done(experiment, run)
        self._touch(experiment, run)
        if experiment.given_up == "":
            self._loop(experiment, run, owner)
            self._measured(experiment, owner)

    def _loop(self, experiment: Experiment, run: StepRun, owner: Owner) -> None:
        """Another round, if the loop that ends here has not reached what it is for."""
        repeat = run.spec.repeat
        if repeat is None or run.round >= repeat.at_most:
            return
        try:
            reached = repeat.until.holds(experiment.found)
        except KeyError as error:
            words = f"protocol {experiment.protocol.name}, step {run.spec.name}: repeat: {error.args[0]}"
            self._fail(experiment, owner, words)
            return
        if not reached:
            for name in experiment.again(run.spec, owner.expected_s(experiment.protocol)):
                position = experiment.booked.pop(name, experiment.stands_at)
                if position not in (experiment.stands_at, *experiment.booked.values()):
                    self.reservations.let_go(experiment, f"position:{position}")
            self._touch(experiment, *experiment.steps.values())

    def _measured(self, experiment: Experiment, owner: Owner) -> None:
        """All that is wanted of it is found, and no loop will find it again: its owner may learn it."""
        if experiment.state not in ("active", "held") or experiment.given_up or experiment.measured:
            return
        found = experiment.results()
        left = {run.spec.name for run in experiment.steps.values() if run.state not in ("done", "skipped", "failed")}
        if missing := [name for name in sorted(experiment.wanted) if name not in found]:
            if not left:
                self._has_not_found(experiment, missing, owner)
            return
        if any(name in left and experiment.wanted & set(here) for name, here in experiment.found.items()):
            return  # another round of a loop will find it again
        if refused := owner.measured(experiment):
            self._fail(experiment, owner, f"protocol {experiment.protocol.name} {refused}")
            return
        experiment.measured = True
        if experiment.state == "active":
            experiment.become("measured")
        self._touch(experiment)

    def _has_not_found(self, experiment: Experiment, missing: list[str], owner: Owner) -> None:
        """No step is left, and something that was promised is not found: by a fault, or by a protocol that is wrong."""
        left_out = [run for run in experiment.steps.values() if run.state == "skipped" and run.error]
        found = ", ".join(experiment.results()) or "nothing"
        words = f"promised {', '.join(missing)}; found {found}"
        if not left_out:
            self._fail(experiment, owner, f"protocol {experiment.protocol.name} {words}")
            return
        why = "; ".join(f"step {run.spec.name} was skipped: {run.error}" for run in left_out)
        reason = f"experiment {experiment.label}: {words}; {why}"
        self.give_up(experiment, owner, reason, "equipment")
        if experiment.preparation:
            owner.fail(reason)

    def _fail(self, experiment: Experiment, owner: Owner, reason: str) -> None:
        """Every step ended well, and still the results are not those the protocol declares."""
        self.give_up(experiment, owner, reason, "equipment")
        owner.fail(reason)

    def _skip(self, experiment: Experiment, owner: Owner) -> None:
        """Skip steps whose condition does not hold; one may let another be skipped."""
        again = True
        while again:
            again = False
            for run in list(experiment.startable()):
                condition = run.spec.when
                if condition is None or run.state != "waiting":
                    continue
                try:
                    holds = condition.holds(experiment.found)
                except KeyError as error:
                    if experiment.given_up:  # what it depends on was never found, and will not be
                        run.become("skipped")
                        self._touch(experiment, run)
                        again = True
                        continue
                    words = f"protocol {experiment.protocol.name}, step {run.spec.name}: {error.args[0]}"
                    self._fail(experiment, owner, words)
                    return
                if not holds:
                    run.become("skipped")
                    self._touch(experiment, run)
                    self._measured(experiment, owner)
                    again = True

    def _over(self, experiment: Experiment, owner: Owner) -> None:
        if not experiment.given_up:
            if experiment.state == "accepted":
                experiment.become("active")
            self._measured(experiment, owner)  # what every step has skipped past
        if experiment.given_up:
            experiment.become("abandoned")
        else:
            if experiment.state == "active":
                experiment.become("measured")
            experiment.become("complete")
        self.reservations.leave(experiment)
        self.material.close(experiment)
        self.dirty.experiments[experiment.id] = experiment
        self._changed.pop(experiment.id, None)
        self.look.discard(experiment.id)
        self._claims.pop(experiment.id, None)
        del self.live[experiment.owner][experiment.label]
        owner.ended(experiment)

    def _ask(self, experiment: Experiment, run: StepRun, outcome: StepOutcome, owner: Owner) -> list[Instruction]:
        """The sample waits, and its station with it; everything else continues."""
        stock = outcome.part.stock if outcome.part is not None else ""
        offered = owner.offered(experiment, run, outcome)
        question = self.questions.of_step(
            experiment, run, outcome, self.material.left(stock), self.material.now_s, offered
        )
        asked = self._hold(experiment, question)
        self._touch(experiment, run)
        return asked

    def _left_behind(self, experiment: Experiment, owner: Owner) -> bool:
        """Whether a sample that was given up stands where others must pass."""
        if experiment.state == "held" or owner.stop_asked or experiment.stays or not experiment.given_up:
            return False
        if experiment.stands_at in ("", experiment.place) or owner.leaves_behind(experiment):
            return False
        return f"position:{experiment.stands_at}" in self.reservations.taken

    def _hold(self, experiment: Experiment, question: Question) -> list[Instruction]:
        """Hold a sample until a person has answered."""
        if experiment.state == "accepted":
            experiment.become("active")
        if experiment.state != "held":
            experiment.become("held")
        self._touch(experiment)
        return [AskPerson(question.id, question.text, campaign=experiment.owner)]

    def _let_go(self, experiment: Experiment) -> None:
        """Hold a sample no longer, once no question about it is open."""
        if experiment.state == "held" and not self.questions.about(experiment):
            experiment.become("measured" if experiment.measured else "active")
            self._touch(experiment)

    def _goes_on(self, experiment: Experiment) -> None:
        """A person need not take anything out for a sample whose next step starts after all."""
        if experiment.state == "held":
            steps = {run.step_id for run in experiment.steps.values()}
            self.questions.withdraw(experiment, "it could continue", but=steps)
            self._let_go(experiment)

    def _step_answered(
        self, experiment: Experiment, question: Question, event: Answered, owner: Owner
    ) -> list[Instruction]:
        run = next(run for run in experiment.steps.values() if run.step_id == question.step_id)
        self.material.looked_into(experiment, run.step_id)
        settled: list[Instruction] = []
        if event.parameters:
            owner.edit(experiment, run, event)
        if question.doubt is not None:
            settled = self._settle(experiment, run, question, question.doubt, event)
        if run.parked:
            self._aside_answered(experiment, run, question, event, owner)
        elif event.answer == "abandon":
            self._lost(experiment, run, seen=True)
            taken_out = not any(self.runs(one.step_id) and one.spec.sample for one in experiment.running)
            if taken_out:  # else a station has it
                experiment.stands_at, experiment.cleared = "", True
            reason = f"given up by {event.by}: {event.because or question.text}"
            self.give_up(experiment, owner, reason, "equipment")
            if experiment.preparation:
                owner.fail(f"preparation {experiment.protocol.name}, step {run.spec.name}: {reason}")
            if taken_out:
                self._nothing_left(experiment, reason, but_closeouts=event.closeouts)
        elif event.answer == SKIP:
            self._said_to_leave_out(run, event)
            self._leave_out_step(experiment, run, owner)
        elif question.doubt is None or event.parameters:
            self._again(experiment, run)
        else:
            self._ready(experiment, run)
        return settled

    @staticmethod
    def _said_to_leave_out(run: StepRun, event: Answered) -> None:
        """A person has decided that a step is left out, and why stays with it."""
        run.error = f"{run.error}; left out by {event.by}: {event.because}"

    def _aside_answered(
        self, experiment: Experiment, run: StepRun, question: Question, event: Answered, owner: Owner
    ) -> None:
        """A person has answered about a sample that stands aside: its step is done once more, or it is brought out."""
        if event.answer == "abandon":
            self.give_up(experiment, owner, f"given up by {event.by}: {event.because or question.text}", "equipment")
            return
        run.parked = False
        if event.answer == SKIP:
            self._said_to_leave_out(run, event)
            run.become("skipped")
            self._without(experiment, run, owner)
            return
        run.attempt += 1
        run.again = True
        self._touch(experiment, run)

    def _settle(
        self, experiment: Experiment, run: StepRun, question: Question, doubt: int, event: Answered
    ) -> list[Instruction]:
        """Write down what becomes of an operation in doubt."""
        part, confirmed = question.part, event.answer == "done"
        if part is None or confirmed:
            if event.answer == "abandon":
                return []
            state: Literal["confirmed", "absent"] = "confirmed" if confirmed else "absent"
            return [Settle(run.step_id, doubt, state, event.by, event.because)]
        follow: Follow = "rest" if event.answer == "rest" else "again" if event.answer == "again" else ""
        if part.stock:
            settled = Used(amount=part.counted_amount, unknown=-part.amount)
            now = {part.stock: run.used.get(part.stock, Used()) + settled}
            self.material.use(experiment, run, now)
        if event.parameters:  # nothing of it is counted, and it is done with other values: it has not happened
            return [Settle(run.step_id, doubt, "absent", event.by, event.because)]
        return [Settle(run.step_id, doubt, "confirmed", event.by, event.because, part, follow)]

    def _taken_out(self, experiment: Experiment, event: Answered, owner: Owner) -> None:
        """A person has taken a sample's container out of the lab; nothing is left to be done for it."""
        experiment.stands_at, experiment.cleared = "", True
        if not experiment.given_up:
            reason = f"taken out of the lab by {event.by}: {event.because or 'it was in the way of others'}"
            self.give_up(experiment, owner, reason)
            if experiment.preparation:
                owner.fail(f"preparation {experiment.protocol.name}: {reason}")
        self._nothing_left(experiment, experiment.given_up, but_closeouts=event.closeouts)

    def _nothing_left(self, experiment: Experiment, why: str, *, but_closeouts: bool) -> None:
        """A person has taken its container out of the lab: nothing can be done to it, and nothing need be known.

        Args:
            experiment: given up.
            why: for people.
            but_closeouts: whether what closes out without the sample is done; it was not in earlier releases.
        """
        for run in experiment.steps.values():
            if but_closeouts and run.cut_off:  # a person has seen to what was at its station
                run.cut_off = False
                holder = self.reservations.taken.get(run.unit)
                if holder is not None and holder.step_id == run.step_id:
                    self.reservations.release_station(run)
                self._touch(experiment, run)
            if but_closeouts and run.spec.always and not run.spec.sample:
                continue
            if run.state in ("waiting", "ready"):
                run.become("skipped")
                self._touch(experiment, run)
            elif run.state == "unknown" and run.spec.sample:
                self._lost(experiment, run, seen=True)
        doubtful = {run.step_id for run in experiment.running}
        self.questions.withdraw(experiment, why, but=doubtful)

    def _lost(self, experiment: Experiment, run: StepRun, *, seen: bool = False) -> None:
        """Its station carries it out no longer, and will not again.

        A station that was carrying something is not given to others before a person has looked at it, whatever ended
        the step: its gripper may be full.

        Args:
            experiment: the step's.
            run: the step.
            seen: whether a person has seen to what is at the station.
        """
        run.become("failed")
        if run.spec.manual is not None:
            self.questions.withdraw_step(run.step_id, run.error)
        run.cut_off = not seen
        self._at.pop(run.step_id, None)
        if not (run.cut_off and (run.moves or experiment.preparation) and experiment.engine > 1):
            self.reservations.release_station(run)
        self._touch(experiment, run)

    def _again(self, experiment: Experiment, run: StepRun) -> None:
        run.attempt += 1
        run.again = True
        self._ready(experiment, run)

    def _ready(self, experiment: Experiment, run: StepRun) -> None:
        run.become("ready")
        self._off(run)
        self._touch(experiment, run)

    def _off(self, run: StepRun) -> None:
        """Its station carries it out no longer."""
        self._at.pop(run.step_id, None)
        self.reservations.release_station(run)

    def _touch(self, experiment: Experiment, *runs: StepRun) -> None:
        self.material.follow(experiment)
        self.dirty.experiments[experiment.id] = experiment
        self._changed[experiment.id] = experiment
        self.look.add(experiment.id)
        self._claims.pop(experiment.id, None)
        for run in runs:
            self.dirty.steps[run.step_id] = (experiment, run)
