"""What every driver gets from its base, and what is wrong with one that lacks something."""

from typing import Any

from ophyd import Component

from labwright.clock import LabClock
from labwright.hardware import Act, Axis, LabDevice, Reading, open_port
from labwright.model.ports import TcpAddress
from labwright.simulation import SimHost, SimInstrument, World


class Whole(LabDevice):
    level = Component(Axis, set="fill", get="tell", unit="ml", limits=(0, 10), timeout_s=60)

    def connect(self) -> None:
        self.tell()

    def fill(self, act: Act, value: float) -> None:
        act.sleep(30)

    def tell(self) -> float:
        return self.query("LEVEL?", float)

    def halt(self) -> None:
        self.command("HALT", str, urgent=True, repeatable=True)


class NoHalt(Whole):
    halt = LabDevice.halt


class Excused(NoHalt):
    cannot_halt = "the tank fills by itself"


class Misspelt(LabDevice):
    level = Component(Axis, set="fil", get="tel", unit="ml", limits=(0, 10), timeout_s=60)
    weight: Any = Component(Reading, get="connect")


def test_a_driver_that_lacks_something_is_told_so() -> None:
    assert Whole.mistakes() == []
    assert Excused.mistakes() == []
    assert NoHalt.mistakes() == [
        "it sets something, but has no halt(); if it cannot be stopped, say why in cannot_halt"
    ]
    found = "; ".join(Misspelt.mistakes())
    for words in ("set='fil'", "get='tel'", "weight has no unit", "no halt()", "no connect()"):
        assert words in found


class Tank(SimInstrument):
    def answer(self, command: str) -> str | None:
        return {"LEVEL?": "1.5", "HALT": "OK"}[command]  # anything else is a mistake of the simulator itself


def test_a_measurement_under_way_is_joined_not_refused() -> None:
    clock = LabClock(100.0)
    with SimHost(clock) as host:
        address: Any = host.serve("line", TcpAddress(type="tcp", host="-", tcp_port=1), [Tank("tank", World(clock, 0))])
        port = open_port("line", address)
        tank = Whole(name="tank", port=port, clock=clock)
        first = tank.act(tank.fill, 1.0, timeout_s=60, join=True)
        assert tank.act(tank.fill, 1.0, timeout_s=60, join=True) is first
        tank.stop()
        port.close()


def test_a_simulator_that_makes_a_mistake_says_where(caplog: Any) -> None:
    clock = LabClock()
    with SimHost(clock) as host:
        address: Any = host.serve("line", TcpAddress(type="tcp", host="-", tcp_port=1), [Tank("tank", World(clock, 0))])
        port = open_port("line", address.model_copy(update={"timeout_s": 0.1}))
        tank = Whole(name="tank", port=port, clock=clock)
        try:
            tank.command("EMPTY", str)
        except Exception as error:  # noqa: BLE001 - the driver's side of it: no answer
            assert "got nothing" in str(error)  # noqa: PT017 - both sides are looked at
        assert tank.tell() == 1.5
        assert host.instrument("tank").broken.endswith("KeyError: 'EMPTY'")
        port.close()
    assert "SIMULATED tank fails at 'EMPTY' and is silent" in caplog.text
    assert "test_device.py:" in caplog.text
