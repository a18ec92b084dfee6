"""Alembic: how a journal written by an older Labwright becomes today's."""
