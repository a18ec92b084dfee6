"""MQTT: one asyncio loop thread, requests answered by id, last values stored, reconnects by itself."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from labwright.hardware.port import RETRIES
from labwright.model.errors import BadReplyError, CommunicationError
from labwright.model.ports import MqttAddress

T = TypeVar("T")

RECONNECT_WAIT_S = 0.2

NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Without it a QoS 1 round trip takes 88 ms."""


@dataclass(frozen=True)
class Message:
    """A message as it came.

    Attributes:
        topic: where it was published.
        payload: its JSON, decoded.
        received_s: lab time of its arrival.
    """

    topic: str
    payload: Any
    received_s: float


class LoopThread:
    """An asyncio loop in a thread of its own, for code that is called from threads."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float = 30.0) -> T:
        """Run `work` in the loop and wait for its result.

        Raises:
            CommunicationError: it took more than `timeout_s` wall seconds.
        """
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            future.cancel()
            raise CommunicationError(f"no answer from the event loop within {timeout_s:g} s") from None

    def close(self) -> None:
        """Cancel what still runs and stop the loop."""

        async def cancel_all() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)
        self.loop.close()


class EmbeddedBroker:
    """A broker of our own on loopback, for labs that name none (amqtt).

    Args:
        tcp_port: where to listen; a free port if 0.
    """

    def __init__(self, tcp_port: int = 0) -> None:
        self._thread = LoopThread("mqtt-broker")
        self.tcp_port = tcp_port
        self._broker: Any = None

    def start(self) -> MqttAddress:
        """Listen."""
        from amqtt.broker import Broker

        if not self.tcp_port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.tcp_port = probe.getsockname()[1]
        config = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.tcp_port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }

        async def begin() -> Any:
            broker = Broker(config)
            await broker.start()
            return broker

        self._broker = self._thread.run(begin())
        return MqttAddress(type="mqtt", host="127.0.0.1", tcp_port=self.tcp_port)

    def stop(self) -> None:
        """Close all connections."""
        if self._broker is not None:
            self._thread.run(self._broker.shutdown())
            self._broker = None
        self._thread.close()


class MqttLink:
    """A client that stays connected, keeps the last message of each topic, and asks by id.

    Args:
        name: the port's name in the lab.
        address: the broker's; it must name a host.
        now: lab time, to stamp messages with.
    """

    def __init__(self, name: str, address: MqttAddress, now: Callable[[], float]) -> None:
        self.name = name
        self.address = address
        self._now = now
        self._latest: dict[str, Message] = {}
        self._replies: dict[str, tuple[str, Future[Any]]] = {}
        self._topics: set[str] = set()
        self._ids = itertools.count()
        self._prefix = f"{name}-{time.time_ns():x}"
        self._lock = threading.Lock()
        self._connected = threading.Event()
        self._thread: LoopThread | None = None
        self._client: Any = None
        self._error: Exception | None = None
        self._was_cut = False

    def __str__(self) -> str:
        return f"port {self.name!r} ({self.address})"

    def open(self) -> None:
        """Connect.

        Raises:
            CommunicationError: the broker does not answer in time.
        """
        self._thread = LoopThread(f"mqtt:{self.name}")
        asyncio.run_coroutine_threadsafe(self._run(), self._thread.loop)
        if not self._connected.wait(self.address.timeout_s):
            error = self._error
            self.close()
            raise CommunicationError(f"{self}: no broker answers within {self.address.timeout_s:g} s ({error})")

    def close(self) -> None:
        """Disconnect."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    def cut(self) -> None:
        """Send nothing any more, as if this process had been killed; for tests of what comes after."""

        async def cut() -> None:  # in the loop, where all that is sent is sent
            self._was_cut = True

        self._loop().run(cut())

    def subscribe(self, topic: str) -> None:
        """Keep the last message of `topic` from now on; also over a reconnection.

        Raises:
            CommunicationError: the broker does not take it.
        """
        from aiomqtt import MqttError

        with self._lock:
            known = topic in self._topics
            self._topics.add(topic)
        if known or not self._connected.is_set():
            return
        try:
            self._loop().run(self._client.subscribe(topic, qos=1), self.address.timeout_s)
        except (MqttError, CommunicationError) as error:
            with self._lock:
                self._topics.discard(topic)
            raise CommunicationError(f"{self}: subscribing to {topic!r} failed: {error}") from error

    def latest(self, topic: str) -> Message | None:
        """The last message of a subscribed topic."""
        with self._lock:
            return self._latest.get(topic)

    def request(
        self,
        topic: str,
        payload: dict[str, Any],
        reply_topic: str,
        *,
        idempotent: bool = False,
        timeout_s: float | None = None,
        key: str = "",
    ) -> Any:
        """Publish `payload` with an id, and wait for the message on `reply_topic` that carries the same id.

        Args:
            topic: where the instrument listens.
            payload: without the key ``id``, which is added.
            reply_topic: where it answers.
            idempotent: whether asking twice is harmless; only then it is repeated after a failure.
            timeout_s: wall seconds for each try; the port's own if not given.
            key: the id, for a command that the other side must know again; one of its own for each try if not given.

        Raises:
            CommunicationError: no answer with this id in time.
            BadReplyError: what came there meanwhile is no JSON.
        """
        self.subscribe(reply_topic)
        timeout_s = self.address.timeout_s if timeout_s is None else timeout_s
        for left in reversed(range(1 + (RETRIES if idempotent else 0))):
            try:
                return self._ask(topic, payload, reply_topic, timeout_s, key)
            except CommunicationError:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _ask(self, topic: str, payload: dict[str, Any], reply_topic: str, timeout_s: float, key: str) -> Any:
        key = key or f"{self._prefix}-{next(self._ids)}"
        future: Future[Any] = Future()
        with self._lock:
            self._replies[key] = (reply_topic, future)
        try:
            self.publish(topic, {**payload, "id": key})
            return future.result(timeout_s)
        except FutureTimeoutError:
            raise CommunicationError(
                f"{self}: no answer to {payload} on {reply_topic!r} within {timeout_s:g} s"
            ) from None
        finally:
            with self._lock:
                self._replies.pop(key, None)

    def publish(self, topic: str, payload: Any, *, retain: bool = False) -> None:
        """Publish JSON with QoS 1.

        Raises:
            CommunicationError: not connected, or the broker does not acknowledge in time.
        """
        from aiomqtt import MqttError

        if not self._connected.wait(self.address.timeout_s):
            raise CommunicationError(f"{self}: the connection to the broker is lost ({self._error})")
        try:
            self._loop().run(self._publish(topic, orjson.dumps(payload), retain), self.address.timeout_s)
        except MqttError as error:
            raise CommunicationError(f"{self}: publishing to {topic!r} failed: {error}") from error

    async def _publish(self, topic: str, raw: bytes, retain: bool) -> None:
        if self._was_cut:
            raise CommunicationError(f"{self}: the line was cut")
        await self._client.publish(topic, raw, qos=1, retain=retain)

    def _loop(self) -> LoopThread:
        if self._thread is None:
            raise CommunicationError(f"{self} is closed; open the lab before using its devices")
        return self._thread

    async def _run(self) -> None:
        from aiomqtt import Client, MqttError

        while True:
            try:
                async with Client(
                    self.address.host or "127.0.0.1", self.address.tcp_port, socket_options=[NODELAY]
                ) as client:
                    with self._lock:
                        topics = list(self._topics)
                    for topic in topics:
                        await client.subscribe(topic, qos=1)
                    self._client = client
                    self._connected.set()
                    async for message in client.messages:
                        self._arrived(str(message.topic), bytes(message.payload))
            except (MqttError, OSError) as error:
                self._error = error
            finally:
                self._connected.clear()
            await asyncio.sleep(RECONNECT_WAIT_S)

    def _arrived(self, topic: str, raw: bytes) -> None:
        try:
            payload = orjson.loads(raw)
        except orjson.JSONDecodeError:
            payload = BadReplyError(f"{self}: {raw[:60]!r} on {topic!r} is no JSON")
        with self._lock:
            self._latest[topic] = Message(topic, payload, self._now())
            if isinstance(payload, BadReplyError):
                # Whose answer it was cannot be read; a caller that waits for one asks again rather than wait in vain.
                spoiled = [one for place, one in self._replies.values() if place == topic]
                self._replies = {key: one for key, one in self._replies.items() if one[0] != topic}
            else:
                key = payload.get("id") if isinstance(payload, dict) else None
                answered = self._replies.pop(key, None) if isinstance(key, str) else None
        if isinstance(payload, BadReplyError):
            for future in spoiled:
                future.set_exception(payload)
        elif answered is not None:
            answered[1].set_result(payload)
