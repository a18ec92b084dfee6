"""Every device of the reference lab passes the suite that authors of labs use."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.hardware import MqttLink, Port
from labwright.lab import read_lab
from labwright.lab.classes import resolve
from labwright.model.ports import MqttAddress
from labwright.simulation import SimulatedLab
from labwright.testing import DeviceUnderTest, check_device

ROOT = Path(__file__).parents[2]

# device: axis, a value it can be set to, one it cannot, whether it then reads that value, and another good value
DEVICES: dict[str, tuple[str, float, float, bool, float | None]] = {
    "pump_1": ("volume", 350.0, 5000.0, True, None),
    "pump_rinse": ("volume", 350.0, 5000.0, True, None),
    "selector": ("selection", 4, 11, True, 1),
    "balance": ("", 0, 0, False, None),
    "hotplate": ("temperature", 27.0, 80.0, True, 40.0),
    "arm": ("location", 3, 61, True, 9),
    "lcr": ("", 0, 0, False, None),
    "glovebox": ("", 0, 0, False, None),
}


@contextmanager
def on_the_simulated_lab(name: str) -> Iterator[DeviceUnderTest]:
    folder = read_lab(ROOT)
    spec = folder.model.devices[name]
    clock = SteppedClock()
    with SimulatedLab(folder.model, clock, resolve, seed=1) as twin:
        # something to measure: an empty cell and an empty pan would hide a misread digit
        twin.world.cell.content = twin.world.places["standard_strong"].content
        twin.world.places["balance"] = twin.world.places["rack_1"]
        address = twin.addresses[spec.port]
        port: Port | MqttLink
        if isinstance(address, MqttAddress):
            port = MqttLink(spec.port, address.model_copy(update={"timeout_s": 0.5}), clock.now)
        else:
            port = Port(spec.port, address.model_copy(update={"timeout_s": 0.1}))
        port.open()
        try:
            device, another = (
                resolve(spec.driver)(name=name, port=port, clock=clock, limits=spec.limits, **spec.settings)
                for _ in range(2)
            )
            axis, good, bad, holds, elsewhere = DEVICES[name]
            yield DeviceUnderTest(
                device, twin, axis=axis, good=good, bad=bad, holds=holds, elsewhere=elsewhere, another=another
            )
        finally:
            port.close()


@pytest.mark.parametrize("name", DEVICES)
def test_conformance(name: str) -> None:
    def make() -> AbstractContextManager[DeviceUnderTest]:
        return on_the_simulated_lab(name)

    done = check_device(make)
    axis = DEVICES[name][0]
    assert len(done) == 5 + 4 * bool(axis) + axis.startswith("volume"), done
