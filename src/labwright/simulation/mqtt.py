"""Simulated instruments that speak MQTT: each a client of its own, with a last will, as on the bench."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import orjson

from labwright.clock import LabClock, Repeating
from labwright.hardware.mqtt import NODELAY, RECONNECT_WAIT_S
from labwright.model.errors import CommunicationError
from labwright.model.ports import MqttAddress
from labwright.simulation.instrument import Simulated

CANCEL_AGAIN_S = 2.0

Publication = tuple[str, Any, bool]
"""Topic, JSON-able payload, retained."""


class MqttInstrument(Simulated):
    """A simulated instrument on an MQTT broker.

    Args:
        name: as in the lab.
        world: what it acts on.
        topic: prefix of its topics.
    """

    # MQTT rides on TCP, which loses no single byte.
    wire_kinds: ClassVar[Sequence[str]] = ("garbage", "no_reply", "truncate", "slow", "disconnect")

    period_s: ClassVar[float] = 60.0
    """Lab seconds between two publications of its own."""

    def __init__(self, name: str, world: Any, topic: str) -> None:
        super().__init__(name, world)
        self.topic = topic
        self.leave: Callable[[], None] = lambda: None
        """Drops the connection to the broker; it comes back by itself."""

    def command_topic(self) -> str:
        """Where it listens."""
        return f"{self.topic}/cmd"

    def received(self, message: Any) -> list[Publication]:
        """Do what `message` says; what to publish in answer."""
        raise NotImplementedError

    def periodic(self) -> list[Publication]:
        """What it publishes unasked."""
        return []

    def status(self, online: bool) -> Publication:
        """Its retained state of connection; offline is also its last will."""
        return (f"{self.topic}/status", {"state": "online" if online else "offline"}, True)

    def power_cycle(self) -> None:
        """Gone from the broker, and back."""
        self.leave()


class MqttWire:
    """The connections of simulated instruments to their broker."""

    def __init__(self, address: MqttAddress, instruments: Sequence[MqttInstrument], clock: LabClock) -> None:
        self._address = address
        self._clients = [_Client(address, one) for one in instruments]
        self._clock = clock
        self._beats: list[Repeating] = []

    async def start(self) -> None:
        """Connect, say that all are online, and listen.

        Raises:
            CommunicationError: the broker does not answer.
        """
        for client in self._clients:
            client.start()
        waits = [client.online.wait() for client in self._clients]
        try:
            await asyncio.wait_for(asyncio.gather(*waits), self._address.timeout_s)
        except TimeoutError:
            await self.stop()
            raise CommunicationError(f"no broker answers at {self._address}") from None
        for client in self._clients:
            one = client.instrument
            self._beats.append(self._clock.every(one.period_s, client.beat, one.name))

    async def stop(self) -> None:
        """Say that all are offline, and disconnect."""
        for beat in self._beats:
            await asyncio.to_thread(beat.cancel)
        await asyncio.gather(*(client.stop() for client in self._clients))


class _Client:
    """One instrument's connection; a broker may start later than it, or go away and come back."""

    def __init__(self, address: MqttAddress, instrument: MqttInstrument) -> None:
        self.instrument = instrument
        self.online = asyncio.Event()
        self._address = address
        self._broker: Any = None
        self._talking: asyncio.Task[None] | None = None
        self._later: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to connect."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())
        self.instrument.leave = self._leave

    async def stop(self) -> None:
        """Say that the instrument is offline, and disconnect."""
        if self.online.is_set():
            await self._publish(self.instrument.status(online=False))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def beat(self) -> None:
        """Publish without waiting: telemetry must not hold up lab time."""

        async def publish() -> None:
            if self.online.is_set():
                for publication in self.instrument.periodic():
                    await self._publish(publication)

        asyncio.run_coroutine_threadsafe(publish(), self._loop)

    async def _run(self) -> None:
        from aiomqtt import MqttError

        while True:
            self._talking = self._loop.create_task(self._talk())
            try:
                await self._talking
            except (MqttError, OSError):
                pass
            except asyncio.CancelledError:
                if asyncio.current_task().cancelling():  # type: ignore[union-attr]  # inside a task there is one
                    self._talking.cancel()
                    await asyncio.gather(self._talking, return_exceptions=True)
                    raise
            finally:
                self.online.clear()
            await asyncio.sleep(RECONNECT_WAIT_S)

    async def _talk(self) -> None:
        from aiomqtt import Client, Will

        host = self._address.host or "127.0.0.1"
        topic, payload, retain = self.instrument.status(online=False)
        will = Will(topic, orjson.dumps(payload), qos=1, retain=retain)
        async with Client(host, self._address.tcp_port, will=will, socket_options=[NODELAY]) as client:
            self._broker = client
            await client.subscribe(self.instrument.command_topic(), qos=1)
            for publication in [self.instrument.status(online=True), *self.instrument.periodic()]:
                await self._publish(publication)
            self.online.set()
            async for message in client.messages:
                await self._heard(bytes(message.payload))

    async def _heard(self, raw: bytes) -> None:
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            self.instrument.not_understood(raw.decode("latin-1"))
            return
        for publication in self.instrument.received(message):
            await self._answer(str(message), publication)

    async def _answer(self, command: str, publication: Publication) -> None:
        """Publish an answer, or what a fault leaves of it."""
        topic, payload, retain = publication
        raw = orjson.dumps(payload)
        faults = self.instrument.wire_faults
        fault = faults.take(command)
        if fault is None:
            await self._broker.publish(topic, raw, qos=1, retain=retain)
        elif fault.kind == "disconnect":
            self._leave()
        elif fault.kind == "slow":
            later = self._loop.create_task(self._after(fault.value, topic, raw))
            self._later.add(later)
            later.add_done_callback(self._later.discard)
        elif spoiled := faults.spoil(fault, raw):
            await self._broker.publish(topic, spoiled, qos=1, retain=retain)

    async def _after(self, seconds: float, topic: str, raw: bytes) -> None:
        await asyncio.sleep(seconds)
        if self.online.is_set():
            await self._broker.publish(topic, raw, qos=1)

    def _leave(self) -> None:
        async def leave() -> None:
            if self.online.is_set():
                await self._publish(self.instrument.status(online=False))
            talking = self._talking
            while talking is not None and not talking.done():
                talking.cancel()  # again if need be: Python 3.11 loses one that comes while a wait just ends
                await asyncio.wait([talking], timeout=CANCEL_AGAIN_S)

        leaving = self._loop.create_task(leave())
        self._later.add(leaving)
        leaving.add_done_callback(self._later.discard)

    async def _publish(self, publication: Publication) -> None:
        topic, payload, retain = publication
        await self._broker.publish(topic, orjson.dumps(payload), qos=1, retain=retain)
