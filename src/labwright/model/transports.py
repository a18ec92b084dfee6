"""What carries containers from one position to another."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from labwright.model.base import Frozen, Name, Positive, Whole
from labwright.model.devices import ClassPath


class TransportSpec(Frozen):
    """Something that carries containers: an arm, a rail, a conveyor.

    Attributes:
        station: whose devices do it.
        carries: class of the plan that moves a container; none if protocols carry in steps of their own.
        labware: kinds that it can carry; all of the lab's if empty.
        capacity: how many containers it carries at once.
        move_s: how long a move takes, lab seconds, until the lab has learnt better.
        reaches: by position, what the plan must know to get there, in JSON: the number of a taught location, say.
    """

    station: Name
    carries: ClassPath | None = None
    labware: tuple[Name, ...] = ()
    capacity: Annotated[Whole, Field(ge=1, le=100)] = 1
    move_s: Positive
    reaches: Annotated[dict[Name, Any], Field(min_length=1)]

    def can_carry(self, labware: str) -> bool:
        """Whether it carries a kind of labware."""
        return not self.labware or labware in self.labware
