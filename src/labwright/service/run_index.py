"""The closed runs of the service's data folder, remembered from one request to the next."""

from __future__ import annotations

import threading
from pathlib import Path

from labwright.facts.run_index import RunIndex
from labwright.service.state import Service

_known: dict[Path, RunIndex] = {}
_one = threading.Lock()


def index_of(service: Service) -> RunIndex:
    """What runs there are.

    Args:
        service: of the lab.
    """
    folder = service.settings.data / "runs"
    with _one:
        return _known.setdefault(folder, RunIndex(folder))
