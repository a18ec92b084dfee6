"""Heat: a plate, the cell block on it, vials; energy is accounted for, so that a test can balance it."""

from __future__ import annotations

from dataclasses import dataclass

STEP_S = 2.0
"""Euler step; a hundredth of the smallest time constant below keeps the error under the noise of the sensors."""

PLATE_J_PER_K = 600.0
BLOCK_J_PER_K = 200.0
PLATE_TO_AIR_W_PER_K = 1.5
PLATE_TO_BLOCK_W_PER_K = 2.0
BLOCK_TO_AIR_W_PER_K = 0.05
HEATER_W = 300.0
GAIN_W_PER_K = 60.0
RESET_PER_S = 1 / 200
"""Integral action of the plate's own controller."""


@dataclass
class Thermal:
    """Plate, block and their controller; the IKA's external probe sits in the block.

    Attributes:
        ambient_celsius: air of the glove box.
        plate_celsius: the plate.
        block_celsius: the aluminium block that carries the conductivity cell and the vials on the plate.
        heated_j: energy the heater gave since the start.
        lost_j: energy the air took since the start.
        given_j: energy vials took since the start.
        steady: whether plate and block are where they are to be at once, whatever was before.
    """

    ambient_celsius: float
    plate_celsius: float = 0.0
    block_celsius: float = 0.0
    target_celsius: float = 25.0
    heating: bool = False
    heater_open: bool = False
    rpm: float = 0.0
    heated_j: float = 0.0
    lost_j: float = 0.0
    given_j: float = 0.0
    integral_w: float = 0.0
    steady: bool = False

    def __post_init__(self) -> None:
        self.plate_celsius = self.block_celsius = self.ambient_celsius

    def stored_j(self) -> float:
        """Energy in plate and block above the air's temperature."""
        return PLATE_J_PER_K * (self.plate_celsius - self.ambient_celsius) + BLOCK_J_PER_K * (
            self.block_celsius - self.ambient_celsius
        )

    def take_j(self, joule: float) -> None:
        """A vial took heat out of the block."""
        if self.steady:
            return
        self.block_celsius -= joule / BLOCK_J_PER_K
        self.given_j += joule

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        if self.steady:
            heats = self.heating and not self.heater_open
            self.plate_celsius = self.block_celsius = self.target_celsius if heats else self.ambient_celsius
            return
        while seconds > 1e-9:
            step = min(STEP_S, seconds)
            seconds -= step
            power_w = self._controlled_w(step)
            to_air_w = PLATE_TO_AIR_W_PER_K * (self.plate_celsius - self.ambient_celsius)
            to_block_w = PLATE_TO_BLOCK_W_PER_K * (self.plate_celsius - self.block_celsius)
            block_to_air_w = BLOCK_TO_AIR_W_PER_K * (self.block_celsius - self.ambient_celsius)
            self.plate_celsius += (power_w - to_air_w - to_block_w) * step / PLATE_J_PER_K
            self.block_celsius += (to_block_w - block_to_air_w) * step / BLOCK_J_PER_K
            self.heated_j += power_w * step
            self.lost_j += (to_air_w + block_to_air_w) * step

    def _controlled_w(self, step: float) -> float:
        """What the heater gives: PI on the probe in the block, without wind-up."""
        if not self.heating or self.heater_open:
            self.integral_w = 0.0
            return 0.0
        error = self.target_celsius - self.block_celsius
        wanted = GAIN_W_PER_K * error + self.integral_w - 20.0 * (self.plate_celsius - self.block_celsius)
        power = min(max(wanted, 0.0), HEATER_W)
        if power == wanted:
            self.integral_w += GAIN_W_PER_K * error * RESET_PER_S * step
        return power
