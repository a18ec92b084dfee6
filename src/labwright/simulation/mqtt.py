"""Simulated instruments that speak MQTT."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import orjson

from labwright.clock import LabClock, Repeating
from labwright.hardware.mqtt import NODELAY, RECONNECT_WAIT_S
from labwright.model.errors import CommunicationError, ConfigError, unknown
from labwright.model.ports import MqttAddress
from labwright.simulation.faults import Fault

Publication = tuple[str, Any, bool]
"""Topic, JSON-able payload, retained."""


class MqttInstrument:
    """A simulated instrument on an MQTT broker.

    Args:
        name: as in the lab.
        world: what it acts on.
        topic: prefix of its topics.
    """

    physical_faults: ClassVar[Sequence[str]] = ()

    period_s: ClassVar[float] = 60.0
    """Lab seconds between two publications of its own."""

    def __init__(self, name: str, world: Any, topic: str) -> None:
        self.name = name
        self.world = world
        self.topic = topic
        self.clock: LabClock = world.clock
        self.rng: random.Random = world.rng(name)
        self.flags: dict[str, float] = {}
        self.unknown: Counter[str] = Counter()
        self.silent = False

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
        """Its retained state of connection."""
        return (f"{self.topic}/status", {"state": "online" if online else "offline"}, True)

    def add_fault(self, fault: Fault) -> None:
        """Put `fault` on this instrument: ``no_reply`` silences it until cleared."""
        if fault.kind == "no_reply":
            self.silent = True
        elif fault.kind in self.physical_faults:
            self.flags[fault.kind] = fault.value
        else:
            raise ConfigError(f"{self.name}: " + unknown("fault", fault.kind, ["no_reply", *self.physical_faults]))

    def clear_faults(self) -> None:
        """Take all faults off."""
        self.silent = False
        self.flags.clear()


class MqttWire:
    """The connection of simulated instruments to their broker."""

    def __init__(self, address: MqttAddress, instruments: Sequence[MqttInstrument], clock: LabClock) -> None:
        self._address = address
        self._instruments = {one.command_topic(): one for one in instruments}
        self._clock = clock
        self._beats: list[Repeating] = []
        self._task: asyncio.Task[None] | None = None
        self._client: Any = None

    async def start(self) -> None:
        """Connect, say that all are online, and listen.

        Raises:
            CommunicationError: the broker does not answer.
        """
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._run(ready))
        try:
            await asyncio.wait_for(ready.wait(), self._address.timeout_s)
        except TimeoutError:
            raise CommunicationError(f"no broker answers at {self._address}") from None
        for instrument in self._instruments.values():
            beat = self._clock.every(instrument.period_s, partial(self._beat, loop, instrument), instrument.name)
            self._beats.append(beat)

    async def stop(self) -> None:
        """Say that all are offline, and disconnect."""
        for beat in self._beats:
            await asyncio.to_thread(beat.cancel)
        if self._client is not None:
            for instrument in self._instruments.values():
                await self._publish(instrument.status(online=False))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, ready: asyncio.Event) -> None:
        """Stay connected: a broker may start later than we, or go away and come back."""
        from aiomqtt import MqttError

        while True:
            try:
                await self._talk(ready)
            except (MqttError, OSError):
                self._client = None
            await asyncio.sleep(RECONNECT_WAIT_S)

    async def _talk(self, ready: asyncio.Event) -> None:
        from aiomqtt import Client

        host = self._address.host or "127.0.0.1"
        async with Client(host, self._address.tcp_port, socket_options=[NODELAY]) as client:
            self._client = client
            for topic, instrument in self._instruments.items():
                await client.subscribe(topic, qos=1)
                await self._publish(instrument.status(online=True))
                for publication in instrument.periodic():
                    await self._publish(publication)
            ready.set()
            async for message in client.messages:
                instrument = self._instruments[str(message.topic)]
                if instrument.silent:
                    continue
                for publication in instrument.received(orjson.loads(bytes(message.payload))):
                    await self._publish(publication)

    def _beat(self, loop: asyncio.AbstractEventLoop, instrument: MqttInstrument) -> None:
        """Publish without waiting: telemetry must not hold up lab time."""

        async def publish() -> None:
            if not instrument.silent and self._client is not None:
                for publication in instrument.periodic():
                    await self._publish(publication)

        asyncio.run_coroutine_threadsafe(publish(), loop)

    async def _publish(self, publication: Publication) -> None:
        topic, payload, retain = publication
        await self._client.publish(topic, orjson.dumps(payload), qos=1, retain=retain)
