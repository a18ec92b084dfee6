"""What a simulation keeps on disk, and what its instruments are after a restart."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from devices.ne1000 import SyringePump
from devices.preciseflex import Arm
from devices.vici import SelectorValve
from labwright.clock import LabClock, SteppedClock
from labwright.hardware import open_port
from labwright.lab import read_lab
from labwright.lab.classes import resolve
from labwright.model.errors import ConfigError
from labwright.model.ports import TcpAddress
from labwright.simulation import SimHost, SimulatedLab, World
from labwright.simulation.kept import EffectsLog, KeptState
from simulators.vici import SelectorValve as SimValve

MODEL = read_lab(Path(__file__).parents[2]).model


def test_only_what_changed_is_written_and_nothing_half(tmp_path: Path) -> None:
    state = KeptState(tmp_path / "state")
    assert state.read("pump") is None
    assert state.write("pump", {"ml": 1.5, "at": 1}, but="at")
    assert not state.write("pump", {"ml": 1.5, "at": 2}, but="at")
    assert state.write("pump", {"ml": 2.5, "at": 2}, but="at")
    assert KeptState(tmp_path / "state").read("pump") == {"ml": 2.5, "at": 2}
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["pump.json"]
    (tmp_path / "state" / "pump.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        state.read("pump")


def test_effects_are_added_line_by_line(tmp_path: Path) -> None:
    for number in range(2):
        log = EffectsLog(tmp_path / "a" / "effects")
        log.write({"effect": number})
        log.close()
    lines = (tmp_path / "a" / "effects").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"effect": 0}, {"effect": 1}]


def test_a_world_without_memory_and_a_host_without_a_folder_cost_nothing(tmp_path: Path) -> None:
    clock = SteppedClock()
    with SimHost(clock, state=tmp_path) as host:
        host.keep_world(World(clock, 1))
        assert not list(tmp_path.iterdir())
    with SimHost(clock) as host:
        host.keep_world(World(clock, 1))
        assert host.place("line") == 0


def test_a_state_folder_of_another_lab_or_another_world_is_refused(tmp_path: Path) -> None:
    clock = SteppedClock()
    KeptState(tmp_path / "one").write("_lab", {"name": "elsewhere"})
    with pytest.raises(ConfigError, match="is the state of the lab 'elsewhere', not of 'electrolyte_lab'"):
        SimulatedLab(MODEL, clock, resolve, state=tmp_path / "one")
    KeptState(tmp_path / "two").write("_world", {"beaker": 1})
    with pytest.raises(ConfigError, match="does not fit this world"):
        SimulatedLab(MODEL, clock, resolve, state=tmp_path / "two")


def test_a_tcp_instrument_is_found_again_and_a_stranger_there_is_told(tmp_path: Path) -> None:
    class Bench(World):
        valve_position = 1

    def serve(host: SimHost) -> int:
        served = host.serve(
            "line", TcpAddress(type="tcp", host="-", tcp_port=1), [SimValve("v", Bench(host.clock, 1), positions=6)]
        )
        assert isinstance(served, TcpAddress)
        return served.tcp_port

    with SimHost(SteppedClock(), state=tmp_path) as host:
        first = serve(host)
    with SimHost(SteppedClock(), state=tmp_path) as host:
        assert serve(host) == first
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", first))
        stranger.listen()
        with (
            SimHost(SteppedClock(), state=tmp_path) as host,
            pytest.raises(ConfigError, match=f"TCP port {first}, which line had before the restart"),
        ):
            serve(host)


def test_the_reference_lab_goes_on_where_its_power_was_cut(tmp_path: Path) -> None:
    """Counters, valve, arm and matter are kept; motors stand, and the drivers find their instruments again."""
    clock = LabClock(20.0)
    effects, state = tmp_path / "effects", tmp_path / "state"

    def device(twin: SimulatedLab, kind: Any, name: str, ports: list[Any]) -> Any:
        spec = MODEL.devices[name]
        port = open_port(name, twin.addresses[spec.port])
        ports.append(port)
        made = kind(name=name, port=port, clock=clock, limits=spec.limits, **spec.settings)
        made.connect()
        return made

    ports: list[Any] = []
    with SimulatedLab(MODEL, clock, resolve, seed=1, effects=effects, state=state) as twin:
        arm = device(twin, Arm, "arm", ports)
        arm.location.set(1).wait(10)
        arm.gripper.set(1).wait(10)
        device(twin, SelectorValve, "selector", ports).selection.set(3).wait(10)
        pump = device(twin, SyringePump, "pump_3", ports)
        pump.volume.make_ready(3000.0)  # 18 lab s, 0.9 s
        pump.volume.set(3000.0, command_id="a")
        deadline = time.monotonic() + 5
        while (read_pump(state) or 0) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.02)  # nobody asks the pump meanwhile: it is written down by itself
        pump.end_acts("the controller has died")
        for port in ports:
            port.close()
        ports.clear()
        assert twin.world.spilled.volume_ml > 0.2
    with SimulatedLab(MODEL, clock, resolve, seed=1, effects=effects, state=state) as twin:
        world = twin.world
        assert world.holding is not None, "the vial is still in the gripper"
        assert world.places["rack_1"] is None
        assert world.valve_position == 3
        arm = device(twin, Arm, "arm", ports)
        pump = device(twin, SyringePump, "pump_3", ports)
        valve = device(twin, SelectorValve, "selector", ports)
        assert valve.where() == 3
        status = pump.volume.find_out(3000.0, 0.0, "a")
        status.wait(10)
        assert status.evidence.state == "unknown"
        counted_ml = pump.pumped_ul() / 1000
        assert 0.2 < counted_ml < 2.9
        assert world.spilled.volume_ml == pytest.approx(counted_ml, rel=0.1), "matter and counter agree"
        arm.gripper.set(1).wait(10)  # said again where it stands: nothing happens
        arm.location.set(1).wait(10)
        assert twin.instrument("arm").homed, "it asked for it"
        arm.gripper.set(0).wait(10)
        assert world.places["rack_1"] is not None
        for port in ports:
            port.close()
    told = [json.loads(line) for line in effects.read_text().splitlines()]
    assert [(one["device"], one["effect"]) for one in told] == [
        ("arm", "move"), ("arm", "grip"), ("selector", "turn"), ("pump_3", "run"), ("arm", "release"),
    ]  # fmt: skip
    assert told[3]["volume_ul"] == 3000.0


def read_pump(state: Path) -> float | None:
    kept = KeptState(state).read("pump_3")
    return None if kept is None else float(kept["counters"]["INF"])
