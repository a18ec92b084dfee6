"""Calibration of the conductivity cell with two KCl standards: cell constant and series resistance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from labwright.model.protocol import NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext, physical, wait_s
from protocols.calibration import StandardReading, calibrate
from protocols.electrolyte_conductivity import sweep
from protocols.steps import BEFORE_CARRY, BEFORE_CELL, carry

FILLINGS = 4


def _move(name: str, *needs: str, keeps: tuple[str, ...] = ()) -> StepSpec:
    return StepSpec(
        name=name, station="transport", needs=needs, expected_s=9, keeps=keeps, on_failure="ask",
        before_again=BEFORE_CARRY,
    )  # fmt: skip


class CellCalibrationProtocol(LabProtocol):
    """Measure a weak and a strong KCl solution in the cell."""

    name = "cell_calibration"
    title = "Cell constant with KCl standards"
    # 6 ml each, and a calibration draws 4.5: the second would draw air.
    uses_up: ClassVar[tuple[str, ...]] = ("standard_weak", "standard_strong")
    # The cell stays as it is for a day; if it was taken out, calibrate again (prepare_anew in the campaign's file).
    valid_s: ClassVar[float] = 86400.0
    results = (NumberResult(name="cell_constant", unit="1/cm"), NumberResult(name="series_resistance", unit="Ohm"))
    steps = (
        StepSpec(name="warm", station="stirring", expected_s=515, on_failure="ask"),
        # From here to its end: another campaign may be there, with samples on their way to the cell.
        _move("weak_to_cell", keeps=("cell", "standard_weak", "standard_strong")),
        StepSpec(
            name="weak", station="impedance", needs=("weak_to_cell", "warm"), expected_s=525,
            on_failure="ask", before_again=BEFORE_CELL,
        ),
        _move("weak_back", "weak"),
        _move("strong_to_cell", "weak_back"),
        StepSpec(
            name="strong", station="impedance", needs=("strong_to_cell",), expected_s=525,
            on_failure="ask", before_again=BEFORE_CELL,
        ),
        _move("strong_back", "strong"),
        StepSpec(name="evaluate", station="impedance", needs=("strong_back",), expected_s=9, on_failure="ask"),
    )  # fmt: skip

    def constant(self, name: str) -> Any:
        """Something the lab gives this protocol."""
        return self.lab.constants[self.name][name]

    def worst_consumption_ml(self) -> dict[str, float]:
        """Solvent for three rinses, and what is drawn out of the two standards."""
        waste = self.lab.waste_of("impedance", "sample")
        drawn_ml = len(self.constant("standards")) * (FILLINGS + 1) * self.constant("draw_ul") / 1000
        return {"rinse": 3 * self.constant("rinse_ul") / 1000, **({waste: drawn_ml} if waste else {})}

    def warm(self, context: StepContext) -> Plan:
        """Bring the cell block to temperature."""
        yield from physical(context, context.device("plate").temperature, self.constant("celsius"))
        return {}

    def weak_to_cell(self, context: StepContext) -> Plan:
        """The weak standard to the cell."""
        yield from carry(context, context.device("arm"), "standard_weak", "cell")
        return {}

    def weak(self, context: StepContext) -> Plan:
        """Measure the weak standard."""
        return (yield from self._standard(context, "standard_weak"))

    def weak_back(self, context: StepContext) -> Plan:
        """The weak standard back to its place."""
        yield from carry(context, context.device("arm"), "cell", "standard_weak")
        return {}

    def strong_to_cell(self, context: StepContext) -> Plan:
        """The strong standard to the cell."""
        yield from carry(context, context.device("arm"), "standard_strong", "cell")
        return {}

    def strong(self, context: StepContext) -> Plan:
        """Measure the strong standard."""
        return (yield from self._standard(context, "standard_strong"))

    def strong_back(self, context: StepContext) -> Plan:
        """The strong standard back to its place."""
        yield from carry(context, context.device("arm"), "cell", "standard_strong")
        return {}

    def evaluate(self, context: StepContext) -> Plan:
        """Cell constant and series resistance; the cell is rinsed for the first sample."""
        yield from physical(context, context.source("rinse").device.volume, self.constant("rinse_ul"))
        readings = [StandardReading(**context.result(step, "reading")) for step in ("weak", "strong")]
        found = calibrate(readings)
        return {
            "cell_constant": found.cell_constant_per_cm,
            "series_resistance": found.series_resistance_ohm,
            "calibration": asdict(found),
        }

    def _standard(self, context: StepContext, standard: str) -> Plan:
        """Fill the cell several times: the first filling carries the rinse over and does not count."""
        yield from physical(context, context.source("rinse").device.volume, self.constant("rinse_ul"))
        resistances, celsius = [], []
        for _ in range(FILLINGS + 1):
            yield from physical(context, context.device("sample").volume, self.constant("draw_ul"))
            yield from wait_s(self.constant("settle_s"))
            found = yield from sweep(context, context.device("meter"), context.device("plate"), None)
            resistances.append(found["resistance"])
            celsius.append(found["celsius"])
        counted = resistances[1:]
        mean = sum(counted) / len(counted)
        scatter = (sum((one - mean) ** 2 for one in counted) / (len(counted) - 1)) ** 0.5
        return {
            "reading": {
                "molality": self.constant("standards")[standard],
                "celsius": sum(celsius[1:]) / len(counted),
                "resistance_ohm": mean,
                "resistance_sem_ohm": scatter / len(counted) ** 0.5,
                "celsius_sem": 0.02,
            }
        }
