"""Other optimisers, choosing among the rows of a table.

Each is made for a table and a seed and then called with the measured rows and their losses; SMALLER IS BETTER. It
answers with a row that is not measured yet. Losses are standardised (`libraries.standardised`), which helps those that
have a margin in absolute units. Every other setting is the library's default unless it is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.planners.libraries import library, seed_of, standardised, version_of
from benchmarks.planners.tables import Table
from labwright.model.space import Categorical, Parameter, Params

Choose = Callable[[Sequence[int], np.ndarray], int]
"""From the measured rows, in order, and their losses, shape (n,), to the next row."""


@dataclass(frozen=True)
class Peer:
    """One way to choose.

    Args:
        make: for a table and a seed.
        packages: what it is measured by the version of.
        revision: raised when its code here changes what it does; older results then no longer count.
    """

    make: Callable[[Table, int], Choose]
    packages: tuple[str, ...] = ()
    revision: int = 1

    @property
    def version(self) -> str:
        """Of its libraries and its code here."""
        return " ".join([*(f"{name} {version_of(name)}" for name in self.packages), f"r{self.revision}"])


def untested(table: Table, measured: Sequence[int]) -> np.ndarray:
    """Rows not measured yet, in the table's order."""
    return np.setdiff1d(np.arange(len(table.rows)), np.array(measured, dtype=int))


def nearest(table: Table, measured: Sequence[int], point: Params) -> int:
    """The untested row nearest to a point, in the coordinates of `Table.unit`."""
    rows = untested(table, measured)
    apart = ((table.unit[rows] - table.encode([point])) ** 2).sum(axis=1)
    return int(rows[int(np.argmin(apart))])


def best_of(rows: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> int:
    """The row of the largest value; chance decides between equals, not the order in the file."""
    return int(rng.choice(rows[values == values.max()]))


def random(table: Table, seed: int) -> Choose:
    """Any row."""
    return lambda measured, _: int(np.random.default_rng([seed, len(measured)]).choice(untested(table, measured)))


def sobol(table: Table, seed: int) -> Choose:
    """The untested row nearest to the next point of a Sobol sequence."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(table.parameters), scramble=True, rng=np.random.default_rng(seed))

    def choose(measured: Sequence[int], _: np.ndarray) -> int:
        return nearest(table, measured, table.space.from_unit([float(one) for one in sequence.random(1)[0]]))

    return choose


def skopt_ask(table: Table, seed: int) -> Choose:
    """`skopt.Optimizer.ask` as it comes (Gaussian process, gp_hedge), and the untested row nearest to its answer."""
    skopt = library("skopt")
    optimizer: Any = None
    known = 0

    def choose(measured: Sequence[int], losses: np.ndarray) -> int:
        nonlocal optimizer, known
        if optimizer is None:
            dimensions = skopt_dimensions(table.parameters)
            optimizer = skopt.Optimizer(dimensions, "GP", n_initial_points=len(measured), random_state=seed)
        points = [list(table.rows[row].values()) for row in measured[known:]]
        optimizer.tell(points, [float(one) for one in losses[known:]])
        known = len(measured)
        names = [parameter.name for parameter in table.parameters]
        return nearest(table, measured, dict(zip(names, optimizer.ask(), strict=True)))

    # It keeps every loss it was given, so the scale cannot change later: that of the first rows is used throughout.
    return _scaled_by_the_first(choose)


def _scaled_by_the_first(choose: Choose) -> Choose:
    first: list[float] = []

    def scaled(measured: Sequence[int], losses: np.ndarray) -> int:
        if not first:
            first.extend([float(losses.mean()), float(losses.std()) or 1.0])
        return choose(measured, (losses - first[0]) / first[1])

    return scaled


def skopt_dimensions(parameters: Sequence[Parameter]) -> list[Any]:
    """Skopt's own space."""
    space = library("skopt.space")
    return [
        space.Categorical(list(one.levels)) if isinstance(one, Categorical) else space.Real(one.low, one.high)
        for one in parameters
    ]


def skopt_ei(table: Table, seed: int) -> Choose:
    """Skopt's own Gaussian process and expected improvement, computed on every untested row."""
    cook, space = library("skopt.utils").cook_estimator, library("skopt.space").Real(0.0, 1.0)
    gaussian_ei = library("skopt.acquisition").gaussian_ei

    def choose(measured: Sequence[int], losses: np.ndarray) -> int:
        rng = np.random.default_rng([seed, len(measured)])
        model = cook("GP", [space] * table.unit.shape[1], random_state=seed_of(seed, len(measured), "skopt"))
        z = standardised(losses)
        model.fit(table.unit[list(measured)], z)
        rows = untested(table, measured)
        return best_of(rows, gaussian_ei(table.unit[rows], model, y_opt=float(z.min())), rng)

    return choose


def botorch_logei(table: Table, seed: int) -> Choose:
    """Botorch's SingleTaskGP and LogExpectedImprovement on every untested row."""
    return _botorch(table, seed, "LogExpectedImprovement")


def botorch_ucb(table: Table, seed: int) -> Choose:
    """Botorch's SingleTaskGP and UpperConfidenceBound, mean + 2 standard deviations, on every untested row."""
    return _botorch(table, seed, "UpperConfidenceBound")


def _botorch(table: Table, seed: int, name: str) -> Choose:
    torch, acquisition = library("torch"), library("botorch.acquisition")
    unit = torch.tensor(table.unit, dtype=torch.double)

    def choose(measured: Sequence[int], losses: np.ndarray) -> int:
        torch.manual_seed(seed_of(seed, len(measured), "botorch"))
        z = -standardised(losses)
        model = botorch_model(unit[list(measured)], torch.tensor(z, dtype=torch.double)[:, None])
        settings = {"beta": 4.0} if name == "UpperConfidenceBound" else {"best_f": float(z.max())}
        rows = untested(table, measured)
        with torch.no_grad():
            values = getattr(acquisition, name)(model, **settings)(unit[rows][:, None, :]).numpy()
        return best_of(rows, values, np.random.default_rng([seed, len(measured)]))

    return choose


def botorch_model(x: Any, y: Any) -> Any:
    """A fitted SingleTaskGP; larger is better."""
    model = library("botorch.models").SingleTaskGP(x, y)
    library("botorch.fit").fit_gpytorch_mll(
        library("gpytorch.mlls").ExactMarginalLogLikelihood(model.likelihood, model)
    )
    return model


def optuna_gp(table: Table, seed: int) -> Choose:
    """Optuna's GPSampler, and the untested row nearest to its answer."""
    return _optuna(table, seed, "GPSampler")


def optuna_tpe(table: Table, seed: int) -> Choose:
    """Optuna's TPESampler, and the untested row nearest to its answer."""
    return _optuna(table, seed, "TPESampler")


def _optuna(table: Table, seed: int, sampler: str) -> Choose:
    optuna = library("optuna")
    distributions = {
        one.name: optuna.distributions.CategoricalDistribution(one.levels)
        if isinstance(one, Categorical)
        else optuna.distributions.FloatDistribution(one.low, one.high)
        for one in table.parameters
    }

    def choose(measured: Sequence[int], losses: np.ndarray) -> int:
        study = optuna.create_study(
            sampler=getattr(optuna.samplers, sampler)(seed=seed_of(seed, len(measured), "optuna"), n_startup_trials=2)
        )
        create = optuna.trial.create_trial
        for row, value in zip(measured, standardised(losses), strict=True):
            study.add_trial(create(params=table.rows[row], distributions=distributions, value=float(value)))
        return nearest(table, measured, study.ask(distributions).params)

    return choose


def baybe(table: Table, seed: int) -> Choose:
    """BayBE's campaign on the rows as its search space."""
    from pandas import DataFrame

    baybe, parameters = library("baybe"), library("baybe.parameters")
    frame = DataFrame(list(table.rows))
    columns = [
        parameters.CategoricalParameter(one.name, values=sorted(set(frame[one.name])))
        if isinstance(one, Categorical)
        else parameters.NumericalDiscreteParameter(one.name, values=sorted(set(frame[one.name])))
        for one in table.parameters
    ]
    space = library("baybe.searchspace").SearchSpace.from_dataframe(frame, parameters=columns)
    objective = library("baybe.targets").NumericalTarget("loss", minimize=True).to_objective()

    def choose(measured: Sequence[int], losses: np.ndarray) -> int:
        library("torch").manual_seed(seed_of(seed, len(measured), "baybe"))
        campaign = baybe.Campaign(space, objective)
        campaign.add_measurements(frame.iloc[list(measured)].assign(loss=standardised(losses)))
        # Its answer is a row of the frame; looked up as for the others, so that a rounded value does no harm.
        return nearest(table, measured, campaign.recommend(1).iloc[0].to_dict())

    return choose


PEERS = {
    "random": Peer(random),
    "sobol": Peer(sobol),
    "skopt_ei": Peer(skopt_ei, ("skopt",)),
    "botorch_logei": Peer(botorch_logei, ("botorch",)),
    "botorch_ucb": Peer(botorch_ucb, ("botorch",)),
    "skopt_ask": Peer(skopt_ask, ("skopt",)),
    "optuna_gp": Peer(optuna_gp, ("optuna",)),
    "optuna_tpe": Peer(optuna_tpe, ("optuna",)),
    "baybe": Peer(baybe, ("baybe", "botorch")),
}
"""By name; the slow ones last."""
