"""A stop-now stays: nothing starts on its instruments until a named person resets it, over a restart too."""

from __future__ import annotations

from labwright.journal import Journal, instruments_words, open_latches, reset_command, stopped_words
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
