"""A simulation in a process of its own that is killed in the middle of its work, and started again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devices.ne1000 import SyringePump
from labwright.clock import LabClock
from labwright.hardware import MqttLink, open_port
from labwright.model.errors import CommunicationError
from labwright.model.ports import MqttAddress, SerialAddress
from tests.forks import Started, labwright, start

ROOT = Path(__file__).parents[2]
LAB = ROOT / "tests" / "labs" / "fourways"


@contextmanager
def simulation(folder: Path, speed: float = 5.0) -> Iterator[tuple[Started, dict[str, Any]]]:
    words: list[str | Path] = [
        "simulate", "--lab", LAB, "--speed", str(speed), "--endpoints", folder / "endpoints.json",
        "--state", folder / "state", "--effects", folder / "effects",
    ]  # fmt: skip
    process = start(*words)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


@contextmanager
def controller(written: dict[str, Any]) -> Iterator[SyringePump]:
    clock = LabClock(**written["clock"])
    port = open_port("pump_line", SerialAddress.model_validate(written["ports"]["pump_line"]))
    try:
        pump = SyringePump(name="pump", port=port, clock=clock, address=1, diameter_mm=26.59, rate_ml_per_min=10.0)
        pump.connect()
        yield pump
    finally:
        port.close()


@pytest.mark.slow
def test_a_killed_simulation_goes_on_as_after_a_power_cut(tmp_path: Path) -> None:
    with simulation(tmp_path) as (process, first), controller(first) as pump:
        address = MqttAddress.model_validate(first["ports"]["gateway"]).model_copy(update={"timeout_s": 2.0})
        link = MqttLink("gateway", address, time.time)
        link.open()

        def ask(key: str, op: str, **more: Any) -> Any:
            message = {"op": op, **more}
            return link.request("lab/doser/cmd", message, "lab/doser/evt", idempotent=True, key=key)

        elsewhere = ("simulate", "--lab", LAB, "--endpoints", tmp_path / "other.json", "--state", tmp_path / "state")
        twice = labwright(*elsewhere)
        assert twice.returncode == 3, "one folder, one simulation"
        ask("short", "dose", volume_ul=10.0, token=2)
        deadline = time.monotonic() + 10
        while ask("?1", "outcome", of="short")["state"] != "done":
            assert time.monotonic() < deadline
        pump.volume.make_ready(900.0)  # 5.4 lab s, 1.1 s
        witness = pump.volume.witness()
        pump.volume.set(900.0, command_id="pump#1")
        assert ask("long", "dose", volume_ul=500.0, token=2)["state"] == "running"
        time.sleep(0.4)
        process.kill()
        process.wait(10)
        pump.end_acts("its controller has gone too")
    with simulation(tmp_path) as (_, second):
        assert second["ports"] == first["ports"], "everybody finds everything again"
        assert second["clock"] == first["clock"], "and lab time is the same"
        with controller(second) as pump:
            status = pump.volume.find_out(900.0, witness, "pump#1")
            status.wait(10)
            assert status.evidence is not None
            assert status.evidence.state == "unknown", status.evidence
            counted_ul = pump.pumped_ul()
            assert 50 < counted_ul < 850
        world = json.loads((tmp_path / "state" / "_world.json").read_text())
        assert world["given"]["pump"] == pytest.approx(counted_ul, abs=60), "no further apart than one look"
        while True:  # the link that was open all the time comes back by itself
            try:
                told = ask("?2", "outcome", of="long")
                break
            except CommunicationError:
                assert time.monotonic() < deadline + 20
        assert told["state"] == "unknown"
        assert ask("long", "dose", volume_ul=500.0, token=3)["state"] == "unknown", "it is not done again"
        assert ask("short", "dose", volume_ul=10.0, token=3)["result"] == {"volume_ul": 10.0}
        assert ask("other", "dose", volume_ul=10.0, token=2)["error"] == "fenced"
        link.close()
    effects = [json.loads(line) for line in (tmp_path / "effects").read_text().splitlines()]
    assert sorted((one["device"], one["effect"], one.get("id", "")) for one in effects) == [
        ("doser", "dose", "long"), ("doser", "dose", "short"), ("pump", "run", ""),
    ]  # fmt: skip
