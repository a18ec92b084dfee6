"""`python -m labwright.service`: the service, started by a controller, which gives its settings on standard input."""

from __future__ import annotations

import os
import sys

from labwright.model.errors import LabwrightError
from labwright.service.process import run
from labwright.service.settings import ServiceSettings


def main() -> int:
    """Serve as the first line of standard input says; the exit code."""
    settings = ServiceSettings.model_validate_json(_line())
    try:
        return run(settings, parent=True)
    except (LabwrightError, OSError) as error:
        sys.stderr.write(f"the service cannot run: {error}\n")
        return 5


def _line() -> str:
    """The first line of standard input, and no byte after it: the rest is only waited for."""
    read = b""
    while not read.endswith(b"\n"):
        if not (byte := os.read(0, 1)):
            break
        read += byte
    return read.decode()


if __name__ == "__main__":
    raise SystemExit(main())
