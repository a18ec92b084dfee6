"""Golden journals as files: kept without what belongs to the machine they were recorded on, and brought back."""

from __future__ import annotations

import gzip
import json
import re
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.golden.bench import Bench
from tests.postgres import find_binaries

PLACE = "/golden/"
"""In a kept journal the folder of its bench: an address that no machine has."""

HOST = "golden"


def keep(one: Bench, folder: Path, *, instruments: bool = False) -> None:
    """Write the journal of a bench, which is no longer in use, and with it what its instruments keep.

    Args:
        one: the bench.
        folder: made for it, or the other database's is in it already.
        instruments: whether the journal is to be resumed on them.
    """
    folder.mkdir(exist_ok=True)
    if one.place.startswith("postgresql"):
        name, data = "journal.sql.gz", _dumped(one)
    else:
        name, data = "journal.sqlite.gz", _file(one)
    names = (rf"\b{re.escape(socket.gethostname())}\b", str(Path(__file__).parents[3]), tempfile.gettempdir())
    leaks = [name for name in names if re.search(name, data.decode("latin-1"))]
    assert not leaks, f"{folder / name} names this machine: {', '.join(leaks)}"
    (folder / name).write_bytes(gzip.compress(data, 9, mtime=0))
    if instruments:
        kept = folder / ("instruments.sql.json" if "sql.gz" in name else "instruments.sqlite.json")
        kept.write_text(json.dumps(one.kept(), indent=1) + "\n")


def restore_sqlite(folder: Path, data: Path) -> str:
    """The journal in `folder`, in a data folder in whose place it continues: the file."""
    data.mkdir(parents=True, exist_ok=True)
    path = data / "journal.sqlite"
    path.write_bytes(gzip.decompress((folder / "journal.sqlite.gz").read_bytes()))
    with sqlite3.connect(path) as connection:
        _replace(connection.execute, "?", PLACE, f"{data.resolve()}/")
    connection.close()
    return str(path)


def restore_postgres(folder: Path, data: Path, place: str) -> str:
    """The dump in `folder`, put into an empty database: its address.

    Args:
        folder: with the dump.
        data: the data folder in whose place it continues.
        place: SQLAlchemy's address of the database.
    """
    dump = gzip.decompress((folder / "journal.sql.gz").read_bytes()).decode().replace(PLACE, f"{data.resolve()}/")
    with psycopg.connect(place.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(dump.encode())
    return place


def instruments(folder: Path, database: str) -> dict[str, Any]:
    """What the instruments kept that the journal in `folder` is resumed on; `database` is sqlite or sql."""
    kept: dict[str, Any] = json.loads((folder / f"instruments.{database}.json").read_text())
    return kept


def _file(one: Bench) -> bytes:
    """The journal's file, whole and without its log beside it."""
    with sqlite3.connect(one.place) as connection:
        _scrub(connection.execute, "?", one)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("VACUUM")
    connection.close()
    return Path(one.place).read_bytes()


def _dumped(one: Bench) -> bytes:
    """A dump as plain SQL, one statement for each row, which needs no psql."""
    binaries = find_binaries()
    assert binaries is not None
    address = one.place.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as connection:
        _scrub(connection.execute, "%s", one)
    options = ("--inserts", "--no-owner", "--no-privileges", "--no-comments")
    done = subprocess.run([binaries / "pg_dump", *options, address], capture_output=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith((b"\\", b"--"))]
    return b"\n".join(line for line in lines if line and b"transaction_timeout" not in line) + b"\n"


def _scrub(execute: Any, mark: str, one: Bench) -> None:
    """Take out what names the machine: its folders, its name, the numbers of its processes."""
    _replace(execute, mark, f"{one.data.resolve()}/", PLACE)
    execute(f"UPDATE epoch SET host = {mark}, pid = 1", (HOST,))  # noqa: S608 - a mark


def _replace(execute: Any, mark: str, old: str, new: str) -> None:
    for table, column in _texts():
        words = f'UPDATE {table} SET "{column}" = replace("{column}", {mark}, {mark}) WHERE "{column}" LIKE {mark}'  # noqa: S608 - our tables
        execute(words, (old, new, f"%{old}%"))


def _texts() -> Iterator[tuple[str, str]]:
    """Columns that may name a folder."""
    for column in ("payload", "decisions"):
        yield "event", column
    for table, column in (
        ("campaign", "instruments"), ("campaign", "reason"), ("command", "payload"), ("command", "answer"),
        ("command", "because"), ("latch", "instruments"), ("latch", "because"), ("intent", "words"),
        ("question", "text"), ("step", "error"), ("experiment", "reason"), ("experiment", "trial"),
    ):  # fmt: skip
        yield table, column
