"""How promising a point is: larger is better. All arrays have shape (n,) unless said otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "expected_merit_gain",
    "expected_volume_gain",
    "front",
    "log_expected_improvement",
    "log_expected_improvement_slope",
    "normal_pairs",
]

_NODES = 64  # equally likely values by which an expectation is taken
_NOTHING = -700.0  # logarithm of what is no gain at all, still a number


def log_expected_improvement(mean: np.ndarray, sd: np.ndarray, best: float) -> np.ndarray:
    """Logarithm of the expected improvement over `best`, for maximisation; finite however hopeless a point is.

    Args:
        mean: posterior mean.
        sd: posterior standard deviation, positive.
        best: value to improve on.

    Source: Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023.
    """
    import numpy as np
    from scipy.special import erfcx, log1p, ndtr

    u = (mean - best) / sd
    log_density = -0.5 * u**2 - 0.5 * math.log(2 * math.pi)
    answer = np.empty_like(u)
    near = u > -1
    answer[near] = np.log(np.exp(log_density[near]) + u[near] * ndtr(u[near]))
    far = ~near
    v = u[far]
    # log(1 - |u| Phi(u)/phi(u)), the ratio by the scaled complementary error function; it tends to -2 log|u|.
    ratio = math.sqrt(math.pi / 2) * erfcx(-v / math.sqrt(2)) * np.abs(v)
    tail = np.where(v > -1e4, log1p(-np.minimum(ratio, 1 - 1e-15)), -2 * np.log(np.abs(v)))
    answer[far] = log_density[far] + tail
    return answer + np.log(sd)


def log_expected_improvement_slope(
    mean: float, sd: float, mean_slope: np.ndarray, sd_slope: np.ndarray, best: float
) -> tuple[float, np.ndarray]:
    """The same at one point, with its derivatives from those of mean and standard deviation, shape (d,)."""
    import numpy as np
    from scipy.special import log_ndtr

    value = float(log_expected_improvement(np.array([mean]), np.array([sd]), best)[0])
    u = (mean - best) / sd
    by_mean = math.exp(min(float(log_ndtr(u)) - value, 50.0))
    by_sd = math.exp(min(-0.5 * u * u - 0.5 * math.log(2 * math.pi) - value, 50.0))
    return value, by_mean * mean_slope + by_sd * sd_slope


def expected_merit_gain(
    mean: np.ndarray, sd: np.ndarray, best: float, merit: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Logarithm of the expected gain of a merit that is no straight function of the outcome (a target, a range).

    Args:
        mean: posterior mean of the outcome.
        sd: its standard deviation.
        best: merit to improve on.
        merit: of outcomes, any shape.
    """
    import numpy as np

    merits = merit(mean[:, None] + sd[:, None] * _normal_nodes())
    gain = np.maximum(merits - best, 0.0).mean(1)
    # Where no node gains anything the nearest is still better than the farthest.
    hopeless = _NOTHING + np.tanh(merits.max(1) - best)
    return np.where(gain > 0, np.log(np.maximum(gain, math.exp(_NOTHING))), hopeless)


def front(points: np.ndarray) -> np.ndarray:
    """The points none of the others beats in both, shape (n, 2) -> (k, 2), by the first in falling order."""
    import numpy as np

    kept: list[np.ndarray] = []
    for point in points[np.lexsort((-points[:, 1], -points[:, 0]))]:
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)


def expected_volume_gain(
    means: np.ndarray, sds: np.ndarray, known: np.ndarray, reference: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """Logarithm of the expected gain in area of the front, by equally spread samples of two independent outcomes.

    Args:
        means: posterior means, shape (n, 2).
        sds: posterior standard deviations, shape (n, 2).
        known: what the front is made of so far, shape (k, 2).
        reference: from where the area is counted, shape (2,).
        draws: standard normal samples, shape (s, 2); the same for all points that are compared.
    """
    import numpy as np

    best = front(known[(known > reference).all(1)]) if len(known) else known.reshape(0, 2)
    # Strips between the front's points along the first outcome; in each the front's height in the second.
    edges = np.concatenate([[reference[0]], best[::-1, 0]])
    heights = np.concatenate([best[::-1, 1], [reference[1]]])
    gain = np.zeros(len(means))
    for draw in draws:
        first, second = means[:, 0] + sds[:, 0] * draw[0], means[:, 1] + sds[:, 1] * draw[1]
        ends = np.append(edges[1:], np.inf)
        width = np.maximum(np.minimum(first[:, None], ends) - edges, 0.0)
        gain += (width * np.maximum(second[:, None] - heights, 0.0)).sum(1)
    gain /= len(draws)
    distance = ((means - reference) / sds).min(1)
    return np.where(gain > 0, np.log(np.maximum(gain, math.exp(_NOTHING))), _NOTHING + np.tanh(distance))


def normal_pairs(rng: np.random.Generator) -> np.ndarray:
    """Equally spread samples of two independent standard normals, shape (128, 2)."""
    import numpy as np
    from scipy.special import ndtri
    from scipy.stats import qmc

    return np.asarray(ndtri(np.clip(qmc.Sobol(2, rng=rng).random(2 * _NODES), 1e-6, 1 - 1e-6)))


def _normal_nodes() -> np.ndarray:
    import numpy as np
    from scipy.special import ndtri

    return np.asarray(ndtri((np.arange(_NODES) + 0.5) / _NODES))
