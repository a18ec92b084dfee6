"""What people say about experiments, campaigns, stations, samples and stocks: notes, and deviations.

A deviation is what quality people call so: something that was not as it should be, with what was done about it, and
whether what was found may be used. It is open until a person closes it with a conclusion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from labwright.model.base import Frozen

TEXT_MOST = 10_000
"""Characters of a text; a longer one was not typed by a person."""

Said = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=TEXT_MOST)]
"""A text that says something."""

Use = Literal["as measured", "not for the planner", "not at all"]
"""Whether the result of an experiment may be used: no planner learns from the second and the third, and the third is
never called the best. What was measured stays in the journal, in exports and in reports, whatever it is."""

Category = Literal["material", "equipment", "procedure", "environment", "operator", "data"]
Severity = Literal["minor", "major", "critical"]
AboutKind = Literal["campaign", "experiment", "sample", "station", "stock"]

USES: tuple[Use, ...] = get_args(Use)
CATEGORIES: tuple[Category, ...] = get_args(Category)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
ABOUT_KINDS: tuple[AboutKind, ...] = get_args(AboutKind)

AS_MEASURED: Use = "as measured"
NOT_AT_ALL: Use = "not at all"

REMARKS = ("note_written", "deviation_opened", "deviation_closed")
"""Kinds of events by which people say something and the lab does nothing: a campaign is not at work for them."""

_OF_CAMPAIGN = ("campaign", "experiment", "sample")
_WITH_LABEL = ("experiment", "sample")


class About(Frozen):
    """What something is said about.

    Attributes:
        kind: of it.
        name: of a station, or the container of a stock.
        campaign: id of a campaign; or of the one that an experiment or a sample is of.
        label: of the experiment or sample.
    """

    kind: AboutKind
    name: Annotated[str, Field(max_length=200)] = ""
    campaign: Annotated[str, Field(max_length=200)] = ""
    label: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = {name for name in ("name", "campaign", "label") if getattr(self, name)}
        wanted = {"campaign"} if self.kind in _OF_CAMPAIGN else {"name"}
        wanted |= {"label"} if self.kind in _WITH_LABEL else set()
        if given != wanted:
            raise ValueError(f"what is said about a {self.kind} names {' and '.join(sorted(wanted))}, and nothing else")
        return self

    def __str__(self) -> str:
        where = self.name or f"{self.campaign}{f'/{self.label}' if self.label else ''}"
        return f"{self.kind} {where}"


def about_words(row: Mapping[str, Any]) -> str:
    """What a note or a deviation is about, as seen from its campaign: an experiment by its number.

    Args:
        row: of the journal's table.
    """
    return f"{row['about']} {row['name'] or row['label']}".strip()


def strictest(uses: Iterable[Use]) -> Use:
    """The use that allows the least; as measured if there is none."""
    return max(uses, key=USES.index, default=AS_MEASURED)


def note_words(note: Mapping[str, Any]) -> str:
    """A note in a line: who, and what."""
    return f"{note['id']} {note['by']}: {note['text']}"


def deviation_words(deviation: Mapping[str, Any]) -> str:
    """A deviation in a line: how bad, what was expected, what happened, and what was concluded."""
    head = f"{deviation['id']} {deviation['severity']}, {deviation['category']}, {deviation['state']}"
    concluded = f"; concluded by {deviation['closed_by']}: {deviation['conclusion']}" if deviation["closed_by"] else ""
    return f"{head}: expected {deviation['expected']}; happened {deviation['happened']}{concluded}"
