"""A line of noise before the answer keeps no driver from being connected, and another instrument is named."""

from __future__ import annotations

from typing import Any

import pytest

from devices.e4980a import LcrMeter
from devices.ika import Hotplate
from devices.mettler import Balance
from devices.ne1000 import SafePackets, SyringePump
from devices.preciseflex import Arm
from devices.vici import SelectorValve
from labwright.clock import SteppedClock
from labwright.hardware import LabDevice, open_port
from labwright.model.errors import DeviceError
from labwright.testing import conversation
from labwright.testing.conversation import Exchange

packet = SafePackets().encode
OK = b'+0,"No error"\n'

CONNECTING: dict[str, tuple[type[LabDevice], str, dict[str, Any], list[Exchange]]] = {
    "pump": (
        SyringePump,
        "serial",
        {"address": 3, "diameter_mm": 26.59, "rate_ml_per_min": 10},
        [
            (packet("03SAF60"), packet("03I")),
            (packet("03VER"), packet("03INE1000V3.923")),
            (packet("03"), packet("03I")),
        ],
    ),
    "valve": (
        SelectorValve,
        "serial",
        {"positions": 10},
        [(b"IFM0\r", None), (b"AM\r", b"AM3\r"), (b"NP\r", b"NP10\r")],
    ),
    "balance": (
        Balance,
        "serial",
        {},
        [
            (b"@\r\n", b'I4 A "B712345678"\r\n'),
            (b"M21 0 0\r\n", b"M21 A\r\n"),
        ],
    ),
    "hotplate": (Hotplate, "serial", {}, [(b"IN_NAME \r\n", b"RCT digital \r\n")]),
    "arm": (Arm, "tcp", {}, [(b"mode 0\n", b"0\r\n"), (b"version\n", b"0 TCP Command Server 3.0C1\r\n")]),
    "meter": (
        LcrMeter,
        "visa",
        {"frequencies_hz": [1e3, 1e4]},
        [(b"*IDN?\n", b"Keysight Technologies,E4980A,MY46200000,A.07.00\n"), (b"*CLS;:SYST:ERR?\n", OK)],
    ),
}

NOISE = [b"S S 12.3", b"5", b"17 x", b"ES", b"\xff\xfe\x00", b"", b'"']


def ending(answer: bytes | None) -> bytes:
    """The line end of the instrument; a pump's noise is a basic mode packet."""
    if answer is None or answer.startswith(b"\x02"):
        return b"\x03"
    return answer[len(answer.rstrip(b" \r\n")) :]


CASES = [
    (name, number, noise)
    for name, (*_, exchanges) in CONNECTING.items()
    for number, (_, answer) in enumerate(exchanges)
    if answer is not None
    for noise in NOISE
]


@pytest.mark.parametrize(("name", "number", "noise"), CASES)
def test_a_line_of_noise_keeps_no_driver_from_being_connected(name: str, number: int, noise: bytes) -> None:
    kind, wire, settings, exchanges = CONNECTING[name]
    command, answer = exchanges[number]
    tolerated = name == "balance" and command.startswith(b"M21") and noise == b"ES"  # it may not know M21
    script = [*exchanges[: number + 1], *exchanges[number + 1 :]]
    script.insert(number, (command, noise + ending(answer)))
    if tolerated:
        script = [*exchanges[:number], (command, b"ES\r\n"), (b"SI\r\n", b"S S     8.5012 g\r\n")]
    more: list[Exchange] = []
    if name == "meter":  # the rest of its settings
        more = [(b":FORM ASC;:SYST:ERR?\n", b'-113,"the end of this test"\n')]
    with conversation([*script, *more], wire) as address:  # type: ignore[arg-type]
        port = open_port("line", address)
        try:
            device = kind(name="it", port=port, clock=SteppedClock(), **settings)
            if name == "meter":
                with pytest.raises(DeviceError, match="the end of this test"):
                    device.connect()
            else:
                device.connect()
        finally:
            port.close()


@pytest.mark.parametrize(
    ("name", "number", "answer", "words"),
    [
        ("hotplate", 0, b"Hei-PLATE \r\n", "expected an IKA hotplate at port 'line' .*'Hei-PLATE'"),
        ("meter", 0, b"HEWLETT-PACKARD,4284A,0,1\n", "expected a Keysight E4980A at port 'line'.*4284A"),
        ("valve", 1, b"AM1\r", "expected mode 3, many positions .*'AM1'"),
        ("valve", 2, b"NP06\r", "expected 10 positions, as the lab says, .*'NP06'"),
        ("pump", 1, packet("03SPHD2000"), "expected a New Era pump at address 3, got 'PHD2000'"),
    ],
)
def test_another_instrument_is_named(name: str, number: int, answer: bytes, words: str) -> None:
    kind, wire, settings, exchanges = CONNECTING[name]
    times = 1 if name == "pump" else 3  # what has a checksum is believed at once
    script = [*exchanges[:number], *[(exchanges[number][0], answer)] * times]
    with conversation(script, wire) as address:  # type: ignore[arg-type]
        port = open_port("line", address)
        try:
            with pytest.raises(DeviceError, match=words):
                kind(name="it", port=port, clock=SteppedClock(), **settings).connect()
        finally:
            port.close()
