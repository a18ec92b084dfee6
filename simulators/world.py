"""The one world of the simulated reference lab.

What a pump gives, the balance weighs; what the plate heats, the cell feels. Nothing here knows of wires or commands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from labwright.clock import LabClock
from labwright.model.errors import ConfigError, unknown
from labwright.simulation import World
from protocols.calibration import kcl_conductivity_ms_per_cm
from simulators.cell import cell_impedance
from simulators.electrolyte import conductivity_ms_per_cm, optimum
from simulators.liquids import Liquid
from simulators.thermal import Thermal

SETTLED_S = 30.0
REPEATABILITY = 0.019
"""Relative standard deviation of a filling of the cell; the real robot's median within a design is 1.9 %."""

RINSE_SCATTER = 0.35
"""Logarithmic scatter of how well a flush replaces what was in the cell."""

STIRRED_S, UNSTIRRED_S, CARRIED_S = 60.0, 150.0, 400.0
"""Time constants of a vial's temperature: stirred on the plate, resting on it, anywhere else."""

VIAL_J_PER_K = 6.0
MIXING_S_AT_500_RPM = 15.0
RESTING_MIX_S = 3600.0
INHOMOGENEITY = 0.2
"""Relative error of the molality drawn from a vial that was not stirred at all."""

CELL_S = 15.0
"""Time constant with which the liquid in the cell takes the temperature of its block."""

KCL_CELSIUS = (0.0, 50.0)
"""Where the standards' conductivity is tabulated."""

KCL = {"KCl_0_1": 0.1, "KCl_0_01": 0.01}
"""Standard solutions by name, in mol KCl per kg water."""


@dataclass
class Vial:
    """A vial: tare, content, temperature, and how far from mixed it is (1 not at all, 0 perfectly)."""

    tare_g: float
    celsius: float
    content: Liquid = field(default_factory=Liquid)
    unmixed: float = 0.0
    capacity_ml: float = 8.0


@dataclass
class Syringe:
    """A syringe and where its line leads.

    Attributes:
        content: what is in it.
        capacity_ml: what it can hold.
        leads_to: ``valve N`` (through port N to the nozzle over the balance), ``cell`` (flushes the cell to waste) or
            ``sample`` (draws from the vial at the cell, through the cell).
    """

    content: Liquid
    capacity_ml: float
    leads_to: str


@dataclass
class Cell:
    """The conductivity cell: a flow-through volume between two electrodes."""

    constant_per_cm: float
    series_resistance_ohm: float
    cpe_q: float
    cpe_n: float
    celsius: float
    volume_ml: float = 0.12
    content: Liquid = field(default_factory=Liquid)
    air: bool = False
    wetting: float = 1.0
    exchange: float = 1.0
    last_flow_s: float = -math.inf


class ElectrolyteWorld(World):
    """Stocks, vials, heat and the cell of the reference lab.

    Args:
        clock: the lab clock.
        seed: of everything random.
        liquids: recipe by name: ``solvents``, ``molality``, ``density_g_per_ml``.
        syringes: by pump: ``liquid``, ``volume_ml``, ``capacity_ml``, ``leads_to``.
        positions: names of the places a vial can stand, but none does at first.
        vials: by position: ``liquid`` and ``volume_ml``, or nothing for an empty vial.
        cell: ``constant_per_cm``, ``series_resistance_ohm``, ``cpe_q``, ``cpe_n``.
        ambient_celsius: air of the glove box.
        scatter: whether anything scatters, and a sample finds something of those before it: heat, a rest in the cell.
    """

    def __init__(
        self,
        clock: LabClock,
        seed: int,
        *,
        liquids: Mapping[str, Mapping[str, Any]],
        syringes: Mapping[str, Mapping[str, Any]],
        positions: list[str],
        vials: Mapping[str, Mapping[str, Any]],
        cell: Mapping[str, Any],
        ambient_celsius: float = 24.0,
        scatter: bool = True,
    ) -> None:
        super().__init__(clock, seed, scatter=scatter)
        self.ambient_celsius = ambient_celsius
        self.thermal = Thermal(ambient_celsius, steady=not scatter)
        self._recipes = liquids
        self.syringes = {
            pump: Syringe(self._liquid(one["liquid"], one["volume_ml"]), one["capacity_ml"], one["leads_to"])
            for pump, one in syringes.items()
        }
        tares = self.rng("vials")
        self.places: dict[str, Vial | None] = dict.fromkeys([*vials, *positions])
        for position, one in vials.items():
            content = self._liquid(one["liquid"], one["volume_ml"]) if one else Liquid()
            self.places[position] = Vial(tares.gauss(8.5, 0.05), ambient_celsius, content)
        self.cell = Cell(celsius=ambient_celsius, **cell)
        self.cell.content = self._liquid("rinse", self.cell.volume_ml)
        self._flowed: Liquid | None = None
        """What came last into the cell: all that is in it where nothing scatters."""
        self.holding: Vial | None = None
        self.valve_position = 1
        self.waste = Liquid()
        self.spilled = Liquid()
        self.broken_vials: list[Vial] = []
        self.thrown_away: list[Vial] = []
        self.pan_changed_s = clock.now() - SETTLED_S
        self._cell_rng = self.rng("cell")
        self._updated = clock.now()

    def truth(self, parameters: Mapping[str, float]) -> float:
        """The true conductivity in mS/cm of a composition, which only a simulation can know."""
        return conductivity_ms_per_cm(
            parameters["molality"], parameters["ec_fraction"], parameters["dmc_share"], parameters["temperature"]
        )

    def best_possible(self, fixed: Mapping[str, float]) -> tuple[dict[str, float], float] | None:
        """The true optimum of the composition space at a temperature: parameters, and conductivity in mS/cm.

        None where the temperature is searched as well, or a part of the composition is fixed.
        """
        if set(fixed) != {"temperature"}:
            return None
        found = optimum(fixed["temperature"])
        where = {"molality": found.molality, "ec_fraction": found.ec_fraction, "dmc_share": found.dmc_share}
        return where, found.conductivity_ms_per_cm

    def made(self) -> list[dict[str, float]]:
        """The true composition of every vial that went to the waste, in their order."""
        return [
            dict(zip(("molality", "ec_fraction", "dmc_share"), vial.content.composition(), strict=True))
            for vial in self.thrown_away
        ]

    def total_g(self) -> float:
        """Mass of all liquid in the lab; nothing may change it."""
        vials = [*self.places.values(), self.holding, *self.broken_vials, *self.thrown_away]
        parts = [syringe.content for syringe in self.syringes.values()]
        parts += [vial.content for vial in vials if vial is not None]
        parts += [self.cell.content, self.waste, self.spilled]
        return sum(part.mass_g for part in parts)

    def kept(self) -> dict[str, Any]:
        """Liquids, vials, heat and the valve as JSON; a power cut takes none of them."""
        self.advance()
        cell = asdict(self.cell)
        if not math.isfinite(self.cell.last_flow_s):
            cell["last_flow_s"] = None
        return {
            "lab_time_s": self._updated,
            "thermal": asdict(self.thermal),
            "syringes": {pump: asdict(one.content) for pump, one in self.syringes.items()},
            "places": {place: None if vial is None else asdict(vial) for place, vial in self.places.items()},
            "holding": None if self.holding is None else asdict(self.holding),
            "broken_vials": [asdict(vial) for vial in self.broken_vials],
            "thrown_away": [asdict(vial) for vial in self.thrown_away],
            "waste": asdict(self.waste),
            "spilled": asdict(self.spilled),
            "cell": cell,
            "valve_position": self.valve_position,
            "pan_changed_s": self.pan_changed_s,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Continue from what `kept` returned: everything is where it was, heater and stirrer are off."""
        for name, value in kept["thermal"].items():
            setattr(self.thermal, name, value)
        self.thermal.heating, self.thermal.rpm, self.thermal.integral_w = False, 0.0, 0.0
        for pump, content in kept["syringes"].items():
            self.syringes[pump].content = Liquid(**content)
        # What was kept may be from before the lab had all of its positions.
        self.places = {**dict.fromkeys(self.places), **{place: _vial(one) for place, one in kept["places"].items()}}
        self.holding = _vial(kept["holding"])
        self.broken_vials = [vial for one in kept["broken_vials"] if (vial := _vial(one)) is not None]
        self.thrown_away = [vial for one in kept["thrown_away"] if (vial := _vial(one)) is not None]
        self.waste, self.spilled = Liquid(**kept["waste"]), Liquid(**kept["spilled"])
        cell = kept["cell"]
        last_flow_s = -math.inf if cell["last_flow_s"] is None else cell["last_flow_s"]
        self.cell = Cell(**{**cell, "content": Liquid(**cell["content"]), "last_flow_s": last_flow_s})
        self.valve_position = kept["valve_position"]
        self.pan_changed_s = kept["pan_changed_s"]
        self._updated = min(kept["lab_time_s"], self.clock.now())  # a new clock may have started earlier
        self.advance()

    def advance(self, now: float | None = None) -> None:
        """Let time pass: heat flows, stirred vials mix."""
        now = self.clock.now() if now is None else now
        seconds = now - self._updated
        if seconds <= 0:
            return
        self._updated = now
        self.thermal.advance(seconds)
        for place, vial in [*self.places.items(), ("gripper", self.holding)]:
            if vial is None:
                continue
            on_plate = place.startswith("plate")
            stirred = on_plate and self.thermal.rpm > 0
            towards = self.thermal.block_celsius if on_plate else self.ambient_celsius
            tau_s = STIRRED_S if stirred else UNSTIRRED_S if on_plate else CARRIED_S
            change = (towards - vial.celsius) * -math.expm1(-seconds / tau_s)
            vial.celsius += change
            if on_plate:
                self.thermal.take_j(VIAL_J_PER_K * change)
            rate_per_s = 1 / RESTING_MIX_S
            if stirred:
                rate_per_s += self.thermal.rpm / 500 / MIXING_S_AT_500_RPM
            vial.unmixed *= math.exp(-seconds * rate_per_s)
        self._warm_cell(self.thermal.block_celsius, -math.expm1(-seconds / CELL_S))

    def stir(self, rpm: float) -> None:
        """The stirrer turns with `rpm` from now on."""
        self.advance()
        self.thermal.rpm = rpm

    def pump(self, name: str, volume_ml: float) -> bool:
        """Move liquid out of (positive) or into (negative) the syringe of pump `name`.

        Returns:
            False if the line is blocked or the syringe at its end; then nothing has moved.
        """
        self.advance()
        syringe = self.syringes[name]
        if volume_ml == 0:
            return True
        if volume_ml > 0:
            if volume_ml > syringe.content.volume_ml:
                return False
            if syringe.leads_to == "cell":
                self._flow(syringe.content.take(volume_ml), self.ambient_celsius, self.waste)
                return True
            if syringe.leads_to != f"valve {self.valve_position}":
                return False
            self._pour(syringe.content.take(volume_ml))
            return True
        if syringe.leads_to != "sample" or syringe.content.volume_ml - volume_ml > syringe.capacity_ml:
            return False
        vial = self.places.get("cell")
        if vial is None or vial.content.volume_ml < -volume_ml:
            self.cell.air = True  # the line has drawn air; the motor does not mind
            return True
        drawn = vial.content.take(-volume_ml)
        self._flow(drawn, vial.celsius, syringe.content, vial.unmixed)
        return True

    def on_pan_g(self) -> float:
        """What stands on the balance."""
        vial = self.places.get("balance")
        if vial is None:
            return 0.0
        gross_g = vial.tare_g + vial.content.mass_g
        # Drops added up in another order differ in the last bit, and half a digit of the display goes by that bit.
        return gross_g if self.scatter else round(gross_g, 9)

    def grip(self, position: str) -> bool:
        """Close the gripper at `position`; whether something is in it."""
        self.advance()
        if self.holding is None and self.places.get(position) is not None:
            self.holding, self.places[position] = self.places[position], None
            self._moved(position)
        return self.holding is not None

    def release(self, position: str) -> None:
        """Open the gripper at `position`; over an occupied or unknown place the vial breaks."""
        self.advance()
        if self.holding is None:
            return
        if position == "waste":
            self.thrown_away.append(self.holding)
        elif position in self.places and self.places[position] is None:
            self.places[position] = self.holding
        else:
            self.broken_vials.append(self.holding)
        self.holding = None
        self._moved(position)

    def cell_conductivity_ms_per_cm(self) -> float:
        """Conductivity of what is in the cell, at its temperature."""
        self.advance()
        content = self.cell.content if self.scatter or self._flowed is None else self._flowed
        aqueous = {name: content.grams.get(name, 0.0) / content.mass_g for name in KCL}
        organic = 1 - sum(aqueous.values())
        # A trace of standard stays in the cell for ever, also where it was never measured.
        celsius = min(max(self.cell.celsius, KCL_CELSIUS[0]), KCL_CELSIUS[1])
        kappa = sum(share * kcl_conductivity_ms_per_cm(KCL[name], celsius) for name, share in aqueous.items() if share)
        if organic > 1e-6:
            molality, ec, dmc = content.composition()
            kappa += organic * conductivity_ms_per_cm(molality, ec, dmc, self.cell.celsius)
        return kappa

    def impedance(self, frequency_hz: float) -> complex:
        """What an instrument clamped to the cell sees, in Ohm."""
        if self.cell.air:
            return complex(1e8, -1e8)
        kappa = max(self.cell_conductivity_ms_per_cm(), 1e-6)
        (z,) = cell_impedance(
            [frequency_hz],
            kappa,
            self.cell.constant_per_cm * self.cell.wetting,
            self.cell.series_resistance_ohm,
            self.cell.cpe_q,
            self.cell.cpe_n,
        )
        return z

    def _liquid(self, name: str, volume_ml: float) -> Liquid:
        if name not in self._recipes:
            raise ConfigError(unknown("liquid", name, list(self._recipes)))
        recipe = self._recipes[name]
        return Liquid.recipe(recipe["solvents"], recipe.get("molality", 0.0), recipe["density_g_per_ml"], volume_ml)

    def _pour(self, liquid: Liquid) -> None:
        vial = self.places.get("balance")
        if vial is None:
            self.spilled.add(liquid)
            return
        room_ml = vial.capacity_ml - vial.content.volume_ml
        if liquid.volume_ml > room_ml:
            over = liquid.take(liquid.volume_ml - room_ml)
            self.spilled.add(over)
        before_ml = vial.content.volume_ml
        vial.content.add(liquid)
        vial.unmixed = min(1.0, vial.unmixed + liquid.volume_ml / max(before_ml + liquid.volume_ml, 1e-9))
        self.pan_changed_s = self.clock.now()

    def _flow(self, liquid: Liquid, celsius: float, into: Liquid, unmixed: float = 0.0) -> None:
        """Push `liquid` through the cell; what it displaces moves on."""
        cell, now = self.cell, self.clock.now()
        if now - cell.last_flow_s > 5.0:  # a new flush: it wets and replaces in its own way
            cell.wetting = 1 + self._cell_rng.gauss(0, REPEATABILITY)
            cell.exchange = math.exp(self._cell_rng.gauss(0, RINSE_SCATTER))
        cell.last_flow_s = now
        cell.air = False
        if unmixed > 1e-6 and "LiPF6" in liquid.grams:
            # The drawn layer is saltier than the whole; the salt stays in the balance of masses.
            liquid = Liquid(dict(liquid.grams), liquid.volume_ml)
            extra = liquid.grams["LiPF6"] * INHOMOGENEITY * unmixed
            available = self.places["cell"].content.grams.get("LiPF6", 0.0) if self.places["cell"] else 0.0
            extra = min(extra, available)
            if self.places["cell"] is not None:
                self.places["cell"].content.grams["LiPF6"] = available - extra
            liquid.grams["LiPF6"] += extra
        turnover = liquid.volume_ml / cell.volume_ml
        replaced = -math.expm1(-turnover * cell.exchange)
        self._flowed = Liquid(dict(liquid.grams), liquid.volume_ml)
        fresh = Liquid(dict(liquid.grams), liquid.volume_ml)
        kept_fresh = fresh.take(min(cell.volume_ml * replaced, fresh.volume_ml))
        displaced = cell.content.take(kept_fresh.volume_ml)
        cell.content.add(kept_fresh)
        into.add(displaced)
        into.add(fresh)
        self._warm_cell(celsius, replaced)

    def _warm_cell(self, celsius: float, share: float) -> None:
        """The cell comes closer to a temperature; where nothing scatters it always has that of its block."""
        if self.scatter:
            self.cell.celsius += (celsius - self.cell.celsius) * share
        else:
            self.cell.celsius = self.thermal.block_celsius

    def _moved(self, position: str) -> None:
        if position == "balance":
            self.pan_changed_s = self.clock.now()


def _vial(kept: dict[str, Any] | None) -> Vial | None:
    return None if kept is None else Vial(**{**kept, "content": Liquid(**kept["content"])})
