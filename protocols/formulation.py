"""From a target composition to volumes of stock solutions, and from weighed masses back to the composition made.

"Molality" is mol LiPF6 per kg of solvent, as in the record of the real campaign (Dave et al., Nat. Commun. 13, 5454,
2022), whose eight stocks these are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labwright.model.errors import ConfigError, InfeasibleError, OutOfRangeError, unknown
from labwright.model.space import LinearLE

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "LIPF6_KG_PER_MOL",
    "MOLALITY_LIMIT",
    "STOCKS",
    "Composition",
    "Stock",
    "WeighedComposition",
    "composition_of",
    "feasible",
    "solve_volumes",
]

LIPF6_KG_PER_MOL = 0.151905  # molar mass

Solvent = Literal["EC", "DMC", "EMC"]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Stock(BaseModel):
    """A stock solution.

    Args:
        name: its name, unique among the stocks.
        solvents: mass fractions in the solvent, salt not counted; they sum to 1.
        molality: mol LiPF6 per kg solvent.
        density_g_per_ml: density of the solution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    solvents: dict[Solvent, Fraction]
    molality: float = Field(ge=0, allow_inf_nan=False)
    density_g_per_ml: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not math.isclose(sum(self.solvents.values()), 1.0, abs_tol=1e-9):
            raise ValueError(f"stock {self.name!r}: solvent fractions sum to {sum(self.solvents.values()):g}, not 1")
        return self

    @property
    def solvent_share(self) -> float:
        """Mass of solvent per mass of solution."""
        return 1.0 / (1.0 + self.molality * LIPF6_KG_PER_MOL)


def _stock(name: str, density_g_per_ml: float, molality: float = 0.0, **solvents: float) -> Stock:
    return Stock.model_validate(
        {"name": name, "solvents": solvents, "molality": molality, "density_g_per_ml": density_g_per_ml}
    )


# Names and densities as in the record, the bars of its names written as underscores. Where it gives two densities for
# a neat stock, this is the one it used together with the 2 mol/kg stocks.
STOCKS: tuple[Stock, ...] = (
    _stock("DMC_EC_70_30", 1.13, DMC=0.7, EC=0.3),
    _stock("DMC_EC_50_50", 1.18, DMC=0.5, EC=0.5),
    _stock("DMC_EC_70_30_LiPF6_2", 1.31, 2.0, DMC=0.7, EC=0.3),
    _stock("DMC_EC_50_50_LiPF6_2", 1.362, 2.0, DMC=0.5, EC=0.5),
    _stock("EC_EMC_30_70", 1.095, EC=0.3, EMC=0.7),
    _stock("EC_EMC_50_50", 1.156, EC=0.5, EMC=0.5),
    _stock("EC_EMC_30_70_LiPF6_1_5", 1.225, 1.5, EC=0.3, EMC=0.7),
    _stock("EC_EMC_50_50_LiPF6_1_5", 1.287, 1.5, EC=0.5, EMC=0.5),
)

# What can be made of these stocks for EC from 0.30 to 0.50. Mixing the salted stocks with one EC fraction throughout
# gives 1.5 + 0.5 * dmc_share; 0.01 below that, the unsalted rest is a volume a pump can dispense (20 µL of 6 mL). The
# limit gives away that 0.01 mol/kg, and in the middle, where EC can be drawn unevenly from the two families of stocks,
# 0.041 more at most (at EC 0.41 and a DMC share of 0.45).
MOLALITY_LIMIT = LinearLE(coefficients={"molality": 1.0, "dmc_share": -0.5}, bound=1.49)


@dataclass(frozen=True)
class Composition:
    """An electrolyte.

    Args:
        molality: mol LiPF6 per kg solvent.
        ec_fraction: mass fraction of EC in the solvent.
        dmc_share: mass fraction of DMC in what is not EC; the rest is EMC.
    """

    molality: float
    ec_fraction: float
    dmc_share: float

    def as_params(self) -> dict[str, float]:
        """By the names of the search space."""
        return {"molality": self.molality, "ec_fraction": self.ec_fraction, "dmc_share": self.dmc_share}


@dataclass(frozen=True)
class WeighedComposition(Composition):
    """What was made, with the standard deviations that the balance leaves."""

    molality_sd: float
    ec_fraction_sd: float
    dmc_share_sd: float


def solve_volumes(
    target: Composition,
    total_volume_ul: float,
    stocks: Sequence[Stock] = STOCKS,
    min_volume_ul: float = 20.0,
) -> dict[str, float]:
    """Volumes in µL of as few stocks as possible that give exactly the target composition.

    Among equally few stocks those whose smallest volume is largest, as small volumes are the least accurate ones.

    Args:
        target: what to make.
        total_volume_ul: sum of the volumes (mixing is taken to be additive; what counts later is the weighed mass).
        stocks: what there is.
        min_volume_ul: the least a pump dispenses well; a stock gives nothing or at least this.
            With 0, shares down to a millionth of the total are distinguished from none.

    Raises:
        InfeasibleError: the target cannot be made; `nearest` can, and moves the parameters least (sum of the moves,
            each as a fraction of its range in the campaign).
        OutOfRangeError: a target, a total or a minimum that is no sensible number.
    """
    _checked(target, total_volume_ul, min_volume_ul)
    volumes = _solve(target, total_volume_ul, stocks, min_volume_ul)
    if volumes is None:
        nearest = _nearest(target, stocks, min_volume_ul / total_volume_ul)
        raise InfeasibleError(
            f"{_words(target)} cannot be made as {total_volume_ul:g} µL of {len(stocks)} stocks with at least "
            f"{min_volume_ul:g} µL of each used.",
            nearest.as_params(),
        )
    return volumes


def feasible(
    target: Composition,
    total_volume_ul: float = 6000.0,
    stocks: Sequence[Stock] = STOCKS,
    min_volume_ul: float = 20.0,
) -> bool:
    """Whether `solve_volumes` has an answer.

    Raises:
        OutOfRangeError: as `solve_volumes`.
    """
    _checked(target, total_volume_ul, min_volume_ul)
    return _solve(target, total_volume_ul, stocks, min_volume_ul) is not None


def composition_of(
    masses_g: Mapping[str, float], reading_sd_g: float = 0.0, stocks: Sequence[Stock] = STOCKS
) -> WeighedComposition:
    """The composition that weighed masses of stocks make, and how well it is known.

    Args:
        masses_g: mass by stock name; each the difference of two balance readings.
        reading_sd_g: standard deviation of one reading. The masses' errors are taken as independent, each sqrt(2) times
            this; that neighbouring masses share a reading is left out.
        stocks: what there is.

    Raises:
        ConfigError: a stock that is not known.
        OutOfRangeError: a negative mass, none at all, or nothing but EC.
    """
    known = {stock.name: stock for stock in stocks}
    for name, mass in masses_g.items():
        if name not in known:
            raise ConfigError(unknown("stock", name, list(known)))
        if not (math.isfinite(mass) and mass >= 0):
            raise OutOfRangeError(f"mass of {name} is {mass:g} g; weigh again, a mass is 0 or more")
    parts = [(known[name], mass * known[name].solvent_share) for name, mass in masses_g.items()]
    solvent = sum(mass for _, mass in parts)
    linear = sum(mass * (1 - _ec(stock)) for stock, mass in parts)
    if linear <= 0:
        raise OutOfRangeError("no DMC or EMC was weighed in, so there is no composition; weigh again")
    molality = sum(mass * stock.molality for stock, mass in parts) / solvent
    ec = sum(mass * _ec(stock) for stock, mass in parts) / solvent
    share = sum(mass * _dmc(stock) for stock, mass in parts) / linear
    mass_sd = math.sqrt(2) * reading_sd_g
    used = [stock for stock, _ in parts]
    return WeighedComposition(
        molality=molality,
        ec_fraction=ec,
        dmc_share=share,
        molality_sd=mass_sd * math.hypot(*(s.solvent_share * (s.molality - molality) for s in used)) / solvent,
        ec_fraction_sd=mass_sd * math.hypot(*(s.solvent_share * (_ec(s) - ec) for s in used)) / solvent,
        dmc_share_sd=mass_sd * math.hypot(*(s.solvent_share * (_dmc(s) - share * (1 - _ec(s))) for s in used)) / linear,
    )


# Ranges of the real campaign, by which moves of different parameters are compared.
_RANGES = Composition(molality=1.86, ec_fraction=0.20, dmc_share=1.0)
_EXACT = 1e-9  # residual of the balance of solvents and salt that still counts as exact


def _solve(
    target: Composition, total_volume_ul: float, stocks: Sequence[Stock], min_volume_ul: float
) -> dict[str, float] | None:
    """The fewest stocks that do it, and among those the choice whose smallest volume is largest; None if none does.

    Every choice of stocks is a linear programme of its own. (scipy's mixed-integer solver would take one call, but it
    writes to the process's standard output, which belongs to data.)
    """
    import numpy as np

    solvent = np.array([stock.density_g_per_ml * stock.solvent_share for stock in stocks])  # g per mL
    # Each row is zero for the right mixture, whatever its amount: EC, DMC and salt against what the solvent calls for.
    rows = np.array(
        [
            solvent * [_ec(stock) - target.ec_fraction for stock in stocks],
            solvent * [_dmc(stock) - target.dmc_share * (1 - _ec(stock)) for stock in stocks],
            solvent * [stock.molality - target.molality for stock in stocks],
            np.ones(len(stocks)),
        ]
    )
    right = np.array([0.0, 0.0, 0.0, 1.0])
    if _shares(rows, right) is None:
        return None
    least = min_volume_ul / total_volume_ul
    for size in range(1, len(stocks) + 1):
        best: tuple[float, tuple[int, ...], np.ndarray] | None = None
        for used in itertools.combinations(range(len(stocks)), size):
            shares = _shares(rows[:, used], right)
            if shares is not None and shares.min() >= max(least, _EXACT) and (best is None or shares.min() > best[0]):
                best = float(shares.min()), used, shares
        if best is not None:
            _, used, shares = best
            return {stocks[i].name: float(v) * total_volume_ul for i, v in zip(used, shares, strict=True)}
    return None


def _shares(rows: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """Shares of the total, shape (k,), that solve `rows @ shares == right`, the smallest as large as can be."""
    import numpy as np
    from scipy.optimize import linprog

    count = rows.shape[1]
    shares, _, rank, _ = np.linalg.lstsq(rows, right)
    if np.abs(rows @ shares - right).max() > _EXACT:
        return None
    if rank < count:  # there is a choice left
        answer = linprog(
            np.append(np.zeros(count), -1.0),
            A_ub=np.hstack([-np.eye(count), np.ones((count, 1))]), b_ub=np.zeros(count),
            A_eq=np.hstack([rows, np.zeros((4, 1))]), b_eq=right,
        )  # fmt: skip
        if not answer.success:
            return None
        shares = answer.x[:-1]
        # The solver keeps its rows within 1e-7 or so; one least-squares step makes the composition exact.
        shares = shares + np.linalg.lstsq(rows, right - rows @ shares)[0]
    return None if shares.min() < -_EXACT else np.maximum(shares, 0.0)


def _nearest(target: Composition, stocks: Sequence[Stock], least: float) -> Composition:
    """The composition that can be made and moves the target least."""
    everything = range(len(stocks))
    best = _moved(target, stocks, everything, 0.0)
    assert best is not None  # noqa: S101 - without a minimum the stocks themselves can always be made
    _, found = best
    if _solve(found, 1.0, stocks, least) is not None:
        return found
    # What comes nearest without a minimum needs a droplet of something: look through the choices with the minimum.
    choices = [used for size in range(1, len(stocks) + 1) for used in itertools.combinations(everything, size)]
    made = [answer for used in choices if (answer := _moved(target, stocks, used, least)) is not None]
    if not made:
        raise ConfigError(f"no stock fills a least share of {least:g} of the total; use a larger total volume")
    return min(made, key=lambda answer: answer[0])[1]


def _moved(
    target: Composition, stocks: Sequence[Stock], used: Sequence[int], least: float
) -> tuple[float, Composition] | None:
    """The nearest to the target that certain stocks make, each with a least share of the volume, and how far it is."""
    import numpy as np
    from scipy.optimize import linprog

    chosen = [stocks[place] for place in used]
    count = len(chosen)
    volume = np.array([1.0 / (stock.density_g_per_ml * stock.solvent_share) for stock in chosen])  # mL per g solvent
    # The DMC share is a ratio; taken at the nearest EC fraction there is, its move is linear in the amounts.
    ec = min(max(target.ec_fraction, min(map(_ec, stocks))), max(map(_ec, stocks)))
    rows = np.array(
        [
            [stock.molality / _RANGES.molality for stock in chosen],
            [_ec(stock) / _RANGES.ec_fraction for stock in chosen],
            [(_dmc(stock) - target.dmc_share * (1 - _ec(stock))) / (1 - ec) for stock in chosen],
        ]
    )
    right = np.array([target.molality / _RANGES.molality, target.ec_fraction / _RANGES.ec_fraction, 0.0])
    # Unknowns: g of each stock's solvent per g, then the three moves. A hair more than the least survives rounding.
    shares = (1 + 1e-6) * least * np.tile(volume, (count, 1)) - np.diag(volume)
    answer = linprog(
        np.append(np.zeros(count), np.ones(3)),
        A_ub=np.block([[rows, -np.eye(3)], [-rows, -np.eye(3)], [shares, np.zeros((count, 3))]]),
        b_ub=np.concatenate([right, -right, np.zeros(count)]),
        A_eq=np.append(np.ones(count), np.zeros(3))[None, :], b_eq=[1.0],
    )  # fmt: skip
    if not answer.success:
        return None
    masses = {s.name: max(float(w), 0.0) / s.solvent_share for s, w in zip(chosen, answer.x[:count], strict=True)}
    made = composition_of(masses, stocks=stocks)
    return float(answer.fun), Composition(made.molality, made.ec_fraction, made.dmc_share)


def _checked(target: Composition, total_volume_ul: float, min_volume_ul: float) -> None:
    wrong = [f"{name} {value:g}" for name, value in target.as_params().items() if not math.isfinite(value) or value < 0]
    if target.ec_fraction >= 1 or target.dmc_share > 1:
        wrong.append(f"EC {target.ec_fraction:g}, DMC share {target.dmc_share:g} (fractions)")
    if not (math.isfinite(total_volume_ul) and total_volume_ul > 0):
        wrong.append(f"total volume {total_volume_ul:g} µL")
    if not 0 <= min_volume_ul < math.inf:
        wrong.append(f"minimum volume {min_volume_ul:g} µL")
    if wrong:
        raise OutOfRangeError(f"nothing can be made of {'; '.join(wrong)}")


def _ec(stock: Stock) -> float:
    return stock.solvents.get("EC", 0.0)


def _dmc(stock: Stock) -> float:
    return stock.solvents.get("DMC", 0.0)


def _words(composition: Composition) -> str:
    return f"{composition.molality:.6g} mol/kg, EC {composition.ec_fraction:.6g}, DMC share {composition.dmc_share:.6g}"
