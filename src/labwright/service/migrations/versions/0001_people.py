"""People, keys, projects, what was asked twice, the audit trail: the first tables, made with the database."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """A database has these from the beginning."""
