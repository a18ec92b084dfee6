"""`labwright reset`: a named person lets instruments move again after a stop-now."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.output import console, emit
from labwright.journal import (
    Journal,
    Latch,
    instruments_words,
    open_latches,
    stopped_words,
    waiting_words,
)
from labwright.journal.resetting import Reset, reset_stops
from labwright.model.latch import WHOLE_LAB


def reset_stop(
    place: str | Path, instruments: str, *, by: str, reason: str, json: bool, which: Reset | None = None
) -> None:
    """Reset the stop that holds; others that still hold are listed.

    Args:
        place: of the journal.
        instruments: which, where several were stopped; empty for the only ones.
        by: who resets it.
        reason: what that person has seen and done.
        json: say it to a program.
        which: the stop that is meant; that of the whole lab if not given.

    Raises:
        ConfigError: by or reason is empty, or what is named is not stopped.
        RefusedError: nothing is stopped, several are, or the campaign is still being stopped.
    """
    with Journal(place) as journal:
        latched = reset_stops(journal, which or Reset(), instruments, by=by, because=reason)
        left = [waiting_words(journal, one) for one in open_latches(journal)]
    for one in latched:
        _report(one, by, reason, json=json)
    for words in left:
        console.print(f"still stopped: {words}", style="bold yellow", markup=False)


def _report(latch: Latch, by: str, reason: str, *, json: bool) -> None:
    if json:
        emit(
            {
                "reset": latch.instruments,
                "scope": latch.scope.kind,
                "station": latch.scope.station,
                "campaign": latch.campaign,
                "label": latch.scope.label,
                "stopped_by": latch.by,
                "stopped_because": latch.because,
                "stopped_s": latch.set_s,
                "by": by,
                "reason": reason,
            }
        )
        return
    instruments = instruments_words(latch.instruments)
    moves = f"{instruments} may" if latch.scope == WHOLE_LAB else f"{latch.scope.words} on {instruments} may"
    console.print(f"{stopped_words(latch)}; reset by {by}: {reason}. {moves} move again", style="bold", markup=False)
