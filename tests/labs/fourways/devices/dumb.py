"""A dispenser that says OK to everything: ``HELLO``, ``D 50.0`` (microlitres), ``X`` (stop). It cannot be asked."""

from __future__ import annotations

from ophyd import Component

from labwright.hardware import Act, Axis, LabDevice, Lines
from labwright.model.errors import BadReplyError

UL_PER_S = 50.0


class Dispenser(LabDevice):
    """Setting `volume` dispenses; that it is done is a matter of time."""

    framing = Lines(send="\r\n", receive="\r\n")

    volume = Component(Axis, set="dispense", unit="ul", precision=1, limits=(1, 200), timeout_s=60.0, reconcile="ask")

    def connect(self) -> None:
        """It says OK."""
        self.query("HELLO", _ok)

    def dispense(self, act: Act, volume_ul: float) -> None:
        """Dispense once."""
        self.command(f"D {volume_ul:.1f}", _ok)
        act.sleep(volume_ul / UL_PER_S)
        self.volume.hold(volume_ul)

    def halt(self) -> None:
        """Stop."""
        self.command("X", _ok, urgent=True, repeatable=True)


def _ok(text: str) -> str:
    if text != "OK":
        raise BadReplyError(f"{text!r} is not OK")
    return text
