"""A picture with its title and its numbers, and how quantities are written on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, SupportsIndex, overload

from markupsafe import Markup

from labwright.model.campaign import Objective
from labwright.model.errors import ConfigError, unknown
from labwright.model.figures import column
from labwright.report.svg import STYLE


@dataclass(frozen=True)
class Card:
    """A picture with its title, explanation and numbers.

    Attributes:
        title: of the card.
        subtitle: explanation.
        picture: SVG.
        columns: of the table.
        rows: of the table.
        wide: whether it needs the full width of the page.
    """

    title: str
    subtitle: str
    picture: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    wide: bool = False

    def _repr_html_(self) -> str:
        """The card in a notebook."""
        return f"<style>{STYLE}</style><h3>{escape(self.title)}</h3><p>{escape(self.subtitle)}</p>{self.picture}"


class Cards(tuple[Card, ...]):
    """Cards of a campaign, in the order of its report: ``cards["Pareto front"]``; a notebook draws them."""

    @overload
    def __getitem__(self, which: SupportsIndex | str) -> Card: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Card, ...]: ...
    def __getitem__(self, which: SupportsIndex | slice | str) -> Card | tuple[Card, ...]:
        """A card by its place or its title.

        Raises:
            ConfigError: there is none of this title.
        """
        if not isinstance(which, str):
            return super().__getitem__(which)
        found = next((one for one in self if one.title == which), None)
        if found is None:
            raise ConfigError(unknown("picture", which, [one.title for one in self]))
        return found

    def __repr__(self) -> str:
        return f"<pictures: {', '.join(one.title for one in self)}>"

    def _repr_html_(self) -> str:
        """All of them in a notebook."""
        return f'<div style="max-width:40rem">{"".join(one._repr_html_() for one in self)}</div>'


def cells(values: Sequence[Any]) -> list[str]:
    """Values of a parameter below one another."""
    if all(isinstance(value, (int, float)) for value in values):
        return column(values, 5)
    return [str(value) for value in values]


def wanted(objective: Objective) -> str:
    """The goal of an objective, in words."""
    name, unit = objective.name, "" if objective.unit == "1" else f" {objective.unit}"
    if objective.goal == "target":
        return f"{name} near {objective.target:g}{unit}"
    if objective.goal == "range":
        return f"{name} within {objective.low:g} to {objective.high:g}{unit}"
    return f"{name} as {'large' if objective.goal == 'max' else 'small'} as possible"


def headed(name: str, unit: str) -> str:
    """A quantity with its unit, as heads of columns and titles of axes have it."""
    return f"{name} / {unit}" if unit else name


def unit_of(parameter: Any) -> str:
    """The parameter's unit; a pure number has none to show."""
    unit = str(getattr(parameter, "unit", ""))
    return "" if unit == "1" else unit


def moment(seconds: float) -> str:
    """A time, as people read it.

    Args:
        seconds: since the epoch.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def drawn(svg: str) -> Markup:
    """A drawing of ours, as a template takes it."""
    return Markup(svg)  # noqa: S704 - drawn by us, every text in it is escaped
