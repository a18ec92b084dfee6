"""Rows of the journal's tables, as the engine gives them and the journal writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
"""Values by column."""

Key = tuple[str | int, ...]
"""A table and the primary key of a row."""

Changes = Mapping[Key, Row | None]
"""By table and primary key: the row as it is now, None where it is gone."""
