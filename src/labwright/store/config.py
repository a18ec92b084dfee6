"""The embedded Tiled server: a SQLite catalogue, DuckDB tables and array files under one folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Any

from labwright.model.errors import StoreError

KEY_FILE, URL_FILE = "api_key", "url"
CATALOGUE_FILE, ARRAYS_FOLDER = "catalog.db", "files"
TABLES_FILES = {"duckdb": "tables.duckdb", "sqlite": "tables.sqlite"}

_PLAIN = re.compile(r"/[\w/. +,@=~-]*")
"""Paths that mean the same inside a URI. Tiled pastes paths into URIs and never decodes them: ``#`` and ``?`` are
syntax there, ``%`` is syntax in Alembic's settings, line ends are dropped."""

_LINKS = Path("/tmp")  # noqa: S108 - it is stored in the catalogue, so it must not depend on TMPDIR; see `_link`
_LONGEST = 900
"""Tiled's catalogue has 1,023 characters for the URI of an array."""


def api_key(folder: Path) -> str:
    """The server's key: made once, readable by its owner only.

    Raises:
        StoreError: the folder cannot be written.
    """
    path = folder / KEY_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return path.read_text(encoding="ascii")
        key = secrets.token_hex(24)  # Tiled takes letters and digits only
        os.write(handle, key.encode())
        os.close(handle)
        return key
    except OSError as error:
        raise StoreError(f"the store's folder {folder} cannot be used: {error}") from error


def plain_root(folder: Path) -> Path:
    """A path to the store without characters that are syntax in a URI: the folder itself, or a link to it.

    Raises:
        StoreError: the link cannot be made.
    """
    folder = folder.resolve()
    if _PLAIN.fullmatch(str(folder)) and len(str(folder)) <= _LONGEST:
        return folder
    try:
        return _link(folder)
    except OSError as error:
        raise StoreError(
            f"{folder} has characters in its name that Tiled cannot take, and a link to it in {_LINKS} cannot be made: "
            f"{error}. Give another folder with --data"
        ) from error


def _link(folder: Path) -> Path:
    """The same link for the same folder, in a folder that only this user can write."""
    own = _LINKS / f"labwright-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    found = own.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{own} is not a folder that only this user can write")
    link = own / hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
    with contextlib.suppress(FileExistsError):
        link.symlink_to(folder)
    return link


def catalogue_uri(folder: Path) -> str:
    """Of the catalogue's database; it must have been initialised."""
    return f"sqlite:///{plain_root(folder)}/{CATALOGUE_FILE}"


def tables_file(folder: Path) -> tuple[str, str]:
    """Database of the tables and name of its file: DuckDB, or SQLite where DuckDB cannot take the folder's real path.

    DuckDB looks behind links, and puts the name of its log in front of the first ``?``.
    """
    database = "sqlite" if "?" in str(folder.resolve()) else "duckdb"
    return database, TABLES_FILES[database]


def storage_uris(folder: Path) -> tuple[str, str]:
    """Where Tiled writes arrays and tables, as the catalogue has them."""
    root = plain_root(folder)
    database, name = tables_file(folder)
    return f"file://localhost{root}/{ARRAYS_FOLDER}", f"{database}://localhost/{root}/{name}"


def server_config(folder: Path) -> dict[str, Any]:
    """What `tiled.server.app.build_app_from_config` wants.

    The specification on the root and the exporter make databroker's readers and `run.documents()` work.
    """
    return {
        "catalog": {
            "uri": catalogue_uri(folder),
            "specs": [{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
            "writable_storage": list(storage_uris(folder)),
        },
        "authentication": {"single_user_api_key": api_key(folder)},
        "media_types": {"BlueskyRun": {"application/json-seq": "bluesky_tiled_plugins.exporters:json_seq_exporter"}},
        "streaming_cache": {"uri": "memory"},
    }
