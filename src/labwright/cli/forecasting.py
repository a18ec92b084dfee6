"""`labwright inventory forecast`: how long what is there lasts."""

from __future__ import annotations

from labwright.cli.output import emit, table
from labwright.cli.sites import Place, seen
from labwright.cli.words import when
from labwright.facts.stocks import forecast_facts
from labwright.journal import instruments_words
from labwright.model.material import said


def show_forecast(place: Place, instruments: str, *, json: bool) -> None:
    """How long each material, waste and kind of container lasts for the campaigns that are not over.

    Raises:
        ConfigError: the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    facts = seen(
        place,
        lambda journal: forecast_facts(journal, instruments),
        lambda client: client.inventory.forecast(instruments),
    ).facts
    deck, found = facts["instruments"], facts["items"]
    if json:
        emit(*found)
        return
    if not found:
        print("No campaign is under way that has taken anything yet; labwright campaign plan SPEC rehearses one")  # noqa: T201
        return
    table(
        f"What lasts how long on {instruments_words(deck)}",
        ("", "kind", "left", "each experiment", "still wanted", "lasts for", "runs until (UTC)"),
        [
            (
                one["what"],
                one["kind"],
                said(one["left"], one["unit"]),
                said(one["each"], one["unit"]),
                said(one["wanted"], one["unit"]),
                "all" if one["lasts"] else f"{one['lasts_for']} experiments",
                "" if one["until_s"] is None else when(one["until_s"]),
            )
            for one in found
        ],
        json=False,
    )
