"""A finite list of candidates: all that a campaign may try."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from labwright.model.base import FrozenModel
from labwright.model.parameters import Categorical, Parameter, Params, ParamValue, repeated

__all__ = ["Pool"]


class Pool(FrozenModel):
    """Candidates in the order of their file.

    Args:
        file: where they stand, as seen from the lab's folder; a campaign's file gives only this, the rest is read.
        sha256: of that file when it was read; empty while it is not.
        rows: values by candidate, in the order of the space's parameters; empty while the file is not read.
        ids: what people call them, one for each row, or none at all.
    """

    file: str = Field(min_length=1)
    sha256: str = ""
    rows: tuple[tuple[ParamValue, ...], ...] = ()
    ids: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ids and len(self.ids) != len(self.rows):
            raise ValueError(f"pool {self.file}: {len(self.ids)} ids for {len(self.rows)} rows; give one for each")
        if twice := repeated(self.ids) if len(set(self.ids)) < len(self.ids) else []:
            raise ValueError(f"pool {self.file}: ids given twice: {', '.join(twice)}")
        return self

    def label(self, place: int) -> str:
        """What to call the row at `place`: its id, else its number, counted from 1."""
        return self.ids[place] if self.ids else f"row {place + 1}"

    def violation(self, parameters: Sequence[Parameter], params: Mapping[str, ParamValue]) -> str | None:
        """Why `params` are none of the candidates, with the nearest one; None if they are one.

        Args:
            parameters: the space's, in its order.
            params: a value for each.
        """
        if not self.rows:
            return f"the candidates in {self.file} are not read; load the campaign with its lab"
        if tuple(params[one.name] for one in parameters) in self._places:
            return None

        wanted = _position(parameters, params)
        near = min(
            range(len(self.rows)),
            key=lambda place: math.dist(_position(parameters, self.params(parameters, place)), wanted),
        )
        shown = ", ".join(f"{name} = {value}" for name, value in self.params(parameters, near).items())
        return (
            f"this is none of the {len(self.rows)} candidates in {self.file}; "
            f"the nearest is {self.label(near)} ({shown})"
        )

    def params(self, parameters: Sequence[Parameter], place: int) -> Params:
        """The row at `place`, by parameter name."""
        return {one.name: value for one, value in zip(parameters, self.rows[place], strict=True)}

    @functools.cached_property
    def _places(self) -> dict[tuple[ParamValue, ...], int]:
        return {row: place for place, row in enumerate(self.rows)}


def _position(parameters: Sequence[Parameter], params: Mapping[str, ParamValue]) -> list[float]:
    """Where `params` lie for a distance: two levels of a category are as far apart as the two ends of a range."""
    found: list[float] = []
    for one in parameters:
        if isinstance(one, Categorical):
            found += [0.5**0.5 if level == params[one.name] else 0.0 for level in one.levels]
        else:
            found.append(one.to_unit(params[one.name]))
    return found
