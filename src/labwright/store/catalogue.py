"""What the catalogue's database holds, read without a server: which runs, and the places of their data."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from labwright.model.errors import StoreError
from labwright.store.config import ARRAYS_FOLDER, CATALOGUE_FILE, TABLES_FILES, plain_root, storage_uris, tables_file


def stored_runs(folder: Path) -> dict[str, str]:
    """Uids of the runs in the catalogue, each with the uid of its stop document, which is empty while that is missing.

    Raises:
        StoreError: the catalogue cannot be read.
    """
    with _catalogue(folder) as database:
        if database is None:
            return {}
        rows = database.execute(
            "SELECT run.key, json_extract(run.metadata, '$.stop.uid') FROM nodes run "
            "JOIN nodes root ON run.parent = root.id WHERE root.parent IS NULL"
        )
        return {uid: stop or "" for uid, stop in rows}


def misplaced(folder: Path) -> str:
    """Why the catalogue does not belong to this folder, in words; empty if it does.

    Tiled stores absolute paths of tables and arrays. After the folder was moved, copied or restored, these belong to
    another store, or to none.

    Raises:
        StoreError: the catalogue cannot be read.
    """
    arrays, tables = storage_uris(folder)
    with _catalogue(folder) as database:
        if database is None:
            return ""
        places = [uri for (uri,) in database.execute("SELECT data_uri FROM assets")]
    root = plain_root(folder)
    lost = 0
    for uri in places:
        if uri == tables:
            lost += not (root / tables_file(folder)[1]).exists()
        elif uri.startswith(arrays + "/"):
            lost += not Path(uri.removeprefix("file://localhost")).exists()
        else:
            return f"its data are at {uri}, so it was made in another folder"
    return f"{lost} of its {len(places)} data files are missing" if lost else ""


def empty(folder: Path) -> None:
    """Delete catalogue, tables and arrays of this folder, and nothing outside it that the catalogue names.

    Raises:
        StoreError: they cannot be deleted.
    """
    try:
        for name in (CATALOGUE_FILE, *TABLES_FILES.values()):
            for ending in ("", "-wal", "-shm", "-journal", ".wal"):
                (folder / f"{name}{ending}").unlink(missing_ok=True)
        if (folder / ARRAYS_FOLDER).is_dir():
            shutil.rmtree(folder / ARRAYS_FOLDER)
    except OSError as error:
        raise StoreError(f"the store in {folder} cannot be made again: {error}") from error


@contextlib.contextmanager
def _catalogue(folder: Path) -> Iterator[sqlite3.Connection | None]:
    """The database, or None if there is none yet or nothing in it."""
    path = folder.resolve() / CATALOGUE_FILE
    if not path.exists() or path.stat().st_size == 0:
        yield None
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            yield database if {"nodes", "assets"} <= names else None
    except sqlite3.Error as error:
        raise StoreError(
            f"the catalogue {path} cannot be read: {error}. It can be made again: delete {folder}, then run "
            "labwright store sync"
        ) from error
