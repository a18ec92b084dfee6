"""Where a key comes from: never from a command line, where every user of the machine could read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from labwright.model.errors import ConfigError, RefusedError

URL, KEY = "LABWRIGHT_URL", "LABWRIGHT_KEY"
"""Names of environment variables."""


def url_of(url: str | None) -> str:
    """The service's URL: as given, else from the environment.

    Raises:
        ConfigError: there is none, or it is no URL of a service.
    """
    found = (url or os.environ.get(URL, "")).strip().rstrip("/")
    if not found:
        raise ConfigError(f"no service is named: give its URL, or set {URL}")
    if not found.startswith(("http://", "https://")):
        raise ConfigError(f"{found!r} is no URL of a service: it begins with https:// or http://")
    return found


def key_of(key: str | None, key_file: Path | str | None) -> str:
    """The key: as given, from the file, from the environment; there it may be a key, or the path of its file.

    Raises:
        ConfigError: the file cannot be read, or has no key; or there is none.
        RefusedError: other users of the machine may read the file.
    """
    if key is not None:
        return key.strip()
    if key_file is not None:
        return _read(Path(key_file))
    found = os.environ.get(KEY, "").strip()
    if not found:
        raise ConfigError(f"no key is given: name the file that has it (--key-file, key_file=), or set {KEY}")
    return found if found.startswith("lw_") else _read(Path(found))


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise RefusedError(
                    f"{path} has the mode {mode:04o}: other users of this machine may read the key in it. Make it "
                    f"yours alone with: chmod 600 {path}"
                )
            words = file.read(10_000).split()
    except OSError as error:
        raise ConfigError(f"the key in {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} has no key in it") from error
    if len(words) != 1 or not words[0].startswith("lw_"):
        raise ConfigError(f"{path} must hold one key, lw_..., and nothing else")
    return words[0]
