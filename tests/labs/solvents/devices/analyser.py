"""An analyser behind an MQTT gateway: numbers, a word, a truth value, a spectrum and a picture in one measurement."""

from __future__ import annotations

from typing import Any

from ophyd import Component

from labwright.hardware import Reading
from labwright.model.errors import BadReplyError

from .gateway import Meter

KINDS = {
    "ester": float,
    "water": float,
    "crystals": int,
    "phase": str,
    "boiled": bool,
    "spectrum": list,
    "picture": str,
}


class Analyser(Meter):
    """Triggering it measures what is in the flask, and empties it."""

    ester = Component(Reading, unit="%", precision=2)
    water = Component(Reading, unit="%", precision=2)
    crystals = Component(Reading, unit="1", precision=0)
    phase = Component(Reading, unit="", value="")
    boiled = Component(Reading, unit="", value=0)
    spectrum = Component(Reading, unit="1", shape=(4, 2), value=())
    picture = Component(Reading, unit="", value="")

    def _keep(self, result: Any) -> None:
        super()._keep(result)
        for name, kind in KINDS.items():
            if not isinstance(value := result.get(name), kind):
                raise BadReplyError(f"{self.name}: {result!r} holds no {name}")
            getattr(self, name).hold(int(value is True) if kind is bool else value)
