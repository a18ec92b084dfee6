"""Places where a container can stand."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from labwright.model.base import Frozen, Name


class PositionSpec(Frozen):
    """A place where one container can stand.

    Attributes:
        takes: kinds of labware that fit here.
        station: that works on what stands here; empty if none does.
        leaves: whether what is put here has left the lab, so that there is always room.
        holds: what stands here at the first fill: nothing, an empty container by its kind of labware (``vial``), or one
            of the lab's `containers` by its name.
    """

    takes: Annotated[tuple[Name, ...], Field(min_length=1)]
    station: str = ""
    leaves: bool = False
    holds: str = ""

    @field_validator("holds", mode="before")
    @classmethod
    def _one_container(cls, holds: Any) -> Any:
        if isinstance(holds, list):
            raise ValueError(f"one container stands in a position, not {len(holds)}; name the others where they stand")
        return holds
