"""What a simulation leaves on disk: a log of physical effects, and what instruments keep without power.

Both are on the disk before an instrument answers, so that a killed simulation has lost nothing it has reported.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from labwright.model.errors import ConfigError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class EffectsLog:
    """One JSON line for each physical effect, in their order.

    Args:
        path: the file; lines are added to what it holds.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, line: dict[str, Any]) -> None:
        """Add a line; it is on the disk when this returns."""
        os.write(self._handle, orjson.dumps(line) + b"\n")
        os.fsync(self._handle)

    def close(self) -> None:
        """Write no more."""
        os.close(self._handle)


class KeptState:
    """A folder with a file for each thing that keeps something.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._written: dict[str, bytes] = {}

    def read(self, name: str) -> dict[str, Any] | None:
        """What was written under `name`; None if nothing was.

        Raises:
            ConfigError: the file is damaged.
        """
        path = self._path(name)
        try:
            found: dict[str, Any] = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except orjson.JSONDecodeError as error:
            raise ConfigError(
                f"{path} is damaged ({error}); without this folder the simulation starts fresh"
            ) from error
        return found

    def write(self, name: str, values: dict[str, Any], *, but: str = "") -> bool:
        """Keep `values` under `name`, if they differ from what was written last in anything `but` this key."""
        compared = orjson.dumps({key: one for key, one in values.items() if key != but})
        if self._written.get(name) == compared:
            return False
        path = self._path(name)
        part = path.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(handle, orjson.dumps(values))
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(path)
        self._written[name] = compared
        return True

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def boot() -> str:
    """Which start of the machine this is; monotonic time counts from there."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
