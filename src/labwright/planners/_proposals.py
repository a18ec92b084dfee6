"""What all planners share: seeds, the Sobol sequence inside the constraints, and which points are taken."""

from __future__ import annotations

import functools
import hashlib
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING

from labwright.model.errors import PlannerError
from labwright.model.space import Params, Space

if TYPE_CHECKING:
    import numpy as np

    from labwright.model.campaign import CampaignState, Trial

_PATIENCE = 1 << 16  # rejected draws in a row before the space is called exhausted; a tenth of a second
_BLOCK = 64  # points drawn at once; a power of two, as the balance of a Sobol sequence's first block needs
_STRETCH = 256  # trials compared at once


def derive_seed(campaign_seed: int, trials: int, planner: str) -> int:
    """A seed that depends on nothing but its arguments, the same on every machine."""
    digest = hashlib.sha256(f"{campaign_seed}|{trials}|{planner}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def key_of(space: Space, params: Params) -> tuple[object, ...]:
    """Parameters as a hashable key, in the space's order."""
    return tuple(params[name] for name in space.names)


def taken(state: CampaignState) -> Set[tuple[object, ...]]:
    """Keys of all points ever proposed in this campaign, whatever became of them; not to be changed."""
    return _LAST.keys_of(state.space.names, state.trials)


def changed(old: tuple[Trial, ...], new: tuple[Trial, ...]) -> list[int]:
    """Places, among those both have, where they differ.

    Whole stretches are compared first: tuples look at identity before they look inside, 0.03 ms for 5,000 kept trials.
    """
    places: list[int] = []
    shared = min(len(old), len(new))
    for start in range(0, shared, _STRETCH):
        stretch = range(start, min(start + _STRETCH, shared))
        if old[stretch.start : stretch.stop] != new[stretch.start : stretch.stop]:
            places += [place for place in stretch if old[place] != new[place]]
    return places


def sobol_points(space: Space, seed: int, skip: int = 0) -> Iterator[Params]:
    """The points of one scrambled Sobol sequence that keep the constraints, without end.

    Args:
        space: the search space.
        seed: names the sequence.
        skip: points to pass over first: the part of the sequence that is used up.
    """
    import numpy as np
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space.parameters), scramble=True, rng=np.random.default_rng(seed))
    before = _before_blocks(space.model_dump_json(), seed)
    block = bisect_right(before, skip) - 1
    passed = before[block]
    if block:
        sequence.fast_forward(block * _BLOCK)

    def draw(size: int) -> np.ndarray:
        nonlocal block
        with _LOCK:
            if block == len(before):
                before.append(passed)
        block += 1
        return sequence.random(size)

    for params in allowed_points(space, draw):
        if passed >= skip:
            yield params
        passed += 1


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
        for position in draw(_BLOCK):
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


def fresh_points(state: CampaignState, points: Iterator[Params], n: int) -> list[Params]:
    """The next `n` points that were never proposed.

    Args:
        state: the campaign so far.
        points: where they come from, in order.
        n: how many.

    Raises:
        PlannerError: every point of a finite space is taken.
    """
    known = taken(state)
    fresh: dict[tuple[object, ...], Params] = {}
    repeats = 0
    for params in points:
        if len(fresh) == n:
            break
        key = key_of(state.space, params)
        if key in known or key in fresh:
            repeats += 1
            if repeats > _PATIENCE:
                raise PlannerError(f"no untried point found after {repeats} draws; the space seems exhausted")
            continue
        repeats = 0
        fresh[key] = params
    return list(fresh.values())


class _LastCampaign(threading.local):
    """The points of the campaign asked about last, so that its next ask looks only at what is new."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.trials: tuple[Trial, ...] = ()
        self.keys: set[tuple[object, ...]] = set()

    def keys_of(self, names: tuple[str, ...], trials: tuple[Trial, ...]) -> Set[tuple[object, ...]]:
        grown = names == self.names and len(trials) >= len(self.trials)
        grown = grown and all(
            self.trials[place].params == trials[place].params for place in changed(self.trials, trials)
        )
        rest = trials[len(self.trials) :] if grown else trials
        more: set[tuple[object, ...]] = {tuple(trial.params[name] for name in names) for trial in rest}
        if grown:
            self.keys |= more
        else:
            self.keys = more
        self.names, self.trials = names, trials
        return self.keys


_LAST = _LastCampaign()
_LOCK = threading.Lock()


@functools.lru_cache(maxsize=8)
def _before_blocks(space: str, seed: int) -> list[int]:
    """For each block of a Sobol sequence walked so far: how many allowed points lie before it.

    Counting them again in each ask would cost 15 µs per trial of the campaign.
    """
    return [0]
