"""An open lab: ports taken, devices connected, all failures reported together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from labwright.clock import LabClock
from labwright.hardware import EmbeddedBroker, LabDevice, MqttLink, Port
from labwright.hardware.descriptors import FOR_A_PORT, FOR_A_STATION, make_room
from labwright.lab.classes import in_words, resolve
from labwright.lab.folder import LabFolder
from labwright.lab.together import tell_all
from labwright.model.devices import DeviceSpec
from labwright.model.errors import CommunicationError, ConfigError, DeviceError, UnreachableError, UnsafeError
from labwright.model.instruments import HERE, REAL
from labwright.model.ports import MqttAddress, PortAddress

AT_ONCE = 64
"""Instruments asked at the same time; those that do not answer take seconds each."""


class Lab:
    """The lab of a folder, on its real ports or on simulated ones.

    Args:
        folder: the lab, read and checked.
        clock: the lab clock.
        addresses: where the ports are, if elsewhere than in the files (simulated).
        simulated: whether the instruments are simulated; shown wherever a person looks.
        instruments: which those are, for the journal: a campaign is resumed only where its samples are.
    """

    def __init__(
        self,
        folder: LabFolder,
        clock: LabClock,
        addresses: Mapping[str, PortAddress] | None = None,
        *,
        simulated: bool = False,
        instruments: str = "",
    ) -> None:
        self.instruments = instruments or (HERE if simulated else REAL)
        self.folder = folder
        self.model = folder.model
        self.clock = clock
        self.simulated = simulated
        self.filled = False
        """Whether a controller has recorded what it is filled with: what is simulated in this process is full once."""
        self.devices: dict[str, LabDevice] = {}
        self.ports: dict[str, Port | MqttLink] = {}
        self._addresses = dict(addresses or {})
        self._broker: EmbeddedBroker | None = None

    def __enter__(self) -> Lab:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def opened(self, *, undisturbed: bool) -> Iterator[Lab]:
        """The lab, open for a `with` block; `undisturbed` as for `open`."""
        self.open(undisturbed=undisturbed)
        try:
            yield self
        finally:
            self.close()

    def open(self, only: Collection[str] | None = None, *, undisturbed: bool = False) -> None:
        """Take the ports, build the devices, check that each instrument answers, and bring all to rest.

        Args:
            only: names of the devices to open, with their ports; all of them if None.
            undisturbed: leave what is under way alone; for a controller that comes back after a crash, and has to find
                out first what its instruments have done.

        Raises:
            UnreachableError: all that failed, in one tree; everything else was closed again.
            ConfigError: a driver refuses its settings, a simulation lacks a port (real ones are never used instead), or
                the process may not open as many files as the lab needs.
        """
        wanted = {name: spec for name, spec in self.model.devices.items() if only is None or name in only}
        lacking = sorted({spec.port for spec in wanted.values()} - set(self._addresses)) if self.simulated else []
        if lacking:
            raise ConfigError(
                f"the simulation has no port {', '.join(lacking)}, and the real one is not used instead; "
                "start `labwright simulate` again"
            )
        try:
            self._open(wanted, undisturbed=undisturbed)
        except BaseException as error:  # Ctrl-C included
            known = error.failures if isinstance(error, UnreachableError) else {}
            if undisturbed:
                self._give_back()  # it was not ours to stop
            else:
                self._close(known)
            raise

    def close(self) -> None:
        """Bring every device to its safe state, all at once, and give every port back, whatever one of them does.

        Raises:
            UnsafeError: what could not be made safe, or given back; everything else was.
        """
        self._close({})

    def _close(self, known: Mapping[str, str]) -> None:
        """As `close`; devices known not to answer are tried, but not reported again."""
        failures: dict[str, str] = {}
        try:
            failures |= tell_all(self.devices, "make_safe")
        finally:
            failures |= self._give_back()
        if left := {name: why for name, why in failures.items() if name not in known}:
            raise UnsafeError(left, simulated=self.simulated)

    def _give_back(self) -> dict[str, str]:
        """Close ports and broker, whatever one of them raises; what failed, by name."""
        ports = {f"port {name}": port for name, port in self.ports.items()}
        broker, self._broker = self._broker, None
        self.devices.clear()
        self.ports.clear()
        failures = tell_all(ports, "close")
        if broker is not None:
            failures |= tell_all({"the MQTT broker": broker}, "stop")
        return failures

    def _open(self, wanted: Mapping[str, DeviceSpec], *, undisturbed: bool) -> None:
        failures: dict[str, str] = {}
        behind: dict[str, list[str]] = {}
        ports, stations = {spec.port for spec in wanted.values()}, self.model.stations
        make_room(
            FOR_A_PORT * len(ports) + FOR_A_STATION * len(stations), f"{len(ports)} ports and {len(stations)} stations"
        )
        for name in dict.fromkeys(spec.port for spec in wanted.values()):
            try:
                self.ports[name] = self._open_port(name, self._addresses.get(name, self.model.ports[name]))
            except CommunicationError as error:
                failures[f"port {name}"] = str(error)
                behind[f"port {name}"] = [one for one, spec in wanted.items() if spec.port == name]
        for name, spec in wanted.items():
            if spec.port in self.ports:
                self.devices[name] = self._build(name, spec)
        failures |= self._ask_all(lambda device: device.connect())
        if not failures and not undisturbed:
            failures |= self._ask_all(lambda device: device.make_safe())
        if failures:
            raise UnreachableError(failures, behind, simulated=self.simulated)

    def _open_port(self, name: str, address: PortAddress) -> Port | MqttLink:
        port: Port | MqttLink
        if isinstance(address, MqttAddress):
            if address.host is None:
                if self._broker is None:
                    self._broker = EmbeddedBroker()
                    self._broker.start()
                address = address.model_copy(update={"host": "127.0.0.1", "tcp_port": self._broker.tcp_port})
            port = MqttLink(name, address, self.clock.now)
        else:
            port = Port(name, address)
        port.open()
        return port

    def _build(self, name: str, spec: DeviceSpec) -> LabDevice:
        driver: Any = resolve(spec.driver)
        try:
            device: LabDevice = driver(
                name=name, port=self.ports[spec.port], clock=self.clock, limits=spec.limits, **spec.settings
            )
        except (DeviceError, TypeError, ValueError) as error:
            raise ConfigError(f"devices.{name}: {spec.driver} refuses its settings: {error}") from error
        return device

    def _ask_all(self, what: Callable[[LabDevice], None]) -> dict[str, str]:
        """Ask `what` of every instrument, all at once but one after another on a shared line; failures by device."""

        def ask(device: LabDevice) -> str:
            try:
                with in_words(DeviceError, "its driver fails"):
                    what(device)
            except DeviceError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="connect") as pool:
            answers = dict(zip(self.devices, pool.map(ask, self.devices.values()), strict=True))
        return {name: why for name, why in answers.items() if why}
