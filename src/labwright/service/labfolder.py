"""The lab's own files, read by a process of their own: user code is run there, not here, and each time as it is now.

What a lab's folder says is remembered by the hash of its files, so that it is read once for each change.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from labwright.lab.folder import folder_hash
from labwright.model.errors import ConfigError, LabwrightError, RefusedError
from labwright.model.lab import LabModel
from labwright.service.problems import Problem

READ_S = 60.0
"""Wall seconds in which a lab is read, and a campaign checked; imports of its drivers take most of it."""


class LabFiles:
    """A lab's folder.

    Args:
        root: of it; None if the service has none.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._one = threading.Lock()
        self._known: tuple[str, LabModel] | None = None

    def model(self) -> LabModel:
        """What its files say of the lab.

        Raises:
            RefusedError: there is no folder here.
            ConfigError: the files have mistakes.
        """
        root = self._there()
        with self._one:
            sha256 = folder_hash(root)
            if self._known is None or self._known[0] != sha256:
                found = _worked({"work": "model", "root": str(root)})
                self._known = sha256, LabModel.model_validate(found["model"])
            return self._known[1]

    def campaign(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A campaign, checked against the lab: ``spec`` and ``lab_sha256``, as the controller takes them.

        Args:
            asked: ``name`` or ``spec``, ``instruments``, and what is to be other than there: ``budget``, ``seed``,
                ``planner``, ``parallel``.

        Raises:
            RefusedError: there is no folder here, or the lab cannot carry it out now.
            ConfigError: the campaign, or the lab, has mistakes.
        """
        root = self._there()
        with self._one:  # one at a time: each is a process with all drivers in it
            return _worked({**asked, "work": "campaign", "root": str(root)})

    def _there(self) -> Path:
        if self._root is None or not self._root.is_dir():
            raise RefusedError(
                "this service has no lab's folder, so it cannot say what fits the lab: start it with --lab DIR, or ask "
                "where the controller runs"
            )
        return self._root


def _worked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What another process has found.

    Raises:
        LabwrightError: as it was raised there.
        Problem: it has not answered.
    """
    command = [sys.executable, "-m", "labwright.service.labworker"]
    try:
        done = subprocess.run(  # noqa: S603 - it is this Python, and a module of ours
            command, input=orjson.dumps(dict(asked)), capture_output=True, timeout=READ_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(
            "unavailable", f"the lab's files were not read within {READ_S:g} s; look for a driver that waits at import"
        ) from error
    try:
        found: dict[str, Any] = orjson.loads(done.stdout)
    except orjson.JSONDecodeError as error:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RefusedError(f"the lab's files cannot be read: {last[:500] or 'the process died'}") from error
    if "error" in found:
        kind: type[LabwrightError] = ConfigError if found["exit_code"] == ConfigError.exit_code else RefusedError
        raise kind(found["error"])
    return found
