"""What every model of Labwright has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
"""A name in a lab: letters, digits and underscores, as Bluesky's data keys want it."""


Number = Annotated[float, Field(strict=True)]
"""A number as YAML has it; ``"3"`` and ``true`` are none."""

Whole = Annotated[int, Field(strict=True)]
"""A whole number; ``"3"``, ``3.0`` and ``true`` are none."""

Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]


class FrozenModel(BaseModel):
    """A value that does not change, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Frozen(FrozenModel):
    """A value that does not change, refuses keys it does not know, and holds only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)
