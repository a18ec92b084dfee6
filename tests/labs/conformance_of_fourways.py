"""`check_device` on a device of the lab fourways, in a process of its own: its `devices` are not ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labwright.clock import SteppedClock
from labwright.hardware import MqttLink
from labwright.lab import read_lab
from labwright.lab.classes import resolve
from labwright.model.ports import MqttAddress
from labwright.simulation import SimulatedLab
from labwright.testing import DeviceUnderTest, check_device

LAB = Path(__file__).parent / "fourways"


@contextmanager
def on_the_gateway(name: str) -> Iterator[DeviceUnderTest]:
    model = read_lab(LAB).model
    spec = model.devices[name]
    clock = SteppedClock()
    with SimulatedLab(model, clock, resolve, seed=1) as twin:
        address = twin.addresses[spec.port]
        assert isinstance(address, MqttAddress)
        link = MqttLink(spec.port, address.model_copy(update={"timeout_s": 0.3}), clock.now)
        link.open()
        try:
            made = [
                resolve(spec.driver)(name=name, port=link, clock=clock, limits=spec.limits, **spec.settings)
                for _ in range(2)
            ]
            yield DeviceUnderTest(made[0], twin, axis="volume", good=200.0, bad=900.0, another=made[1])
        finally:
            link.close()


if __name__ == "__main__":
    print(json.dumps(check_device(lambda: on_the_gateway(sys.argv[1]))))  # noqa: T201 - the test reads it
