"""`labwright sample list`, `show` and `lineage`: what was made, of what, and what became of it."""

from __future__ import annotations

from typing import Any

from labwright.cli.output import emit, table
from labwright.cli.sites import Place, seen
from labwright.cli.words import when
from labwright.engine.tracing import Direction
from labwright.facts.samples import lineage_facts, sample_facts, sample_list
from labwright.model.material import OUTSIDE, said


def list_samples(place: Place, campaign: str, *, json: bool) -> None:
    """All samples, or those of a campaign, oldest first."""
    rows = seen(
        place,
        lambda journal: sample_list(journal, campaign),
        lambda client: [one.model_dump(mode="json", exclude_unset=True) for one in client.samples.list(campaign)],
    ).facts
    if json:
        emit(*rows)
        return
    table(
        "Samples",
        ("sample", "id", "labware", "made (UTC)", "", "at", "quarantined since"),
        [
            (
                row["sample"],
                row["id"],
                row["labware"],
                when(row["made_s"]) if row["made_s"] is not None else "",
                row["disposition"],
                row["place"],
                row["quarantine"],
            )
            for row in rows
        ],
        json=False,
    )


def show_sample(place: Place, name: str, *, json: bool) -> None:
    """All that is known of a sample.

    Raises:
        ConfigError: there is none of that name or id.
    """
    row = seen(place, lambda journal: sample_facts(journal, name), lambda client: client.samples.facts(name)).facts
    if json:
        emit(row)
        return
    holds, state, reason = row["holds"], row["experiment"]["state"], row["experiment"]["reason"]
    facts = [
        ("sample", row["sample"]),
        ("id", row["id"]),
        ("labware", row["labware"]),
        ("disposition", row["disposition"] + (f" by {row['by']}: {row['because']}" if row["by"] else "")),
        ("at", row["place"]),
        ("quarantined", row["quarantine"]),
        ("experiment", state + (f": {reason}" if reason else "")),
        ("holds", ", ".join(said(amount, unit) for unit, amount in holds.items()) or "nothing that was counted"),
    ]
    table("", ("", ""), [one for one in facts if one[1]], json=False)
    _print_flows("Made of", row["made_of"], "taken_from")
    _print_flows("Gone to", row["given_to"], "put_into")


def trace(place: Place, name: str, direction: Direction, *, json: bool) -> None:
    """What a sample, container, lot or waste was made of, or what was made of it.

    Raises:
        ConfigError: there is none of that name.
    """
    steps = seen(
        place,
        lambda journal: lineage_facts(journal, name, direction),
        lambda client: client.samples.lineage(name, direction),
    ).facts
    if json:
        emit(*steps)
        return
    way = "was made of" if direction == "up" else "became"
    table(
        f"What {name} {way}",
        ("", "from", "into", "material", "lot", "amount", "in doubt"),
        [
            (
                flow["distance"],
                flow["taken_from"],
                flow["put_into"],
                flow["material"],
                flow["lot"],
                said(flow["amount"], flow["unit"]),
                said(flow["unknown"], flow["unit"]) if flow["unknown"] else "",
            )
            for flow in steps
        ],
        json=False,
    )


def _print_flows(title: str, found: list[dict[str, Any]], other: str) -> None:
    rows = [
        (
            "what was not counted before" if flow[other] == OUTSIDE else flow[other],
            flow["material"],
            flow["lot"],
            said(flow["amount"], flow["unit"]),
            said(flow["unknown"], flow["unit"]) if flow["unknown"] else "",
        )
        for flow in found
        if flow["amount"] or flow["unknown"]
    ]
    if rows:
        table(f"\n{title}", ("place", "material", "lot", "amount", "in doubt"), rows, json=False)
