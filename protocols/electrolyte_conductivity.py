"""Conductivity of a liquid electrolyte: mixed from eight stocks, weighed, stirred, and measured in triplicate.

What counts is the weighed composition: each stock is weighed as it comes, so the pumps' errors of delivery drop out.
The first filling of the cell after a rinse scatters about twice as much as the second and third (carry-over; so in the
public record of the real laboratory), and therefore weighs a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from labwright.model.errors import DeviceError
from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext, observe, physical, wait_s
from protocols.calibration import CellCalibration
from protocols.formulation import STOCKS, Composition, composition_of, solve_volumes
from protocols.impedance import fit_sweep
from protocols.steps import BEFORE_CELL, BEFORE_DOSE, BEFORE_FINISH, BEFORE_STIR

REPLICATE_WEIGHTS = (0.25, 1.0, 1.0)
REPEATABILITY = 0.019
"""Relative standard deviation of one filling of the cell in the real laboratory; a triplicate is not trusted beyond."""

DRIFT_SIGMAS = 6.0
"""Two readings of a steady balance differ by more once in five hundred million pairs."""

TEMPERATURE_BAND_CELSIUS = 0.5
"""Conductivity changes by 1 % in it, half of what one filling scatters."""


class ElectrolyteConductivity(LabProtocol):
    """Mix, weigh, stir, measure, discard one electrolyte."""

    name = "electrolyte_conductivity"
    title = "Conductivity of LiPF6 in EC:DMC:EMC"
    labware = "vial"
    parameters = (
        NumberParameter(name="molality", unit="mol/kg", low=0.05, high=2.0, description="LiPF6 per kg of solvent"),
        NumberParameter(name="ec_fraction", unit="1", low=0.3, high=0.5, description="EC by mass in the solvent"),
        NumberParameter(name="dmc_share", unit="1", low=0.0, high=1.0, description="DMC by mass in what is not EC"),
        NumberParameter(name="temperature", unit="degC", low=25.0, high=60.0, description="of the measurement"),
    )
    results = (
        NumberResult(name="conductivity", unit="mS/cm", uncertainty="conductivity_sem"),
        NumberResult(name="cell_temperature", unit="degC"),
        NumberResult(name="mass", unit="g"),
        NumberResult(name="weighed_molality", unit="mol/kg", uncertainty="molality_sd", measures="molality"),
        NumberResult(name="weighed_ec_fraction", unit="1", uncertainty="ec_fraction_sd", measures="ec_fraction"),
        NumberResult(name="weighed_dmc_share", unit="1", uncertainty="dmc_share_sd", measures="dmc_share"),
    )
    steps = (
        StepSpec(name="dose", station="dosing", expected_s=45, on_failure="ask", before_again=BEFORE_DOSE),
        StepSpec(
            name="stir", station="stirring", needs=("dose",), expected_s=240, recipe=("temperature",), retries=1,
            on_failure="ask", before_again=BEFORE_STIR,
        ),
        StepSpec(
            name="measure", station="impedance", needs=("stir",), expected_s=147, recipe=("temperature",), holds=True,
            on_failure="ask", before_again=BEFORE_CELL,
        ),
        # The third filling is in the cell by now, and the vial is carried away while it is measured.
        StepSpec(
            name="finish", station="impedance", needs=("measure",), expected_s=67, sample=False,
            recipe=("temperature",), on_failure="ask", before_again=BEFORE_FINISH,
        ),
    )  # fmt: skip

    def constant(self, name: str) -> float:
        """A number the lab gives this protocol."""
        return float(self.lab.constants[self.name][name])

    def volumes_ul(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Microlitres of each stock for the target composition.

        Raises:
            InfeasibleError: with the nearest composition that can be made.
        """
        target = Composition(parameters["molality"], parameters["ec_fraction"], parameters["dmc_share"])
        return dict(_volumes_ul(target, self.constant("sample_volume_ul"), self.constant("min_volume_ul")))

    def check(self, parameters: Mapping[str, float]) -> None:
        """Refuse what is outside the envelope or cannot be mixed."""
        super().check(parameters)
        self.volumes_ul(parameters)

    def consumption_ml(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Stocks for one sample, solvent for one rinse, and what is drawn out of the sample."""
        stocks = {name: volume_ul / 1000 for name, volume_ul in self.volumes_ul(parameters).items()}
        return {**stocks, "rinse": self.constant("rinse_ul") / 1000, **self._drawn_ml()}

    def worst_consumption_ml(self) -> dict[str, float]:
        """Any stock may be the whole of every sample."""
        whole = {stock.name: self.constant("sample_volume_ul") / 1000 for stock in STOCKS}
        return {**whole, "rinse": self.constant("rinse_ul") / 1000, **self._drawn_ml()}

    def _drawn_ml(self) -> dict[str, float]:
        waste = self.lab.waste_of("impedance", "sample")
        return {waste: len(REPLICATE_WEIGHTS) * self.constant("draw_ul") / 1000} if waste else {}

    def dose(self, context: StepContext) -> Plan:
        """Dispense each stock, and weigh what came."""
        valve, balance = context.device("valve"), context.device("balance")
        volumes_ul = self.volumes_ul(context.order.parameters)
        before_g = yield from self._steady_g(context, balance)
        masses_g: dict[str, float] = {}
        poured_ul: dict[str, float] = {}
        for stock, volume_ul in volumes_ul.items():
            source = context.source(stock)
            yield from physical(context, valve.selection, source.settings["valve_port"])
            poured_ul[stock] = yield from physical(context, source.device.volume, volume_ul)
            after_g = (yield from observe(context, balance, stream="weighing"))[balance.mass.name]
            masses_g[stock] = after_g - before_g
            self._check_delivery(stock, poured_ul[stock], masses_g[stock])
            before_g = after_g
        yield from self._steady_g(context, balance)
        made = composition_of(masses_g, self.constant("balance_sd_g"))
        return {
            "masses_g": masses_g,
            "volumes_ul": poured_ul,
            "mass": sum(masses_g.values()),
            **{f"weighed_{name}": value for name, value in made.as_params().items()},
            "molality_sd": made.molality_sd,
            "ec_fraction_sd": made.ec_fraction_sd,
            "dmc_share_sd": made.dmc_share_sd,
        }

    def stir(self, context: StepContext) -> Plan:
        """Mix, and bring to temperature."""
        plate = context.device("plate")
        yield from physical(context, plate.speed, self.constant("stir_rpm"))
        yield from physical(context, plate.temperature, context.order.parameters["temperature"])
        yield from wait_s(self.constant("stir_s"))
        yield from observe(context, plate)
        return {}  # it stirs on: other vials may be on the plate

    def measure(self, context: StepContext) -> Plan:
        """Rinse the cell, fill it three times, and sweep all fillings but the last."""
        yield from physical(context, context.source("rinse").device.volume, self.constant("rinse_ul"))
        replicates: list[dict[str, Any]] = []
        for number in range(1, len(REPLICATE_WEIGHTS) + 1):
            yield from physical(context, context.device("sample").volume, self.constant("draw_ul"))
            if number < len(REPLICATE_WEIGHTS):
                replicates.append((yield from self._filling(context)))
        return {"first_fillings": replicates}

    def finish(self, context: StepContext) -> Plan:
        """Sweep the last filling, and evaluate."""
        replicates = [*context.result("measure", "first_fillings"), (yield from self._filling(context))]
        kappas = [one["conductivity"] for one in replicates]
        mean, sem = combine(kappas)
        celsius = sum(one["celsius"] for one in replicates) / len(replicates)
        return {
            "conductivity": mean,
            "conductivity_sem": sem,
            "conductivity_replicates": kappas,
            "cell_temperature": celsius,
            "replicates": replicates,
        }

    def _filling(self, context: StepContext) -> Plan:
        """What is in the cell, once it has settled."""
        calibration = CellCalibration(**context.order.calibrations["cell_calibration"]["calibration"])
        yield from wait_s(self.constant("settle_s"))
        found = yield from sweep(context, context.device("meter"), context.device("plate"), calibration)
        self._check_temperature(context, found["celsius"])
        return found

    def _steady_g(self, context: StepContext, balance: Any) -> Plan:
        """Weigh twice with nothing poured between: a drift would go into every mass that follows."""
        wait = self.constant("drift_check_s")
        first_g = (yield from observe(context, balance, stream="weighing"))[balance.mass.name]
        yield from wait_s(wait)
        second_g = (yield from observe(context, balance, stream="weighing"))[balance.mass.name]
        limit_g = DRIFT_SIGMAS * math.sqrt(2) * self.constant("balance_sd_g")
        if abs(second_g - first_g) > limit_g:
            raise DeviceError(
                f"{balance.name}: {1000 * (second_g - first_g):+.1f} mg in {wait:g} s with nothing poured (limit "
                f"{1000 * limit_g:.1f} mg): it drifts; let it warm up, level it, keep draughts away"
            )
        return second_g

    def _check_temperature(self, context: StepContext, celsius: float) -> None:
        """A sample at another temperature than was asked for would pass as another composition."""
        wanted = context.order.parameters["temperature"]
        if abs(celsius - wanted) > TEMPERATURE_BAND_CELSIUS:
            raise DeviceError(
                f"the cell is at {celsius:.2f} degC, asked for were {wanted:g} degC (within "
                f"{TEMPERATURE_BAND_CELSIUS:g}); look whether the hotplate still heats"
            )

    def _check_delivery(self, stock: str, volume_ul: float, mass_g: float) -> None:
        """A dose far from what was asked is a fault (spilled, leaking, wrong vial), not an error to be weighed away."""
        density = next(one.density_g_per_ml for one in STOCKS if one.name == stock)
        expected_g = volume_ul / 1000 * density
        if abs(mass_g - expected_g) > 0.15 * expected_g + 0.02:
            raise DeviceError(
                f"{stock}: {volume_ul:.0f} ul ({expected_g:.3f} g) were dispensed, but the balance "
                f"gained {mass_g:.3f} g; look for a leak, an empty syringe or a vial that is not there"
            )


@lru_cache(maxsize=64)  # a suggestion is checked first, and then asked what it takes
def _volumes_ul(target: Composition, volume_ul: float, min_volume_ul: float) -> dict[str, float]:
    return solve_volumes(target, volume_ul, STOCKS, min_volume_ul)


def sweep(context: StepContext, meter: Any, plate: Any, calibration: CellCalibration | None) -> Plan:
    """Sweep once and evaluate: resistance, and with a calibration the conductivity."""
    values = yield from observe(context, meter, plate, stream="impedance")
    frequencies = [float(one) for one in values[meter.frequency.name]]
    z = [complex(r, x) for r, x in zip(values[meter.resistance.name], values[meter.reactance.name], strict=True)]
    fit = fit_sweep(frequencies, z)
    found: dict[str, Any] = {
        "resistance": fit.resistance_ohm,
        "resistance_sem": fit.resistance_sem_ohm,
        "cpe_q": fit.cpe_q,
        "cpe_n": fit.cpe_n,
        "celsius": float(values[plate.temperature.name]),
        "frequencies_hz": frequencies,
        "z_real_ohm": [one.real for one in z],
        "z_imag_ohm": [one.imag for one in z],
    }
    if calibration is not None:
        kappa, sem = calibration.conductivity_ms_per_cm(fit.resistance_ohm, fit.resistance_sem_ohm)
        found |= {"conductivity": kappa, "conductivity_sem": sem}
    return found


def combine(kappas: list[float]) -> tuple[float, float]:
    """Weighted mean of the replicates in mS/cm, and its standard error.

    Three values are too few to estimate their scatter, so the error is never taken below the lab's known repeatability.
    """
    weights = REPLICATE_WEIGHTS[: len(kappas)]
    total = sum(weights)
    mean = sum(w * k for w, k in zip(weights, kappas, strict=True)) / total
    seen = math.sqrt(sum(w * (k - mean) ** 2 for w, k in zip(weights, kappas, strict=True)) / total)
    effective = total**2 / sum(w * w for w in weights)
    return mean, max(seen, REPEATABILITY * mean) / math.sqrt(effective)
