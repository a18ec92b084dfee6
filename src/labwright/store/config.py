"""The embedded Tiled server: a SQLite catalogue, DuckDB tables and array files under one folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from labwright.model.errors import StoreError

KEY_FILE, URL_FILE = "api_key", "url"


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


def catalogue_uri(folder: Path) -> str:
    """Of the catalogue's database; it must have been initialised."""
    return f"sqlite:///{folder}/catalog.db"


def server_config(folder: Path) -> dict[str, Any]:
    """What `tiled.server.app.build_app_from_config` wants.

    The specification on the root and the exporter make databroker's readers and `run.documents()` work.
    """
    return {
        "catalog": {
            "uri": catalogue_uri(folder),
            "specs": [{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
            "writable_storage": [f"file://localhost{folder}/files", f"duckdb:///{folder}/tables.duckdb"],
        },
        "authentication": {"single_user_api_key": api_key(folder)},
        "media_types": {"BlueskyRun": {"application/json-seq": "bluesky_tiled_plugins.exporters:json_seq_exporter"}},
        "streaming_cache": {"uri": "memory"},
    }
