"""The rules of the desk that a request touches, each with what it asks and what is allowed, for those who review it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from labwright.model.errors import LabwrightError
from labwright.model.figures import figure
from labwright.model.rows import Row
from labwright.service.desk import quotas, requests
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.requesting.offering import offered_by
from labwright.service.rights import Resource, can
from labwright.service.state import Service


@dataclass(frozen=True)
class Rule:
    """A rule that a request touches.

    Attributes:
        label: key of what it is about.
        asks: what the request asks.
        allowed: what is; empty if there is no limit.
        keeps: whether the request keeps it; None where a person has to judge.
        about: what of the request it is about, such as a sample's label.
        group: of the labels that have a word for what is asked; none if it is empty.
    """

    label: str
    asks: str
    allowed: str = ""
    keeps: bool | None = None
    about: str = ""
    group: str = ""


def rules_of(service: Service, asker: Asker, row: Row, shown: Mapping[str, Any]) -> list[Rule]:
    """The rules that a request touches.

    Args:
        service: of the lab.
        asker: who looks.
        row: of the request.
        shown: the request as its readers see it.
    """
    offered: Mapping[str, Any] = {}
    if service.appraiser.knows_the_lab:
        with contextlib.suppress(LabwrightError, Problem):  # `check` tells what is wrong with the lab's files
            offered = offered_by(service)
    return [*_amounts(service, asker, row, offered), *_hazards(shown["content"], offered), *_people(shown)]


def _amounts(service: Service, asker: Asker, row: Row, offered: Mapping[str, Any]) -> Iterator[Rule]:
    """Experiments, cost, and what the project may still take."""
    quote = requests.quote_of(row)
    if quote is None:
        return
    if most := offered.get("experiments"):
        yield Rule("rule.experiments", str(quote.experiments), str(most), quote.experiments <= most)
    if (most := orjson.loads(row["content"]).get("cost_most")) is not None:
        cost = quote.cost
        yield Rule("rule.cost_most", f"{figure(cost.whole)} {cost.currency}", f"{figure(most)}", cost.whole <= most)
    if not can(asker.who, "project.read", Resource("project", row["project"], row["project"])):
        return
    wanted = quote.charge(quote.experiments)
    with service.door.reading() as connection:
        state = quotas.state_of(connection, row["project"])
        short = {kind: quotas.short_of(connection, row["project"], {kind: amount}) for kind, amount in wanted.items()}
    for kind, amount in wanted.items():
        limit = state[kind]["amount"]
        if limit is not None:
            left = limit - state[kind]["reserved"] - state[kind]["charged"]
            keeps = None if row["valid_until_s"] else not short[kind]  # once approved it is within what is taken
            yield Rule(f"rule.quota.{kind}", figure(amount), f"{figure(max(left, 0.0))} / {figure(limit)}", keeps)


def _hazards(content: Mapping[str, Any], offered: Mapping[str, Any]) -> Iterator[Rule]:
    """Hazards of samples at the stations where they are worked on."""
    names = next(
        (one["stations"] for one in offered.get("protocols", ()) if one["name"] == content["protocol"]["name"]), ()
    )
    for sample in content["samples"]:
        for name in names if sample["hazards"] else ():
            allowed = offered["stations"][name]["hazards"]
            keeps = all(code in allowed for code in sample["hazards"])
            asks = ", ".join(sample["hazards"])
            yield Rule("rule.hazards", asks, f"{name}: {', '.join(allowed) or '–'}", keeps, sample["label"])


def _people(shown: Mapping[str, Any]) -> Iterator[Rule]:
    """What a person has to judge: export control, the class of the data, how soon it is wanted."""
    content = shown["content"]
    control = content["export_control"]
    where = " ".join(filter(None, (control["regime"], control["item"])))
    yield Rule("rule.export_control", control["status"], about=where, group="export")
    yield Rule("rule.data_class", content["data_class"], group="data_class")
    yield Rule("rule.priority", content["priority"], group="priority")
    yield Rule("rule.terms", content["terms"])
