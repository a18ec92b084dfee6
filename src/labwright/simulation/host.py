"""The host of simulated instruments: one loop in one thread serves a whole lab."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labwright.clock import LabClock
from labwright.hardware.mqtt import EmbeddedBroker, LoopThread
from labwright.model.errors import ConfigError, unknown
from labwright.model.ports import MqttAddress, PortAddress, SerialAddress, TcpAddress, VisaAddress
from labwright.simulation.faults import Fault
from labwright.simulation.instrument import SimInstrument
from labwright.simulation.mqtt import MqttInstrument, MqttWire
from labwright.simulation.wires import PtyWire, TcpWire


class SimHost:
    """Serves simulated instruments on real wires.

    Args:
        clock: the lab clock, shared with the drivers when they live in this process.
    """

    def __init__(self, clock: LabClock) -> None:
        self.clock = clock
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
            address: the real one; kept but for the place (and 7E1, which no pseudo-terminal has).
            instruments: those on this wire.
            link: for serial lines, a lasting name.

        Returns:
            the address drivers must use.
        """
        for instrument in instruments:
            self.instruments[instrument.name] = instrument
        on_text = [one for one in instruments if isinstance(one, SimInstrument)]
        on_mqtt = [one for one in instruments if isinstance(one, MqttInstrument)]
        served: PortAddress
        if isinstance(address, SerialAddress):
            # A pseudo-terminal knows no 7E1: the second program to open one so is refused by the kernel.
            path = self._serve_pty(on_text, link)
            served = address.model_copy(update={"path": path, "data_bits": 8, "parity": "none"})
        elif isinstance(address, TcpAddress):
            served = address.model_copy(update={"host": "127.0.0.1", "tcp_port": self._serve_tcp(on_text)})
        elif isinstance(address, VisaAddress):
            resource = f"TCPIP::127.0.0.1::{self._serve_tcp(on_text)}::SOCKET"
            served = address.model_copy(update={"resource": resource})
        else:
            served = self._serve_mqtt(address, on_mqtt)
        self.addresses[port] = served
        return served

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

    def stop(self) -> None:
        """Close all wires."""

        async def close() -> None:
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

    @property
    def loop_thread(self) -> LoopThread:
        """The loop everything here runs in; the control channel shares it."""
        return self._thread

    def _serve_pty(self, instruments: Sequence[SimInstrument], link: Path | None) -> str:
        wire = PtyWire(instruments, link)

        async def start() -> None:
            wire.start(asyncio.get_running_loop())

        self._thread.run(start())
        self._wires.append(wire)
        return wire.path

    def _serve_tcp(self, instruments: Sequence[SimInstrument]) -> int:
        wire = TcpWire(instruments)
        self._thread.run(wire.start())
        self._wires.append(wire)
        return wire.tcp_port

    def _serve_mqtt(self, address: MqttAddress, instruments: Sequence[MqttInstrument]) -> MqttAddress:
        if address.host is None:
            self._broker = self._broker or EmbeddedBroker()
            if not self._broker.tcp_port:
                self._broker.start()
            address = address.model_copy(update={"host": "127.0.0.1", "tcp_port": self._broker.tcp_port})
        wire = MqttWire(address, instruments, self.clock)
        self._thread.run(wire.start())
        self._wires.append(wire)
        return address
