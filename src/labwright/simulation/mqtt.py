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


KEPT_ROWS = 1000
"""Commands a gateway remembers; a sender that asks after so many others has lost its own record."""


class Refused(Exception):  # noqa: N818 - an answer, not a failure of the gateway
    """A command that cannot be done, in words; raised by `CommandTable.begin`."""


class CommandTable(MqttInstrument):
    """A gateway that never does a command twice, over a restart too: the device's half of the controller's journal.

    A command is ``{"id": ..., "token": ..., "op": ..., more}`` on ``<topic>/cmd``; the answer, on ``<topic>/evt``,
    carries the same id and ``state`` with ``result``, or ``error`` with ``words``. Its rules:

    - a command whose token (the controller's epoch) is below the highest ever heard is ``fenced``;
    - the id is in the table, on the disk, before anything is done; an id that is there is answered from the table;
    - ``outcome`` (with ``of``, the id asked for) reports ``done``, ``running``, ``absent`` or ``unknown``. An id that
      was reported absent is refused for ever: the command may still be on its way, and its sender will send another;
    - what was under way when the power went, or was stopped, is ``unknown``; a stopped one with how far it came;
    - ``stop`` is everybody's: it needs no token and no id of its own.

    A subclass says what its commands do in `begin`, `progress` and `finish`.
    """

    keeps = ("token", "rows")

    def __init__(self, name: str, world: Any, topic: str) -> None:
        super().__init__(name, world, topic)
        self.token = 0
        self.rows: dict[str, dict[str, Any]] = {}
        """By id: ``state``, ``result``, and while it runs the message and when it ends."""
        self._share = 0.0

    def begin(self, message: dict[str, Any]) -> float:
        """Begin a command; the lab seconds it takes.

        Raises:
            Refused: it cannot be done; nothing has started.
        """
        raise NotImplementedError

    def progress(self, message: dict[str, Any], share: float) -> None:
        """Another `share` (of 1) of the command is done now."""

    def finish(self, message: dict[str, Any]) -> dict[str, Any]:
        """The command is done; its result, in JSON."""
        return {}

    def received(self, message: Any) -> list[Publication]:
        """Answer one message."""
        if not isinstance(message, dict) or not isinstance(message.get("id"), str):
            self.not_understood(str(message))
            return []
        return [(f"{self.topic}/evt", {"id": message["id"], **self._answer(message)}, False)]

    def advance(self) -> None:
        """Let the command under way continue, and end when its time has come."""
        for row in self.rows.values():
            if row["state"] != "running":
                continue
            now, took_s = self.clock.now(), row["ends_s"] - row["began_s"]
            share = 1.0 if now >= row["ends_s"] else (now - row["began_s"]) / took_s
            self.progress(row["message"], share - self._share)
            self._share = share
            if share >= 1.0:
                row.update(state="done", result=self.finish(row["message"]))

    def restored(self) -> None:
        """What was under way when the power went can never report how it ended."""
        self._cut("the power went")  # and with it the memory of how far it came

    def power_cycle(self) -> None:
        """What was under way stops, and where is unknown."""
        self.advance()
        self._cut("the power went")
        super().power_cycle()

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        self.advance()
        op, token = message.get("op"), message.get("token")
        heard = token if isinstance(token, int) else -1
        older = heard < self.token
        self.token = max(self.token, heard)
        if op == "stop":
            self._cut("it was stopped", {"share": self._share})
            return {"state": "done"}
        if op == "outcome":
            return self._outcome(str(message.get("of")))
        if op == "hello":
            return {"state": "done", "result": {"instrument": type(self).__name__}}
        if older:
            return {"error": "fenced", "words": f"token {token} is older than {self.token}"}
        return self._command(message["id"], message)

    def _outcome(self, of: str) -> dict[str, Any]:
        if of not in self.rows:
            self._enter(of, {"state": "absent", "result": None})
        row = self.rows[of]
        return {"state": row["state"], "result": row["result"], "words": row.get("words", "")}

    def _command(self, key: str, message: dict[str, Any]) -> dict[str, Any]:
        if key in self.rows:
            if self.rows[key]["state"] == "absent":
                return {"error": "too late", "words": f"command {key} was reported absent; send it with another id"}
            return self._outcome(key)
        if any(row["state"] == "running" for row in self.rows.values()):
            return {"error": "busy", "words": "another command is under way"}
        now = self.clock.now()
        row: dict[str, Any] = {"state": "running", "result": None, "message": message, "began_s": now, "ends_s": now}
        self._enter(key, row)
        try:
            row["ends_s"] = now + self.begin(message)
        except (Refused, KeyError, TypeError, ValueError) as error:
            del self.rows[key]
            return {"error": "refused", "words": str(error) or type(error).__name__}
        self._share = 0.0
        self.advance()
        return self._outcome(key)

    def _enter(self, key: str, row: dict[str, Any]) -> None:
        """Put a row into the table; it is on the disk when this returns."""
        self.rows[key] = row
        while len(self.rows) > KEPT_ROWS:
            del self.rows[next(iter(self.rows))]
        self.keep()

    def _cut(self, why: str, result: dict[str, Any] | None = None) -> None:
        for row in self.rows.values():
            if row["state"] == "running":
                row.update(state="unknown", result=result, words=f"{why} while it was under way")


class MqttWire:
    """The connections of simulated instruments to their broker.

    Args:
        address: the broker's.
        instruments: those to connect.
        clock: the lab clock.
        handled: called after an instrument has done a command, before its answer leaves.
    """

    def __init__(
        self,
        address: MqttAddress,
        instruments: Sequence[MqttInstrument],
        clock: LabClock,
        handled: Callable[[MqttInstrument], None],
    ) -> None:
        self._address = address
        self._clients = [_Client(address, one, handled) for one in instruments]
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

    def __init__(
        self, address: MqttAddress, instrument: MqttInstrument, handled: Callable[[MqttInstrument], None]
    ) -> None:
        self.instrument = instrument
        self._handled = handled
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
        self.instrument.commands[str(message.get("op") if isinstance(message, dict) else "")] += 1
        try:
            publications = self.instrument.received(message)
        except Exception as error:  # noqa: BLE001 - a simulator is its author's code; its mistake is reported once, in words
            self.instrument.failed(error, f"at {raw[:60]!r}")
            return
        self._handled(self.instrument)
        for publication in publications:
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
