"""A request, written in Python in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Value = float | int | bool | str | tuple[float, str] | Mapping[str, Any]
"""Of a parameter: a number with its unit, ``(27, "degC")``; a whole number, a truth value, a choice or a text."""

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Request:
    """What is asked of a lab. Exactly one of `parameters`, `runs` and `campaign` is given.

    ::

        Request(
            project="solar", title="How it glows", protocol=("warm_up", "1"), terms="1", contact="ada@example.org",
            runs=[{"temperature": (40, "degC")}, {"temperature": (60, "degC")}],
        )

    Attributes:
        project: whose it is.
        title: what it is about.
        protocol: name and version, as the lab offers it.
        terms: the version of the terms that is accepted.
        contact: who answers questions about it.
        parameters: of a single experiment.
        runs: parameters of each experiment, in their order.
        campaign: or what a planner is to find out: space, objective and budget, as in a campaign's file.
        samples: that come with it.
        priority: how soon it is needed.
        cost_most: what it may cost at most.
        data_class: wanted for what is found.
        export_control: status under export control law, or that with ``regime`` and ``item``.
        notes: for people.
    """

    project: str
    title: str
    protocol: tuple[str, str]
    terms: str
    contact: str
    parameters: Values | None = None
    runs: Sequence[Values] | None = None
    campaign: Mapping[str, Any] | None = None
    samples: Sequence[Mapping[str, Any]] = ()
    priority: Literal["routine", "soon", "urgent"] = "routine"
    cost_most: float | None = None
    data_class: Literal["open", "shared_closed", "closed"] = "closed"
    export_control: str | Mapping[str, str] = "unreviewed"
    notes: str = ""

    def content(self) -> dict[str, Any]:
        """As the service reads it."""
        name, version = self.protocol
        control = self.export_control
        found: dict[str, Any] = {
            "project": self.project,
            "title": self.title,
            "protocol": {"name": name, "version": version},
            "samples": [_with_units(one) for one in self.samples],
            "priority": self.priority,
            "data_class": self.data_class,
            "export_control": {"status": control} if isinstance(control, str) else dict(control),
            "terms": self.terms,
            "contact": self.contact,
            "notes": self.notes,
        }
        if self.parameters is not None:
            found["parameters"] = _with_units(self.parameters)
        if self.runs is not None:
            found["runs"] = [_with_units(one) for one in self.runs]
        if self.campaign is not None:
            found["campaign"] = {
                key: _with_units(value) if key == "fixed" else value for key, value in self.campaign.items()
            }
        if self.cost_most is not None:
            found["cost_most"] = self.cost_most
        return found


def content_of(asked: Request | Mapping[str, Any]) -> dict[str, Any]:
    """What is asked, as the service reads it."""
    return asked.content() if isinstance(asked, Request) else dict(asked)


def _with_units(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"value": value[0], "unit": value[1]} if isinstance(value, tuple) else value
        for name, value in values.items()
    }
