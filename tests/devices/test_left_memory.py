"""What another user left in an instrument's memory changes no dose and no measurement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devices.e4980a import LcrMeter
from devices.mettler import Balance
from devices.ne1000 import SyringePump
from devices.vici import SelectorValve
from labwright.clock import SteppedClock
from labwright.hardware import open_port
from labwright.model.errors import DeviceError, LabwrightError
from labwright.model.ports import SerialAddress, VisaAddress
from labwright.simulation import SimHost, World
from simulators.e4980a import LcrMeter as SimMeter
from simulators.mettler import Balance as SimBalance
from simulators.ne1000 import SyringePump as SimPump
from simulators.vici import SelectorValve as SimValve

LINE = SerialAddress(type="serial", path="-", baud=19200, timeout_s=0.2)

FIVE_ML = {"function": "RAT", "rate": 20.0, "rate_unit": "MM", "volume_ml": 5.0, "direction": 1}

LEFT: dict[str, dict[str, Any]] = {
    "another phase is selected, and phase 1 holds 5 ml": {
        "selected": 3,
        "phases": {"1": FIVE_ML, "2": {"function": "STP"}, "3": {"function": "RAT", "volume_ml": 1.0}},
    },
    "the program goes on with a rate": {"phases": {"2": {**FIVE_ML, "rate": 0.5, "volume_ml": 0.0}}},
    "the program goes on withdrawing": {"phases": {"2": {**FIVE_ML, "direction": -1}}},
    "the program pauses, and goes on": {"phases": {"2": {"function": "PAS", "number": 3}, "3": FIVE_ML}},
    "the program repeats itself": {
        "phases": {"2": {"function": "JMP", "number": 1}, "3": {"function": "STP"}},
    },
    "phase 1 starts a loop": {
        "phases": {"1": {"function": "LPS"}, "2": FIVE_ML, "3": {"function": "LOP", "number": 4}},
    },
    "phase 1 stops": {"phases": {"1": {"function": "STP"}}},
    "another syringe, and microlitres": {"diameter_mm": 4.699, "volume_unit": "UL"},
    "another syringe, and its own unit": {"diameter_mm": 4.699},
    "the last phase is selected": {"selected": 41},
    "it withdraws": {"phases": {"1": {**FIVE_ML, "direction": -1}}},
    "another rate in another unit": {"phases": {"1": {**FIVE_ML, "rate": 100.0, "rate_unit": "UH"}}},
}


class Bench(World):
    pumped_ml = 0.0

    def pump(self, name: str, volume_ml: float) -> bool:
        self.pumped_ml += volume_ml
        return True


@contextmanager
def pump_with(left: dict[str, Any], **settings: Any) -> Iterator[tuple[SyringePump, SimPump, Bench]]:
    clock = SteppedClock()
    with SimHost(clock) as host:
        bench = Bench(clock, 1)
        simulated = SimPump("pump", bench, address=3, gain_error=0.0, scatter=0.0, memory=left)
        port = open_port("line", host.serve("line", LINE, [simulated]))
        try:
            known = {"address": 3, "diameter_mm": 26.59, "rate_ml_per_min": 10.0}
            yield SyringePump(name="pump", port=port, clock=clock, **{**known, **settings}), simulated, bench
        finally:
            port.close()


@pytest.mark.parametrize("volume_ul", [100.0, 500.0])
@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_a_pump_gives_what_is_asked_whatever_its_memory_held(left: dict[str, Any], volume_ul: float) -> None:
    with pump_with(left) as (pump, simulated, bench):
        pump.connect()
        for times in (1, 2):
            pump.volume.set(volume_ul).wait(10)
            assert bench.pumped_ml == pytest.approx(times * volume_ul / 1000, abs=1e-6)
            assert simulated.status == "S"


def test_a_pump_withdraws_what_is_asked_whatever_its_memory_held() -> None:
    with pump_with(LEFT["the program goes on with a rate"], direction="withdraw") as (pump, _, bench):
        pump.connect()
        pump.volume.set(500.0).wait(10)
        assert bench.pumped_ml == pytest.approx(-0.5, abs=1e-6)


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_what_a_person_changes_at_the_keypad_between_two_doses_is_put_right(left: dict[str, Any]) -> None:
    with pump_with({}) as (pump, simulated, bench):
        pump.connect()
        simulated.memory = left
        pump.volume.set(100.0).wait(10)
        assert bench.pumped_ml == pytest.approx(0.1, abs=1e-6)


def test_a_pump_that_would_start_by_itself_after_a_power_cut_is_told_not_to() -> None:
    with pump_with({"power_failure": 1}) as (pump, simulated, _):
        pump.connect()
        assert simulated.power_failure == 0


def test_a_memory_that_does_not_take_a_setting_is_refused_in_words_before_anything_is_pumped() -> None:
    with pump_with(LEFT["the program goes on with a rate"]) as (pump, simulated, bench):
        simulated._do_fun = lambda argument: "RAT" if not argument else ""  # type: ignore[method-assign]
        with pytest.raises(LabwrightError, match=r"pump: phase 2: FUN was set to STP, but .* 'RAT'"):
            pump.connect()
        with pytest.raises(LabwrightError, match="phase 2"):
            pump.volume.set(100.0).wait(10)
        assert bench.pumped_ml == 0


def test_what_the_memory_holds_already_is_not_written_again() -> None:
    """It wears: each setting is read first."""
    with pump_with({}) as (pump, simulated, _):
        pump.connect()
        pump.volume.set(100.0).wait(10)
        before = simulated.commands.copy()
        pump.connect()
        pump.volume.set(100.0).wait(10)
        written = {command for command in simulated.commands - before if any(c.isdigit() for c in command[3:])}
        assert {command[3:6] for command in written} <= {"SAF", "PHN", "VOL"}, written


def test_the_memory_outlasts_a_power_cut_and_a_restart_of_the_simulation(tmp_path: Any) -> None:
    left = LEFT["another phase is selected, and phase 1 holds 5 ml"]
    for memory in (left, None):
        with SimHost(SteppedClock(), state=tmp_path) as host:
            simulated = SimPump("pump", Bench(host.clock, 1), address=3, memory=memory)
            host.serve("line", LINE, [simulated])
            simulated.power_cycle()
            assert simulated.selected == 3
            assert simulated.phases[1].volume_ml == 5.0


class Pan(World):
    pan_changed_s = 0.0

    def on_pan_g(self) -> float:
        return 8.5


@pytest.mark.parametrize("unit", [0, 1, 3, 5])
@pytest.mark.parametrize("knows_unit", [True, False])
def test_a_balance_weighs_in_grams_or_is_refused(unit: int, knows_unit: bool) -> None:
    clock = SteppedClock()
    with SimHost(clock) as host:
        simulated = SimBalance("balance", Pan(clock, 1), unit=unit, knows_unit=knows_unit)
        simulated.tare_g = 3.0
        port = open_port("line", host.serve("line", LINE, [simulated]))
        try:
            balance = Balance(name="balance", port=port, clock=clock)
            if unit and not knows_unit:
                with pytest.raises(DeviceError, match="not in g"):
                    balance.connect()
                return
            balance.connect()
            balance.trigger().wait(10)
            assert balance.mass.get() == pytest.approx(8.5, abs=1e-3)
        finally:
            port.close()


class Rotor(World):
    valve_position = 1


@pytest.mark.parametrize(("positions", "mode"), [(40, 3), (2, 3), (10, 1), (10, 2), (12, 3)])
def test_a_valve_in_another_mode_or_with_other_positions_is_refused(positions: int, mode: int) -> None:
    clock = SteppedClock()
    with SimHost(clock) as host:
        simulated = SimValve("valve", Rotor(clock, 1), positions=positions, mode=mode)
        port = open_port("line", host.serve("line", LINE, [simulated]))
        try:
            lab_says = 10 if positions == 12 else positions
            valve = SelectorValve(name="valve", port=port, clock=clock, positions=lab_says)
            if mode == 3 and positions == lab_says:
                valve.connect()
                valve.selection.set(positions).wait(10)
                assert valve.where() == positions
                return
            with pytest.raises(DeviceError, match=r"expected mode 3|expected 10 positions"):
                valve.connect()
        finally:
            port.close()


@pytest.mark.parametrize("positions", [1, 41])
def test_a_valve_cannot_have_so_many_positions(positions: int) -> None:
    with pytest.raises(DeviceError, match="2 to 40 positions"):
        SelectorValve(name="valve", port=None, clock=SteppedClock(), positions=positions)


class Cell(World):
    def impedance(self, frequency_hz: float) -> complex:
        return complex(80.0, -500.0 / frequency_hz)


METER_LEFT = {
    "a bias": {"BIAS:STAT": "1", "BIAS:VOLT": "1.5"},
    "another cable": {"CORR:LENG": "4"},
    "an open correction": {"CORR:OPEN:STAT": "1"},
    "a short correction": {"CORR:SHOR:STAT": "1"},
    "a load correction": {"CORR:LOAD:STAT": "1"},
    "deviations": {"FUNC:DEV1:MODE": "PERC", "FUNC:DEV2:MODE": "ABS"},
    "another function": {"FUNC:IMP": "LPRP"},
    "other points": {"LIST:FREQ": "1.0E5,2.0E5"},
    "a delay": {"TRIG:DEL": "999"},
    "its own trigger": {"TRIG:SOUR": "INT", "DISP:PAGE": "MEAS"},
}


@pytest.mark.parametrize("when", ["before it is connected", "between two sweeps"])
@pytest.mark.parametrize("left", METER_LEFT.values(), ids=METER_LEFT)
def test_a_meter_measures_the_cell_whatever_was_set_on_it(left: dict[str, str], when: str) -> None:
    clock = SteppedClock()
    before = when.startswith("before")
    with SimHost(clock) as host:
        simulated = SimMeter("lcr", Cell(clock, 1), noise=0.0, left=left if before else None)
        port = open_port("lcr", host.serve("lcr", VisaAddress(type="visa", resource="-"), [simulated]))
        try:
            meter = LcrMeter(name="lcr", port=port, clock=clock, frequencies_hz=[1e3, 1e4])
            meter.connect()
            if not before and not {"TRIG:DEL", "TRIG:SOUR"} & set(left):  # those are seen otherwise
                simulated.settings.update(left)
            meter.trigger().wait(10)
            assert list(meter.resistance.get()) == pytest.approx([80.0, 80.0])
            assert list(meter.reactance.get()) == pytest.approx([-0.5, -0.05])
            assert host.unknown_commands() == {}
        finally:
            port.close()
