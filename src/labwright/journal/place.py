"""The folder of a journal, tested before anything moves: without a journal no operation starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from labwright.model.errors import NoJournalError

LEAST_BYTES = 20_000_000
BYTES_PER_EXPERIMENT = 1_000_000
"""An experiment of the reference lab takes about 60 kB; the margin is for labs that measure more."""


def check_place(data: Path, experiments: int) -> None:
    """Check that `data` can be written and synced, and has room for a campaign.

    Args:
        data: folder of journal, runs and reports; created if it does not exist.
        experiments: of the campaign.

    Raises:
        NoJournalError: the campaign must not start.
    """
    needed = LEAST_BYTES + experiments * BYTES_PER_EXPERIMENT
    probe = data / f".probe-{os.getpid()}"
    try:
        data.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(data).free
        if free < needed:
            raise NoJournalError(
                f"{data} has {free / 1e6:.1f} MB free, the journal of {experiments} experiments may need "
                f"{needed / 1e6:.0f} MB; nothing was started. Free disk space, or give another folder with --data"
            )
        with probe.open("wb") as file:
            file.write(b"journal")
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        raise NoJournalError(
            f"cannot write the journal in {data}: {error}; nothing was started. Fix the disk or its permissions, or "
            "give another folder with --data"
        ) from error
