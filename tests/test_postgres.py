"""The tests' own PostgreSQL: it crashes like a real one, and keeps what was committed."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests import postgres as module
from tests.postgres import PostgresServer, postgres_or_skip


def test_what_was_committed_survives_a_crash(postgres: PostgresServer) -> None:
    engine = sa.create_engine(postgres.fresh_database())
    with engine.begin() as connection:
        connection.execute(sa.text("create table runs (name text)"))
        connection.execute(sa.text("insert into runs values ('committed')"))
    with engine.connect() as connection:
        connection.execute(sa.text("insert into runs values ('never committed')"))
        postgres.kill()
        with pytest.raises(OperationalError):
            connection.execute(sa.text("select 1"))
    with pytest.raises(OperationalError, match="onnection refused"):
        sa.create_engine(engine.url).connect()
    postgres.start()
    with engine.connect() as connection:
        assert connection.execute(sa.text("select name from runs")).scalars().all() == ["committed"]
    engine.dispose()


def test_a_database_is_empty_and_one_of_its_own(postgres: PostgresServer) -> None:
    urls = [postgres.fresh_database() for _ in range(2)]
    for url in urls:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            assert sa.inspect(connection).get_table_names() == []
            connection.execute(sa.text("create table marks (x int)"))
        engine.dispose()


def test_it_is_durable_and_listens_on_loopback_only(postgres: PostgresServer) -> None:
    engine = sa.create_engine(postgres.url)
    with engine.connect() as connection:
        shown = [connection.execute(sa.text(f"show {name}")).scalar() for name in ("fsync", "listen_addresses")]
    engine.dispose()
    assert shown == ["on", "127.0.0.1"]


def test_a_database_can_be_had_although_a_test_left_it_killed(postgres: PostgresServer) -> None:
    postgres.kill()
    sa.create_engine(postgres.fresh_database(), poolclass=sa.NullPool).connect().close()


def test_without_postgresql_tests_skip_and_where_it_is_required_they_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_binaries", lambda: None)
    monkeypatch.delenv("LABWRIGHT_REQUIRE_POSTGRES", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install postgresql"):
        postgres_or_skip()
    monkeypatch.setenv("LABWRIGHT_REQUIRE_POSTGRES", "1")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL is not installed"):
        postgres_or_skip()


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = postgres_or_skip()
    assert server._process is not None
    server._process.terminate()
    server._process.wait()
    (server._folder / "data" / "postgresql.conf").write_text("fsnc = on\n")
    with pytest.raises(RuntimeError, match='unrecognized configuration parameter "fsnc"'):
        server.start()
    server.stop()
    assert not server._folder.exists()
