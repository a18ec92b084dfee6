"""Processes of Labwright for tests, forked from one that has imported everything, so that they start at once.

They are processes of their own, with their own standard streams, signals and exit code; only the imports are shared.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

# As `labwright.cli.main` does before its imports: the server has them before it.
os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(
    [
        "labwright.cli.app",
        "labwright.cli.campaigns",
        "labwright.cli.checking",
        "labwright.cli.looking",
        "labwright.cli.running",
        "labwright.cli.simulating",
        "labwright.cli.steering",
        "labwright.planners",
        "labwright.report",
        "labwright.simulation",
        "labwright.store",
        "amqtt.broker",
    ]
)


def labwright(
    *words: str | Path, cwd: Path = ROOT, timeout_s: float = 90.0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``labwright WORDS`` in `cwd` to its end, as `subprocess.run` does with captured text.

    Raises:
        subprocess.TimeoutExpired: it has not ended after `timeout_s`; it was killed.
    """
    line = [*map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        out, error = Path(folder) / "out", Path(folder) / "err"
        process = forks.Process(target=_run, args=(line, cwd, dict(os.environ if env is None else env), out, error))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(line, timeout_s, out.read_bytes(), error.read_bytes())
        return subprocess.CompletedProcess(line, process.exitcode, out.read_text(), error.read_text())


def begin(*words: str | Path, log: Path, cwd: Path = ROOT) -> Any:
    """Begin ``labwright WORDS`` in `cwd`: the process, to be joined or killed.

    Args:
        words: of the command line.
        log: what it says on both standard streams, after what is there.
        cwd: the folder it is started in.
    """
    process = forks.Process(target=_run, args=([*map(str, words)], cwd, dict(os.environ), log, log), daemon=True)
    process.start()
    return process


def _run(line: list[str], cwd: Path, env: dict[str, str], out: Path, error: Path) -> None:
    for number, path in ((1, out), (2, error)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    # As `python -m labwright` has it: the folder it is started in, and not where the tests found their modules.
    sys.path[:] = [str(cwd), *(entry for entry in sys.path if entry not in ("", ".", str(ROOT)))]
    sys.argv = ["labwright", *line]
    from labwright.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a forked process of `multiprocessing` ends without them
