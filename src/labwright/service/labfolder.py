"""What the lab's own files say; read by a process of their own, and each time as they are now."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from labwright.lab.by_hand import at_station, refuse_unfit
from labwright.lab.folder import folder_hash
from labwright.model.by_hand import DeviceFacts, HandWork
from labwright.model.lab import LabModel
from labwright.service.lab_process import LabProcess
from labwright.service.problems import Problem


class LabFiles:
    """A lab's folder.

    Args:
        process: that reads it.
    """

    def __init__(self, process: LabProcess) -> None:
        self._process = process
        self._one = threading.Lock()
        self._known: tuple[str, LabModel] | None = None
        self._devices: tuple[str, dict[str, DeviceFacts]] | None = None

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

    def by_hand(self, station: str) -> list[dict[str, Any]]:
        """What can be set and read at a station by hand, by device.

        Args:
            station: its name.

        Raises:
            RefusedError: there is no folder here.
            ConfigError: the files have mistakes, or name no such station.
            Problem: it cannot be found out now.
        """
        model = self.model()
        if station not in model.stations:
            raise Problem("not_found", f"there is no station {station[:80]!r}")
        facts = self._facts()
        return [
            {**facts[name].model_dump(mode="json"), "settable": settable}
            for name, settable in at_station(model, station).items()
        ]

    def refuse_by_hand(self, work: HandWork) -> None:
        """Refuse what the lab's files do not let a person do by hand; the controller looks once more.

        Args:
            work: what is wanted.

        Raises:
            LabwrightError: it does not fit the lab, or there is no folder here.
            Problem: it cannot be found out now.
        """
        refuse_unfit(self.model(), self._facts(), work)

    def _facts(self) -> dict[str, DeviceFacts]:
        root = self._process.root
        with self._one:
            sha256 = folder_hash(root) if root is not None else ""
            if self._devices is None or self._devices[0] != sha256:
                found = self._process.ask("by_hand")
                self._devices = sha256, {name: DeviceFacts.model_validate(one) for name, one in found.items()}
            return self._devices[1]

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
