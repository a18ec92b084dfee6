"""Other optimisers on the unit cube.

Each is made for a number of dimensions and a seed, and then called with all measured points, `x` of shape (n, d) and
`y` of shape (n,), SMALLER IS BETTER, and the number of points to propose; it answers with that many rows. Pending
points are those of the same answer. Every setting is the library's default unless it is named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.planners.libraries import library, seed_of, version_of
from benchmarks.planners.ours import Ours, ours_ask
from benchmarks.planners.peers import botorch_model
from labwright.model.space import Real, Space

Ask = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""From the measured points, their values and the number of points to propose to the proposals."""


@dataclass(frozen=True)
class Asker:
    """One optimiser.

    Args:
        make: from dimensions, seed, and whether readings scatter.
        packages: what it is measured by the version of.
        revision: raised when its code here changes what it does.
    """

    make: Callable[[int, int, bool], Ask]
    packages: tuple[str, ...] = ()
    revision: int = 1

    @property
    def version(self) -> str:
        """Of its libraries and its code here."""
        return " ".join([*(f"{name} {version_of(name)}" for name in self.packages), f"r{self.revision}"])


def random(dimensions: int, seed: int, _: bool) -> Ask:
    """Uniform."""
    return lambda x, y, n: np.random.default_rng([seed, len(y)]).random((n, dimensions))


def skopt_ei(dimensions: int, seed: int, _: bool) -> Ask:
    """`skopt.Optimizer` with its Gaussian process and expected improvement; batches by its constant liar (min)."""
    skopt = library("skopt")
    optimizer: Any = None
    known = 0

    def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
        nonlocal optimizer, known
        if optimizer is None:
            bounds = [(0.0, 1.0)] * dimensions
            optimizer = skopt.Optimizer(bounds, "GP", acq_func="EI", n_initial_points=len(y), random_state=seed)
        optimizer.tell(x[known:].tolist(), y[known:].tolist())
        known = len(y)
        return np.array([optimizer.ask()] if n == 1 else optimizer.ask(n_points=n, strategy="cl_min"))

    return ask


def botorch_logei(dimensions: int, seed: int, noisy: bool) -> Ask:
    """Botorch's SingleTaskGP and LogExpectedImprovement; its noisy kind where readings scatter, joint for batches."""
    torch, acquisition = library("torch"), library("botorch.acquisition")
    optimize = library("botorch.optim").optimize_acqf
    bounds = torch.stack([torch.zeros(dimensions), torch.ones(dimensions)]).double()

    def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
        torch.manual_seed(seed_of(seed, len(y), "botorch"))
        points = torch.tensor(x, dtype=torch.double)
        model = botorch_model(points, -torch.tensor(y, dtype=torch.double)[:, None])
        if noisy:
            chosen = library("botorch.acquisition.logei").qLogNoisyExpectedImprovement(model, points)
        elif n > 1:
            chosen = library("botorch.acquisition.logei").qLogExpectedImprovement(model, best_f=float(-y.min()))
        else:
            chosen = acquisition.LogExpectedImprovement(model, best_f=float(-y.min()))
        found, _ = optimize(chosen, bounds=bounds, q=n, num_restarts=8, raw_samples=256)
        return np.array(found.detach().numpy())

    return ask


def optuna_gp(dimensions: int, seed: int, noisy: bool) -> Ask:
    """Optuna's GPSampler, which is given whether readings scatter."""
    return _optuna(dimensions, seed, "GPSampler", {"deterministic_objective": not noisy})


def optuna_tpe(dimensions: int, seed: int, _: bool) -> Ask:
    """Optuna's TPESampler."""
    return _optuna(dimensions, seed, "TPESampler", {})


def _optuna(dimensions: int, seed: int, sampler: str, settings: dict[str, Any]) -> Ask:
    optuna = library("optuna")
    distributions = {f"x{place}": optuna.distributions.FloatDistribution(0.0, 1.0) for place in range(dimensions)}

    def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
        made = getattr(optuna.samplers, sampler)(seed=seed_of(seed, len(y), "optuna"), n_startup_trials=2, **settings)
        study = optuna.create_study(sampler=made)
        for point, value in zip(x, y, strict=True):
            params = dict(zip(distributions, map(float, point), strict=True))
            trial = optuna.trial.create_trial(params=params, distributions=distributions, value=float(value))
            study.add_trial(trial)
        return np.array([list(study.ask(distributions).params.values()) for _ in range(n)])

    return ask


def ours(planner: Ours) -> Asker:
    """Labwright's planner as one of them."""

    def make(dimensions: int, seed: int, _: bool) -> Ask:
        space = cube(dimensions)

        def ask(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
            points = [space.from_unit(point.tolist()) for point in x]
            state = planner.state(space, points, y.tolist(), seed)
            return np.array([space.to_unit(one.params) for one in ours_ask(state, n)])

        return ask

    return Asker(make)


def cube(dimensions: int) -> Space:
    """The unit cube as a space."""
    return Space(parameters=tuple(Real(name=f"x{place}", low=0, high=1, unit="1") for place in range(dimensions)))


ASKERS = {
    "random": Asker(random),
    "skopt_ei": Asker(skopt_ei, ("skopt",)),
    "botorch_logei": Asker(botorch_logei, ("botorch",)),
    "optuna_gp": Asker(optuna_gp, ("optuna",)),
    "optuna_tpe": Asker(optuna_tpe, ("optuna",)),
}
"""By name."""
