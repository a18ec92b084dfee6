"""Whether to measure again what was measured already.

Where readings scatter the best of them is as much luck as merit, and another reading of the leading ones may be worth
more than an untried point. Both are weighed by what they are expected to add to the largest posterior mean, which is
what a campaign recommends. A repeat is granted one more reading with its scatter, the knowledge gradient (Frazier,
Powell and Dayanik, INFORMS J. Comput. 21, 599 (2009)); a new point, which can be read again later, is granted to be
known: its expected improvement. With one reading granted to both there were too many repeats, and worse came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState, Suggestion, Trial
from labwright.model.figures import figure
from labwright.model.space import Params
from labwright.planners._held import has_held
from labwright.planners._proposals import key_of, vetoed
from labwright.planners.gp.acquisition import log_expected_improvement
from labwright.planners.gp.features import features
from labwright.planners.gp.outlook import Outlook

if TYPE_CHECKING:
    import numpy as np

    from labwright.planners.gp.model import Model

__all__ = ["repeat"]

_LEADING = 8  # tried points that may turn out best
_LEAST = 4  # experiments for each parameter before a repeat: a model of less knows noise from shape by its prior only
_NODES = 64  # equally likely readings by which an expectation is taken


def repeat(outlook: Outlook, new: Params, waiting: Sequence[Params]) -> Suggestion | None:
    """A repeat that pays more than a new point; None where none does, or where nothing shows how readings scatter.

    Args:
        outlook: what is known of the campaign.
        new: the point that would be tried instead.
        waiting: points that are under way, or proposed in the same breath; they are not repeated meanwhile.
    """
    import numpy as np

    state = outlook.state
    if not _fitting(state, outlook):
        return None
    leaders = _leaders(state, outlook)
    if len(leaders) < 2:
        return None
    barred = {key_of(state.space, params) for params in waiting}
    barred |= {key_of(state.space, trial.params) for trial in state.trials if trial.status != "done"}
    goal = outlook.goals[0]
    model = goal.model.with_fantasies(features(state.space, waiting)) if waiting else goal.model
    x = features(state.space, [*(trial.params for trial in leaders), new])
    gains = _gains(model, x, _told_scatter(goal.model)) * np.exp(outlook.log_chance(x))
    for place in np.argsort(-gains[:-1], kind="stable"):
        if gains[place] <= gains[-1]:
            return None
        params = leaders[place].params
        if (
            not has_held(state, params)
            or key_of(state.space, params) in barred
            or state.space.violations(params)
            or vetoed(state, params)
        ):
            continue
        (predicted,) = outlook.predict([params])
        words = _words(state, outlook, leaders, int(place), gains)
        return Suggestion(params=params, rationale=words, predicted=predicted)
    return None


def _fitting(state: CampaignState, outlook: Outlook) -> bool:
    """Whether the campaign is of a kind, and knows its noise well enough, for repeats to be weighed."""
    if len(outlook.goals) > 1 or outlook.goals[0].bent or state.cost is not None or state.fidelity is not None:
        return False
    if len(outlook.counting) < max(2, _LEAST * len(state.space.parameters)):
        return False
    name = state.objective.name
    if any(trial.outcomes[name].sem for trial in outlook.done):
        return True
    keys = [key_of(state.space, trial.made) for trial in outlook.done]
    values = [trial.outcomes[name].mean for trial in outlook.done]
    last = dict(zip(keys, values, strict=True))
    return any(last[key] != value for key, value in zip(keys, values, strict=True))


def _leaders(state: CampaignState, outlook: Outlook) -> list[Trial]:
    """The tried points that may be best, one trial of each, by mean and one standard deviation."""
    import numpy as np

    done = {key_of(state.space, outlook.done[place].params): outlook.done[place] for place in outlook.counting}
    trials = list(done.values())
    mean, sd = outlook.goals[0].model.posterior(features(state.space, [trial.params for trial in trials]))
    return [trials[place] for place in np.argsort(-(mean + sd), kind="stable")[:_LEADING]]


def _told_scatter(model: Model) -> float:
    """Median variance of readings with a standard error, as the model sees them; 0 if none has one."""
    import numpy as np

    told = model.members[0].data.known[: model.measured]
    return float(np.median(told[told > 0])) if (told > 0).any() else 0.0


def _gains(model: Model, x: np.ndarray, scatter: float) -> np.ndarray:
    """What each point, shape (k, m) -> (k,), is expected to add to the largest mean of those tried; the last is new."""
    import numpy as np
    from scipy.special import ndtri

    nodes = ndtri((np.arange(_NODES) + 0.5) / _NODES)
    total = np.zeros(len(x))
    for member, weight in zip(model.members, model.weights, strict=True):
        mean, covariance = member.together(x)
        variance = np.maximum(np.diag(covariance)[:-1], 0.0)
        steps = covariance[:-1, :-1] / np.sqrt(variance + member.noise + scatter)  # a column for each that may be read
        best = mean[:-1].max()
        total[:-1] += weight * ((mean[:-1, None, None] + steps[:, :, None] * nodes).max(0).mean(1) - best)
        sd = np.sqrt(np.maximum(covariance[-1:, -1], 1e-12))
        total[-1] += weight * float(np.exp(log_expected_improvement(mean[-1:], sd, best)[0]))
    return total


def _words(state: CampaignState, outlook: Outlook, leaders: Sequence[Trial], place: int, gains: np.ndarray) -> str:
    """Why a reading of that one of the leaders pays more than one of a new point, the last of the gains."""
    import numpy as np

    goal = outlook.goals[0]
    x = features(state.space, [trial.params for trial in leaders])
    mean = goal.model.posterior(x)[0]
    rival = max((other for other in range(len(leaders)) if other != place), key=lambda other: float(mean[other]))
    parts = []
    for member in goal.model.members:
        two, covariance = member.together(x[[place, rival]])
        variance = max(float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]), 0.0)
        parts.append((np.array([two[0] - two[1]]), np.array([variance**0.5])))
    (better,), (sd,) = goal.model.mixed(parts)
    unit = "" if state.objective.unit == "1" else f" {state.objective.unit}"
    by, give, worth, other = (goal.scale.spread * float(one) for one in (better, sd, gains[place], gains[-1]))
    return (
        f"a repeat of experiment {leaders[place].id}: it may be better than experiment {leaders[rival].id} by "
        f"{figure(by, 2)} ± {figure(give, 2)}{unit}; expected to add "
        f"{figure(worth, 2)}{unit} to the best, a new point {figure(other, 2)}{unit}"
    )
