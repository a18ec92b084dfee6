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

# device: axis, a value it can be set to, one it cannot, whether it then reads that value
DEVICES: dict[str, tuple[str, float, float, bool]] = {
    "pump_1": ("volume", 350.0, 5000.0, True),
    "pump_rinse": ("volume", 350.0, 5000.0, True),
    "selector": ("selection", 4, 11, True),
    "balance": ("", 0, 0, False),
    "hotplate": ("temperature", 27.0, 80.0, True),
    "arm": ("location", 3, 61, True),
    "lcr": ("", 0, 0, False),
    "glovebox": ("", 0, 0, False),
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
            device = resolve(spec.driver)(name=name, port=port, clock=clock, limits=spec.limits, **spec.settings)
            axis, good, bad, holds = DEVICES[name]
            yield DeviceUnderTest(device, twin, axis=axis, good=good, bad=bad, holds=holds)
        finally:
            port.close()


@pytest.mark.parametrize("name", DEVICES)
def test_conformance(name: str) -> None:
    def make() -> AbstractContextManager[DeviceUnderTest]:
        return on_the_simulated_lab(name)

    done = check_device(make)
    assert len(done) == 8 - 3 * (not DEVICES[name][0]), done
