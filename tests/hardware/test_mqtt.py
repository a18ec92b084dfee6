"""MQTT: requests by id, last values, a broker that goes away and comes back."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from devices.environment import Environment
from labwright.clock import LabClock
from labwright.hardware import EmbeddedBroker, MqttLink
from labwright.model.errors import AlarmError, CommunicationError
from labwright.model.ports import MqttAddress
from labwright.simulation import SimHost, World
from simulators.environment import Environment as Gateway


class Room(World):
    ambient_celsius = 24.0


@contextmanager
def mosquitto(tcp_port: int, folder: Path) -> Iterator[None]:
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {tcp_port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    process = subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gateway(address: MqttAddress) -> Iterator[tuple[Environment, SimHost]]:
    clock = LabClock()
    with SimHost(clock) as host:
        served = host.serve("gateway", address, [Gateway("box", Room(clock, 1), "lab/box")])
        assert isinstance(served, MqttAddress)
        link = MqttLink("gateway", served.model_copy(update={"timeout_s": 2.0}), clock.now)
        link.open()
        try:
            yield Environment(name="box", port=link, clock=clock, topic="lab/box"), host
        finally:
            link.close()


def check(device: Environment, host: SimHost) -> None:
    device.connect()
    device.trigger().wait(10)
    values: dict[str, Any] = device.read()
    assert 0 < values["box_o2"]["value"] < 1
    assert values["box_door"]["value"] == "closed"
    assert device.describe()["box_temperature"]["units"] == "degC"
    host.fault("box", "door_open")
    with pytest.raises(AlarmError, match="the door is open"):
        device.trigger().wait(10)
    host.clear_faults()
    host.fault("box", "no_reply", count=3)
    with pytest.raises(CommunicationError, match=r"no answer .* within 2 s"):
        device.trigger().wait(10)


def test_a_spoiled_answer_is_asked_for_again_at_once() -> None:
    with gateway(MqttAddress(type="mqtt")) as (device, host):
        device.connect()
        for kind in ("garbage", "truncate"):
            host.fault("box", kind)
            began = time.monotonic()
            device.trigger().wait(10)
            assert time.monotonic() - began < 1.5, "it waited for the time-out instead of asking again"
        assert host.instrument("box").unknown == {}


class Recorder(MqttLink):
    """Keeps every state the gateway tells of itself."""

    states: list[str]

    def _arrived(self, topic: str, raw: bytes) -> None:
        super()._arrived(topic, raw)
        if topic.endswith("/status"):
            self.states.append(orjson.loads(raw)["state"])


def test_a_gateway_that_restarts_says_that_it_is_offline_and_comes_back() -> None:
    with gateway(MqttAddress(type="mqtt")) as (device, host):
        recorder = Recorder("recorder", device.link.address, time.time)
        recorder.states = []
        recorder.open()
        recorder.subscribe("lab/box/status")
        device.connect()
        host.fault("box", "power_cycle")
        deadline = time.monotonic() + 20
        while recorder.states[-2:] != ["offline", "online"] and time.monotonic() < deadline:
            with contextlib.suppress(CommunicationError):
                device.trigger().wait(10)
        recorder.close()
        assert recorder.states == ["online", "offline", "online"]
        while True:  # the device's own link may hear of it a moment later than the recorder's
            try:
                device.trigger().wait(10)
                break
            except CommunicationError:
                assert time.monotonic() < deadline


def test_a_simulated_gateway_survives_words_it_does_not_know() -> None:
    with gateway(MqttAddress(type="mqtt")) as (device, host):
        device.connect()
        device.link.publish("lab/box/cmd", ["no", "command"])
        device.link._loop().run(device.link._client.publish("lab/box/cmd", b"{no json", qos=1))
        device.trigger().wait(10)
        assert sum(host.instrument("box").unknown.values()) == 2


def test_on_the_embedded_broker() -> None:
    with gateway(MqttAddress(type="mqtt")) as (device, host):
        check(device, host)


def test_on_mosquitto(tmp_path: Path) -> None:
    port = free_port()
    with (
        mosquitto(port, tmp_path),
        gateway(MqttAddress(type="mqtt", host="127.0.0.1", tcp_port=port)) as (device, host),
    ):
        check(device, host)


def test_a_link_comes_back_after_its_broker() -> None:
    broker = EmbeddedBroker()
    address = broker.start().model_copy(update={"timeout_s": 2.0})
    link = MqttLink("link", address, time.time)
    link.open()
    try:
        link.publish("a", {"x": 1})
        broker.stop()
        with pytest.raises(CommunicationError):
            link.publish("a", {"x": 2})
        again = EmbeddedBroker(address.tcp_port)
        again.start()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                link.publish("a", {"x": 3})
                break
            except CommunicationError:
                continue
        else:
            pytest.fail("the link never came back")
        again.stop()
    finally:
        link.close()


def test_no_broker_is_told_in_words() -> None:
    link = MqttLink("link", MqttAddress(type="mqtt", host="127.0.0.1", tcp_port=free_port(), timeout_s=0.5), time.time)
    with pytest.raises(CommunicationError, match=r"no broker answers within 0\.5 s"):
        link.open()


def test_a_link_that_was_cut_says_nothing_more() -> None:
    with gateway(MqttAddress(type="mqtt")) as (device, host):
        check(device, host)
        said = host.instrument("box").commands.total()
        assert isinstance(device.port, MqttLink)
        device.port.cut()
        with pytest.raises(CommunicationError, match="the line was cut"):
            device.trigger().wait(10)
        assert host.instrument("box").commands.total() == said
