"""What a campaign's model has learnt, in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState, Explanation, Sensitivity, Slice
from labwright.model.errors import PlannerError
from labwright.model.figures import figure, with_unit
from labwright.model.space import Categorical, Params, ParamValue, Real
from labwright.planners._proposals import derive_seed
from labwright.planners.gp.features import groups_of
from labwright.planners.gp.outlook import Goal, Outlook, look

if TYPE_CHECKING:
    import numpy as np

__all__ = ["explained"]

_LEAST = 4  # experiments below which nothing can be said
_POINTS = 512  # drawn in the cube for the sensitivities
_ALONG = 21  # values on a slice
_HALF, _MOST = 0.6745, 1.6449  # standard deviations that hold 50 % and 90 %


def explained(state: CampaignState) -> Explanation:
    """Which parameters matter, slices through the best point, and how good leave-one-out predictions are.

    Raises:
        PlannerError: too little was measured yet.
    """
    measured = sum(trial.status == "done" for trial in state.trials)
    if measured < _LEAST:
        raise PlannerError(
            f"{measured} experiments are done; an explanation needs {_LEAST}: run some more and ask again"
        )
    outlook = look(state, limits=False)
    goal = outlook.goals[0]
    shares = _sensitivities(outlook, goal)
    left_out, inside, rmse = _left_out(outlook, goal)
    return Explanation(
        words=_words(state, shares, inside, rmse),
        sensitivities=shares,
        slices=tuple(_slices(outlook)),
        left_out=left_out,
        calibration=inside,
        rmse=rmse,
    )


def _sensitivities(outlook: Outlook, goal: Goal) -> tuple[Sensitivity, ...]:
    """Total effects of the parameters on the posterior mean over the unit cube (Jansen 1999), by share."""
    import numpy as np
    from scipy.stats import qmc

    space = outlook.state.space
    count = len(space.parameters)
    rng = np.random.default_rng(derive_seed(outlook.state.seed, 0, "explain"))
    draws = qmc.Sobol(2 * count, rng=rng).random(_POINTS)
    first, other = draws[:, :count], draws[:, count:]

    def mean(unit: np.ndarray) -> np.ndarray:
        return goal.model.posterior(outlook.expand(unit))[0]

    base = mean(first)
    effects = []
    for place in range(count):
        mixed = first.copy()
        mixed[:, place] = other[:, place]
        effects.append(float(((base - mean(mixed)) ** 2).mean() / 2))
    whole = max(float(base.var()), 1e-12)
    groups, lengths = groups_of(space), goal.model.weights @ [member.lengths for member in goal.model.members]
    found, column = [], 0
    for parameter, effect in zip(space.parameters, effects, strict=True):
        categorical = isinstance(parameter, Categorical)
        length = None if isinstance(parameter, Categorical) else float(lengths[groups[column]])
        width = len(parameter.levels) if isinstance(parameter, Categorical) else 1
        if isinstance(parameter, Categorical) and parameter.descriptors:
            width += len(next(iter(parameter.descriptors.values())))
        column += width
        share = min(effect / whole, 1.0)
        found.append(Sensitivity(parameter=parameter.name, share=share, length=None if categorical else length))
    return tuple(sorted(found, key=lambda one: -one.share))


def _slices(outlook: Outlook) -> list[Slice]:
    """Through the best that was made."""
    state = outlook.state
    places = outlook.counting or list(range(len(outlook.done)))
    name = state.objective.name
    best = max((outlook.done[place] for place in places), key=lambda t: state.objective.merit(t.outcomes[name].mean))
    found = []
    for parameter in state.space.parameters:
        if isinstance(parameter, Categorical):
            values: list[ParamValue] = list(parameter.levels)
        else:
            values = list(dict.fromkeys(parameter.from_unit(step / (_ALONG - 1)) for step in range(_ALONG)))
        points: list[Params] = [{**best.made, parameter.name: value} for value in values]
        predicted = outlook.predict(points)
        found.append(
            Slice(
                parameter=parameter.name,
                values=tuple(values),
                mean=tuple(one.mean for one in predicted),
                sem=tuple(one.sem or 0.0 for one in predicted),
            )
        )
    return found


def _left_out(
    outlook: Outlook, goal: Goal
) -> tuple[tuple[tuple[str, float, float, float], ...], tuple[float, float], float]:
    """Each reading predicted from the others, in the objective's unit; the hyperparameters have seen it."""
    import numpy as np

    count = goal.model.measured
    pairs = [member.left_out() for member in goal.model.members]
    mean, sd = goal.model.mixed([(part[0][:count], part[1][:count]) for part in pairs])
    seen = goal.model.members[0].data.z[:count]
    away = np.abs(seen - mean) / sd
    predicted, halves = goal.scale.outcomes(mean, sd)
    name = outlook.state.objective.name
    measured = np.array([trial.outcomes[name].mean for trial in outlook.done])
    rows = tuple(
        (trial.id, float(y), float(m), float(s))
        for trial, y, m, s in zip(outlook.done, measured, predicted, halves, strict=True)
    )
    inside = float((away < _HALF).mean()), float((away < _MOST).mean())
    apart = predicted - measured
    size = float(np.abs(apart).max()) or 1.0  # squares of very large numbers are none
    return rows, inside, size * float(np.sqrt(((apart / size) ** 2).mean()))


def _words(state: CampaignState, shares: tuple[Sensitivity, ...], inside: tuple[float, float], rmse: float) -> str:
    known = {one.name: one for one in state.space.parameters}
    said = []
    for one in shares[:3]:
        parameter = known[one.parameter]
        over = ""
        if isinstance(parameter, Real) and not parameter.log and one.length is not None and one.length < 1:
            width = f"{one.length * (parameter.high - parameter.low):.2g}"
            over = f", changing over about {with_unit(width, parameter.unit)}"
        said.append(f"{one.parameter} (total effect {one.share:.0%} of the variance{over})")
    trust = (
        "its intervals are about right"
        if abs(inside[1] - 0.9) <= 0.15
        else "its intervals are too narrow: expect larger errors"
        if inside[1] < 0.9
        else "its intervals are too wide"
    )
    return (
        f"{state.objective.name} depends most on {', '.join(said)}. Leave-one-out predictions are off by "
        f"{with_unit(figure(rmse, 3), state.objective.unit)} (root mean square); {inside[1]:.0%} of the readings lie "
        f"in the model's 90 % interval, so {trust}."
    )
