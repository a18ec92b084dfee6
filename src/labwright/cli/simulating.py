"""`labwright simulate`, and the addresses it leaves for others."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter, ValidationError

from labwright.cli.output import console, emit, table
from labwright.cli.signals import stopping
from labwright.clock import LabClock, SteppedClock
from labwright.hardware.exclusive import ExclusiveLock
from labwright.model.base import Frozen
from labwright.model.errors import CommunicationError, ConfigError, LabwrightError, UnreachableError
from labwright.model.ports import PortAddress
from labwright.simulation.control import ask

if TYPE_CHECKING:
    from labwright.lab import LabFolder


class _Clock(Frozen):
    speed: float
    start: float
    monotonic_start: float


class _Endpoints(Frozen):
    """What `labwright simulate` leaves for others."""

    lab: str
    lab_sha256: str
    clock: _Clock
    control: int
    ports: dict[str, PortAddress]


_ADDRESSES: TypeAdapter[dict[str, PortAddress]] = TypeAdapter(dict[str, PortAddress])


def serve(
    root: Path, *, speed: float, seed: int, endpoints: Path, state: Path | None = None, effects: Path | None = None
) -> None:
    """Serve the lab's simulated instruments until a signal says to stop.

    Args:
        root: the lab's folder.
        speed: lab seconds per second.
        seed: of everything random.
        endpoints: where to write the addresses.
        state: folder of what instruments, world, clock and ports store over a restart; without it nothing is stored.
        effects: file that gets a line for every physical effect.
    """
    from labwright.lab import read_lab
    from labwright.lab.classes import resolve
    from labwright.simulation import SimulatedLab
    from labwright.simulation.control import ControlServer

    folder = read_lab(root)
    over = threading.Event()
    for number in stopping():
        signal.signal(number, lambda *_: over.set())
    links = endpoints.parent / "lines"
    with _alone(endpoints), contextlib.nullcontext() if state is None else _alone(state):
        clock = LabClock(speed) if state is None else _lasting_clock(state, speed)
        with SimulatedLab(folder.model, clock, resolve, seed=seed, links=links, effects=effects, state=state) as lab:
            control = ControlServer(lab)
            try:
                written = {
                    "lab": folder.model.name,
                    "lab_sha256": folder.sha256,
                    "clock": _numbers(clock),
                    "control": control.tcp_port,
                    "ports": {name: one.model_dump(mode="json") for name, one in lab.addresses.items()},
                }
                part = endpoints.with_suffix(".part")
                part.write_bytes(orjson.dumps(written, option=orjson.OPT_INDENT_2))
                part.replace(endpoints)  # a program that waits for the file finds a whole one
                if not sys.stdout.isatty():  # for programs; a person reads where they are
                    emit(written)
                console.print(
                    f"SIMULATED {folder.model.title}: {len(lab.instruments)} instruments, speed {speed:g}. Addresses "
                    f"in {endpoints}. Ctrl-C ends it."
                )
                over.wait()
            finally:
                endpoints.unlink(missing_ok=True)
                control.close()


def _lasting_clock(folder: Path, speed: float) -> LabClock:
    """The clock of the simulation that stored its state there before: its clients still share it."""
    from labwright.simulation.kept import KeptState, boot

    state, now_on = KeptState(folder), boot()
    before = state.read("_clock")
    clock = LabClock(speed)
    if before is not None and before["boot"] == now_on:  # monotonic time counts from the machine's own start
        same = LabClock(before["speed"], before["start"], before["monotonic_start"])
        clock = same if before["speed"] == speed else LabClock(speed, same.now())
    state.write("_clock", {**_numbers(clock), "boot": now_on})
    return clock


def _numbers(clock: LabClock) -> dict[str, float]:
    """What another process of this machine needs to share the clock."""
    return {"speed": clock.speed, "start": clock.started_s, "monotonic_start": clock.monotonic_start}


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One simulation at one place: a second would take the first one's lines and state away, and the first its."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = ExclusiveLock(f"simulation:{place.resolve()}")
    try:
        lock.acquire()
    except OSError as error:
        raise ConfigError(f"a simulation is served at {place} already: {error}") from error
    try:
        yield
    finally:
        lock.release()


def read_endpoints(path: Path, folder: LabFolder) -> tuple[LabClock, dict[str, PortAddress]]:
    """Clock and addresses of a simulation in another process.

    Raises:
        ConfigError: the file is not there, not what `labwright simulate` writes, or of another lab, of other files of
            this one, or of a simulation that has ended.
    """
    written = _written(path)
    if written["lab"] != folder.model.name:
        raise ConfigError(f"{path} is of the lab {written['lab']!r}, not of {folder.model.name!r}")
    if written["lab_sha256"] != folder.sha256:
        raise ConfigError(f"{path}: the lab's files have changed since; start `labwright simulate` again")
    try:
        ask(written["control"], {"op": "status"})
    except CommunicationError as error:
        raise ConfigError(f"{path}: that simulation has ended; start `labwright simulate` again") from error
    clock, addresses = written["clock"], _ADDRESSES.validate_python(written["ports"])
    return LabClock(clock["speed"], clock["start"], clock["monotonic_start"]), addresses


def put_fault(endpoints: Path, fault: dict[str, Any]) -> None:
    """Put a fault on an instrument of a running simulation.

    Raises:
        ConfigError: no simulation wrote this file, or it knows no such instrument or fault.
        CommunicationError: it does not answer.
    """
    ask(_control_port(endpoints), {"op": "fault", **fault})
    console.print(f"SIMULATED {fault['device']}: {fault['kind']} is on", markup=False)


def clear_faults(endpoints: Path) -> None:
    """Take all faults off a running simulation."""
    ask(_control_port(endpoints), {"op": "clear"})
    console.print("SIMULATED: all faults are off")


def list_faults(endpoints: Path, *, json: bool) -> None:
    """The faults each instrument of a running simulation knows."""
    known = ask(_control_port(endpoints), {"op": "list"})["faults"]
    rows = [(device, kind) for device, kinds in known.items() for kind in kinds]
    if json:
        table("", ("device", "fault"), rows, json=True)
        return
    table("SIMULATED", ("device", "faults"), [(one, ", ".join(kinds)) for one, kinds in known.items()], json=False)


def _control_port(endpoints: Path) -> int:
    return int(_written(endpoints)["control"])


def _written(path: Path) -> dict[str, Any]:
    try:
        written: dict[str, Any] = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; is `labwright simulate` running?") from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{path} is no file of `labwright simulate`: {error}") from error
    try:
        return _Endpoints.model_validate(written).model_dump()
    except ValidationError as error:
        where = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise ConfigError(f"{path} is no file of `labwright simulate`: look at {where}") from error


@contextmanager
def opened(
    root: Path, *, simulated: bool, endpoints: Path | None, speed: float, seed: int
) -> Iterator[tuple[Any, Any, Any]]:
    """The lab in `root`, read but not open, with a simulated twin if wanted: folder, lab, world.

    Args:
        root: the lab's folder.
        simulated: on simulated instruments in this process.
        endpoints: or on those of another process.
        speed: lab seconds per second of the simulation; 0 for the stepped clock.
        seed: of the simulated world.
    """
    from labwright.lab import Lab, read_lab
    from labwright.lab.classes import resolve

    folder = read_lab(root)
    if endpoints is not None:
        clock, addresses = read_endpoints(endpoints, folder)
        lab = Lab(folder, clock, addresses, simulated=True, instruments=str(endpoints.resolve()))
        with _simulators_mistakes(lambda: ask(_control_port(endpoints), {"op": "status"}).get("broken", {})):
            yield folder, lab, None
    elif simulated:
        from labwright.simulation import SimulatedLab

        here = SteppedClock() if speed == 0 else LabClock(speed)
        with SimulatedLab(folder.model, here, resolve, seed=seed) as twin, _simulators_mistakes(twin.broken):
            yield folder, Lab(folder, here, twin.addresses, simulated=True), twin.world
    else:
        yield folder, Lab(folder, LabClock()), None


@contextmanager
def _simulators_mistakes(broken: Callable[[], dict[str, str]]) -> Iterator[None]:
    """An instrument that does not answer because its simulator is wrong is no matter of power and cables.

    Raises:
        ConfigError: instead of UnreachableError, where the simulators are wrong.
    """
    try:
        yield
    except UnreachableError as error:
        try:
            found = broken()
        except LabwrightError:
            found = {}
        if not found:
            raise
        lines = "\n".join(f"  {name}: {words}" for name, words in found.items())
        raise ConfigError(f"the lab's own simulators fail, so these instruments do not answer:\n{lines}") from error
