"""What all planners share: seeds, the Sobol sequence inside the constraints, and which points are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from labwright.model.errors import PlannerError
from labwright.model.space import Params, Space

if TYPE_CHECKING:
    import numpy as np

    from labwright.model.campaign import CampaignState

_PATIENCE = 1 << 16  # rejected draws in a row before the space is called exhausted; a tenth of a second


def derive_seed(campaign_seed: int, trials: int, planner: str) -> int:
    """A seed that depends on nothing but its arguments, the same on every machine."""
    digest = hashlib.sha256(f"{campaign_seed}|{trials}|{planner}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def key_of(space: Space, params: Params) -> tuple[object, ...]:
    """Parameters as a hashable key, in the space's order."""
    return tuple(params[name] for name in space.names)


def taken(state: CampaignState) -> set[tuple[object, ...]]:
    """Keys of all points ever proposed in this campaign, whatever became of them."""
    return {key_of(state.space, trial.params) for trial in state.trials}


def sobol_points(space: Space, seed: int) -> Iterator[Params]:
    """The points of one scrambled Sobol sequence that keep the constraints, without end; a seed names the sequence."""
    import numpy as np
    from scipy.stats import qmc

    dimensions = len(space.parameters)
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    # A power of two at first: scipy warns, rightly, about the balance of any other first block.
    yield from allowed_points(space, lambda size: sequence.random(size))


def allowed_points(space: Space, draw: Callable[[int], np.ndarray]) -> Iterator[Params]:
    """Points drawn from the unit cube that keep the constraints, without end.

    Args:
        space: the search space.
        draw: gives that many points of the unit cube, shape (size, d).

    Raises:
        PlannerError: the constraints leave next to nothing of the space.
    """
    rejected = 0
    while True:
        for position in draw(64):
            params = space.from_unit([float(coordinate) for coordinate in position])
            if space.violations(params):
                rejected += 1
                if rejected > _PATIENCE:
                    raise PlannerError(
                        f"{rejected} draws in a row break the constraints ({'; '.join(map(str, space.constraints))}); "
                        "narrow the parameters' bounds to the region they allow"
                    )
                continue
            rejected = 0
            yield params


def fresh_points(state: CampaignState, points: Iterator[Params], n: int, skip: int = 0) -> list[Params]:
    """The next `n` points that were never proposed.

    Args:
        state: the campaign so far.
        points: where they come from, in order.
        n: how many.
        skip: how many to pass over first: the part of a sequence that is used up.

    Raises:
        PlannerError: every point of a finite space is taken.
    """
    known = taken(state)
    fresh: list[Params] = []
    repeats = 0
    for index, params in enumerate(points):
        if len(fresh) == n:
            break
        if index < skip:
            continue
        key = key_of(state.space, params)
        if key in known:
            repeats += 1
            if repeats > _PATIENCE:
                raise PlannerError(f"no untried point found after {repeats} draws; the space seems exhausted")
            continue
        repeats = 0
        known.add(key)
        fresh.append(params)
    return fresh
