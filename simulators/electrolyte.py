"""The physics of the reference lab's samples: LiPF6 in EC, DMC and EMC.

Conductivity at 27 °C is a Casteel-Amis form fitted to 197 points of the Advanced Electrolyte Model published with
Clio (Dave et al., Nat. Commun. 13, 5454, 2022). `python -m benchmarks.refit_electrolyte` makes the coefficients beside
this file and says how far the real robot's measurements lie from them.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labwright.model.errors import OutOfRangeError
from labwright.model.space import LinearLE
from protocols.calibration import kcl_conductivity_ms_per_cm
from protocols.formulation import LIPF6_KG_PER_MOL

__all__ = [
    "COEFFICIENTS_FILE",
    "Optimum",
    "casteel_amis",
    "conductivity_ms_per_cm",
    "density_g_per_ml",
    "kcl_conductivity_ms_per_cm",
    "optimum",
]

COEFFICIENTS_FILE = Path(__file__).with_name("electrolyte_coefficients.json")

_REFERENCE_CELSIUS = 27.0  # the mean of the real campaign's samples
_CELSIUS = (-10.0, 75.0)  # where the simulator answers, a plate's overshoot at 60 included; the form is for -10 to 50
_EC = (0.25, 0.55)  # fitted from 0.30 to 0.52
_BOUNDS = {"molality": (0.14, 2.0), "ec_fraction": (0.30, 0.50), "dmc_share": (0.0, 1.0)}  # the campaign's space

# Landesfeind and Gasteiger, J. Electrochem. Soc. 166, A3079 (2019), the form and coefficients as PyBaMM's parameter set
# electrolyte_base_Landesfeind2019 gives them: p1 to p6 by solvent.
_EC_DMC = (0.798, 228.0, -1.22, 0.509, -4.0e-3, 3.79e-3)  # EC:DMC 1:1 by mass
_EC_EMC = (0.521, 228.0, -1.06, 0.353, -3.59e-3, 1.48e-3)  # EC:EMC 3:7 by mass


@dataclass(frozen=True)
class Optimum:
    """The best composition there is, which a campaign can be held against."""

    molality: float
    ec_fraction: float
    dmc_share: float
    conductivity_ms_per_cm: float


def conductivity_ms_per_cm(molality: float, ec_fraction: float, dmc_share: float, celsius: float) -> float:
    """Ionic conductivity in mS/cm.

    Away from 27 °C the fitted value is multiplied by the ratio kappa(T) / kappa(27 °C) of Landesfeind and Gasteiger,
    which they publish for EC:DMC 1:1 and EC:EMC 3:7. Between the two, the logarithm of the ratio goes linearly with
    the DMC share, and EC is taken not to change it: that interpolation is our modelling, not theirs.

    Args:
        molality: mol LiPF6 per kg solvent, 0 or more; the fit holds from 0.2 to 2.1.
        ec_fraction: mass fraction of EC in the solvent; values outside 0.25 to 0.55 count as the nearer end.
        dmc_share: mass fraction of DMC in what is not EC; the rest is EMC. Counts as 0 or 1 outside.
        celsius: temperature, -10 to 75.

    Raises:
        OutOfRangeError: a negative molality, a temperature outside, or anything that is not a finite number.
    """
    if not all(map(math.isfinite, (molality, ec_fraction, dmc_share, celsius))) or molality < 0:
        raise OutOfRangeError(
            f"no electrolyte: molality {molality:g} mol/kg, EC {ec_fraction:g}, DMC share {dmc_share:g}, "
            f"{celsius:g} °C; give finite numbers and a molality of 0 or more"
        )
    if not _CELSIUS[0] <= celsius <= _CELSIUS[1]:
        raise OutOfRangeError(
            f"conductivity is modelled from {_CELSIUS[0]:g} to {_CELSIUS[1]:g} °C, not {celsius:g} °C"
        )
    ec = min(max(ec_fraction, _EC[0]), _EC[1])
    share = min(max(dmc_share, 0.0), 1.0)
    at_reference = casteel_amis(_coefficients()["casteel_amis"], molality, ec, share)
    molarity = _molarity(molality, ec, share)
    log_ratio = share * _log_ratio(_EC_DMC, molarity, celsius) + (1 - share) * _log_ratio(_EC_EMC, molarity, celsius)
    return at_reference * math.exp(log_ratio)


def casteel_amis(c: Sequence[float], molality: float, ec_fraction: float, dmc_share: float) -> float:
    """Conductivity at 27 °C in mS/cm: kmax (m/mu)^a exp(b (m - mu)^2 - a (m - mu)/mu).

    Source: Casteel and Amis, J. Chem. Eng. Data 17, 55 (1972). The maximum kmax, where it lies (mu) and the shape
    (a, b) are polynomials in EC - 0.4 and DMC share - 0.5.

    Args:
        c: 14 coefficients: 6 of kmax, 3 of mu, 3 of a, 2 of b.
        molality: mol/kg, 0 or more.
        ec_fraction: mass fraction of the solvent.
        dmc_share: mass fraction of what is not EC.
    """
    if molality <= 0:
        return 0.0
    e, s = ec_fraction - 0.4, dmc_share - 0.5
    kmax = c[0] + c[1] * e + c[2] * s + c[3] * s * s + c[4] * e * s + c[5] * e * e
    mu = c[6] + c[7] * e + c[8] * s
    a = c[9] + c[10] * e + c[11] * s
    b = c[12] + c[13] * s
    away = molality - mu
    return kmax * (molality / mu) ** a * math.exp(b * away * away - a * away / mu)


def density_g_per_ml(molality: float, ec_fraction: float, dmc_share: float) -> float:
    """Density in g/mL near 25 °C, the volumes of solvents and salt being additive.

    The four specific volumes are fitted to the densities Clio published for its stocks; they meet them within 1 %.
    """
    volume = _coefficients()["specific_volume_ml_per_g"]
    solvent_g = 1.0
    salt_g = molality * LIPF6_KG_PER_MOL
    rest = 1.0 - ec_fraction
    solvent_ml = ec_fraction * volume[0] + rest * dmc_share * volume[1] + rest * (1 - dmc_share) * volume[2]
    return (solvent_g + salt_g) / (solvent_ml + salt_g * volume[3])


def optimum(celsius: float = _REFERENCE_CELSIUS, constraints: Sequence[LinearLE] = ()) -> Optimum:
    """The most conductive composition in the campaign's space (0.14 to 2 mol/kg, EC 0.30 to 0.50), found numerically.

    Args:
        celsius: temperature.
        constraints: limits on `molality`, `ec_fraction` and `dmc_share`.
    """
    from scipy.optimize import minimize

    bounds = list(_BOUNDS.values())

    def named(x: Sequence[float]) -> dict[str, float]:
        return dict(zip(_BOUNDS, map(float, x), strict=True))

    limits = [{"type": "ineq", "fun": lambda x, limit=limit: -limit.excess(named(x))} for limit in constraints]
    best: Optimum | None = None
    # A smooth function of three variables: eight starts, one per octant, leave no maximum out.
    for corner in itertools.product((0.25, 0.75), repeat=3):
        start = [low + part * (high - low) for part, (low, high) in zip(corner, bounds, strict=True)]
        found = minimize(
            lambda x: -conductivity_ms_per_cm(**named(x), celsius=celsius),
            start, method="SLSQP", bounds=bounds, constraints=limits, options={"ftol": 1e-12},
        )  # fmt: skip
        here = named(found.x)
        kappa = conductivity_ms_per_cm(**here, celsius=celsius)
        kept = all(limit.excess(here) <= 1e-9 for limit in constraints)  # the solver's own tolerance
        if kept and (best is None or kappa > best.conductivity_ms_per_cm):
            best = Optimum(**here, conductivity_ms_per_cm=kappa)
    if best is None:
        raise OutOfRangeError(f"no composition keeps {'; '.join(map(str, constraints))}")
    return best


def _molarity(molality: float, ec_fraction: float, dmc_share: float) -> float:
    """Mol per litre of solution."""
    solution_kg = 1.0 + molality * LIPF6_KG_PER_MOL
    return molality * density_g_per_ml(molality, ec_fraction, dmc_share) / solution_kg


def _log_ratio(p: Sequence[float], molarity: float, celsius: float) -> float:
    """Logarithm of kappa(T) / kappa(27 °C); what does not depend on the temperature cancels."""

    def form(kelvin: float) -> float:
        swelling = math.exp(1000.0 / kelvin)
        upper = 1 + p[2] * math.sqrt(molarity) + p[3] * (1 + p[4] * swelling) * molarity
        return p[0] * (1 + (kelvin - p[1])) * upper / (1 + molarity**4 * p[5] * swelling)

    return math.log(form(celsius + 273.15) / form(_REFERENCE_CELSIUS + 273.15))


@functools.cache
def _coefficients() -> dict[str, list[float]]:
    return json.loads(COEFFICIENTS_FILE.read_text(encoding="utf-8"))["values"]
