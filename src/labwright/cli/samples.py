"""`labwright sample list`, `show` and `lineage`: what was made, of what, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from labwright.cli.output import emit, table
from labwright.cli.words import when
from labwright.engine.tracing import Direction, Flow, contents, flows, lineage
from labwright.journal import Journal, schema
from labwright.model.errors import ConfigError, unknown
from labwright.model.material import OUTSIDE, container_place, said, sample_place, waste_place


def list_samples(place: str | Path, campaign: str, *, json: bool) -> None:
    """All samples, or those of a campaign, oldest first."""
    with Journal.reading(place) as journal:
        rows = _samples(journal)
    if campaign:
        rows = [row for row in rows if campaign in (row["campaign"], row["campaign"].rsplit("-", 3)[0])]
    if json:
        emit(*[_facts(row) for row in rows])
        return
    table(
        "Samples",
        ("sample", "id", "labware", "made (UTC)", "", "at", "quarantined since"),
        [
            (
                _name(row),
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


def show_sample(place: str | Path, name: str, *, json: bool) -> None:
    """All that is known of a sample.

    Raises:
        ConfigError: there is none of that name or id.
    """
    with Journal.reading(place) as journal:
        row = _sample(journal, name)
        found = flows(journal, row["instruments"])
        there = sample_place(_name(row))
        experiment = schema.experiment
        made = journal.rows(experiment, experiment.c.campaign == row["campaign"], experiment.c.label == row["label"])
        results = orjson.loads(made[0]["results"]) if made and made[0]["results"] else {}
        state, reason = (made[0]["state"], made[0]["reason"]) if made else ("", "")
    holds = contents(found, there)
    took = [flow for flow in found if flow.put_into == there]
    gave = [flow for flow in found if flow.taken_from == there]
    if json:
        emit(
            {
                **_facts(row),
                "experiment": {"state": state, "reason": reason, "results": results},
                "made_of": [vars(flow) for flow in took],
                "given_to": [vars(flow) for flow in gave],
                "holds": holds,
            }
        )
        return
    facts = [
        ("sample", _name(row)),
        ("id", row["id"]),
        ("labware", row["labware"]),
        ("disposition", row["disposition"] + (f" by {row['by']}: {row['because']}" if row["by"] else "")),
        ("at", row["place"]),
        ("quarantined", row["quarantine"]),
        ("experiment", state + (f": {reason}" if reason else "")),
        ("holds", ", ".join(said(amount, unit) for unit, amount in holds.items()) or "nothing that was counted"),
    ]
    table("", ("", ""), [one for one in facts if one[1]], json=False)
    _print_flows("Made of", took, "taken_from")
    _print_flows("Gone to", gave, "put_into")


def trace(place: str | Path, name: str, direction: Direction, *, json: bool) -> None:
    """What a sample, container, lot or waste was made of, or what was made of it.

    Raises:
        ConfigError: there is none of that name.
    """
    with Journal.reading(place) as journal:
        deck, start = _start(journal, name)
        found = flows(journal, deck)
    steps = [(depth, flow) for one in start for depth, flow in lineage(found, one, direction)]
    if json:
        emit(*[{"distance": depth, **vars(flow)} for depth, flow in steps])
        return
    way = "was made of" if direction == "up" else "became"
    table(
        f"What {name} {way}",
        ("", "from", "into", "material", "lot", "amount", "in doubt"),
        [
            (
                depth,
                flow.taken_from,
                flow.put_into,
                flow.material,
                flow.lot,
                said(flow.amount, flow.unit),
                said(flow.unknown, flow.unit) if flow.unknown else "",
            )
            for depth, flow in steps
        ],
        json=False,
    )


def _start(journal: Journal, name: str) -> tuple[str, list[str]]:
    """The deck and the places that a name means: a sample, a container, a lot, or a waste."""
    stock, waste = schema.stock, schema.waste
    for row in journal.rows(stock, stock.c.name == name):
        return row["instruments"], [container_place(name)]
    for row in journal.rows(waste, waste.c.name == name):
        return row["instruments"], [waste_place(name)]
    of_lot = journal.rows(stock, stock.c.lot == name)
    if of_lot:
        deck = of_lot[0]["instruments"]
        return deck, [container_place(row["name"]) for row in of_lot if row["instruments"] == deck]
    row = _sample(journal, name)
    return row["instruments"], [sample_place(_name(row))]


def sample_named(journal: Journal, name: str) -> str:
    """A sample as ``CAMPAIGN/LABEL``, by that, by its id, or by its label in the newest campaign that has it.

    Raises:
        ConfigError: there is none.
    """
    return _name(_sample(journal, name))


def _samples(journal: Journal) -> list[dict[str, Any]]:
    rows = [dict(row) for row in journal.rows(schema.sample)]
    return sorted(rows, key=lambda row: (row["made_s"] or 0.0, row["campaign"], row["label"]))


def _sample(journal: Journal, name: str) -> dict[str, Any]:
    """A sample by ``CAMPAIGN/LABEL``, by its id, or by its label in the newest campaign that has it.

    Raises:
        ConfigError: there is none.
    """
    rows = _samples(journal)
    for row in reversed(rows):
        if name in (_name(row), row["id"], row["label"]):
            return row
    raise ConfigError(unknown("sample", name, [_name(row) for row in rows]))


def _name(row: dict[str, Any]) -> str:
    return f"{row['campaign']}/{row['label']}"


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    return {"sample": _name(row), **row}


def _print_flows(title: str, found: list[Flow], other: str) -> None:
    rows = [
        (
            "what was not counted before" if getattr(flow, other) == OUTSIDE else getattr(flow, other),
            flow.material,
            flow.lot,
            said(flow.amount, flow.unit),
            said(flow.unknown, flow.unit) if flow.unknown else "",
        )
        for flow in found
        if flow.amount or flow.unknown
    ]
    if rows:
        table(f"\n{title}", ("place", "material", "lot", "amount", "in doubt"), rows, json=False)
