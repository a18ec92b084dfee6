"""Every driver, byte for byte, on a real wire."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from devices.e4980a import LcrMeter
from devices.ika import Hotplate
from devices.mettler import Balance
from devices.ne1000 import SafePackets, SyringePump, number
from devices.preciseflex import Arm
from devices.vici import SelectorValve
from labwright.clock import SteppedClock
from labwright.hardware import open_port
from labwright.model.errors import AlarmError, BadReplyError, DeviceError
from labwright.testing import conversation
from labwright.testing.conversation import Exchange


@contextmanager
def talking(
    make: Callable[..., Any], exchanges: list[Exchange], wire: Any = "serial", **settings: Any
) -> Iterator[Any]:
    with conversation(exchanges, wire) as address:
        port = open_port("line", address)
        try:
            yield make(name="it", port=port, clock=SteppedClock(), **settings)
        finally:
            port.close()


def packet(data: str) -> bytes:
    return SafePackets().encode(data)


def test_the_manuals_check_vector_of_the_pumps_crc() -> None:
    assert packet("SAF0") == bytes([0x02, 0x08]) + b"SAF0" + bytes([0x55, 0x43, 0x03])
    assert SafePackets().split(packet("00S") + b"more") == ("00S", len(packet("00S")))
    for at in range(1, 7):
        damaged = bytearray(packet("00S"))
        damaged[at] ^= 0x10
        try:
            assert SafePackets().split(bytes(damaged)) is None, "a damaged length makes it wait for more"
        except BadReplyError:
            continue


@pytest.mark.parametrize(
    ("value", "text"),
    [(26.59, "26.59"), (0.35, "0.350"), (10, "10.00"), (500, "500.0"), (1000, "1000."), (9999, "9999.")],
)
def test_the_pumps_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_the_pumps_numbers_end_at_four_digits() -> None:
    with pytest.raises(DeviceError, match="four digits"):
        number(10_000)


PUMP = {"address": 3, "diameter_mm": 26.59, "rate_ml_per_min": 10}


def said(*words: str) -> list[Exchange]:
    """What is said to pump 3, and its answers: ``PHN1`` is answered by its status, ``PHN=1`` tells."""
    return [
        (packet(f"03{command}"), packet(f"03S{answer}")) for command, _, answer in (one.partition("=") for one in words)
    ]


SET_UP = said(
    "DIA=26.59", "PF=0", "PHN2", "PHN=2", "FUN=STP", "PHN1", "PHN=1", "FUN=RAT", "VOL=1.000ML", "RAT=10.00MM", "DIR=INF"
)
"""A pump whose memory holds what it should."""

READY = [*SET_UP, *said("CLDINF", "VOL=1.000ML", "VOL0.350", "VOL=0.350ML")]


def test_the_pump_is_set_up_and_dispenses() -> None:
    exchanges: list[Exchange] = [
        (packet("03SAF60"), packet("03S")),
        (packet("03VER"), packet("03SNE1000V3.923")),
        *said("", "DIA=4.699", "DIA26.59", "DIA=26.59", "PF=1", "PF0", "PF=0"),
        *said("PHN2", "PHN=2", "FUN=RAT", "FUNSTP", "FUN=STP", "PHN1", "PHN=1", "FUN=LPS", "FUNRAT", "FUN=RAT"),
        *said("VOL=500.0UL", "VOLML", "RAT=100.0UH", "RAT10.00MM", "RAT=10.00MM", "DIR=WDR", "DIRINF", "DIR=INF"),
        (packet("03"), packet("03S")),
        *READY,
        (packet("03RUN"), packet("03I")),
        (packet("03"), packet("03S")),
        (packet("03DIS"), packet("03SI0.350W0.000ML")),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        pump.connect()
        pump.volume.set(350.0).wait(10)


def test_a_pump_without_a_program_is_set_up_too() -> None:
    exchanges = [
        *said("SAF60", "VER=NE300V3.923", "", "DIA=26.59", "PF=?", "PHN2=?", "VOL=1.000ML", "RAT=10.00MM", "DIR=INF"),
        *said("", "DIA=26.59", "PF=?", "PHN2=?", "VOL=1.000ML", "RAT=10.00MM", "DIR=INF"),
        *said("CLDINF", "VOL=0.350ML"),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        pump.connect()
        pump.ready(350.0)


@pytest.mark.parametrize("setting", ["DIA", "PHN", "FUN", "RAT", "DIR", "VOL"])
def test_a_setting_that_the_pump_does_not_take_is_refused(setting: str) -> None:
    """Whatever it is, nothing is pumped: RUN is never sent."""
    wrong = {"DIA": "10.00", "PHN": "3", "FUN": "PAS01", "RAT": "0.100MM", "DIR": "WDR", "VOL": "5.000ML"}[setting]
    exchanges: list[Exchange] = said("")
    for one in READY:
        command = one[0][4:-3].decode()
        if command == setting:
            written = {"DIA": "DIA26.59", "FUN": "FUNSTP", "RAT": "RAT10.00MM", "DIR": "DIRINF", "VOL": "VOL0.350"}
            if setting == "VOL" and one is READY[8]:
                exchanges.append(one)  # asked for its unit
                continue
            exchanges += said(f"{setting}={wrong}")
            if setting != "PHN":
                exchanges += said(written[setting], f"{setting}={wrong}")
            break
        exchanges.append(one)
    with talking(SyringePump, exchanges, **PUMP) as pump, pytest.raises(DeviceError, match=re.escape(repr(wrong))):
        pump.ready(350.0)


def test_connecting_leaves_a_pump_that_pumps_alone() -> None:
    exchanges: list[Exchange] = [
        (packet("03SAF60"), packet("03I")),
        (packet("03VER"), packet("03INE1000V3.923")),
        (packet("03"), packet("03I")),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        pump.connect()


def test_an_alarm_of_the_past_does_not_keep_a_pump_from_being_connected() -> None:
    exchanges: list[Exchange] = [
        (packet("03SAF60"), packet("03A?T")),  # the controller was away for longer than its watchdog waits
        (packet("03SAF60"), packet("03S")),
        (packet("03VER"), packet("03SNE1000V3.923")),
        (packet("03"), packet("03I")),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        pump.connect()


def test_a_paused_pump_forgets_its_old_volume_and_a_running_one_is_not_prepared() -> None:
    exchanges: list[Exchange] = [
        (packet("03"), packet("03P")),
        (packet("03STP"), packet("03S")),
        *READY,
        (packet("03"), packet("03I")),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        pump.volume.make_ready(350.0)
        with pytest.raises(DeviceError, match="pumping already"):
            pump.volume.make_ready(350.0)


def test_what_a_pump_did_is_asked_when_it_stands() -> None:
    exchanges: list[Exchange] = [
        (packet("03"), packet("03I")),
        (packet("03"), packet("03A?T")),  # told once: its watchdog has stopped it meanwhile
        (packet("03"), packet("03S")),
        (packet("03DIS"), packet("03SI0.210W0.000ML")),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        status = pump.volume.find_out(350.0, 0.0, "")
        status.wait(10)
        assert status.evidence.state == "unknown"
        assert status.evidence.words == "it counts 210 of 350 ul"


def test_the_pumps_alarm_fails_the_dispense() -> None:
    exchanges: list[Exchange] = [
        (packet("03"), packet("03S")),
        *READY,
        (packet("03RUN"), packet("03I")),
        (packet("03"), packet("03A?S")),
        (packet("03STP"), packet("03S?NA")),
        (packet("03STP"), packet("03S?NA")),
    ]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        status = pump.volume.set(350.0)
        with pytest.raises(AlarmError, match="stalled"):
            status.wait(10)


def test_a_lost_run_is_not_sent_again() -> None:
    exchanges: list[Exchange] = [(packet("03RUN"), None), (packet("03"), packet("03I"))]
    with talking(SyringePump, exchanges, **PUMP) as pump:
        pump.run()


def test_the_valve_turns() -> None:
    exchanges: list[Exchange] = [
        (b"IFM0\r", None),
        (b"AM\r", b"AM3\r"),
        (b"NP\r", b"NP10\r"),
        (b"GO07\r", None),
        (b"CP\r", b"CP03\r"),
        (b"CP\r", b"CP07\r"),
    ]
    with talking(SelectorValve, exchanges, positions=10) as valve:
        valve.connect()
        valve.selection.set(7).wait(10)


def test_the_balance_waits_for_a_stable_weight() -> None:
    exchanges: list[Exchange] = [
        (b"@\r\n", b'I4 A "B712345678"\r\n'),
        (b"M21 0 0\r\n", b"M21 A\r\n"),
        (b"SI\r\n", b"S D     8.5012 g\r\n"),
        (b"SI\r\n", b"S S     8.5010 g\r\n"),
    ]
    with talking(Balance, exchanges) as balance:
        balance.connect()
        balance.trigger().wait(10)
        assert balance.read()["it_mass"]["value"] == 8.5010


@pytest.mark.parametrize("refused", [b"ES\r\n", b"EL\r\n", b"M21 L\r\n"])
@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (b"S D     8.5012 g\r\n", ""),
        (b"S I\r\n", ""),
        (b"S +\r\n", ""),
        (b"S D     8501.2 mg\r\n", "weighs in mg, not in g"),
        (b"S S    42.5060 ct\r\n", "weighs in ct, not in g"),
    ],
)
def test_a_balance_that_does_not_know_units_is_taken_if_it_weighs_in_grams(
    refused: bytes, weight: bytes, words: str
) -> None:
    exchanges: list[Exchange] = [
        (b"@\r\n", b'I4 A "B712345678"\r\n'),
        (b"M21 0 0\r\n", refused),
        (b"SI\r\n", weight),
    ]
    with talking(Balance, exchanges) as balance:
        if not words:
            balance.connect()
            return
        with pytest.raises(DeviceError, match=words):
            balance.connect()


def test_a_unit_that_is_changed_between_two_weighings_is_noticed() -> None:
    with (
        talking(Balance, [(b"SI\r\n", b"S S     8501.2 mg\r\n")]) as balance,
        pytest.raises(DeviceError, match="weighs in mg, not in g"),
    ):
        balance.trigger().wait(10)


@pytest.mark.parametrize(("reply", "words"), [(b"S +\r\n", "overload"), (b"S S Error 10b\r\n", "balance error 10b")])
def test_the_balances_alarms(reply: bytes, words: str) -> None:
    with talking(Balance, [(b"SI\r\n", reply)]) as balance, pytest.raises(AlarmError, match=words):
        balance.trigger().wait(10)


def test_the_hotplate_stirs_and_stops() -> None:
    exchanges: list[Exchange] = [
        (b"OUT_SP_4 500.0 \r\n", None),
        (b"IN_SP_4 \r\n", b"500.0 4 \r\n"),
        (b"OUT_WD1@60 \r\n", b"60 1 \r\n"),
        (b"START_4 \r\n", None),
        (b"IN_PV_4 \r\n", b"0.0 4 \r\n"),
        (b"IN_PV_4 \r\n", b"1.0 4 \r\n"),
        (b"IN_PV_4 \r\n", b"498.0 4 \r\n"),
        (b"IN_PV_4 \r\n", b"499.0 4 \r\n"),
        *[(b"STOP_1 \r\n", None), (b"STOP_4 \r\n", None)] * 2,
        (b"OUT_WD2@0 \r\n", b"0 2 \r\n"),
    ]
    with conversation(exchanges) as address:
        port = open_port("line", address)
        plate = Hotplate(name="it", port=port, clock=SteppedClock())
        plate.speed.set(500).wait(10)
        plate.make_safe()
        port.close()


def test_a_hotplate_that_may_have_tripped_is_reset_before_it_is_switched_on() -> None:
    exchanges: list[Exchange] = [
        (b"IN_NAME \r\n", b"RCT digital \r\n"),
        (b"IN_PV_4 \r\n", b"0.0 4 \r\n"),
        (b"IN_PV_4 \r\n", b"0.0 4 \r\n"),
        (b"RESET \r\n", None),
        (b"OUT_SP_4 500.0 \r\n", None),
        (b"IN_SP_4 \r\n", b"500.0 4 \r\n"),
        (b"OUT_WD1@60 \r\n", b"60 1 \r\n"),
        (b"START_4 \r\n", None),
        (b"IN_PV_4 \r\n", b"500.0 4 \r\n"),
        (b"IN_PV_4 \r\n", b"500.0 4 \r\n"),
        *[(b"STOP_1 \r\n", None), (b"STOP_4 \r\n", None)] * 2,
    ]
    with conversation(exchanges) as address:
        port = open_port("line", address)
        plate = Hotplate(name="it", port=port, clock=SteppedClock())
        plate.connect()
        plate.speed.set(500).wait(10)
        plate.stop()
        port.close()


PROFILE: list[Exchange] = [
    (b"mspeed\n", b"0 30\r\n"),
    (b"mspeed 100\n", b"0\r\n"),
    (b"mspeed\n", b"0 100\r\n"),
    (b"Profile 1\n", b"0 1 100 0 100 100 0.1 0.1 -1 -1\r\n"),
    (b"Profile 1 50 0 50 50 0.1 0.1 10 0\n", b"0\r\n"),
    (b"Profile 1\n", b"0 1 50 0 50 50 0.1 0.1 10 0\r\n"),
]
"""Another client has left its speed, and a straight path that blends into the next."""

MADE_READY: list[Exchange] = [
    (b"hp\n", b"0 1\r\n"),
    (b"attach\n", b"0 1\r\n"),
    (b"mspeed\n", b"0 100\r\n"),
    (b"Profile 1\n", b"0 1 50 0 50 50 0.1 0.1 10 0\r\n"),
]


@pytest.mark.parametrize(
    ("state", "words"), [(5, "a fault occurred"), (15, "hard emergency stop"), (17, "does not know")]
)
def test_the_arm_that_stops_on_its_way_says_why_at_the_next_look(state: int, words: str) -> None:
    exchanges: list[Exchange] = [
        *MADE_READY,
        (b"locAngles 7\n", b"0 1 7 1 2 3 4 5 6\r\n"),
        (b"move 7 1\n", b"0\r\n"),
        (b"wherej\n", b"0 0 0 0 0 0 0\r\n"),
        (b"sysState\n", f"0 {state}\r\n".encode()),
        (b"halt\n", b"0\r\n"),
    ]
    with (
        talking(Arm, exchanges, "tcp") as arm,
        pytest.raises(AlarmError, match=rf"on its way to location 7: .*{words}.*system state {state}"),
    ):
        arm.location.set(7).wait(10)


def test_the_arm_whose_emergency_stop_is_pressed_gets_no_power_and_says_so() -> None:
    exchanges: list[Exchange] = [
        (b"hp\n", b"0 0\r\n"),
        (b"hp 1\n", b"0\r\n"),
        (b"hp\n", b"0 0\r\n"),
        (b"sysState\n", b"0 15\r\n"),
        (b"halt\n", b"0\r\n"),
    ]
    with talking(Arm, exchanges, "tcp") as arm, pytest.raises(AlarmError, match="no power: hard emergency stop"):
        arm.location.set(7).wait(10)


def test_an_arm_whose_server_knows_no_profiles_moves_all_the_same() -> None:
    unknown = b"-2805 *Unknown command*\r\n"
    exchanges: list[Exchange] = [
        *MADE_READY[:2],
        (b"mspeed\n", unknown),
        (b"Profile 1\n", unknown),
        (b"locAngles 7\n", b"0 1 7 1 2 3 4 5 6\r\n"),
        (b"move 7 1\n", b"0\r\n"),
        (b"wherej\n", b"0 1 2 3 4 5 6\r\n"),
    ]
    with talking(Arm, exchanges, "tcp") as arm:
        arm.location.set(7).wait(10)


def test_a_bare_error_code_of_the_arm_is_put_into_words() -> None:
    exchanges: list[Exchange] = [
        (b"hp\n", b"0 1\r\n"),
        (b"attach\n", b"0 0\r\n"),
        (b"attach 1\n", b"-1046\r\n"),
        (b"halt\n", b"0\r\n"),
    ]
    with talking(Arm, exchanges, "tcp") as arm, pytest.raises(AlarmError, match="error -1046: power not enabled"):
        arm.location.set(7).wait(10)


def test_the_arm_moves_and_grips() -> None:
    angles = "100.000 -60.000 90.000 -90.000 85.000 0.000"
    exchanges: list[Exchange] = [
        (b"mode 0\n", b"0\r\n"),
        (b"version\n", b"0 TCS 3.0C\r\n"),
        (b"hp\n", b"0 0\r\n"),
        (b"hp 1\n", b"0\r\n"),
        (b"hp\n", b"0 0\r\n"),
        (b"sysState\n", b"0 9\r\n"),
        (b"hp\n", b"0 1\r\n"),
        (b"attach\n", b"0 0\r\n"),
        (b"attach 1\n", b"0\r\n"),
        *PROFILE,
        (b"locAngles 7\n", f"0 1 7 {angles}\r\n".encode()),
        (b"move 7 1\n", b"-1021\r\n"),
        (b"home\n", b"0\r\n"),
        (b"move 7 1\n", b"0\r\n"),
        (b"wherej\n", b"0 1.000 1.000 1.000 1.000 1.000 0.000\r\n"),
        (b"sysState\n", b"0 21\r\n"),
        (b"wherej\n", f"0 {angles}\r\n".encode()),
        (b"hp\n", b"0 1\r\n"),
        (b"attach\n", b"0 1\r\n"),
        (b"GripClosePos\n", b"0 62.5\r\n"),
        (b"GripClosePos 75\n", b"0\r\n"),
        (b"GripClosePos\n", b"0 75\r\n"),
        (b"gripper 2\n", b"0\r\n"),
        (b"sysState\n", b"0 21\r\n"),
        (b"IsFullyClosed\n", b"0 0\r\n"),
    ]
    with talking(Arm, exchanges, "tcp", open_mm=95.0, closed_mm=75.0) as arm:
        arm.connect()
        arm.location.set(7).wait(10)
        arm.gripper.set(1).wait(10)


def test_the_arm_that_grips_nothing_says_so() -> None:
    exchanges: list[Exchange] = [
        *MADE_READY[:2],
        (b"gripper 2\n", b"0\r\n"),
        (b"sysState\n", b"0 21\r\n"),
        (b"IsFullyClosed\n", b"0 -1\r\n"),
        (b"halt\n", b"0\r\n"),
    ]
    with talking(Arm, exchanges, "tcp") as arm, pytest.raises(AlarmError, match="closed on nothing"):
        arm.gripper.set(1).wait(10)


METER_SETTINGS = [
    ":FORM ASC", ":TRIG:SOUR BUS", ":TRIG:DEL 0", ":INIT:CONT 1", ":FUNC:IMP RX", ":FUNC:DEV1:MODE OFF",
    ":FUNC:DEV2:MODE OFF", ":FUNC:IMP:RANG:AUTO 1", ":AMPL:ALC 0", ":VOLT 0.02", ":BIAS:STAT 0", ":CORR:LENG 1",
    ":CORR:OPEN:STAT 1", ":CORR:SHOR:STAT 0", ":CORR:LOAD:STAT 0", ":APER MED,1", ":DISP:PAGE LIST", ":LIST:MODE SEQ",
    ":LIST:FREQ 1.000000E+03,1.000000E+04",
]  # fmt: skip

METER_READ_BACK: list[Exchange] = [
    (b":FUNC:IMP?\n", b"RX\n"),
    (b":FUNC:DEV1:MODE?\n", b"OFF\n"),
    (b":FUNC:DEV2:MODE?\n", b"OFF\n"),
    (b":AMPL:ALC?\n", b"0\n"),
    (b":VOLT?\n", b"+2.00000E-02\n"),
    (b":BIAS:STAT?\n", b"0\n"),
    (b":CORR:LENG?\n", b"1\n"),
    (b":CORR:OPEN:STAT?\n", b"1\n"),
    (b":CORR:SHOR:STAT?\n", b"0\n"),
    (b":CORR:LOAD:STAT?\n", b"0\n"),
    (b":APER?\n", b"MED,1\n"),
    (b":LIST:FREQ?\n", b"+1.00000E+03,+1.00000E+04\n"),
]
METER = {"frequencies_hz": [1e3, 1e4], "voltage_v": 0.02, "cable_m": 1, "corrections": ["OPEN"]}
METER_SET = [(f"{one};:SYST:ERR?\n".encode(), b'+0,"No error"\n') for one in METER_SETTINGS]
SWEPT: list[Exchange] = [
    (b":TRIG:IMM;:STAT:OPER:COND?\n", b"+24\n"),
    (b":STAT:OPER:COND?\n", b"+8\n"),
    (b":STAT:OPER:COND?\n", b"+0\n"),
    (b":FETC?\n", b"+8.00000E+01,-2.00000E+00,+0,+0,+7.90000E+01,-3.00000E-01,+0,+0\n"),
]


def test_the_meter_sweeps() -> None:
    exchanges: list[Exchange] = [
        (b"*IDN?\n", b"Keysight Technologies,E4980A,MY46200000,A.07.00\n"),
        (b"*CLS;:SYST:ERR?\n", b'+0,"No error"\n'),
        *METER_SET,
        *METER_READ_BACK,
        *METER_READ_BACK,
        *SWEPT,
    ]
    with talking(LcrMeter, exchanges, "visa", **METER) as meter:
        meter.connect()
        meter.trigger().wait(10)
        assert np.array_equal(meter.read()["it_resistance"]["value"], [80.0, 79.0])


def test_a_meter_without_a_setting_is_taken_and_not_asked_for_it_again() -> None:
    unknown = [
        (sent, b'-113,"Undefined header"\n' if sent.startswith(b":BIAS") else answer) for sent, answer in METER_SET
    ]
    known = [one for one in METER_READ_BACK if not one[0].startswith(b":BIAS")]
    exchanges: list[Exchange] = [
        (b"*IDN?\n", b"Keysight Technologies,E4980AL,MY46200000,A.07.00\n"),
        (b"*CLS;:SYST:ERR?\n", b'+0,"No error"\n'),
        *unknown,
        *known,
        *known,
        *SWEPT,
    ]
    with talking(LcrMeter, exchanges, "visa", **METER) as meter:
        meter.connect()
        meter.trigger().wait(10)


def test_what_was_changed_at_the_meter_is_set_again_before_it_sweeps() -> None:
    wrong = [(b":BIAS:STAT?\n", b"1\n") if one[0] == b":BIAS:STAT?\n" else one for one in METER_READ_BACK]
    with talking(LcrMeter, [*wrong, *METER_SET, *METER_READ_BACK, *SWEPT], "visa", **METER) as meter:
        meter.trigger().wait(10)
    stubborn = [*wrong, *METER_SET, *wrong, (b":ABOR;:SYST:ERR?\n", b'+0,"No error"\n')]
    with (
        talking(LcrMeter, stubborn, "visa", **METER) as meter,
        pytest.raises(DeviceError, match=r"does not take its settings: :BIAS:STAT is 1, not 0"),
    ):
        meter.trigger().wait(10)


def test_a_lost_answer_to_the_trigger_starts_no_second_sweep() -> None:
    exchanges: list[Exchange] = [
        *METER_READ_BACK,
        (b":TRIG:IMM;:STAT:OPER:COND?\n", None),
        (b":STAT:OPER:COND?\n", b"+24\n"),
        *SWEPT[2:],
    ]
    with talking(LcrMeter, exchanges, "visa", **METER) as meter:
        meter.trigger().wait(10)


def test_a_refused_setting_is_told_in_the_instruments_words() -> None:
    exchanges: list[Exchange] = [(b":VOLT 99;:SYST:ERR?\n", b'-222,"Data out of range"\n')]
    with (
        talking(LcrMeter, exchanges, "visa", frequencies_hz=[1e3, 1e4]) as meter,
        pytest.raises(DeviceError, match="Data out of range"),
    ):
        meter.set_up(":VOLT 99")


def ask_and_fail(exchanges: list[Exchange]) -> None:
    with talking(SelectorValve, exchanges, positions=10) as valve, pytest.raises(DeviceError):
        valve.where()


def test_a_conversation_notices_a_wrong_byte() -> None:
    with pytest.raises(AssertionError, match="where b'CPX"):
        ask_and_fail([(b"CPX\r", b"CP01\r")])


def test_a_conversation_notices_what_was_never_said() -> None:
    with (
        pytest.raises(AssertionError, match="never sent"),
        talking(SelectorValve, [(b"CP\r", b"CP01\r")], positions=10),
    ):
        pass


def basic(data: str) -> bytes:
    return b"\x02" + data.encode() + b"\x03"


@pytest.mark.parametrize(
    ("replies", "restarted"),
    [
        ([basic("03A?R"), packet("03S"), packet("03S?NA"), packet("03S?NA")], False),
        ([basic("03S?NA"), packet("03S"), packet("03S?NA"), packet("03S?NA")], False),
        ([packet("03A?R"), packet("03S"), packet("03S?NA"), packet("03S?NA")], False),
        ([basic("03A?R"), packet("03A?R"), packet("03S"), packet("03S?NA"), packet("03S?NA")], False),
        ([basic("03I"), packet("03I"), packet("03P"), packet("03S")], True),
    ],
)
def test_a_pump_that_lost_its_power_is_halted(replies: list[bytes], restarted: bool) -> None:
    """In basic mode or not, and pumping again or not: it is brought back to safe mode, and stands at the end."""
    wake = [packet("03SAF60")] * (len(replies) - 3)
    commands = [packet("03STP"), *wake, packet("03STP"), packet("03STP")]
    with talking(SyringePump, list(zip(commands, replies, strict=True)), **PUMP) as pump:
        pump.make_safe()
        assert pump.port.stats.bad_replies == pump.port.stats.timeouts == 0


def test_a_watchdog_that_trips_at_each_packet_of_a_slow_line_means_that_the_pump_stands() -> None:
    with talking(SyringePump, [(packet("03STP"), packet("03A?T"))] * 4, **PUMP) as pump:
        pump.make_safe()


def test_a_pump_that_pumps_after_two_stops_is_not_safe() -> None:
    with (
        talking(SyringePump, [(packet("03STP"), packet("03I?NA"))] * 2, **PUMP) as pump,
        pytest.raises(DeviceError, match="status is still I after STP was sent twice"),
    ):
        pump.make_safe()
