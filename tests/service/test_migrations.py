"""The service's tables as earlier releases made them, brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from labwright.journal.database import open_database
from labwright.service import schema
from labwright.service.database import DOOR, Door, door_place

FIRST = ("principal", "project", "member", "api_key", "grant", "asked", "audit")
"""Tables of revision 0001."""


def shape(engine: sa.Engine) -> dict[str, object]:
    """Tables with their columns, keys and indices, in no order."""
    found: dict[str, object] = {}
    inspector = sa.inspect(engine)
    for table in inspector.get_table_names():
        if table.startswith("door_"):
            columns = {
                (one["name"], str(one["type"]), one["nullable"], str(one["default"] or "").strip("'"))
                for one in inspector.get_columns(table)
            }
            indices = {(tuple(one["column_names"]), bool(one["unique"])) for one in inspector.get_indexes(table)}
            unique = {tuple(one["column_names"]) for one in inspector.get_unique_constraints(table)}
            keys = tuple(inspector.get_pk_constraint(table)["constrained_columns"])
            found[table] = columns, {columns for columns, _ in indices} | unique, keys
    return found


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_the_first_tables_become_those_of_today(where: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    places: list[str | Path] = [tmp_path / "old.sqlite", tmp_path / "new.sqlite"]
    if where == "postgres":
        places = [str(request.getfixturevalue("postgres").fresh_database()) for _ in range(2)]
    old, new = places
    engine = sa.create_engine(
        str(old).replace("postgresql://", "postgresql+psycopg://") if where == "postgres" else f"sqlite:///{old}"
    )
    with engine.begin() as connection:
        for name in FIRST:
            getattr(schema, name).create(connection)
        DOOR.revision.create(connection)
        connection.execute(sa.insert(DOOR.revision).values(version_num="0001"))
        connection.execute(sa.insert(schema.project).values(id="solar", title="", created_s=1.0))
    engine.dispose()
    upgraded, fresh = open_database(old, tables=DOOR), open_database(new, tables=DOOR)
    try:
        assert shape(upgraded) == shape(fresh)
        with upgraded.connect() as connection:
            assert connection.execute(sa.select(DOOR.revision)).scalar() == schema.HEAD
            assert connection.execute(sa.select(schema.project.c.id)).scalar() == "solar"
    finally:
        upgraded.dispose()
        fresh.dispose()


def test_the_newest_migration_is_the_head(tmp_path: Path) -> None:
    steps = sorted(path.name for path in (DOOR.migrations / "versions").glob("0*.py"))
    assert steps[-1].startswith(schema.HEAD)
    with Door(door_place(tmp_path / "journal.sqlite")) as door:
        assert door.rows(sa.select(schema.request)) == []
