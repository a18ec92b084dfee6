"""Which experiments count, which are best, and what a veto reaches: the same for engine, planners and reports."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labwright.model.campaign import Fidelity, Objective, OutcomeLimit, Trial, Veto
from labwright.model.remarks import NOT_AT_ALL
from labwright.model.space import Categorical, Integer, Ordinal, Parameter, Params, Space

__all__ = ["Replicated", "best_of", "counts", "covers", "front", "hypervolume", "merits", "replicated", "within"]

_ROUNDING = 1e-9  # of a parameter's range: what went through JSON or a person's eyes is still the same value


def counts(trial: Trial, limits: Iterable[OutcomeLimit] = (), fidelity: Fidelity | None = None) -> bool:
    """Whether a trial may be called the best.

    It is done, keeps the outcome limits, was made at full fidelity, and no person has said that it may not be used.
    """
    if trial.status != "done" or trial.use == NOT_AT_ALL:
        return False
    if fidelity is not None:
        made = trial.params.get(fidelity.parameter)
        if not isinstance(made, (int, float)) or not _as_wanted(made, fidelity.target):
            return False
    return all(one.name in trial.outcomes and one.keeps(trial.outcomes[one.name].mean) for one in limits)


def merits(objectives: Sequence[Objective], trial: Trial) -> tuple[float, ...]:
    """How good a trial that is done came out, by objective; larger is better."""
    return tuple(one.merit(trial.outcomes[one.name].mean) for one in objectives)


def best_of(
    objective: Objective,
    trials: Iterable[Trial],
    limits: Sequence[OutcomeLimit] = (),
    fidelity: Fidelity | None = None,
) -> Trial | None:
    """The trial that counts and has the best mean; the first of several; None if none counts."""
    counted = [one for one in trials if counts(one, limits, fidelity)]
    return max(counted, key=lambda one: objective.merit(one.outcomes[objective.name].mean), default=None)


def front(objectives: Sequence[Objective], trials: Iterable[Trial]) -> list[Trial]:
    """Of trials that count, those that no other beats: as good in every objective and better in one."""
    found: list[tuple[Trial, tuple[float, ...]]] = []  # few, so that each trial is compared with few
    for one in trials:
        mine = merits(objectives, one)
        if not any(_beats(other, mine) for _, other in found):
            found = [(kept, other) for kept, other in found if not _beats(mine, other)]
            found.append((one, mine))
    return [one for one, _ in found]


@dataclass(frozen=True)
class Replicated:
    """A point at which several experiments were made.

    Attributes:
        params: that were asked for.
        trials: done, in their order.
    """

    params: Params
    trials: tuple[Trial, ...]

    def spread(self, outcome: str) -> tuple[float, float]:
        """Mean of an outcome over the replicates, and their standard deviation, in its unit."""
        values = [one.outcomes[outcome].mean for one in self.trials]
        return statistics.fmean(values), statistics.stdev(values)


def replicated(trials: Iterable[Trial]) -> list[Replicated]:
    """Points at which more than one experiment is done, in the order of the first ones."""
    found: dict[tuple[object, ...], list[Trial]] = {}
    for trial in trials:
        if trial.status == "done":
            found.setdefault(tuple(sorted(trial.params.items())), []).append(trial)
    return [Replicated(some[0].params, tuple(some)) for some in found.values() if len(some) > 1]


def within(points: Iterable[Replicated], outcome: str) -> float:
    """Standard deviation of one experiment by its replicates, pooled over all points; 0 without any."""
    squares, freedom = 0.0, 0
    for one in points:
        freedom += len(one.trials) - 1
        squares += (len(one.trials) - 1) * one.spread(outcome)[1] ** 2
    return math.sqrt(squares / freedom) if freedom else 0.0


def hypervolume(points: Iterable[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    """The volume that points dominate above a reference, all by merit; 0 without a point above it.

    Slices along the last objective: exact, and quick enough for the few objectives and hundreds of points of a lab.
    """
    above = [one for one in points if all(mine > low for mine, low in zip(one, reference, strict=True))]
    if not above:
        return 0.0
    if len(reference) == 1:
        return max(one[0] for one in above) - reference[0]
    levels = sorted({one[-1] for one in above}, reverse=True)
    volume = 0.0
    for level, below in zip(levels, [*levels[1:], reference[-1]], strict=True):
        slab = [one[:-1] for one in above if one[-1] >= level]
        volume += (level - below) * hypervolume(slab, reference[:-1])
    return volume


def covers(veto: Veto, space: Space, params: Params) -> bool:
    """Whether a veto forbids `params`: all that it names are as near as it reaches, on the scale they are searched on.

    A parameter it does not name may be anything. Reach is a share of the way from one bound to the other; of a
    logarithmic parameter, of that between the logarithms.
    """
    known = {one.name: one for one in space.parameters}
    for name, value in veto.params.items():
        parameter = known[name]
        if isinstance(parameter, Categorical):
            if params[name] != value:
                return False
        elif abs(parameter.to_unit(params[name]) - parameter.to_unit(value)) > veto.reach + _rounding(parameter):
            return False
    return bool(veto.params)


def _as_wanted(made: float, target: float) -> bool:
    if float(made).is_integer() and float(target).is_integer():
        return made == target  # whole numbers far from 0 are distinguished too
    return math.isclose(made, target, rel_tol=_ROUNDING)


def _rounding(parameter: Parameter) -> float:
    """What two values may be apart and still be one and the same, as a fraction of the range."""
    if isinstance(parameter, Integer):
        return min(_ROUNDING, 0.25 / (parameter.high - parameter.low + 1))
    if isinstance(parameter, Ordinal):
        return min(_ROUNDING, 0.25 * parameter.gap / (parameter.high - parameter.low))
    return _ROUNDING


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))
