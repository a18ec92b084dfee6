"""What a lab delivers, unpacked only if it is what the lab has written: each file has the size and sum that it says."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from labwright.model.errors import ConfigError, LabwrightError

CRATE = "ro-crate-metadata.json"
"""The index of a bundle: an RO-Crate."""

CRATE_MOST = 10_000_000
"""Bytes of the index."""

CHUNK = 1 << 20


class BundleError(LabwrightError):
    """A bundle is not what the lab has written."""


class Bundle:
    """A bundle.

    Args:
        file: the ZIP file.
        name: of it, in messages.

    Raises:
        BundleError: its index does not fit what is in it, or it names a file outside of it.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name = name
        try:
            self._archive = zipfile.ZipFile(file)
            names = self._archive.namelist()
            for one in self._archive.infolist():
                self._refuse_outside(one)
            if CRATE not in names or self._archive.getinfo(CRATE).file_size > CRATE_MOST:
                raise BundleError(f"{name} has no index {CRATE} that can be read; nothing was unpacked")
            listed = _listed(json.loads(self._archive.read(CRATE)))
        except (zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{name} is no bundle: {error}; nothing was unpacked. Fetch it once more") from error
        if len(set(names)) != len(names) or {*names} != {*listed, CRATE}:
            odd = ", ".join(sorted({*names} ^ {*listed, CRATE})) or "a name that is there twice"
            raise BundleError(f"{name} and its index differ in {odd}; nothing was unpacked. Fetch it once more")
        self._listed = listed

    def read(self, name: str) -> bytes:
        """A file of it.

        Raises:
            BundleError: it is not there, or not as it was written.
        """
        if name not in self._listed:
            raise BundleError(f"{self._name} has no {name}; it has {', '.join(sorted(self._listed))}")
        return b"".join(self._pieces(name))

    def unpack(self, folder: Path) -> None:
        """Write all files, in one move: they are all there, or none.

        Args:
            folder: to be made.

        Raises:
            BundleError: a file is not as it was written.
            ConfigError: there is such a folder, or it cannot be made.
        """
        folder = folder.absolute()
        refuse_taken(folder)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                for name in [*self._listed, CRATE]:
                    target = part / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as file:
                        for piece in self._pieces(name):
                            file.write(piece)
                part.chmod(0o755)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written: {error.strerror or error}") from error

    def _pieces(self, name: str) -> Iterator[bytes]:
        """What is in a file, once it was checked; no more of it is unpacked than the index says there is."""
        if name == CRATE:
            yield self._archive.read(CRATE)
            return
        size, digest = self._listed[name]
        found, summed = 0, hashlib.sha256()
        with self._archive.open(name) as file:
            while piece := self._next(file, name):
                found += len(piece)
                if found > size:
                    break
                summed.update(piece)
                yield piece
        if found != size or summed.hexdigest() != digest:
            raise BundleError(
                f"{name} in {self._name} is not what the lab has written (its size or SHA-256 differ); nothing was "
                "unpacked. Fetch it once more"
            )

    def _next(self, file: IO[bytes], name: str) -> bytes:
        try:
            return file.read(CHUNK)
        except (zipfile.BadZipFile, EOFError) as error:
            raise BundleError(f"{name} in {self._name} cannot be read: {error}; nothing was unpacked") from error

    def _refuse_outside(self, entry: zipfile.ZipInfo) -> None:
        name = entry.orig_filename
        kind = entry.external_attr >> 16 & 0o170000
        parts = name.split("/")
        strange = any(ord(letter) < 32 or letter in '\\:*?"<>|' for letter in name)
        if strange or kind not in (0, 0o100000) or any(part.strip(". ") == "" for part in parts):
            words = f"{self._name} has {name!r} in it, which is no plain file below its folder; it was refused"
            raise BundleError(words)


def refuse_taken(folder: Path) -> None:
    """Refuse a folder that is there.

    Raises:
        ConfigError: it is, and has something in it.
    """
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None)):
        raise ConfigError(f"{folder} is there already, and is left as it is; name another folder")


def _listed(crate: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file, as the index has it."""
    files = [one for one in crate["@graph"] if one.get("@type") == "File"]
    return {str(one["@id"]): (int(one["contentSize"]), str(one["sha256"])) for one in files}
