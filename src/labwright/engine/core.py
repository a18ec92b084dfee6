"""The engine's core: events in, instructions out. No clock, no file, no thread.

The same code on a virtual clock rehearses a campaign, and fed with journalled events it rebuilds its state.

States of a campaign: running -> draining -> completed | stopped | failed. Of an experiment: active -> told | failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from labwright.engine.events import (
    Ask,
    Event,
    Finish,
    Infeasible,
    Instruction,
    RunStep,
    Started,
    StepEnded,
    StopAsked,
    StopStations,
    Suggested,
)
from labwright.model.campaign import CampaignState, Outcome, Trial
from labwright.model.errors import LabwrightError, unknown
from labwright.model.protocol import ProtocolSpec, StepOrder, StepOutcome, StepSpec
from labwright.model.spec import CampaignSpec

MAX_INFEASIBLE = 20
"""So many suggestions in a row that cannot be made mean that planner and protocol disagree about the space."""


@dataclass
class Experiment:
    """A protocol on its way through the stations; number 0 and below are preparations.

    Attributes:
        waiting: steps not started yet.
        running: step by station.
        done: results by step.
    """

    number: int
    sample: str
    place: str
    protocol: ProtocolSpec
    parameters: dict[str, float]
    waiting: list[StepSpec]
    running: dict[str, StepSpec] = field(default_factory=dict)
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: StepOutcome | None = None


class IllegalEventError(LabwrightError):
    """An event that cannot happen in the present state: a bug, or a journal of another campaign."""


class CampaignCore:
    """One campaign; its first event, `Started`, says which."""

    def __init__(self) -> None:
        self.campaign = ""
        self.phase: Literal["new", "running", "draining", "completed", "stopped", "failed"] = "new"
        self.reason = ""
        self.trials: list[Trial] = []
        self.calibrations: dict[str, dict[str, Any]] = {}
        self.current: Experiment | None = None
        self._started: Started | None = None
        self._to_prepare: list[str] = []
        self._infeasible = 0

    @property
    def started(self) -> Started:
        """The event it began with.

        Raises:
            IllegalEventError: it has not begun.
        """
        if self._started is None:
            raise IllegalEventError("the campaign has not been started")
        return self._started

    @property
    def spec(self) -> CampaignSpec:
        """What is carried out."""
        return self.started.spec

    @property
    def over(self) -> bool:
        """Whether the campaign has ended."""
        return self.phase in ("completed", "stopped", "failed")

    @property
    def tried(self) -> int:
        """Experiments carried out or under way, which is what the budget counts."""
        return sum(trial.fail_kind != "infeasible" or bool(trial.measured_params) for trial in self.trials)

    def state(self) -> CampaignState:
        """What a planner may know."""
        return CampaignState(
            space=self.spec.space,
            objective=self.spec.objective,
            trials=tuple(self.trials),
            seed=self.spec.seed,
            planner=self.spec.planner,
        )

    def handle(self, event: Event) -> list[Instruction]:
        """Take an event; what is to be done now.

        Raises:
            IllegalEventError: the event does not fit the state.
        """
        if self.over:
            raise IllegalEventError(f"campaign {self.campaign} is {self.phase}; it takes no {event.kind!r} any more")
        if isinstance(event, Started):
            self._expect(self.phase == "new", event)
            self._started = event
            self._to_prepare = list(event.spec.prepare)
            self.campaign, self.phase = event.campaign, "running"
            return self._next()
        self._expect(self.phase != "new", event)
        if isinstance(event, StopAsked):
            return self._stop(event)
        if isinstance(event, StepEnded):
            return self._step_ended(event.outcome)
        self._expect(self.current is None and not self._to_prepare, event)
        if isinstance(event, Suggested):
            return self._suggested(event)
        if isinstance(event, Infeasible):
            return self._infeasible_suggestion(event)
        return self._finish("failed", f"no further suggestion: {event.reason}")

    def _suggested(self, event: Suggested) -> list[Instruction]:
        self._infeasible = 0
        number = self.tried + 1
        parameters = {**{k: float(v) for k, v in event.suggestion.params.items()}, **self.spec.fixed}
        self.trials.append(
            Trial(
                id=f"{len(self.trials) + 1:04d}",
                params=event.suggestion.params,
                status="running",
                rationale=event.suggestion.rationale,
            )
        )
        protocol = self._protocol(self.spec.protocol)
        self.current = Experiment(
            number, f"{self.campaign}-{number:04d}", event.place, protocol, parameters, list(protocol.steps)
        )
        return self._dispatch()

    def _infeasible_suggestion(self, event: Infeasible) -> list[Instruction]:
        self._infeasible += 1
        self.trials.append(
            Trial(
                id=f"{len(self.trials) + 1:04d}",
                params=event.suggestion.params,
                status="failed",
                fail_kind="infeasible",
                rationale=event.reason,
            )
        )
        if self._infeasible >= MAX_INFEASIBLE:
            return self._finish(
                "failed",
                f"{MAX_INFEASIBLE} suggestions in a row cannot be made, the last because: {event.reason} "
                "Add the limit to the campaign's space.constraints.",
            )
        return self._next()

    def _step_ended(self, outcome: StepOutcome) -> list[Instruction]:
        experiment = self.current
        if experiment is None:
            raise IllegalEventError(f"step {outcome.step_id} ended, but no experiment is under way")
        name = outcome.step_id.rpartition("/")[2]
        station = next((place for place, step in experiment.running.items() if step.name == name), None)
        if station is None:
            raise IllegalEventError(
                f"step {outcome.step_id} ended, but it does not run; "
                + unknown("running step", name, [step.name for step in experiment.running.values()])
            )
        del experiment.running[station]
        if outcome.state == "done":
            experiment.done[name] = outcome.results
        else:
            experiment.failed = experiment.failed or outcome
            experiment.waiting.clear()
        if experiment.failed is not None:
            return self._experiment_failed(experiment) if not experiment.running else []
        if len(experiment.done) == len(experiment.protocol.steps):
            return self._experiment_done(experiment)
        return self._dispatch() if self.phase == "running" else self._drained(experiment)

    def _experiment_done(self, experiment: Experiment) -> list[Instruction]:
        found = {key: value for results in experiment.done.values() for key, value in results.items()}
        self.current = None
        missing = [one.name for one in experiment.protocol.results if one.name not in found]
        if missing:
            return self._promise_broken(
                experiment, f"promised {', '.join(missing)}; found {', '.join(found) or 'nothing'}"
            )
        if experiment.number <= 0:
            self.calibrations[experiment.protocol.name] = found
            self._to_prepare.pop(0)
            return self._next()
        name = self.spec.objective.name
        try:
            update = {
                "outcomes": {name: Outcome(mean=found[name], sem=found.get(f"{name}_sem"))},
                "measured_params": found.get("measured_params"),
            }
            trial = Trial.model_validate({**self.trials[-1].model_dump(), **update, "status": "done"})
        except ValidationError as error:
            return self._promise_broken(experiment, f"found what cannot be used: {error.errors()[0]['msg']}")
        self.trials[-1] = trial
        return self._next()

    def _promise_broken(self, experiment: Experiment, what: str) -> list[Instruction]:
        """Every step ended well, and still the results are not those the protocol declares."""
        why = f"protocol {experiment.protocol.name} {what}"
        if experiment.number > 0:
            self.trials[-1] = self.trials[-1].model_copy(
                update={"status": "failed", "fail_kind": "equipment", "rationale": why}
            )
        return self._finish("failed", why)

    def _experiment_failed(self, experiment: Experiment) -> list[Instruction]:
        failed = experiment.failed
        assert failed is not None  # noqa: S101 - the only caller has looked
        self.current = None
        if experiment.number > 0:
            kind = failed.fail_kind or "equipment"
            self.trials[-1] = self.trials[-1].model_copy(
                update={"status": "failed", "fail_kind": kind, "rationale": failed.error}
            )
        where = (
            f"experiment {experiment.number}" if experiment.number > 0 else f"preparation {experiment.protocol.name}"
        )
        if failed.state == "stopped" or self.phase == "draining":
            return self._finish("stopped", self.reason or failed.error)
        # After an equipment fault nobody knows where the sample is; going on could crash the arm into it.
        return self._finish("failed", f"{where}, step {failed.step_id.rpartition('/')[2]}: {failed.error}")

    def _drained(self, experiment: Experiment) -> list[Instruction]:
        if experiment.running:
            return []
        self.current = None
        if experiment.number > 0:
            self.trials[-1] = self.trials[-1].model_copy(update={"status": "abandoned", "rationale": self.reason})
        return self._finish("stopped", self.reason)

    def _stop(self, event: StopAsked) -> list[Instruction]:
        self.phase, self.reason = "draining", event.why
        if self.current is None:
            return self._finish("stopped", event.why)
        self.current.waiting.clear()
        return [StopStations(event.why, event.now)]

    def _next(self) -> list[Instruction]:
        if self.phase == "draining":
            return self._finish("stopped", self.reason)
        if self._to_prepare:
            protocol = self._protocol(self._to_prepare[0])
            number = 1 - len(self._to_prepare)
            self.current = Experiment(
                min(number, 0),
                f"{self.campaign}-{protocol.name}",
                "",
                protocol,
                {},
                list(protocol.steps),
            )
            return self._dispatch()
        if self.tried >= self.spec.budget:
            return self._finish("completed", f"the budget of {self.spec.budget} experiments is spent")
        if (reason := self._stop_rule()) is not None:
            return self._finish("completed", reason)
        return [Ask(self.state())]

    def _stop_rule(self) -> str | None:
        name, rule = self.spec.objective.name, self.spec.stop
        sign = 1 if self.spec.objective.goal == "max" else -1
        values = [sign * trial.outcomes[name].mean for trial in self.trials if trial.status == "done"]
        if not values:
            return None
        if rule.target is not None and max(values) >= sign * rule.target:
            return f"the target of {rule.target:g} {self.spec.objective.unit} is reached"
        if rule.no_better_for is not None and len(values) - 1 - values.index(max(values)) >= rule.no_better_for:
            return f"{rule.no_better_for} experiments in a row brought nothing better"
        return None

    def _dispatch(self) -> list[Instruction]:
        """Start every step whose needs are done and whose station is free."""
        experiment = self.current
        assert experiment is not None  # noqa: S101 - the callers have looked
        instructions: list[Instruction] = []
        for step in list(experiment.waiting):
            if step.station in experiment.running or not all(need in experiment.done for need in step.needs):
                continue
            experiment.waiting.remove(step)
            experiment.running[step.station] = step
            label = f"{experiment.number:04d}" if experiment.number > 0 else experiment.protocol.name
            order = StepOrder(
                step_id=f"{self.campaign}/{label}/{step.name}",
                campaign=self.campaign,
                experiment=max(experiment.number, 0),
                sample=experiment.sample,
                place=experiment.place,
                protocol=experiment.protocol.name,
                step=step.name,
                parameters=experiment.parameters,
                results=experiment.done,
                calibrations=self.calibrations,
            )
            instructions.append(RunStep(step.station, order))
        return instructions

    def _finish(self, state: Literal["completed", "stopped", "failed"], reason: str) -> list[Instruction]:
        self.phase, self.reason = state, reason
        return [Finish(state, reason)]

    def _protocol(self, name: str) -> ProtocolSpec:
        return next(one for one in self.started.protocols if one.name == name)

    def _expect(self, condition: bool, event: Event) -> None:
        if not condition:
            raise IllegalEventError(f"event {event.kind!r} cannot happen in phase {self.phase!r} of {self.campaign!r}")
