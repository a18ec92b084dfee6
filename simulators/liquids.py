"""Liquids as masses of their components, so that mixing can lose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SALT_G_PER_MOL = 151.905  # LiPF6
SOLVENTS = ("EC", "DMC", "EMC")


@dataclass
class Liquid:
    """Some liquid.

    Attributes:
        grams: mass of each component (EC, DMC, EMC, LiPF6, or a standard solution by its name).
        volume_ml: its volume; volumes are taken to add up.
    """

    grams: dict[str, float] = field(default_factory=dict)
    volume_ml: float = 0.0

    @classmethod
    def recipe(
        cls, solvents: Mapping[str, float], molality: float, density_g_per_ml: float, volume_ml: float
    ) -> Liquid:
        """A stock.

        Args:
            solvents: mass fractions of the solvent (or of a standard solution), summing to 1.
            molality: mol LiPF6 per kg of solvent.
            density_g_per_ml: of the whole.
            volume_ml: how much.
        """
        total_g = density_g_per_ml * volume_ml
        salt_per_solvent = molality * SALT_G_PER_MOL / 1000
        solvent_g = total_g / (1 + salt_per_solvent)
        grams = {name: share * solvent_g for name, share in solvents.items()}
        if molality:
            grams["LiPF6"] = solvent_g * salt_per_solvent
        return cls(grams, volume_ml)

    @property
    def mass_g(self) -> float:
        """Mass of all components."""
        return sum(self.grams.values())

    def take(self, volume_ml: float) -> Liquid:
        """Remove and return `volume_ml`, or what there is."""
        share = 0.0 if self.volume_ml <= 0 else min(1.0, volume_ml / self.volume_ml)
        taken = Liquid({name: mass * share for name, mass in self.grams.items()}, self.volume_ml * share)
        self.grams = {name: mass * (1 - share) for name, mass in self.grams.items()}
        self.volume_ml *= 1 - share
        return taken

    def add(self, other: Liquid) -> None:
        """Pour all of `other` in."""
        for name, mass in other.grams.items():
            self.grams[name] = self.grams.get(name, 0.0) + mass
        self.volume_ml += other.volume_ml

    def composition(self) -> tuple[float, float, float]:
        """Molality (mol/kg solvent), EC mass fraction of the solvent, DMC share of the solvent that is not EC."""
        ec, dmc, emc = (self.grams.get(name, 0.0) for name in SOLVENTS)
        solvent_g = ec + dmc + emc
        if solvent_g <= 0:
            return 0.0, 0.0, 0.0
        molality = self.grams.get("LiPF6", 0.0) / SALT_G_PER_MOL / solvent_g * 1000
        return molality, ec / solvent_g, dmc / (dmc + emc) if dmc + emc > 0 else 0.0
