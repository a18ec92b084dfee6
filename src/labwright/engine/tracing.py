"""Where material came from and where it went, as the ledger has it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from labwright.journal import Journal, schema
from labwright.model.material import OUTSIDE
from labwright.model.quantities import Counted

Direction = Literal["up", "down"]
"""Up: what a place was made of; down: what was made of it."""


@dataclass(frozen=True)
class Flow:
    """What has passed from one place to another, in all.

    Attributes:
        taken_from: the place that it left.
        put_into: the place that it entered.
        material: what it was; empty for what was a sample.
        lot: of that material.
        unit: the smallest unit.
        amount: what is known to have passed.
        unknown: what may have passed beside that.
    """

    taken_from: str
    put_into: str
    material: str
    lot: str
    unit: Counted
    amount: int
    unknown: int


def flows(journal: Journal, instruments: str) -> list[Flow]:
    """All that has passed on a deck, summed for each pair of places and lot."""
    table = schema.ledger
    return summed(journal.rows(table, table.c.instruments == instruments, order=table.c.entry))


def summed(entries: Iterable[Mapping[str, Any]]) -> list[Flow]:
    """Entries of a ledger, summed for each pair of places and lot."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in entries:
        key = tuple(row[name] for name in ("taken_from", "put_into", "material", "lot", "unit"))
        one = sums.setdefault(key, [0, 0])
        one[0] += row["amount"]
        one[1] += row["unknown"]
    return [Flow(*key, *passed) for key, passed in sums.items()]


def lineage(found: list[Flow], place: str, direction: Direction) -> list[tuple[int, Flow]]:
    """What a place was made of, or what was made of it, over all places between; each flow with its distance.

    A waste ends the way down: what is in it is mixed for good, and nothing is made of it.

    Args:
        found: all flows of its deck.
        place: a container, a sample or a waste.
        direction: which way.
    """
    here: dict[str, list[Flow]] = defaultdict(list)
    for flow in found:
        here[flow.put_into if direction == "up" else flow.taken_from].append(flow)
    reached, todo = {place, OUTSIDE}, [(0, place)]
    steps: list[tuple[int, Flow]] = []
    while todo:
        depth, now = todo.pop(0)
        for flow in here[now]:
            other = flow.taken_from if direction == "up" else flow.put_into
            if other == now or not (flow.amount or flow.unknown):
                continue
            steps.append((depth + 1, flow))
            if other not in reached and not (direction == "up" and other.startswith("waste:")):
                reached.add(other)
                todo.append((depth + 1, other))
    return steps


def contents(found: list[Flow], place: str) -> dict[Counted, int]:
    """What is in a place, by unit: all that has come less all that has gone."""
    left: Counter[Counted] = Counter()
    for flow in found:
        left[flow.unit] += flow.amount * ((flow.put_into == place) - (flow.taken_from == place))
    return {unit: amount for unit, amount in left.items() if amount}
