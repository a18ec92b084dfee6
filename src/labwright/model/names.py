"""Names that collide in Labwright's tables: a column means one thing, or a result is taken for another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labwright.model.campaign import CampaignState, Cost, Objective, OutcomeLimit
from labwright.model.errors import ConfigError
from labwright.model.protocol import ProtocolSpec
from labwright.model.references import Problem
from labwright.model.space import Space
from labwright.model.undeclared import MADE

__all__ = ["RESERVED", "collisions", "column", "key_of_head", "protocol_collisions", "refuse_collisions", "sem_of"]

RESERVED = {
    "trial": "the id of an experiment",
    "experiment": "the id of an experiment",
    "failed": "why an experiment has no result",
    "status": "how far an experiment is",
    "source": "who chose an experiment",
}
"""Columns of Labwright's own, by what they hold: whatever its unit, nothing else may be called so."""

_RESERVED_PLAIN = {
    "rationale": "why an experiment was chosen",
    "predicted": "what was expected of an experiment",
    "time": "when an experiment was done",
    "actions": "the number of a candidate in NIMS-OS",
    "_id": "the id of a suggestion in blop",
}
"""The same for what has no unit: "time / min" is another column."""


def column(name: str, unit: str | None) -> str:
    """The head of a column: name and unit, as ``temperature / degC``; a pure number has none."""
    return f"{name} / {unit}" if unit and unit != "1" else name


def sem_of(name: str) -> str:
    """What the standard error of an outcome is called."""
    return f"{name}_sem"


def key_of_head(head: str) -> str:
    """A head without what a person or a spreadsheet may change of it: spaces, and capital letters."""
    return "".join(head.split()).casefold()


def collisions(
    space: Space | None,
    objectives: Sequence[Objective | None],
    limits: Sequence[OutcomeLimit] = (),
    cost: Cost | None = None,
) -> list[Problem]:
    """Names of parameters and outcomes that are those of another column, each with its place in the problem.

    Args:
        space: None where it is wrong itself.
        objectives: the first one first; None where that is wrong itself.
        limits: on outcomes.
        cost: its column is reserved where experiments have a cost.
    """
    outcomes = list(_outcomes(objectives, limits))
    derived: dict[str, str] = {}  # columns that come with an outcome
    for _, name, unit in outcomes:
        _reserve(derived, sem_of(name), unit, f"the standard error of {name!r}")
    if objectives and (first := objectives[0]) is not None:
        for name in (f"{first.name}_expected", sem_of(f"{first.name}_expected")):
            _reserve(derived, name, first.unit, f"what is expected of {first.name!r}")
    found: list[Problem] = []
    units: dict[str, str] = {}
    keys: dict[str, str] = {}
    for where, name, unit in outcomes:
        if units.setdefault(name, unit) != unit:
            words = f"{name!r} is in {units[name]!r} above, not in {unit!r}; use one unit for it"
            found.append(((*where, "unit"), words))
            continue
        words = _reserved(name, unit, cost) or _met(derived, name, unit)
        if not words and (other := keys.get(key_of_head(name), name)) != name:
            words = f"the outcome {other!r}"
        found += [((*where, "name"), _refusal(name, words))] if words else []
        _reserve(keys, name, unit, name)
    heads: dict[str, str] = {}
    for index, parameter in enumerate(space.parameters if space is not None else ()):
        name, unit = parameter.name, getattr(parameter, "unit", "")
        head = "".join(column(name, unit).split())
        words = _reserved(name, unit, cost) or _met(derived, name, unit)
        if not words and (outcome := _met(keys, name, unit)):
            words = f"the outcome {outcome!r}"
        if not words and head in heads:
            words = f"the parameter {heads[head]!r}"
        found += [(("space", "parameters", str(index), "name"), _refusal(name, words))] if words else []
        heads.setdefault(head, name)
    return found


def refuse_collisions(state: CampaignState) -> None:
    """Refuse a campaign whose names would be two columns in another program's file or table.

    Raises:
        ConfigError: every such name.
    """
    if found := collisions(state.space, state.objectives, state.outcome_limits, state.cost):
        raise ConfigError("; ".join(f"{'.'.join(where)}: {words}" for where, words in found))


def protocol_collisions(spec: ProtocolSpec) -> list[str]:
    """Names of a protocol's parameters and results that are those of another column, in words."""
    found = []
    keys: dict[str, str] = {} if spec.declares else {MADE: "what was really made"}
    for result in spec.results:
        if words := _reserved(result.name, getattr(result, "unit", ""), None) or keys.get(key_of_head(result.name), ""):
            found.append(f"result {_refusal(result.name, words)}")
        keys.setdefault(key_of_head(result.name), f"the result {result.name!r}")
    for result in spec.results:
        keys.setdefault(key_of_head(sem_of(result.name)), f"the standard error of {result.name!r}")
    for parameter in spec.parameters:
        if words := _reserved(parameter.name, getattr(parameter, "unit", ""), None) or keys.get(
            key_of_head(parameter.name), ""
        ):
            found.append(f"parameter {_refusal(parameter.name, words)}")
    return found


def _outcomes(
    objectives: Sequence[Objective | None], limits: Sequence[OutcomeLimit]
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Place, name and unit of each."""
    for index, one in enumerate(objectives):
        if one is not None:
            yield ("more_objectives", str(index - 1)) if index else ("objective",), one.name, one.unit
    for index, limit in enumerate(limits):
        yield ("outcome_limits", str(index)), limit.name, limit.unit


def _reserved(name: str, unit: str, cost: Cost | None) -> str:
    """What a column of Labwright's own holds that is called so; empty if there is none."""
    key, head = key_of_head(name), key_of_head(column(name, unit))
    for own, holds in RESERVED.items():
        if own in (key, head):
            return holds
    if cost is not None and {key, head} & {"cost", key_of_head(column("cost", cost.unit))}:
        return "the cost of an experiment"
    return _RESERVED_PLAIN.get(head, "")


def _reserve(columns: dict[str, str], name: str, unit: str, holds: str) -> None:
    for one in (name, column(name, unit)):
        columns.setdefault(key_of_head(one), holds)


def _met(columns: dict[str, str], name: str, unit: str) -> str:
    return columns.get(key_of_head(name)) or columns.get(key_of_head(column(name, unit)), "")


def _refusal(name: str, holds: str) -> str:
    return f"{name!r} is also the column of {holds} in tables and files; choose another name"
