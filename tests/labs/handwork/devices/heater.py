"""A heater that speaks lines: ``T?`` asks for the temperature, ``G?`` for the glow, ``SP 40.0`` sets, ``OFF``."""

from __future__ import annotations

from ophyd import Component

from labwright.hardware import Act, Axis, LabDevice, Lines, Reading
from labwright.model.errors import BadReplyError


class Heater(LabDevice):
    """Setting `temperature` heats and waits until it is reached."""

    framing = Lines(send="\r\n", receive="\r\n")

    temperature = Component(
        Axis, set="heat", get="celsius", unit="degC", precision=1, limits=(0, 100), timeout_s=1800,
        reconcile="by_state", holds=True,  # after a crash it may be set again, and must be: it is a set-point
    )  # fmt: skip
    glow = Component(Reading, get="glow_now", unit="1", precision=3)

    def connect(self) -> None:
        self.identify("ID?", lambda answer: answer.startswith("HEATER"), "a heater")

    def celsius(self) -> float:
        return self.query_steady("T?", float, jump=2.0)  # no checksum: a jump is believed when it is read twice

    def glow_now(self) -> float:
        return self.query_steady("G?", float, jump=0.1)

    def heat(self, act: Act, celsius: float) -> None:
        self.command(f"SP {celsius:.1f}", ok, repeatable=True)
        for _ in act.poll(5.0):
            if abs(self.celsius() - celsius) < 0.5:
                return

    def halt(self) -> None:
        self.command("OFF", ok, repeatable=True, urgent=True)


def ok(text: str) -> str:
    """Every reply belongs to its command, or it is none: noise must not pass for an answer."""
    if text != "OK":
        raise BadReplyError(f"{text!r} is not OK")
    return text
