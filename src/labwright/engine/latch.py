"""A stop-now stays: nothing starts on its instruments until a named person resets it, over a restart too."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from labwright.journal import Journal, Latch, journal_file, open_latches
from labwright.model.errors import RefusedError


def refuse_while_latched(journal: Journal, instruments: str) -> None:
    """Whatever starts something on a lab's instruments asks here first, before it opens or changes anything.

    Args:
        journal: of the lab; only read.
        instruments: which (`Lab.instruments`); a stop of simulated ones does not hold for real ones, nor the reverse.

    Raises:
        RefusedError: they were stopped and not reset; it names who, when, why and the next command.
    """
    for latch in open_latches(journal, instruments):
        raise RefusedError(
            f"{stopped_words(latch)}. Nothing starts on {instruments_words(instruments)} until a person has looked at "
            f"them and resets the stop: {reset_command(journal, instruments)}"
        )


def stopped_words(latch: Latch) -> str:
    """Who stopped what, when and why."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(latch.set_s))
    campaign = f" during campaign {latch.campaign}" if latch.campaign else ""
    by = latch.by or "the controller"
    return f"{instruments_words(latch.instruments)} were stopped by {by} at {when} UTC{campaign}: {latch.because}"


def instruments_words(instruments: str) -> str:
    """Which instruments, for a person."""
    named = {"real": "the real instruments", "here": "the simulated instruments of this journal"}
    return named.get(instruments, f"the simulated instruments of {instruments}")


def reset_command(journal: Journal, instruments: str) -> str:
    """What to type to reset the stop of these instruments, from whatever folder."""
    others = any(one.instruments != instruments for one in open_latches(journal))
    which = f" --instruments {shlex.quote(instruments)}" if others else ""
    return f"labwright reset {place_option(journal)}{which} --by NAME --reason TEXT"


def place_option(journal: Journal) -> str:
    """The option that names this journal on a command line, from whatever folder."""
    place = Path(journal.name)
    if "://" in journal.name:
        return f"--journal {shlex.quote(journal.name)}"
    if place == journal_file(place.parent):
        return f"--data {shlex.quote(str(place.parent.absolute()))}"
    return f"--journal {shlex.quote(f'sqlite:///{place.absolute()}')}"
