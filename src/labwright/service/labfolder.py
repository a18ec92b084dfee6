"""What the lab's own files say; read by a process of their own, and each time as they are now."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from labwright.lab.folder import folder_hash
from labwright.model.lab import LabModel
from labwright.service.lab_process import LabProcess


class LabFiles:
    """A lab's folder.

    Args:
        process: that reads it.
    """

    def __init__(self, process: LabProcess) -> None:
        self._process = process
        self._one = threading.Lock()
        self._known: tuple[str, LabModel] | None = None

    def model(self) -> LabModel:
        """What its files say of the lab; remembered by their hash.

        Raises:
            RefusedError: there is no folder here.
            ConfigError: the files have mistakes.
            Problem: it cannot be found out now.
        """
        root = self._process.root
        with self._one:
            sha256 = folder_hash(root) if root is not None else ""
            if self._known is None or self._known[0] != sha256:
                self._known = sha256, LabModel.model_validate(self._process.ask("model"))
            return self._known[1]

    def campaign(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A campaign, checked against the lab: ``spec`` and ``lab_sha256``, as the controller takes them.

        Args:
            asked: ``name`` or ``spec``, ``instruments``, and what is to be other than there: ``budget``, ``seed``,
                ``planner``, ``parallel``.

        Raises:
            RefusedError: there is no folder here, or the lab cannot carry it out now.
            ConfigError: the campaign, or the lab, has mistakes.
            Problem: it cannot be found out now.
        """
        return self._process.ask("campaign", asked)

    def outlook(self, for_s: float) -> dict[str, Any]:
        """What the campaigns under way should do next: ``now_s``, and ``bars`` in lab time.

        Args:
            for_s: lab seconds that are looked ahead.

        Raises:
            RefusedError: there is no folder here.
            ConfigError: the files have mistakes.
            Problem: it cannot be found out now.
        """
        return self._process.ask("outlook", {"for_s": for_s})
