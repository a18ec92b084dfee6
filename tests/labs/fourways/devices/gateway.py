"""Drivers of instruments behind MQTT gateways that keep a table of commands (`labwright.simulation.CommandTable`)."""

from __future__ import annotations

import uuid
from typing import Any

from ophyd import Component
from ophyd.status import Status

from labwright.hardware import Act, Axis, Evidence, LabDevice, MqttLink, Reading
from labwright.model.errors import AlarmError, BadReplyError, DeviceError

POLL_S = 0.2
STATES = ("done", "running", "absent", "unknown")


class Gateway(LabDevice):
    """What both have in common.

    Args:
        topic: prefix of the gateway's topics.
        device: name, port, clock and limits, as for every device.
    """

    def __init__(self, *, topic: str, **device: Any) -> None:
        super().__init__(**device)
        self.topic = topic

    def connect(self) -> None:
        """Ask who it is."""
        answer = self.ask({"op": "hello"})
        if answer.get("result") != {"instrument": type(self).__name__}:
            raise DeviceError(f"{self.name}: another instrument answers at {self.topic}: {answer}")

    def ask(self, message: dict[str, Any], command_id: str = "") -> dict[str, Any]:
        """Ask, or command; the gateway does a command with one id once, so it may be repeated."""
        link = self.port
        if not isinstance(link, MqttLink):
            raise TypeError(f"{self.name}: its port must be an MQTT link, not {link}")
        answer = link.request(f"{self.topic}/cmd", message, f"{self.topic}/evt", idempotent=True, key=command_id)
        if not isinstance(answer, dict):
            raise BadReplyError(f"{self.name}: {answer!r} is no answer")
        if "error" in answer:
            raise DeviceError(f"{self.name}: refused as {answer['error']}: {answer.get('words')}")
        if answer.get("state") not in STATES:
            raise BadReplyError(f"{self.name}: {answer} has no state")
        return answer

    def carry_out(self, act: Act, command_id: str, epoch: int, message: dict[str, Any]) -> Any:
        """Send a command, wait until it is done, and return its result.

        Raises:
            AlarmError: it was cut short.
        """
        answer = self.ask({**message, "token": epoch}, command_id)
        for _ in act.poll(POLL_S):
            if answer["state"] == "done":
                return answer["result"]
            if answer["state"] != "running":
                raise AlarmError(f"{self.name}: command {command_id} is {answer['state']}: {answer.get('words')}")
            answer = self.ask({"op": "outcome", "of": command_id})
        raise AssertionError("unreachable")

    def outcome(self, command_id: str) -> Evidence | None:
        """What the gateway's table tells of a command."""
        answer = self.ask({"op": "outcome", "of": command_id})
        state, result = answer["state"], answer["result"]
        if state == "running":
            return None
        if state == "done":
            return Evidence(state="confirmed", words=f"{self.name} has done command {command_id}", result=result)
        if state == "absent":
            return Evidence(state="absent", words=f"{self.name} never got command {command_id}")
        return Evidence(state="unknown", words=f"{self.name}: {answer['words']} (command {command_id})", result=result)

    def halt(self) -> None:
        """Stop what is under way."""
        self.ask({"op": "stop"})


class Doser(Gateway):
    """Setting `volume` doses once."""

    volume = Component(
        Axis, set="dose", unit="ul", precision=1, limits=(1, 500), timeout_s=60.0,
        reconcile="by_command_id", outcome="outcome",
    )  # fmt: skip

    def dose(self, act: Act, volume_ul: float, command_id: str, epoch: int) -> None:
        """Dose `volume_ul`."""
        self.carry_out(act, command_id, epoch, {"op": "dose", "volume_ul": volume_ul})
        self.volume.hold(volume_ul)


class Meter(Gateway):
    """Triggering it measures what is in the beaker, and empties it."""

    measuring = "by_command_id"

    y = Component(Reading, unit="1", precision=4)

    def trigger(self, command_id: str = "", epoch: int = 0) -> Status:
        """Begin to measure."""
        return self.act(self.measure, command_id or uuid.uuid4().hex, epoch, timeout_s=60.0)

    def measure(self, act: Act, command_id: str, epoch: int) -> None:
        """Measure once."""
        self._keep(self.carry_out(act, command_id, epoch, {"op": "measure"}))

    def measure_outcome(self, command_id: str) -> Evidence | None:
        """What the table tells; a reading it kept is held as if it had just come."""
        evidence = self.outcome(command_id)
        if evidence is not None and evidence.state == "confirmed":
            self._keep(evidence.result)
        return evidence

    def _keep(self, result: Any) -> None:
        y = result.get("y") if isinstance(result, dict) else None
        if not isinstance(y, float):
            raise BadReplyError(f"{self.name}: {result!r} holds no reading")
        self.y.hold(y)
