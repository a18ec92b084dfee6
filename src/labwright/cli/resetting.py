"""`labwright reset`: a named person lets instruments move again after a stop-now."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.campaigns import OVER, choose, controller
from labwright.cli.output import console, emit
from labwright.journal import Journal, instruments_words, open_latches, reset_command, reset_latch, stopped_words
from labwright.model.errors import ConfigError, RefusedError, unknown


def reset_stop(place: str | Path, instruments: str, *, by: str, reason: str, json: bool) -> None:
    """Reset the stop that holds.

    Args:
        place: of the journal.
        instruments: which, where several were stopped; empty for the only ones.
        by: who resets it.
        reason: what that person has seen and done.
        json: say it to a program.

    Raises:
        ConfigError: by or reason is empty, or these instruments are not stopped.
        RefusedError: nothing is stopped, several are, or the campaign is still being stopped.
    """
    if not by.strip() or not reason.strip():
        raise ConfigError("--by and --reason must name the person and the reason: the journal records both")
    with Journal(place) as journal:
        known = open_latches(journal)
        if not known:
            raise RefusedError(f"{journal.name}: no stop holds, so there is nothing to reset")
        latched = [one for one in known if instruments in ("", one.instruments)]
        if not latched:
            raise ConfigError(unknown("stopped instruments", instruments, [one.instruments for one in known]))
        if len({one.instruments for one in latched}) > 1:
            lines = [f"  {stopped_words(one)}\n    {reset_command(journal, one.instruments)}" for one in latched]
            raise RefusedError("\n".join(["several stops hold; name the instruments that may move again:", *lines]))
        here = controller(journal)
        if here.runs and (not here.campaign or choose(journal, here.campaign)["state"] not in OVER):
            what = (
                f"campaign {here.campaign} is still being stopped" if here.campaign else "a controller has just started"
            )
            raise RefusedError(f"{what} by {here.who}; nothing was reset. Wait until that process has ended")
        for one in latched:
            reset_latch(journal, one, by=by, because=reason)
    for one in latched:
        if json:
            emit(
                {
                    "reset": one.instruments,
                    "campaign": one.campaign,
                    "stopped_by": one.by,
                    "stopped_because": one.because,
                    "stopped_s": one.set_s,
                    "by": by,
                    "reason": reason,
                }
            )
        else:
            words = f"reset by {by}: {reason}. {instruments_words(one.instruments)} may move again"
            console.print(f"{stopped_words(one)}; {words}", style="bold", markup=False)
