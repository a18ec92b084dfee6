"""A campaign that another version of Labwright has run so far: does this one decide as that one did?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from labwright.engine.events import ENGINE, Resumed, Started, decisions
from labwright.engine.recovery import replayed, view
from labwright.journal import Journal, place_option
from labwright.model.errors import LabwrightError, RefusedError

BROKEN = (LabwrightError, LookupError, ValueError, TypeError, RuntimeError)
"""What the core may raise on an event that follows from other decisions than its own."""


@dataclass(frozen=True)
class OtherDecision:
    """The first event of a campaign on which this version decides otherwise than the one that recorded it.

    Attributes:
        event: its id.
        kind: of the event.
        then: the decisions that were recorded.
        now: those of this version.
        engine: version of the engine that recorded it.
        events: on so many events it decides otherwise.
        broken: why the events after it cannot follow from the decisions of this version; empty if they can.
    """

    event: int
    kind: str
    then: tuple[str, ...]
    now: tuple[str, ...]
    engine: int
    events: int = 1
    broken: str = ""

    def __str__(self) -> str:
        more = f"; on {self.events - 1} more events as well" if self.events > 1 else ""
        return (
            f"on event {self.event} ({self.kind}) version {self.engine} of the engine decided: {_words(self.then)}; "
            f"this one, version {ENGINE}, decides: {_words(self.now)}{more}"
        )


def other_decision(journal: Journal, campaign: str) -> OtherDecision | None:
    """Decide again, and compare; None if all is decided as recorded.

    What is in a snapshot of this very code was decided by it, and is not compared again.

    Args:
        journal: that keeps the campaign.
        campaign: its id.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: an event cannot be understood.
    """
    first: OtherDecision | None = None
    lab, after = view(journal, campaign)
    events, engine = 0, lab.campaign(campaign).engine
    steps = replayed(journal, campaign, lab, after)
    while True:
        try:
            step = next(steps, None)
        except BROKEN as error:
            if first is None:
                raise
            return replace(first, events=events, broken=str(error) or type(error).__name__)
        if step is None:
            return first and replace(first, events=events)
        logged, event, instructions, _ = step
        if isinstance(event, (Started, Resumed)):
            engine = event.engine
        now = decisions(instructions)
        if event.kind == "started" and not logged.decisions:
            return None  # written before decisions were recorded
        if now != logged.decisions:
            events += 1
            then = tuple(map(str, logged.decisions))
            first = first or OtherDecision(logged.id, logged.kind, then, tuple(map(str, now)), engine)


def refuse_other_decisions(journal: Journal, campaign: str, *, confirmed: bool) -> str:
    """Resume nothing of which this version would have decided otherwise, unless a person confirms that.

    Args:
        journal: that keeps the campaign.
        campaign: its id.
        confirmed: a person has looked at the difference, and confirms that it does no harm.

    Returns:
        the difference that was confirmed, in words; empty if there is none.

    Raises:
        RefusedError: a decision differs and no person has confirmed it, or what followed cannot follow from it.
    """
    other = other_decision(journal, campaign)
    if other is None:
        return ""
    look = f"labwright campaign replay {campaign} {place_option(journal)}"
    words = f"{campaign} was run so far by a version of Labwright that decides otherwise: {other}"
    if other.broken:
        raise RefusedError(
            f"{words}. What is recorded after that cannot follow from it ({other.broken}), so this version cannot "
            f"resume it; nothing was started. See all differences with: {look}. Resume it with the version that ran it "
            "so far, or start another with --new"
        )
    if not confirmed:
        raise RefusedError(
            f"{words}. Resumed by this version, something could be done twice or left out; nothing was started. See "
            f"all differences with: {look}. Resume it with the version that ran it so far; or look at the samples, and "
            "confirm with --decisions-changed that the difference does no harm; or start another with --new"
        )
    return words


def _words(decided: Sequence[str]) -> str:
    return ", ".join(decided) or "nothing"
