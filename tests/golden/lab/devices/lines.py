"""Drivers of small instruments that speak lines: ``ID?``, a few questions, a few orders that they answer with OK."""

from __future__ import annotations

from ophyd import Component
from ophyd.status import Status

from labwright.hardware import Act, Axis, LabDevice, Lines, Reading
from labwright.model.errors import AlarmError, BadReplyError

POLL_S = 0.2
DROP_UL_PER_S = 10.0


def ok(text: str) -> str:
    """Every order is answered like this."""
    if text != "OK":
        raise BadReplyError(f"{text!r} is not OK")
    return text


class Instrument(LabDevice):
    """What they share.

    Args:
        device: name, port, clock and limits, as for every device.
    """

    framing = Lines(send="\n", receive="\n")
    says = ""

    def connect(self) -> None:
        """Look who it is."""
        self.identify("ID?", lambda text: text == self.says, self.says)

    def halt(self) -> None:
        """Stop what is under way."""
        self.command("STOP", ok, repeatable=True, urgent=True)

    def settle(self, act: Act) -> None:
        """Wait until it stands.

        Raises:
            AlarmError: it has stalled.
        """
        for _ in act.poll(POLL_S):
            state = self.query("STATE?", _state)
            if state == "stalled":
                raise AlarmError(f"{self.name}: stalled")
            if state == "stands":
                return


class Pump(Instrument):
    """Setting `volume` gives that many microlitres; it counts what it gave."""

    says = "PUMP"

    volume = Component(
        Axis, set="give", get="given_ul", unit="ul", precision=1, limits=(5, 500), timeout_s=120.0,
        reconcile="by_counter", ready="ready", counter="given_ul", quiet="stands", tolerance=0.5,
    )  # fmt: skip

    def ready(self, volume_ul: float) -> None:
        """Clear the counter and set the volume."""
        self.command(f"SET {volume_ul:.2f}", ok, repeatable=True)

    def give(self, act: Act, volume_ul: float) -> None:
        """Give once what was set."""
        self.command("RUN", ok)
        self.settle(act)

    def given_ul(self) -> float:
        """What it has given since it was set."""
        return self.query("COUNT?", float)

    def stands(self, act: Act) -> None:
        """Wait until the motor stands, stalled or not."""
        for _ in act.poll(POLL_S):
            if self.query("STATE?", _state) != "runs":
                return


class Arm(Instrument):
    """`location` is where it is, `gripper` whether it holds (1) or not (0)."""

    says = "ARM"

    location = Component(
        Axis, set="go", get="where", unit="", precision=0, limits=(1, 30), timeout_s=60.0, reconcile="by_state"
    )
    gripper = Component(
        Axis, set="grip", get="grips", unit="", precision=0, limits=(0, 1), timeout_s=60.0, reconcile="by_state"
    )

    def where(self) -> float:
        """Number of the location."""
        return self.query("AT?", float)

    def grips(self) -> float:
        """1 closed, 0 open."""
        return self.query("GRIP?", float)

    def go(self, act: Act, location: float) -> None:
        """Go there."""
        self.command(f"GO {location:.0f}", ok, repeatable=True)
        self.settle(act)

    def grip(self, act: Act, closed: float) -> None:
        """Close or open."""
        self.command(f"GRIP {closed:.0f}", ok, repeatable=True)


class Stirrer(Instrument):
    """`speed` turns until it is set to 0."""

    says = "STIRRER"

    speed = Component(
        Axis, set="stir", get="turns", unit="rpm", precision=0, limits=(0, 1000), timeout_s=60.0,
        reconcile="by_state", holds=True,
    )  # fmt: skip

    def turns(self) -> float:
        """As it turns now."""
        return self.query("RPM?", float)

    def stir(self, act: Act, rpm: float) -> None:
        """Turn."""
        self.command(f"STIR {rpm:.0f}", ok, repeatable=True)
        self.settle(act)


class Meter(Instrument):
    """Triggering it looks at what stands in the light: shade, and how uneven it is."""

    says = "METER"

    shade = Component(Reading, unit="1", precision=4)
    uneven = Component(Reading, unit="1", precision=4)
    clarity = Component(Reading, unit="1", precision=4)

    def trigger(self) -> Status:
        """Look once."""
        return self.act(self.look, timeout_s=60.0)

    def look(self, act: Act) -> None:
        """Look for a second, which touches nothing."""
        act.sleep(0.5)
        for name, value in zip(("shade", "uneven", "clarity"), self.query("LOOK?", _numbers), strict=True):
            getattr(self, name).hold(value)


class Dropper(Instrument):
    """Setting `volume` lets drops of water fall; nobody can tell whether they did."""

    says = "DROPPER"

    volume = Component(
        Axis, set="drop", unit="ul", precision=1, limits=(1, 200), timeout_s=60.0, reconcile="ask", ml_per_unit=0
    )

    def drop(self, act: Act, volume_ul: float) -> None:
        """Drop once."""
        self.command(f"DROP {volume_ul:.1f}", ok)
        act.sleep(volume_ul / DROP_UL_PER_S)
        self.volume.hold(volume_ul)


def _state(text: str) -> str:
    if text not in ("stands", "runs", "stalled"):
        raise BadReplyError(f"{text!r} is no state")
    return text


def _numbers(text: str) -> list[float]:
    if text == "DARK":
        raise AlarmError("its lamp is out")
    found = [float(one) for one in text.split(" ")]
    if len(found) != 3:
        raise BadReplyError(f"{text!r} are not three numbers")
    return found
