"""Outcomes as the model sees them: standardised, larger is better, and a bad tail drawn in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labwright.model.campaign import CampaignState, Goal, Outcome
from labwright.model.errors import PlannerError
from labwright.model.figures import figure, with_unit

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LARGEST", "Scale", "known_noise", "refuse_too_large", "spread_of"]

LARGEST = 1e280
"""Of an outcome and its standard error: predictions can lie 1e21 times further out, and are numbers all the same."""

_DRAWN_IN, _UPPER = 0.65, 0.85  # quantiles: below the first values are drawn in, over the width up to the second

_EQUAL = 1e-13  # relative: values nearer to each other than this differ by rounding

_SMALLEST = 2.0**-1022  # of a spread: the inverse of a smaller one is no number

_FAR_BELOW = math.expm1(50.0)  # bends below the middle: far beyond any outcome

_SAYS_NOTHING = 1e30  # spreads: a reading with such an error; the square of it is still a number


@dataclass(frozen=True)
class Scale:
    """Between an outcome in its unit and what the model sees.

    Most experiments of a campaign are bad ones, and how bad is of no interest; but a few very bad ones would take up
    the whole scale. So what is below the best third is drawn in by a logarithm, and the rest is as read.

    Args:
        sign: -1 where less is better.
        middle: quantile of the signed values below which they are drawn in.
        bend: how far below it that begins to matter, in the outcome's unit; 0 where nothing is drawn in.
        centre: signed value that 0 stands for.
        spread: outcome units per unit of the model.
    """

    sign: float
    middle: float
    bend: float
    centre: float
    spread: float

    @classmethod
    def of(cls, values: np.ndarray, goal: Goal, *, least: float, beside: Sequence[float] = ()) -> Scale:
        """The scale on which these values, shape (n,), are standardised.

        Args:
            values: outcomes in their unit.
            goal: what is wanted; targets and ranges have no bad tail to draw in.
            least: how many values there must be for it to be drawn in.
            beside: other values of the outcome that matter, such as a limit's ends: they give its size where all
                that was measured is the same.
        """
        import numpy as np

        sign = -1.0 if goal == "min" else 1.0
        signed = sign * values
        middle, width = float(np.quantile(signed, _DRAWN_IN)), 0.0
        if goal in ("max", "min") and len(values) >= least:
            width = float(np.quantile(signed, _UPPER)) - middle
        tiny = _EQUAL * float(np.abs(values).max())
        plain = cls(sign, middle, width if width > tiny else 0.0, 0.0, 1.0)
        drawn = plain.to_model(values)
        return cls(
            sign, middle, plain.bend, float(drawn.mean()), spread_of(drawn, sign * np.array(beside, dtype=float))
        )

    @property
    def size(self) -> float:
        """The power of two above the spread: a unit in which squares are numbers, and by which nothing is rounded."""
        return math.ldexp(1.0, min(math.frexp(self.spread)[1], 1023))

    def to_model(self, values: np.ndarray) -> np.ndarray:
        """Outcomes in their unit, shape (n,), as the model sees them."""
        import numpy as np

        signed = self.sign * values
        if self.bend:
            below = np.minimum(np.maximum(self.middle - signed, 0.0), self.bend * _FAR_BELOW)
            signed = np.where(signed < self.middle, self.middle - self.bend * np.log1p(below / self.bend), signed)
        return np.asarray((signed - self.centre) / self.spread)

    def to_unit(self, seen: np.ndarray) -> np.ndarray:
        """The reverse of `to_model`."""
        import numpy as np

        signed = self.centre + self.spread * seen
        if self.bend:
            below = np.minimum(np.maximum(self.middle - signed, 0.0) / self.bend, 50.0)  # see _FAR_BELOW
            signed = np.where(signed < self.middle, self.middle - self.bend * np.expm1(below), signed)
        return np.asarray(self.sign * signed)

    def slope(self, values: np.ndarray) -> np.ndarray:
        """Model units per outcome unit at outcomes in their unit, shape (n,)."""
        import numpy as np

        if not self.bend:
            return np.full(len(values), 1 / self.spread)
        below = np.maximum(self.middle - self.sign * values, 0.0)
        return np.asarray(1 / (1 + below / self.bend) / self.spread)

    def outcomes(self, mean: np.ndarray, sd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A posterior, shape (n,) each, in the outcome's unit: its median, and half of what lies within one sd."""
        import numpy as np

        return self.to_unit(mean), np.abs(self.to_unit(mean + sd) - self.to_unit(mean - sd)) / 2


def spread_of(values: np.ndarray, beside: np.ndarray | Sequence[float] = ()) -> float:
    """Standard deviation of values, shape (n,), in their unit; never 0, nor so small that its inverse is no number.

    Where all are the same but for rounding: the largest distance of one of `beside` from them, else their size, else,
    where all are 0, 1: no number then has a unit.
    """
    import numpy as np

    size = float(np.abs(values).max(initial=0.0))
    power = math.frexp(size)[1]  # squares of very small or large numbers are none; by a power of two nothing is rounded
    spread = math.ldexp(float(np.ldexp(values, -power).std()), power)
    if spread > _EQUAL * size:
        return max(spread, _SMALLEST)
    apart = [abs(one - float(values.mean())) for one in np.asarray(beside, dtype=float)]
    apart_most = max((one for one in apart if one > _EQUAL * size), default=size)
    return max(apart_most, _SMALLEST) if apart_most else 1.0


def known_noise(outcomes: Sequence[Outcome], unit: float) -> np.ndarray:
    """Variances of the means, shape (n,): half each outcome's own, half the median of all; in `unit` squared.

    A standard error from three replicates is itself uncertain by half; three equal readings must not nail the model.
    """
    import numpy as np

    errors = [None if outcome.sem is None else min(outcome.sem / unit, _SAYS_NOTHING) for outcome in outcomes]
    own = np.array([np.nan if error is None else error**2 for error in errors])
    told = ~np.isnan(own)
    if not told.any():
        return np.zeros(len(own))
    return np.where(told, 0.5 * own + 0.5 * float(np.median(own[told])), 0.0)


def refuse_too_large(state: CampaignState) -> None:
    """Refuse readings whose differences and predictions would be no numbers.

    Raises:
        PlannerError: with the experiment, the outcome, its value and the limit.
    """
    units = {one.name: one.unit for one in state.objectives} | {one.name: one.unit for one in state.outcome_limits}
    for trial in (*(one for earlier in state.earlier for one in earlier.trials), *state.trials):
        for name, outcome in trial.outcomes.items():
            if name in units and max(abs(outcome.mean), outcome.sem or 0.0) > LARGEST:
                error = "" if outcome.sem is None else f" with a standard error of {figure(outcome.sem)}"
                raise PlannerError(
                    f"experiment {trial.id}: {name} = {with_unit(figure(outcome.mean), units[name])}{error} is beyond "
                    f"{LARGEST:g}, up to which a planner can compute; correct the reading, or state {name} in a larger "
                    "unit"
                )
