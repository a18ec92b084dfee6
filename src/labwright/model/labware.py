"""Kinds of container: what they hold, their wells, what stands on what."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from labwright.model.base import Frozen, Name, NotNegative, Positive, Whole


class WellsSpec(Frozen):
    """Wells of a plate, in rows and columns.

    Attributes:
        rows: how many; A, B, ... from the back.
        columns: how many; 1, 2, ... from the left.
        pitch_mm: from one column to the next, and from one row to the next.
    """

    rows: Annotated[Whole, Field(ge=1, le=64)]
    columns: Annotated[Whole, Field(ge=1, le=96)]
    pitch_mm: tuple[Positive, Positive]

    def has(self, well: str) -> bool:
        """Whether there is such a well, as ``B12``."""
        row, column = well.rstrip("0123456789"), well.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        number = 0
        for letter in row:
            number = 26 * number + ord(letter) - ord("A") + 1
        return row + column == well and 1 <= number <= self.rows and column.isdecimal() and self._column(column)

    def _column(self, column: str) -> bool:
        return column == str(int(column)) and 1 <= int(column) <= self.columns

    @property
    def last(self) -> str:
        """The well in the last row and column."""
        letters, number = "", self.rows
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(ord("A") + rest) + letters
        return f"{letters}{self.columns}"


class LabwareSpec(Frozen):
    """A kind of container.

    Attributes:
        title: what people call it.
        capacity_ul: what it can hold at most, or each of its wells; none if it is not for liquids.
        dead_ul: what cannot be got out again, of it or of each of its wells.
        wells: if it has several.
        stacks_on: kinds of container it may stand on.
    """

    title: str
    capacity_ul: Positive | None = None
    dead_ul: NotNegative = 0.0
    wells: WellsSpec | None = None
    stacks_on: tuple[Name, ...] = ()

    @property
    def well_count(self) -> int:
        """How many samples it can hold; 1 if it has no wells."""
        return self.wells.rows * self.wells.columns if self.wells is not None else 1
