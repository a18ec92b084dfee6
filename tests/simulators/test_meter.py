"""The simulated LCR meter measures what it is asked for, when it is asked."""

from __future__ import annotations

import math

import pytest

from labwright.clock import SteppedClock
from labwright.simulation import World
from simulators.e4980a import FUNCTIONS, LcrMeter


class Cell(World):
    def impedance(self, frequency_hz: float) -> complex:
        return complex(80.0, -1e6 / frequency_hz)


@pytest.fixture
def meter() -> LcrMeter:
    return LcrMeter("lcr", Cell(SteppedClock(), 1), noise=0.0)


def numbers(meter: LcrMeter, command: str = "FETC?") -> list[float]:
    reply = meter.answer(command)
    assert reply is not None
    return [float(one) for one in reply.split(",")]


def test_readings_do_not_freeze(meter: LcrMeter) -> None:
    for command in ("FUNC:IMP RX", "FREQ 1000", "FREQ 1E6"):
        assert meter.answer(command) is None
        now = numbers(meter)
    assert now[:2] == [80.0, -1.0]
    meter.answer("FREQ 1KHZ")
    assert numbers(meter)[:2] == [80.0, -1000.0]
    meter.answer("*RST")
    assert numbers(meter, "FETC:IMP:FORM?")[0] == pytest.approx(1 / (2 * math.pi * 1e6), rel=0.01)


def test_a_triggered_reading_stays_until_the_next_trigger(meter: LcrMeter) -> None:
    for command in ("FUNC:IMP RX", "TRIG:SOUR BUS", "FREQ 1000", "TRIG:IMM"):
        meter.answer(command)
    assert numbers(meter)[2] == -1, "no data yet"
    meter.clock.sleep(1)
    assert numbers(meter)[1] == -1000.0
    meter.answer("FREQ 1E6")
    assert numbers(meter)[1] == -1000.0
    meter.answer("TRIG:IMM")
    meter.clock.sleep(1)
    assert numbers(meter)[1] == -1.0


EXPECTED = {  # of 80 - 160j Ohm at 1 kHz
    "RX": (80.0, -160.0),
    "ZTD": (178.885, -63.4349),
    "ZTR": (178.885, -1.10715),
    "GB": (0.0025, 0.005),
    "YTD": (0.00559017, 63.4349),
    "CPD": (7.95775e-7, 0.5),
    "CPQ": (7.95775e-7, 2.0),
    "CPG": (7.95775e-7, 0.0025),
    "CPRP": (7.95775e-7, 400.0),
    "CSD": (9.94718e-7, 0.5),
    "CSRS": (9.94718e-7, 80.0),
    "LSRS": (-0.0254648, 80.0),
    "LPRP": (-0.0318310, 400.0),
}


@pytest.mark.parametrize("function", EXPECTED)
def test_each_function_gives_its_own_parameters(meter: LcrMeter, function: str) -> None:
    meter.world.impedance = lambda _: complex(80.0, -160.0)
    for command in (f"FUNC:IMP {function}", "FREQ 1000"):
        meter.answer(command)
    assert numbers(meter)[:2] == pytest.approx(EXPECTED[function], rel=1e-4)
    assert function in FUNCTIONS


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("FREQ 5", -222),
        ("VOLT 100", -222),
        ("FREQ abc", -104),
        ("FUNC:IMP NONSENSE", -224),
        ("APER QUICK,1", -224),
        (":LIST:FREQ 1E3,5E9", -222),
        ("NO:SUCH 1", -113),
        (":LIST:FREQ 1E3,1E4;MODE SEQ", 0),
        (":FREQ 2E3;:VOLT 0.5;*CLS;:APER LONG", 0),
        ("FREQUENCY:CW 1MHZ", 0),
        ("VOLT:LEVEL 50MV", 0),
    ],
)
def test_what_is_wrong_goes_into_the_error_queue_and_changes_nothing(meter: LcrMeter, command: str, error: int) -> None:
    before = dict(meter.settings)
    meter.answer(command)
    told = meter.answer("SYST:ERR?")
    assert told is not None
    assert int(told.split(",")[0]) == error, told
    assert (meter.settings == before) == (error != 0)


def test_numbers_are_told_as_the_instrument_has_them(meter: LcrMeter) -> None:
    assert meter.answer("FREQ 20KHZ;FREQ?") == "+2.00000E+04"
    assert meter.answer(":LIST:FREQ 1E3,1E4;FREQ?") == "+1.00000E+03,+1.00000E+04"
    assert meter.answer("*IDN?;*OPT?;*ESR?") == "Keysight Technologies,E4980A,MY46200000,A.07.00;0;+0"
