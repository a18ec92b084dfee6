"""Closing a lab: every device is made safe and every port given back, whatever one driver does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import labwright
from labwright.clock import SteppedClock
from labwright.hardware import Port
from labwright.lab import Lab, read_lab, together
from labwright.lab.classes import resolve
from labwright.model.errors import CommunicationError, RefusedError, UnsafeError
from labwright.simulation import SimulatedLab
from tests.forks import labwright as process

ROOT = Path(__file__).parents[2]
FOLDER = read_lab(ROOT)


@pytest.fixture
def twin() -> Iterator[SimulatedLab]:
    with SimulatedLab(FOLDER.model, SteppedClock(), resolve, seed=1) as one:
        yield one


@pytest.fixture
def lab(twin: SimulatedLab) -> Lab:
    one = Lab(FOLDER, twin.clock, twin.addresses, simulated=True)
    one.open()
    return one


def recorded(lab: Lab) -> list[str]:
    """Names of the devices that were made safe."""
    done: list[str] = []
    for name, device in lab.devices.items():

        def safe(name: str = name, real: Callable[[], None] = device.make_safe) -> None:
            real()
            done.append(name)

        device.make_safe = safe  # type: ignore[method-assign]
    return done


def raising(error: BaseException) -> Callable[[], None]:
    def safe() -> None:
        raise error

    return safe


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("a driver's mistake"), 'KeyError: "a driver\'s mistake"'),
        (CommunicationError("no reply within 2 s"), "no reply within 2 s"),
        (SystemExit(3), "SystemExit: 3"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_what_one_driver_raises_keeps_no_other_device_from_being_made_safe(
    lab: Lab, error: BaseException, words: str
) -> None:
    ports, devices, done = list(lab.ports.values()), set(lab.devices), recorded(lab)
    lab.devices["pump_3"].make_safe = raising(error)  # type: ignore[method-assign]
    with pytest.raises(UnsafeError) as unsafe:
        lab.close()
    assert unsafe.value.exit_code == 1
    assert set(unsafe.value.failures) == {"pump_3"}
    assert words in unsafe.value.failures["pump_3"]
    assert str(unsafe.value).startswith("NOT SAFE: 1 SIMULATED device may")
    assert set(done) == devices - {"pump_3"}
    assert (lab.devices, lab.ports, lab._broker) == ({}, {}, None)
    for port in ports:
        if isinstance(port, Port):
            again = Port(port.name, port.address)
            again.open()  # free for another process
            again.close()


def test_what_hangs_is_waited_for_until_its_deadline_and_no_longer(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "TELL_S", 0.3)
    devices, done, never = set(lab.devices), recorded(lab), threading.Event()
    lab.devices["arm"].make_safe = lambda: never.wait(30)  # type: ignore[method-assign,assignment]
    began = time.monotonic()
    with pytest.raises(UnsafeError, match=r"arm: make_safe has not ended within 0\.3 s"):
        lab.close()
    assert time.monotonic() - began < 10
    assert set(done) == devices - {"arm"}
    never.set()


def test_a_port_that_is_not_given_back_is_told_and_the_others_are(lab: Lab) -> None:
    ports = dict(lab.ports)
    real = ports["pumps"].close
    ports["pumps"].close = raising(OSError("the driver of the line crashed"))  # type: ignore[method-assign]
    with pytest.raises(UnsafeError, match=r"port pumps: .*the driver of the line crashed"):
        lab.close()
    real()
    assert all(getattr(port, "_thread", None) is None for port in ports.values())


def test_another_exception_on_its_way_is_not_lost(twin: SimulatedLab) -> None:
    lab = Lab(FOLDER, twin.clock, twin.addresses, simulated=True)

    def fails() -> None:
        with lab:
            lab.devices["arm"].make_safe = raising(KeyError("arm"))  # type: ignore[method-assign]
            raise RefusedError("something else")

    with pytest.raises(UnsafeError) as unsafe:
        fails()
    assert isinstance(unsafe.value.__context__, RefusedError)


@pytest.fixture(scope="module")
def bad_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab whose driver forgets what it needs to become safe."""
    from labwright.cli.init import make_lab

    folder = tmp_path_factory.mktemp("labs") / "bad"
    make_lab(folder)
    driver = folder / "devices" / "heater.py"
    bad = (
        "    _opened = 0\n\n    def make_safe(self) -> None:\n        self._opened += 1\n"
        "        if self._opened > 1:\n            {}['no such key']\n        super().make_safe()\n\n"
    )
    text, connect = driver.read_text(), "    def connect(self)"
    assert connect in text
    driver.write_text(text.replace(connect, bad + connect))
    return folder


@pytest.mark.parametrize(
    "verb", [("campaign", "run", "first", "--no-store", "--budget", "2", "--planner", "random"), ("station", "test")]
)
def test_what_is_not_safe_is_told_last_with_exit_code_1(bad_lab: Path, tmp_path: Path, verb: tuple[str, ...]) -> None:
    data = ("--data", str(tmp_path)) if verb[0] == "campaign" else ()
    done = process(*verb, "--lab", bad_lab, "--simulated", *data)
    assert done.returncode == 1, done.stderr
    *_, head, device, advice = done.stderr.splitlines()
    assert head.startswith("labwright: NOT SAFE: 1 SIMULATED device may")
    assert "devices/heater.py" in device
    assert "KeyError: 'no such key'" in device
    assert "look at them now" in advice
    if verb[0] == "campaign":
        assert "completed" in done.stderr, "how the campaign ended is told too"
        assert (tmp_path / "report.html").exists()


def test_a_notebook_hears_of_it_too(tmp_path: Path) -> None:
    one = labwright.open(ROOT, simulated=True, data=tmp_path)
    device: Any = one.devices["balance"]
    device.make_safe = raising(ZeroDivisionError())
    with pytest.raises(UnsafeError, match=r"balance: its driver fails: .*ZeroDivisionError"):
        one.close()
    with pytest.raises(RefusedError, match="is closed"):
        one.campaign("conductivity", budget=1).run()
