"""The simulated twin of a lab: its world, its instruments, and wires at addresses of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from labwright.clock import LabClock
from labwright.hardware.descriptors import FOR_A_PORT, FOR_A_SIMULATED_PORT, make_room
from labwright.lab.classes import place_of
from labwright.model.errors import ConfigError, LabwrightError
from labwright.model.lab import LabModel
from labwright.simulation.host import SimHost


class SimulatedLab(SimHost):
    """All instruments of a lab, simulated on real wires.

    Args:
        model: the lab as data; it must have a simulation.
        clock: the lab clock, shared with the drivers when they live in this process.
        resolve: finds a class by its path.
        seed: of everything random in the world.
        links: folder for lasting names of the serial lines.
        effects: file that gets a line for every physical effect.
        state: folder of what outlasts a restart.
        scatter: whether measurements and deliveries scatter; a world that can do without takes ``scatter``.

    Raises:
        ConfigError: the lab has no simulated twin, a simulator refuses its settings, or the process may not open as
            many files as the wires need.
    """

    def __init__(
        self,
        model: LabModel,
        clock: LabClock,
        resolve: Callable[[str], type[Any]],
        *,
        seed: int = 0,
        links: Path | None = None,
        effects: Path | None = None,
        state: Path | None = None,
        scatter: bool = True,
    ) -> None:
        if model.simulation is None:
            raise ConfigError(f"lab {model.name} has no simulated twin; describe one in lab_config/simulation.yaml")
        make_room((FOR_A_SIMULATED_PORT + FOR_A_PORT) * len(model.ports), f"{len(model.ports)} simulated ports")
        super().__init__(clock, effects, state)
        try:
            self.keep_name(model.name)
            settings = model.simulation.settings if scatter else {**model.simulation.settings, "scatter": False}
            self.world: Any = resolve(model.simulation.world)(clock, seed, **settings)
            self.keep_world(self.world)
            for name, port in model.ports.items():
                here = [device for device, spec in model.devices.items() if spec.port == name]
                instruments = []
                for device in here:
                    spec = model.simulation.devices[device]
                    instruments.append(resolve(spec.simulator)(device, self.world, **spec.settings))
                if instruments:
                    self.serve(name, port, instruments, None if links is None else links / name)
        except LabwrightError:
            self.stop()
            raise
        except Exception as error:
            self.stop()
            words = f"{place_of(error)}{type(error).__name__}: {error}"
            raise ConfigError(f"the simulated twin of {model.name} cannot be built: {words}") from error
