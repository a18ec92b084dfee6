"""Dates and times of day as people write them: with their offset from UTC, so that they mean the same everywhere."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator

__all__ = ["Moment"]


def _with_offset(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if not isinstance(value, str) or not re.search(r"T.*([+-]\d\d:?\d\d|Z)$", value):
        shown = value.isoformat() if hasattr(value, "isoformat") else value
        raise ValueError(f"write it with its offset from UTC, as 2026-12-01T09:00+09:00, not {shown}")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_with_offset)]
"""A point in time, ``2026-12-01T09:00+09:00``; one without its offset from UTC is refused."""
