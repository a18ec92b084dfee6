"""Labwright runs a smart laboratory by itself.

>>> import labwright
>>> with labwright.open("mylab", simulated=True) as lab:
...     result = lab.campaign("first", budget=3).run()
...     result.table
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labwright._version import __version__

if TYPE_CHECKING:
    from labwright.notebook import OpenLab

__all__ = ["__version__", "open"]


def open(
    folder: str | Path,
    *,
    simulated: bool = False,
    endpoints: str | Path | None = None,
    data: str | Path | None = None,
    seed: int = 0,
) -> OpenLab:
    """Open the lab in `folder`: its ports are taken, its devices answer, nothing moves.

    Args:
        folder: with `lab_config`, `devices`, `protocols` and `simulators` in it.
        simulated: on the lab's simulated instruments, in this process, on the stepped clock.
        endpoints: the file `labwright simulate` writes: on simulated instruments in another process.
        data: folder of journal, runs and reports; `folder/var` if None.
        seed: of the simulated world.

    Raises:
        MistakesError: every mistake in the lab's files.
        UnreachableError: every device that does not answer.
    """
    from labwright.notebook import OpenLab

    return OpenLab(folder, simulated=simulated, endpoints=endpoints, data=data, seed=seed)
