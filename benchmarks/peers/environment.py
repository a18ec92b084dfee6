"""A peer in a virtual environment of its own, and our driver in it as a process that speaks JSON."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
INSTALL_S = 900
DRIVE_S = 400


class NotRunError(Exception):
    """A peer cannot be installed or does not go here; says why."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment made by name from the package index.

    Attributes:
        folder: of it; made once, and used again if it was made of the same packages.
        packages: with their versions, as pip takes them.
    """

    folder: Path
    packages: tuple[str, ...]

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    def make(self) -> None:
        """Install; nothing if that was done.

        Raises:
            NotRunError: it cannot be installed.
        """
        done = self.folder / "packages.json"
        if done.exists() and json.loads(done.read_text()) == list(self.packages):
            return
        print(f"installing {', '.join(self.packages)}", file=sys.stderr, flush=True)
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(self.folder)],
            [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.packages],
        ):
            _run(command, "", self.folder.parent, dict(os.environ), INSTALL_S)
        done.write_text(json.dumps(list(self.packages)))

    def drive(self, driver: str, request: dict[str, Any]) -> dict[str, Any]:
        """What a driver answers; it works in a folder that is thrown away, which is its home as well.

        Args:
            driver: file beside this one.
            request: to it.

        Raises:
            NotRunError: it fails, or takes too long.
        """
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
            command = [str(self.python), str(HERE / driver)]
            answer = _run(command, json.dumps(request), Path(scratch), environ | {"HOME": scratch}, DRIVE_S)
        return dict(json.loads(answer))


def _run(command: list[str], request: str, folder: Path, environ: dict[str, str], seconds: float) -> str:
    """A command's output; it and all it has started have ended then."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(request, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise NotRunError(f"{Path(command[-1]).name} takes longer than {seconds:g} s") from error
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left of its group
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        raise NotRunError(lines[-1] if lines else f"{command[0]} ended with {process.returncode}")
    return output
