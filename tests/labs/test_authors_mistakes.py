"""Mistakes of a lab's author, in drivers, simulators and addresses, are told as his, with file and line."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from labwright.clock import LabClock
from labwright.hardware import Lines, open_port
from labwright.lab import read_lab
from labwright.model.errors import CommunicationError, ConfigError
from labwright.model.ports import SerialAddress
from labwright.simulation import SimHost, SimInstrument, SimulatedLab, World
from tests import forks

TEMPLATE = Path(__file__).parents[2] / "src" / "labwright" / "cli" / "template"

DEVICES, SIMULATOR, DRIVER = "lab_config/devices.yaml", "simulators/heater.py", "devices/heater.py"


def labwright(lab: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return forks.labwright(*words, cwd=lab)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATE, tmp_path / "lab"))


def edit(lab: Path, file: str, old: str, new: str) -> None:
    text = (lab / file).read_text()
    assert old in text
    (lab / file).write_text(text.replace(old, new, 1))


PORTS = """ports:
  heater: {type: visa, resource: nonsense}
  second: {type: visa, resource: "TCPIP::h::port::SOCKET"}
  third: {type: serial, path: ttyUSB0}
  fourth: {type: tcp, host: "a b", tcp_port: 5}
"""

WORDS = [
    r"devices.yaml:2:\d+: ports.heater.resource: 'nonsense' is no VISA resource",
    r"devices.yaml:3:\d+: ports.second.resource: .*'port' is no number",
    r"devices.yaml:4:\d+: ports.third.path: 'ttyUSB0' is no device",
    r"devices.yaml:5:\d+: ports.fourth.host: 'a b' is no host",
    r"simulation.yaml:\d+:\d+: .*receive_end is 13; write",
    r"simulation.yaml:\d+:\d+: .*send_end is ''; write",
    r"simulation.yaml:\d+:\d+: .*keeps is 'hot'; write a list",
    r"simulation.yaml:\d+:\d+: .*it has no answer\(command\)",
    r"devices/heater.py:\d+: TypeError: Lines\(receive=''\): write",
]

CLASS = "class Heater(SimInstrument):\n"


@pytest.mark.slow
def test_check_refuses_what_can_never_work_all_of_it_at_once(lab: Path) -> None:
    devices = (lab / DEVICES).read_text()
    (lab / DEVICES).write_text(PORTS + devices[devices.index("\ndevices:") :])
    edit(lab, SIMULATOR, CLASS, f"{CLASS}    receive_end = 13\n    send_end = ''\n    keeps = 'hot'\n")
    edit(lab, SIMULATOR, "def answer(", "def answers(")
    edit(lab, DRIVER, 'receive="\\r\\n"', 'receive=""')
    done = labwright(lab, "check")
    assert done.returncode == 3
    assert [one for one in WORDS if not re.search(one, done.stderr)] == [], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_line_ends_are_text_or_bytes_on_both_sides(lab: Path) -> None:
    edit(lab, SIMULATOR, CLASS, f'{CLASS}    receive_end = "\\r"\n    send_end = b"\\r"\n')
    edit(lab, DRIVER, 'Lines(send="\\r\\n", receive="\\r\\n")', 'Lines(send=b"\\r", receive="\\r")')
    done = labwright(lab, "station", "test", "--simulated")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_simulator_that_fails_is_told_as_such(lab: Path) -> None:
    edit(lab, SIMULATOR, 'return "HEATER 1.0"', 'return {}["HEATER"]')
    done = labwright(lab, "station", "test", "--simulated")
    assert done.returncode == 3, done.stderr
    assert re.search(r"heater: simulators/heater.py:\d+: KeyError: 'HEATER'", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "power" not in done.stderr


class Wrong(SimInstrument):
    """Whatever it has to do, it fails at."""

    keeps = ("heat",)

    def __init__(self, world: World, wrong: str) -> None:
        super().__init__("wrong", world)
        self.heat = object() if wrong == "keep" else 1
        if wrong != "keep":
            setattr(self, wrong, self.fails)

    def fails(self, *_: Any) -> Any:
        raise RuntimeError("no idea")

    def answer(self, command: str) -> str | None:
        return f"{command}!"


@pytest.mark.parametrize("wrong", ["answer", "split", "encode", "advance", "keep"])
def test_every_mistake_of_a_simulator_has_its_place_and_ends_nothing_else(
    wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with SimHost(LabClock(), state=tmp_path) as host:
        world = World(host.clock, 0)
        simulated = Wrong(world, "nothing")
        served = host.serve("line", SerialAddress(type="serial", path="-", timeout_s=0.2), [simulated])
        if wrong == "keep":
            simulated.heat = object()
        else:
            setattr(simulated, wrong, simulated.fails)
        line = open_port("line", served)
        try:
            with contextlib.suppress(CommunicationError):
                line.exchange("who", Lines(send="\n"), str, idempotent=False)
        finally:
            line.close()
        deadline = time.monotonic() + 5
        while not host.broken() and time.monotonic() < deadline:
            time.sleep(0.01)
        expected = "TypeError" if wrong == "keep" else "test_authors_mistakes.py:.*RuntimeError: no idea"
        assert re.search(expected, host.broken()["wrong"])
        assert len([one for one in caplog.messages if "wrong fails " in one]) == 1


def test_a_world_that_cannot_be_built_is_told_with_its_place(tmp_path: Path) -> None:
    def resolve(path: str) -> Any:
        def build(*_: Any, **__: Any) -> Any:
            raise KeyError("no such liquid")

        return build

    with pytest.raises(ConfigError, match="cannot be built: KeyError: 'no such liquid'"):
        SimulatedLab(read_lab(Path(__file__).parents[2]).model, LabClock(), resolve)
