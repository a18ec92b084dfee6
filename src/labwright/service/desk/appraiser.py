"""Asks what the lab finds of a request, and what it offers."""

from __future__ import annotations

from typing import Any

from labwright.service.desk.findings import Appraisal
from labwright.service.lab_process import LabProcess


class Appraiser:
    """Appraises requests.

    Args:
        process: that reads the lab.
    """

    def __init__(self, process: LabProcess) -> None:
        self._process = process

    @property
    def knows_the_lab(self) -> bool:
        """Whether the service has the lab's folder."""
        return self._process.root is not None

    def appraise(self, content: dict[str, Any]) -> Appraisal:
        """What the lab finds of a request.

        Args:
            content: of the request, as JSON.

        Raises:
            ConfigError: the lab's own files have mistakes.
            RefusedError: there is no folder here.
            Problem: it cannot be found out now.
        """
        return Appraisal.model_validate(self._process.ask("appraise", content))

    def offered(self) -> dict[str, Any]:
        """What the lab offers.

        Raises:
            ConfigError: the lab's own files have mistakes.
            RefusedError: there is no folder here.
            Problem: it cannot be found out now.
        """
        return self._process.ask("offer")
