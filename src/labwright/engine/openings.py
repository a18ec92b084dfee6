"""When a sample can be carried to another station and be worked on there: all that this needs is open at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from labwright.engine.layout import Bench, Layout
from labwright.model.availability import Availability

_ROUNDS = 1000
"""Where what is needed has not been open at once after so many hours, it is said never to be."""

_JUST_AFTER_S = 1e-3


@dataclass(frozen=True)
class _Need:
    """A station that must be open.

    Attributes:
        known: when it is.
        takes_s: for how long, lab seconds.
        carried: whether only something is carried there, or away.
    """

    known: Availability
    takes_s: float
    carried: bool = False

    def opens_s(self, at_s: float) -> float:
        return self.known.opens_s(at_s, self.takes_s, carried=self.carried)

    def shuts_s(self, at_s: float) -> float:
        closure = self.known.closed(at_s, math.inf, carried=self.carried)
        return math.inf if closure is None else closure.starts_s - self.takes_s


@dataclass(frozen=True)
class Opening:
    """What a move and the step after it need.

    Attributes:
        needs: any one of each of these must be open.
    """

    needs: tuple[tuple[_Need, ...], ...]

    def from_s(self, at_s: float) -> float:
        """When all of it is open first, not before a lab time; infinite if never."""
        for _ in range(_ROUNDS):
            opens_s = at_s
            for either in self.needs:
                opens_s = min(one.opens_s(opens_s) for one in either)
            if opens_s == at_s or opens_s == math.inf:
                return opens_s
            at_s = opens_s
        return math.inf

    def longest_s(self, early_s: float, late_s: float) -> float:
        """How long one waits at most who comes between two lab times, lab seconds."""
        longest_s = 0.0
        while early_s <= late_s:
            opens_s = self.from_s(early_s)
            longest_s = max(longest_s, opens_s - early_s)
            if opens_s == math.inf:
                break
            shuts_s = min((max(one.shuts_s(opens_s) for one in either) for either in self.needs), default=math.inf)
            early_s = max(opens_s, shuts_s) + _JUST_AFTER_S
        return longest_s


ALWAYS = Opening(())
"""Nothing that is needed is ever shut."""


@dataclass
class Openings:
    """Looks at the calendar for moves and the steps after them.

    Attributes:
        layout: of the lab.
    """

    layout: Layout
    _carriers: dict[tuple[str, str, str], tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def of(self, before: Bench | None, there: Bench | None, labware: str, carried_s: float, takes_s: float) -> Opening:
        """What a move and the step after it need.

        Args:
            before: where the sample is; None if it is at no station.
            there: where it is brought; None if it leaves the lab, or goes back to its place.
            labware: its kind of container.
            carried_s: how long it may be until it is there, lab seconds; nothing is carried if it is there already.
            takes_s: how long the step takes.
        """
        calendar, moves = self.layout.calendar, before != there
        needs: list[tuple[_Need, ...]] = []
        if there is not None and there.name in calendar:
            needs.append((_Need(calendar[there.name], takes_s + (carried_s if moves else 0.0)),))
        if not moves:
            return Opening(tuple(needs)) if needs else ALWAYS
        if before is not None and before.name in calendar:
            needs.append((_Need(calendar[before.name], carried_s, carried=True),))
        for any_of in self._carried_by(before, there, labware):
            if all(one in calendar for one in any_of):
                needs.append(tuple(_Need(calendar[one], carried_s) for one in any_of))
        return Opening(tuple(needs)) if needs else ALWAYS

    def _carried_by(self, before: Bench | None, there: Bench | None, labware: str) -> tuple[tuple[str, ...], ...]:
        """Stations of transports of which one of each of these is needed."""
        key = "" if before is None else before.name, "" if there is None else there.name, labware
        known = self._carriers.get(key)
        if known is None:
            known = self._carriers[key] = tuple(some for some in self._ways(before, there, labware) if some)
        return known

    def _ways(self, before: Bench | None, there: Bench | None, labware: str) -> tuple[tuple[str, ...], ...]:
        reach_from, reach_to = self._reaches(before, labware), self._reaches(there, labware)
        carriers = [one for one in self.layout.carriers.values() if labware in one.labware]
        direct = tuple(one.station for one in carriers if reach_from(one.reaches) and reach_to(one.reaches))
        if direct:
            return (direct,)
        first = tuple(one.station for one in carriers if reach_from(one.reaches))
        return first, tuple(one.station for one in carriers if reach_to(one.reaches))

    def _reaches(self, bench: Bench | None, labware: str) -> Callable[[frozenset[str]], bool]:
        if bench is None:
            return lambda reached: True
        sites = self.layout.sites_at(bench.name, labware)
        return lambda reached: any(site in reached for site in sites)
