"""Whether another experiment is worth its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState, StopAdvice
from labwright.planners._candidates import every_point, neighbours, scan
from labwright.planners._proposals import derive_seed
from labwright.planners.gp.acquisition import log_expected_improvement
from labwright.planners.gp.outlook import Outlook, look

if TYPE_CHECKING:
    import numpy as np

__all__ = ["advice"]

_LEAST = 5  # experiments below which nothing can be said
_A_PARAMETER = 4  # experiments for each parameter before which a model that sees nothing to gain is not believed
_CANDIDATES = 1024
_SURE = 1.645  # standard deviations of a one-sided 95 %


def advice(state: CampaignState) -> StopAdvice | None:
    """What more there may be to gain, by the model; None for several objectives, targets, or too few experiments.

    The bound on the regret is the largest upper confidence bound of any point less what the best so far surely is
    (Makarova et al., AutoML 2022).
    """
    import numpy as np

    measured = sum(trial.status == "done" for trial in state.trials)
    if measured < _LEAST or state.more_objectives or state.objective.goal not in ("max", "min"):
        return None
    outlook = look(state, limits=False)
    if not outlook.counting:
        return None
    goal = outlook.goals[0]
    unit = _looked_at(outlook)
    mean, sd = goal.model.posterior(outlook.expand(unit))
    own_mean, own_sd = goal.model.posterior(goal.model.members[0].data.x[outlook.counting])
    incumbent = float(own_mean.max())
    gain = float(np.exp(log_expected_improvement(mean, sd, incumbent).max()))
    bound = max(float((mean + _SURE * sd).max()) - float((own_mean - _SURE * own_sd).max()), 0.0)
    scale = goal.scale.spread
    noise = float(np.sqrt(goal.model.noise))
    early = measured < _A_PARAMETER * len(state.space.parameters)
    worth = gain > noise
    unit_name = "" if state.objective.unit == "1" else f" {state.objective.unit}"
    return StopAdvice(
        stop=not worth and not early,
        reason=(
            f"the most any experiment is expected to gain is {gain * scale:.3g}{unit_name}, "
            f"{'more' if worth else 'less'} than a repeat scatters ({noise * scale:.3g}{unit_name}); with 95 % "
            f"confidence nothing is better than the best so far by more than {bound * scale:.3g}{unit_name}"
        ),
        expected_gain=gain * scale,
        noise=noise * scale,
        regret_bound=bound * scale,
    )


def _looked_at(outlook: Outlook) -> np.ndarray:
    """Where the best may be: everywhere a little, around the best more."""
    import numpy as np

    state = outlook.state
    unit = every_point(state.space)
    if unit is not None:
        return unit
    rng = np.random.default_rng(derive_seed(state.seed, len(state.trials), "stop"))
    unit = scan(state.space, _CANDIDATES, rng)
    goal = outlook.goals[0]
    mean, sd = goal.model.posterior(outlook.expand(unit))
    leading = unit[np.argsort(-(mean + _SURE * sd), kind="stable")[:8]]
    near = neighbours(state.space, leading, 32, 0.1, rng)
    return np.vstack([unit, near]) if len(near) else unit
