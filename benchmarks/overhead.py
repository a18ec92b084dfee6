"""What wire and driver cost: a point of a scan on a simulated instrument against one on `ophyd.sim`, in one run.

Prints the ratio of the medians (limit 1.5), and how long write-then-query takes on loopback (limit 2 ms for 99 of 100;
the rest is told, and is the operating system's scheduling on a busy machine).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import bluesky.plan_stubs as bps
from bluesky import RunEngine
from ophyd import Component
from ophyd.sim import SynAxis, SynSignal

from labwright.clock import LabClock
from labwright.hardware import Act, Axis, LabDevice, Lines, Reading, open_port
from labwright.model.ports import SerialAddress, TcpAddress, VisaAddress
from labwright.simulation import SimHost, SimInstrument, World

POINTS = 400
ROUNDS = 7


class Source(SimInstrument):
    """Remembers a level."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self.level = 0.0

    def answer(self, command: str) -> str | None:
        """Set without reply, or tell."""
        if command.endswith("?"):
            return f"{self.level:.6E}"
        self.level = float(command.split()[1])
        return None


class SourceDevice(LabDevice):
    """Its driver."""

    framing = Lines(send="\n", receive="\r\n")
    level = Component(Axis, set="set_level", get="tell", unit="V", limits=(0, 1e6), timeout_s=10)
    reading = Component(Reading, get="tell", unit="V")

    def connect(self) -> None:
        """Ask once."""
        self.tell()

    def set_level(self, act: Act, value: float) -> None:
        """Write, without reply."""
        self.command(f"LEV {value:.6E}", repeatable=True)

    def tell(self) -> float:
        """Ask."""
        return self.query("LEV?", float)


def scan(engine: Any, axis: Any, detector: Any) -> float:
    """Seconds per point of a scan."""

    def plan() -> Any:
        yield from bps.open_run()
        for number in range(POINTS):
            yield from bps.mv(axis, float(number))
            yield from bps.trigger_and_read([detector])
        yield from bps.close_run()

    began = time.perf_counter()
    engine(plan())
    return (time.perf_counter() - began) / POINTS


def write_then_query(device: SourceDevice) -> list[float]:
    """Milliseconds of a write that is followed at once by a query."""
    took = []
    for number in range(POINTS):
        began = time.perf_counter()
        device.command(f"LEV {number}.0", repeatable=True)
        device.tell()
        took.append((time.perf_counter() - began) * 1000)
    return took


def main() -> int:
    """Measure and print; 1 if a limit is missed."""
    clock = LabClock()
    world = World(clock, 0)
    addresses: dict[str, SerialAddress | TcpAddress | VisaAddress] = {
        "serial": SerialAddress(type="serial", path="-"),
        "tcp": TcpAddress(type="tcp", host="-", tcp_port=1),
        "visa": VisaAddress(type="visa", resource="-"),
    }
    missed = False
    with SimHost(clock) as host:
        devices = {}
        for name, address in addresses.items():
            served = host.serve(name, address, [Source(name, world)])
            devices[name] = SourceDevice(name=f"{name}_source", port=open_port(name, served), clock=clock)
        engine: Any = RunEngine({}, context_managers=[])
        axis = SynAxis(name="axis")
        detector = SynSignal(func=lambda: axis.position, name="detector")
        runs: dict[str, Callable[[], float]] = {"ophyd.sim": lambda: scan(engine, axis, detector)}
        for name, device in devices.items():
            runs[name] = lambda device=device: scan(engine, device.level, device.reading)  # type: ignore[misc]
        took: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):  # in turn, so that a busy moment hits all alike
            for name, run in runs.items():
                took[name].append(run())
        base = statistics.median(took["ophyd.sim"])
        print(f"ophyd.sim        {base * 1000:.2f} ms per point")
        for name in devices:
            value = statistics.median(took[name])
            missed |= value / base > 1.5
            print(f"{name:<16} {value * 1000:.2f} ms per point, {value / base:.2f} x ophyd.sim (limit 1.5)")
        for name, device in devices.items():
            times = sorted(write_then_query(device))
            median, high = statistics.median(times), times[int(0.99 * len(times))]
            missed |= high > 2.0
            over = sum(one > 2.0 for one in times)
            figures = f"median {median:.3f} ms, 99th percentile {high:.3f} ms, slowest {times[-1]:.3f} ms"
            print(f"write-then-query {name:<8} {figures}; {over} of {len(times)} above 2 ms")
        for device in devices.values():
            device.port.close()
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
