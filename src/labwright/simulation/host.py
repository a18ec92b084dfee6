"""The host of simulated instruments: one loop in one thread serves a whole lab."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labwright.clock import LabClock
from labwright.hardware.descriptors import FOR_A_SIMULATED_PORT, with_room
from labwright.hardware.mqtt import EmbeddedBroker, LoopThread
from labwright.model.errors import ConfigError, unknown
from labwright.model.ports import MqttAddress, PortAddress, SerialAddress, TcpAddress, VisaAddress
from labwright.simulation.faults import Fault
from labwright.simulation.instrument import SimInstrument, Simulated, World
from labwright.simulation.kept import EffectsLog, KeptState
from labwright.simulation.mqtt import MqttInstrument, MqttWire
from labwright.simulation.wires import PtyWire, TcpWire

_log = logging.getLogger(__name__)

LOOK_S = 0.05
"""Wall seconds after which the stored state follows physics that no command has asked about."""

WORLD_S = 0.5
"""Wall seconds after which the world is written down although no instrument has changed: heat flows all the time."""


class SimHost:
    """Serves simulated instruments on real wires.

    Args:
        clock: the lab clock, shared with the drivers when they live in this process.
        effects: file that gets a line for every physical effect.
        state: folder of what instruments store over a restart, of the places of their wires, and of the world.
    """

    def __init__(self, clock: LabClock, effects: Path | None = None, state: Path | None = None) -> None:
        self.clock = clock
        self._log = None if effects is None else EffectsLog(effects)
        self._state = None if state is None else KeptState(state)
        self._places: dict[str, int] = ({} if self._state is None else self._state.read("_ports")) or {}
        self._world: World | None = None
        self._world_written_s = 0.0
        self._looking: asyncio.Task[None] | None = None
        self.instruments: dict[str, SimInstrument | MqttInstrument] = {}
        self.addresses: dict[str, PortAddress] = {}
        self._thread = LoopThread("simulation")
        self._wires: list[PtyWire | TcpWire | MqttWire] = []
        self._broker: EmbeddedBroker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def serve(
        self,
        port: str,
        address: PortAddress,
        instruments: Sequence[SimInstrument | MqttInstrument],
        link: Path | None = None,
    ) -> PortAddress:
        """Put `instruments` on a wire of the kind of `address`.

        Args:
            port: the port's name in the lab.
            address: the real one; all but the place (and 7E1, which no pseudo-terminal has) stays.
            instruments: those on this wire.
            link: for serial lines, a lasting name.

        Returns:
            the address drivers must use.
        """
        for instrument in instruments:
            self.instruments[instrument.name] = instrument
            instrument.attach(self._log, self._state)
        on_text = [one for one in instruments if isinstance(one, SimInstrument)]
        on_mqtt = [one for one in instruments if isinstance(one, MqttInstrument)]
        served: PortAddress
        if isinstance(address, SerialAddress):
            # A pseudo-terminal knows no 7E1: the second program to open one so is refused by the kernel.
            path = self._serve_pty(on_text, link)
            served = address.model_copy(update={"path": path, "data_bits": 8, "parity": "none"})
        elif isinstance(address, TcpAddress):
            served = address.model_copy(update={"host": "127.0.0.1", "tcp_port": self._serve_tcp(port, on_text)})
        elif isinstance(address, VisaAddress):
            resource = f"TCPIP::127.0.0.1::{self._serve_tcp(port, on_text)}::SOCKET"
            served = address.model_copy(update={"resource": resource})
        else:
            served = self._serve_mqtt(address, on_mqtt)
        self.addresses[port] = served
        if self._state is not None and self._looking is None:
            self._looking = self._thread.run(self._begin_to_look())
        return served

    def keep_world(self, world: World) -> None:
        """Take up what `world` was before a restart, and keep what becomes of it; nothing without a state folder."""
        if self._state is None:
            return
        kept = self._state.read("_world")
        if kept is not None:
            try:
                world.restore(kept)
            except (KeyError, TypeError, AttributeError) as error:
                raise ConfigError(
                    f"{self._state.folder}: the state stored there does not fit this world "
                    f"({type(error).__name__}: {error}); start with an empty --state folder"
                ) from error
        self._world = world
        self._keep_world()

    def keep_name(self, lab: str) -> None:
        """Refuse a state folder of another lab.

        Raises:
            ConfigError: it is of another one.
        """
        if self._state is None:
            return
        before = self._state.read("_lab")
        if before is not None and before["name"] != lab:
            raise ConfigError(f"{self._state.folder} is the state of the lab {before['name']!r}, not of {lab!r}")
        self._state.write("_lab", {"name": lab})

    def place(self, name: str) -> int:
        """The TCP port that `name` had before a restart; 0 if it had none.

        Raises:
            ConfigError: something else listens there now.
        """
        tcp_port = self._places.get(name, 0)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", tcp_port))
            except OSError as error:
                raise ConfigError(
                    f"TCP port {tcp_port}, which {name.strip('_')} had before the restart, cannot be had again: "
                    f"{error.strerror}; end what listens there, or start with an empty --state folder"
                ) from error
        return tcp_port

    def remember_place(self, name: str, tcp_port: int) -> None:
        """Use `tcp_port` for `name` again after a restart, so that who was connected finds it."""
        self._places[name] = tcp_port
        if self._state is not None:
            self._state.write("_ports", self._places)

    def instrument(self, name: str) -> Any:
        """The simulated instrument `name`.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.instruments:
            raise ConfigError(unknown("simulated instrument", name, list(self.instruments)))
        return self.instruments[name]

    def fault(self, name: str, kind: str, *, count: int = 1, value: float = 0.0, match: str = "*") -> None:
        """Put a fault on the instrument `name`; see `labwright.simulation.faults.Fault`."""
        fault = Fault(kind=kind, count=count, value=value, match=match)

        async def add() -> None:  # in the loop's thread, like everything that touches an instrument
            self.instrument(name).add_fault(fault)

        self._thread.run(add())

    def clear_faults(self) -> None:
        """Take all faults off all instruments."""

        async def clear() -> None:
            for instrument in self.instruments.values():
                instrument.clear_faults()

        self._thread.run(clear())

    def unknown_commands(self) -> dict[str, dict[str, int]]:
        """Commands no instrument understood, by instrument."""
        return {name: dict(one.unknown) for name, one in self.instruments.items() if one.unknown}

    def broken(self) -> dict[str, str]:
        """Mistakes of the simulators themselves, by instrument; each was reported when it happened."""
        return {name: one.broken for name, one in self.instruments.items() if one.broken}

    def stop(self) -> None:
        """Close all wires."""

        async def close() -> None:
            if self._looking is not None:
                self._looking.cancel()
                self._looking = None
            for wire in reversed(self._wires):
                if isinstance(wire, PtyWire):
                    wire.stop()
                else:
                    await wire.stop()

        with contextlib.suppress(RuntimeError):  # stopped twice
            self._thread.run(close())
        self._wires.clear()
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
        self._thread.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    @property
    def loop_thread(self) -> LoopThread:
        """The loop everything here runs in; the control channel shares it."""
        return self._thread

    def _handled(self, instrument: Simulated) -> None:
        """An instrument has done a command: what it keeps is on the disk before its answer leaves."""
        try:
            changed = instrument.keep()
        except Exception as error:  # noqa: BLE001 - its author's code: `keeps` names what is not there, or is no JSON
            instrument.failed(error, "keeping its state")
            return
        if changed:
            self._keep_world()

    def _keep_world(self) -> None:
        kept = None if self._world is None else self._world.kept()
        if kept is not None and self._state is not None:
            self._state.write("_world", kept, but="lab_time_s")
            self._world_written_s = time.monotonic()

    async def _begin_to_look(self) -> asyncio.Task[None]:
        looking = asyncio.get_running_loop().create_task(self._look())
        looking.add_done_callback(_tell_why)
        return looking

    async def _look(self) -> None:
        """Physics is advanced only when a command comes; a simulation that may be killed must not wait for that."""
        while True:
            await asyncio.sleep(LOOK_S)
            changed = False
            for instrument in list(self.instruments.values()):  # others may just be put on their wires
                try:
                    instrument.advance()
                    changed |= instrument.keep()
                except Exception as error:  # noqa: BLE001 - its author's code; the others are looked after all the same
                    instrument.failed(error, "advancing its physics")
            if changed or time.monotonic() - self._world_written_s > WORLD_S:
                self._keep_world()

    def _serve_pty(self, instruments: Sequence[SimInstrument], link: Path | None) -> str:
        wire = with_room(
            lambda: PtyWire(instruments, self._handled, link), FOR_A_SIMULATED_PORT, f"{len(self._wires) + 1} wires"
        )

        async def start() -> None:
            wire.start(asyncio.get_running_loop())

        self._thread.run(start())
        self._wires.append(wire)
        return wire.path

    def _serve_tcp(self, port: str, instruments: Sequence[SimInstrument]) -> int:
        wire = with_room(
            lambda: TcpWire(instruments, self._handled, self.place(port)),
            FOR_A_SIMULATED_PORT,
            f"{len(self._wires) + 1} wires",
        )
        self._thread.run(wire.start())
        self._wires.append(wire)
        self.remember_place(port, wire.tcp_port)
        return wire.tcp_port

    def _serve_mqtt(self, address: MqttAddress, instruments: Sequence[MqttInstrument]) -> MqttAddress:
        if address.host is None:
            if self._broker is None:
                self._broker = EmbeddedBroker(self.place("_broker"))
                self._broker.start()
                self.remember_place("_broker", self._broker.tcp_port)
            address = address.model_copy(update={"host": "127.0.0.1", "tcp_port": self._broker.tcp_port})
        wire = MqttWire(address, instruments, self.clock, self._handled)
        self._thread.run(wire.start())
        self._wires.append(wire)
        return address


def _tell_why(looking: asyncio.Task[None]) -> None:
    if not looking.cancelled() and (error := looking.exception()) is not None:
        _log.error("SIMULATED physics is no longer advanced or stored between commands", exc_info=error)
