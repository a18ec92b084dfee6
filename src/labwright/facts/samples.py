"""Samples, as JSON: what was made, of what, and what became of it."""

from __future__ import annotations

from typing import Any

import orjson

from labwright.engine.tracing import Direction, contents, flows, lineage
from labwright.journal import Journal, schema
from labwright.model.errors import ConfigError, unknown
from labwright.model.material import container_place, sample_place, waste_place


def sample_list(journal: Journal, campaign: str = "") -> list[dict[str, Any]]:
    """All samples, or those of a campaign by its id or name, the oldest first."""
    return [
        _facts(row) for row in _samples(journal) if campaign in ("", row["campaign"], row["campaign"].rsplit("-", 3)[0])
    ]


def sample_facts(journal: Journal, name: str) -> dict[str, Any]:
    """All that is known of a sample.

    Raises:
        ConfigError: there is none of that name or id.
    """
    row = _sample(journal, name)
    found = flows(journal, row["instruments"])
    there = sample_place(_name(row))
    experiment = schema.experiment
    made = journal.rows(experiment, experiment.c.campaign == row["campaign"], experiment.c.label == row["label"])
    results = orjson.loads(made[0]["results"]) if made and made[0]["results"] else {}
    state, reason = (made[0]["state"], made[0]["reason"]) if made else ("", "")
    return {
        **_facts(row),
        "experiment": {"state": state, "reason": reason, "results": results},
        "made_of": [dict(vars(flow)) for flow in found if flow.put_into == there],
        "given_to": [dict(vars(flow)) for flow in found if flow.taken_from == there],
        "holds": contents(found, there),
    }


def lineage_facts(journal: Journal, name: str, direction: Direction) -> list[dict[str, Any]]:
    """What a sample, container, lot or waste was made of, or what was made of it.

    Raises:
        ConfigError: there is none of that name.
    """
    deck, start = _start(journal, name)
    found = flows(journal, deck)
    return [{"distance": depth, **vars(flow)} for one in start for depth, flow in lineage(found, one, direction)]


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
