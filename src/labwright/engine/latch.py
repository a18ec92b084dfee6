"""A stop-now stays: nothing it holds starts until a named person resets it, over a restart too."""

from __future__ import annotations

from labwright.journal import (
    Journal,
    instruments_words,
    open_latches,
    reset_command,
    stopped_words,
    waiting_words,
)
from labwright.model.errors import RefusedError
from labwright.model.latch import WHOLE_LAB


def refuse_while_latched(journal: Journal, instruments: str) -> None:
    """Whatever starts something on a lab's instruments asks here first, before it opens or changes anything.

    A stop of a station, a campaign or a sample refuses no start: its steps wait, as `what_waits` says.

    Args:
        journal: of the lab; only read.
        instruments: which (`Lab.instruments`); a stop of simulated ones does not hold for real ones, nor the reverse.

    Raises:
        RefusedError: they were stopped and not reset; it names who, when, why and the next command.
    """
    for latch in open_latches(journal, instruments):
        if latch.scope == WHOLE_LAB:
            raise RefusedError(
                f"{stopped_words(latch)}. Nothing starts on {instruments_words(instruments)} until a person has looked "
                f"at them and resets the stop: {reset_command(journal, instruments)}"
            )


def what_waits(journal: Journal, instruments: str) -> list[str]:
    """What will wait on these instruments although they may be started: one line for each narrower stop that holds."""
    return [waiting_words(journal, latch) for latch in open_latches(journal, instruments) if latch.scope != WHOLE_LAB]
