"""The latches that hold at one station."""

from __future__ import annotations

from labwright.model.latch import LatchScope


class Latches:
    """What a station must not start, and why; used under the station's lock.

    Args:
        station: its name.
    """

    def __init__(self, station: str) -> None:
        self._station = station
        self._why: dict[LatchScope, str] = {}

    def set(self, scope: LatchScope, why: str) -> bool:
        """Set a latch, unless this scope has one; whether the scope has to do with this station at all."""
        if scope.station not in ("", self._station):
            return False
        self._why.setdefault(scope, why)
        return True

    def reset(self, scope: LatchScope) -> None:
        """Take back the latch of this very scope."""
        self._why.pop(scope, None)

    def why(self, campaign: str, label: str) -> str | None:
        """Why a step of this sample must not start here; None if it may."""
        held = (why for scope, why in self._why.items() if scope.holds(self._station, campaign, label))
        return next(held, None)

    @property
    def whole(self) -> bool:
        """Whether nothing at all may start here."""
        return any(scope.whole_station for scope in self._why)
