"""Refits the simulated electrolyte to the public record, and says how far the real measurements lie from it.

``python -m benchmarks.refit_electrolyte DATA_FOLDER [--write]``, where DATA_FOLDER holds `AEM_training_data.csv` and
`ECDMCEMC_optimization_march2021.csv` of BattModels/Clio-NatCommData.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from protocols.formulation import LIPF6_KG_PER_MOL
from simulators.electrolyte import COEFFICIENTS_FILE, casteel_amis, optimum

_FAILED_MS_PER_CM = 1.0  # the least conductive design of the record reads 4 in the median of its three
_START = [11.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, -0.1, 0.0]
_BANDS = (0.0, 0.2, 0.4, 0.6, 1.0, 1.5, 1.8, 2.01)
# Densities in g/mL as they stand in the record's column `feeder_densities`, (DMC, EC, EMC) by mass and mol/kg LiPF6;
# two neat stocks are given with two values.
_STOCK_DENSITIES = (
    ((0.7, 0.3, 0.0), 0.0, 1.13), ((0.7, 0.3, 0.0), 0.0, 1.14), ((0.5, 0.5, 0.0), 0.0, 1.18),
    ((0.5, 0.5, 0.0), 0.0, 1.192), ((0.7, 0.3, 0.0), 1.5, 1.27), ((0.5, 0.5, 0.0), 1.5, 1.323),
    ((0.7, 0.3, 0.0), 2.0, 1.31), ((0.5, 0.5, 0.0), 2.0, 1.362), ((0.0, 0.3, 0.7), 0.0, 1.095),
    ((0.0, 0.5, 0.5), 0.0, 1.156), ((0.0, 0.3, 0.7), 1.5, 1.225), ((0.0, 0.5, 0.5), 1.5, 1.287),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, print, and with --write put the coefficients beside the simulator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the two csv files of the public record")
    parser.add_argument("--write", action="store_true", help=f"write {COEFFICIENTS_FILE.name}")
    options = parser.parse_args(arguments)
    coefficients, table = _fit_conductivity(options.folder / "AEM_training_data.csv")
    volumes = _fit_volumes()
    print("casteel_amis", json.dumps(coefficients))
    print("specific_volume_ml_per_g", json.dumps(volumes))
    _report_table(coefficients, table)
    _report_measurements(coefficients, options.folder / "ECDMCEMC_optimization_march2021.csv")
    if options.write:
        content = {
            "source": "Dave et al., Nat. Commun. 13, 5454 (2022), doi 10.1038/s41467-022-32938-1; our least squares",
            "made_by": "python -m benchmarks.refit_electrolyte DATA_FOLDER --write",
            "values": {"casteel_amis": coefficients, "specific_volume_ml_per_g": volumes},
        }
        COEFFICIENTS_FILE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    best = optimum()
    print(
        f"optimum of the committed coefficients at 27 C: {best.conductivity_ms_per_cm:.2f} mS/cm at "
        f"{best.molality:.2f} mol/kg, EC {best.ec_fraction:.2f}, DMC share {best.dmc_share:.2f}"
    )


def _fit_conductivity(path: Path) -> tuple[list[float], list[tuple[float, float, float, float]]]:
    from scipy.optimize import least_squares

    columns = ("LiPF6_molality", "EC_mass_fraction", "DMC_cosolvent_ratio", "conductivity")
    with path.open(encoding="utf-8") as file:
        table = [tuple(float(row[name]) for name in columns) for row in csv.DictReader(file)]
    points = [(m, e, s, kappa) for m, e, s, kappa in table]
    found = least_squares(lambda c: [casteel_amis(c, m, e, s) - kappa for m, e, s, kappa in points], _START)
    return [round(float(value), 5) for value in found.x], points


def _fit_volumes() -> list[float]:
    """Specific volumes of EC, DMC, EMC and LiPF6 in mL/g, by least squares on relative density errors."""
    import numpy as np

    rows, ones = [], []
    for (dmc, ec, emc), molality, density in _STOCK_DENSITIES:
        salt_g = molality * LIPF6_KG_PER_MOL
        rows.append(np.array([ec, dmc, emc, salt_g]) / (1 + salt_g) * density)
        ones.append(1.0)
    volumes, *_ = np.linalg.lstsq(np.array(rows), np.array(ones))
    worst = float(np.abs(np.array(rows) @ volumes - 1.0).max())
    print(f"densities of {len(rows)} published stocks: worst error {worst:.2%}")
    return [round(float(value), 5) for value in volumes]


def _report_table(coefficients: Sequence[float], table: Sequence[tuple[float, float, float, float]]) -> None:
    errors = [casteel_amis(coefficients, m, e, s) - kappa for m, e, s, kappa in table]
    mean = statistics.fmean(kappa for *_, kappa in table)
    r2 = 1 - sum(error**2 for error in errors) / sum((kappa - mean) ** 2 for *_, kappa in table)
    rms = math.sqrt(statistics.fmean(error**2 for error in errors))
    print(f"model table: {len(table)} points, R2 {r2:.4f}, rms error {rms:.3f} mS/cm")


def _report_measurements(coefficients: Sequence[float], path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ("LiPF6_molalitt", "EC_mass_fraction", "DMC_cosolvent_ratio")
    pairs = []
    for row in rows:
        if float(row["conductivity"]) < _FAILED_MS_PER_CM:
            print(
                f"left out: a reading of {row['conductivity']} mS/cm at {row[columns[0]]} mol/kg, a failed measurement"
            )
            continue
        m, e, s = (float(row[name]) for name in columns)
        pairs.append((m, casteel_amis(coefficients, m, e, s) / float(row["conductivity"])))
    print(f"real robot: {len(pairs)} measurements, median model/measured {statistics.median(r for _, r in pairs):.3f}")
    for low, high in itertools.pairwise(_BANDS):
        band = [ratio for m, ratio in pairs if low <= m < high]
        if band:
            span = f"{min(band):.2f} to {max(band):.2f}"
            print(f"  {low:.1f} to {high:.1f} mol/kg: {len(band):3d}, median {statistics.median(band):.3f}, {span}")


if __name__ == "__main__":
    main()
