"""`labwright inventory forecast`: how long what is there lasts."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.inventory import deck_named
from labwright.cli.output import emit, table
from labwright.cli.words import when
from labwright.engine.forecasting import forecast
from labwright.journal import Journal, instruments_words
from labwright.model.material import said


def show_forecast(place: str | Path, instruments: str, *, json: bool) -> None:
    """How long each material, waste and kind of container lasts for the campaigns that are not over.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    with Journal.reading(place) as journal:
        deck = deck_named(journal, instruments)
        found = forecast(journal, deck)
    if json:
        emit(*[{**vars(one), "lasts": one.lasts} for one in found])
        return
    if not found:
        print("No campaign is under way that has taken anything yet; labwright campaign plan SPEC rehearses one")  # noqa: T201
        return
    table(
        f"What lasts how long on {instruments_words(deck)}",
        ("", "kind", "left", "each experiment", "still wanted", "lasts for", "runs until (UTC)"),
        [
            (
                one.what,
                one.kind,
                said(one.left, one.unit),
                said(one.each, one.unit),
                said(one.wanted, one.unit),
                "all" if one.lasts else f"{one.lasts_for} experiments",
                "" if one.until_s is None else when(one.until_s),
            )
            for one in found
        ],
        json=False,
    )
