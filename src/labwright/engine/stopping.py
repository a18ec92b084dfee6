"""When a campaign has come far enough: its stop rules, and what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labwright.model.campaign import StopAdvice, Trial
from labwright.model.judging import best_of, counts, merits
from labwright.model.remarks import NOT_AT_ALL
from labwright.model.spec import CampaignSpec


@dataclass
class Stopping:
    """What the stop rules look at.

    Attributes:
        best: the best mean of the objective so far, of experiments that count.
        since_best: experiments measured since, that brought nothing better.
        small_gains: rounds in a row in which the planner expected less than the noise.
        advices: rounds in a row in which it advised to stop.
        front: of several objectives: merits of the experiments that count and that no other beats.
        unheard: whether the planner's advice counts for nothing until the next experiment is measured.
    """

    best: float | None = None
    since_best: int = 0
    small_gains: int = 0
    advices: int = 0
    front: list[tuple[float, ...]] = field(default_factory=list)
    unheard: bool = False

    def take(self, spec: CampaignSpec, trial: Trial) -> None:
        """Take account of an experiment that was measured."""
        self.unheard = False
        if trial.use == NOT_AT_ALL:
            return  # it says nothing, not even that nothing better was found
        if not counts(trial, spec.outcome_limits, spec.fidelity):
            self.since_best += self.best is not None
            return
        value = trial.outcomes[spec.objective.name].mean
        best = self.best is None or spec.objective.merit(value) > spec.objective.merit(self.best)
        better = best
        if spec.more_objectives:
            better = self._extends_front(merits(spec.objectives, trial))
        if best:
            self.best = value
        self.since_best = 0 if better else self.since_best + 1

    def judge_again(self, spec: CampaignSpec, counted: Sequence[Trial]) -> None:
        """People have said which results may be used. If others are the best by that, counting begins.

        Args:
            spec: of the campaign.
            counted: trials that may be called the best.
        """
        before = self.best, sorted(self.front)
        best = best_of(spec.objective, counted)
        self.best = None if best is None else best.outcomes[spec.objective.name].mean
        self.front = []
        if spec.more_objectives:
            for trial in counted:
                self._extends_front(merits(spec.objectives, trial))
        if before != (self.best, sorted(self.front)):
            self.since_best = 0

    def _extends_front(self, mine: tuple[float, ...]) -> bool:
        """Whether no experiment before is as good in every objective; the front is what it is with this one."""
        as_good = [other for other in self.front if all(a >= b for a, b in zip(other, mine, strict=True))]
        if not as_good:
            self.front = [other for other in self.front if any(a > b for a, b in zip(other, mine, strict=True))]
        if not as_good or mine in as_good:
            self.front.append(mine)
        return not as_good

    def reason(self, spec: CampaignSpec, spent: float) -> str:
        """Why no further experiment is to begin, by what was measured and spent; empty if one may."""
        rule = spec.stop
        if reached := self.reached(spec, spent):
            return reached
        if self.best is not None and rule.no_better_for is not None and self.since_best >= rule.no_better_for:
            return f"{rule.no_better_for} experiments in a row brought nothing better"
        return ""

    def reached(self, spec: CampaignSpec, spent: float) -> str:
        """Which rule ends the campaign however it is extended; empty if none does."""
        rule, objective = spec.stop, spec.objective
        if rule.cost is not None and spec.cost is not None and spent >= rule.cost:
            return f"{spent:.4g} {spec.cost.unit} are spent, of {rule.cost:g} that it may cost"
        if (
            self.best is not None
            and rule.target is not None
            and objective.merit(self.best) >= objective.merit(rule.target)
        ):
            return f"the target of {_amount(f'{rule.target:g}', objective.unit)} is reached"
        return ""

    def extend(self, spec: CampaignSpec) -> None:
        """A person wants more experiments: no rule on what came before ends the campaign before the next one."""
        rule = spec.stop
        if rule.no_better_for is not None and self.since_best >= rule.no_better_for:
            self.since_best = 0
        self.small_gains = self.advices = 0
        self.unheard = True

    def advised(self, spec: CampaignSpec, advice: StopAdvice) -> str:
        """Why to end, by the planner's advice; empty if another experiment is worth it."""
        if self.unheard:
            return ""
        rule, unit = spec.stop, spec.objective.unit
        self.small_gains = self.small_gains + 1 if advice.expected_gain < advice.noise else 0
        self.advices = self.advices + 1 if advice.stop else 0
        if rule.gain_below_noise_for is not None and self.small_gains >= rule.gain_below_noise_for:
            times = f", {self.small_gains} times in a row" if self.small_gains > 1 else ""
            return (
                f"the planner expects {_amount(f'{advice.expected_gain:.3g}', unit)} of the best point, less than a "
                f"repeat scatters ({_amount(f'{advice.noise:.3g}', unit)}){times}"
            )
        if rule.advised_for is not None and self.advices >= rule.advised_for:
            times = f"{self.advices} times in a row " if self.advices > 1 else ""
            return f"the planner advised {times}to stop: {advice.reason}"
        if rule.regret_below is not None and advice.regret_bound <= rule.regret_below:
            return (
                f"the optimum is better than the best so far by no more than "
                f"{_amount(f'{advice.regret_bound:.3g}', unit)} (95 % confidence by the planner's model), below "
                f"{_amount(f'{rule.regret_below:g}', unit)}"
            )
        return ""


def _amount(number: str, unit: str) -> str:
    return number if unit == "1" else f"{number} {unit}"
