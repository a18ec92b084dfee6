"""Files that steps find: kept in the data folder by their content, and checked where a step names one."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from labwright.model.errors import JournalError

__all__ = ["FOLDER", "keep_file", "wrong_file"]

FOLDER = "files"
"""In the data folder; a reference to what is in it is relative to the data folder, which may be moved."""

_BLOCK = 1 << 20


def keep_file(data: Path, content: bytes, media_type: str) -> dict[str, str]:
    """Write a file that a step has found, safely on the disk before its reference is used.

    It is called by its content, so that a plan that runs again after a crash writes the same one.

    Args:
        data: the data folder.
        content: of the file.
        media_type: such as ``image/png``.

    Returns:
        the reference, as a `FileResult` wants it.

    Raises:
        JournalError: it cannot be written.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    name = sha256 + (mimetypes.guess_extension(media_type) or "")
    folder = data / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / name).is_file():
            handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, folder / name)
            directory = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
    except OSError as error:
        raise JournalError(
            f"{folder / name} cannot be written: {error.strerror}; free space or fix the disk"
        ) from error
    return {"uri": f"{FOLDER}/{name}", "sha256": sha256, "media_type": media_type}


def wrong_file(data: Path | None, reference: Mapping[str, Any]) -> str:
    """What is wrong with a file that a step names; empty if it is the one, or stands where this process cannot look."""
    parts = urlsplit(str(reference["uri"]))
    if parts.scheme not in ("", "file") or (not parts.scheme and data is None):
        return ""
    path = Path(unquote(parts.path))
    path = path if parts.scheme or data is None else data / path
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if digest.hexdigest() != reference["sha256"]:
        return f"{path} has the sha256 {digest.hexdigest()}, not {reference['sha256']}"
    return ""
