"""`labwright reset`: a named person lets instruments move again after a stop-now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.cli.output import console, emit
from labwright.cli.sites import Place, done, latches_of, option_of
from labwright.journal import Journal, Latch, instruments_words, open_latches, place_option, stopped_words
from labwright.journal.asking import refuse_unnamed
from labwright.journal.latch import waiting_in_words
from labwright.journal.resetting import Reset, reset_stops
from labwright.model.latch import WHOLE_LAB

if TYPE_CHECKING:
    from labwright.client import Client


def reset_stop(place: Place, instruments: str, *, by: str, reason: str, json: bool, which: Reset | None = None) -> None:
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
    wanted = which or Reset()

    def here(journal: Journal) -> tuple[list[Latch], list[Latch], str]:
        latched = reset_stops(journal, wanted, instruments, by=by, because=reason)
        return latched, open_latches(journal), place_option(journal)

    def there(client: Client) -> tuple[list[Latch], list[Latch], str]:
        wanted.check()
        refuse_unnamed(by, reason)
        latched = latches_of(client.lab.latches(**vars(wanted), instruments=instruments, meant=True))
        for one in latched:
            client.lab.reset(one.id, reason)
        return latched, latches_of(client.lab.latches()), option_of(place)

    latched, left, option = done(place, here, there)
    for one in latched:
        _report(one, by, reason, json=json)
    for one in left:
        console.print(f"still stopped: {waiting_in_words(one, left, option)}", style="bold yellow", markup=False)


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
