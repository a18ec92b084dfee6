"""Clients nobody here wrote, against our simulated instruments, on real wires."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from labwright.clock import LabClock
from labwright.model.ports import SerialAddress, TcpAddress, VisaAddress
from labwright.simulation import SimHost, World
from simulators.e4980a import LcrMeter
from simulators.ika import Hotplate
from simulators.mettler import Balance
from simulators.ne1000 import SyringePump
from simulators.preciseflex import Arm
from simulators.thermal import Thermal

# Third-party code warns of its own past; what it says on the wire is what counts here.
pytestmark = pytest.mark.filterwarnings("ignore")


class Bench(World):
    """As much of a world as single instruments need."""

    pan_changed_s = 0.0
    holding = None
    pumped_ml = 0.0

    def __init__(self, clock: LabClock) -> None:
        super().__init__(clock, 1)
        self.thermal = Thermal(24.0)

    def pump(self, name: str, volume_ml: float) -> bool:
        self.pumped_ml += volume_ml
        return True

    def on_pan_g(self) -> float:
        return 12.3456

    def impedance(self, frequency_hz: float) -> complex:
        return complex(80.0, -500.0 / frequency_hz)

    def advance(self, now: float | None = None) -> None:
        pass

    def stir(self, rpm: float) -> None:
        self.thermal.rpm = rpm

    def grip(self, position: str) -> bool:
        return False

    def release(self, position: str) -> None:
        pass


@pytest.fixture
def host() -> Iterator[SimHost]:
    with SimHost(LabClock(20.0)) as one:
        yield one


@pytest.fixture
def bench(host: SimHost) -> Bench:
    return Bench(host.clock)


def serial_path(host: SimHost, instrument: Any, **settings: Any) -> str:
    address = host.serve("line", SerialAddress(type="serial", path="-", **settings), [instrument])
    assert isinstance(address, SerialAddress)
    return address.path


def test_nesp_lib_pumps(host: SimHost, bench: Bench) -> None:
    nesp_lib = pytest.importorskip("nesp_lib")
    path = serial_path(host, SyringePump("pump", bench, address=0, gain_error=0.0, scatter=0.0), baud=19200)
    port = nesp_lib.Port(path)
    try:
        pump = nesp_lib.Pump(port)
        pump.syringe_diameter_mm = 26.59
        pump.pumping_direction = nesp_lib.PumpingDirection.INFUSE
        pump.pumping_volume_ml = 0.5
        pump.pumping_rate_ml_per_min = 20.0
        pump.run()
        assert bench.pumped_ml == pytest.approx(0.5, abs=1e-3)
        assert pump.volume_infused_ml == pytest.approx(0.5, abs=2e-3)
        pump.safe_mode_timeout_s = 30
        assert pump.safe_mode_timeout_s == 30
        pump.safe_mode_timeout_s = 0
    finally:
        port.close()
    assert host.unknown_commands() == {}


def test_pymeasure_reads_the_meter(host: SimHost, bench: Bench) -> None:
    agilent = pytest.importorskip("pymeasure.instruments.agilent.agilentE4980")
    address = host.serve("lcr", VisaAddress(type="visa", resource="-"), [LcrMeter("lcr", bench, noise=0.0)])
    assert isinstance(address, VisaAddress)
    meter = agilent.AgilentE4980(address.resource, visa_library="@py", read_termination="\n", write_termination="\n")
    try:
        assert "E4980A" in meter.id
        meter.mode = "RX"
        meter.frequency = 1000.0
        assert meter.frequency == 1000.0
        assert meter.impedance == pytest.approx([80.0, -0.5])
    finally:
        meter.adapter.connection.close()
    assert host.unknown_commands() == {}


def test_pylabrobot_moves_the_arm(host: SimHost, bench: Bench) -> None:
    module = pytest.importorskip("pylabrobot.arms.precise_flex.pf_400")
    address = host.serve(
        "arm", TcpAddress(type="tcp", host="-", tcp_port=1), [Arm("arm", bench, locations={1: "here"})]
    )
    assert isinstance(address, TcpAddress)

    async def drive() -> dict[int, float]:
        backend = module.PreciseFlex400Backend(host=address.host, port=address.tcp_port)
        await backend.setup()
        await backend.move_to_stored_location(1, 1)
        joints: dict[int, float] = await backend.get_joint_position()
        await backend.halt()
        with pytest.raises(Exception, match="-2802"):
            await backend.send_command("move nowhere")
        await backend.io.stop()
        return joints

    assert len(asyncio.run(drive())) >= 5
    assert host.unknown_commands() == {}


def test_pylabrobot_weighs(host: SimHost, bench: Bench) -> None:
    module = pytest.importorskip("pylabrobot.scales.mettler_toledo_backend")
    path = serial_path(host, Balance("balance", bench))

    async def weigh() -> float:
        backend = module.MettlerToledoWXS205SDUBackend(port=path)
        await backend.setup()
        grams: float = await backend.read_stable_weight()
        await backend.stop()
        return grams

    assert asyncio.run(weigh()) == pytest.approx(12.3456, abs=1e-3)
    assert host.unknown_commands() == {}


def test_ika_heats_and_stirs(host: SimHost, bench: Bench) -> None:
    module = pytest.importorskip("ika.magnetic_stirrer")
    path = serial_path(host, Hotplate("plate", bench), data_bits=7, parity="even")
    plate = module.MagneticStirrer(path)
    try:
        plate.set_target_temperature(55)
        assert plate.target_temperature() == 55.0
        plate.set_target_stir_rate(400)
        plate.start_stirring()
        assert plate.stir_rate() == 400.0
        plate.start_heating()
        assert plate.probe_temperature() == pytest.approx(24.0, abs=0.2)
        assert bench.thermal.heating
        plate.stop_heating()
        plate.stop_stirring()
        assert plate.stir_rate() == 0.0
    finally:
        plate._ser.close()
    assert host.unknown_commands() == {}
