"""Processes of Labwright for tests, forked from one that has imported everything, so that they start at once.

They are processes of their own, with their own standard streams, signals and exit code; only the imports are shared.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

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
        "labwright.cli.request_files",
        "labwright.cli.running",
        "labwright.cli.simulating",
        "labwright.cli.steering",
        "labwright.planners",
        "labwright.report",
        "labwright.service.desk.content",
        "labwright.simulation",
        "labwright.store",
        "labwright.testing",
        "aiomqtt",
        "amqtt.broker",
        "amqtt.plugins.authentication",
        "labwright.planners.gp",
        "labwright.planners.registry",
        "pwdlib.hashers.argon2",
        "pyvisa",
        "scipy.optimize",
        "serial",
        "tests.frozen",  # the last
    ]
)


class Started:
    """A running ``labwright WORDS``: as `subprocess.Popen` with pipes for text, as far as tests need it.

    Attributes:
        pid: of the process.
        stdout: what it writes there; None where it writes to a handle of the test's.
        stderr: the same.
    """

    def __init__(self, words: Sequence[str | Path], cwd: Path, stdout: int | None, stderr: int | None) -> None:
        self._line = [*map(str, words)]
        readers, given = [], []
        for handle in (stdout, stderr):
            reader, writer = (None, os.dup(handle)) if handle is not None else os.pipe()
            readers.append(None if reader is None else os.fdopen(reader, encoding="utf-8"))
            given.append(Connection(writer, readable=False))  # multiprocessing passes it on
        self.stdout, self.stderr = readers
        self._process = forks.Process(target=_run_on, args=(self._line, cwd, dict(os.environ), *given))
        self._process.start()
        for one in given:
            one.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        self._process.join(timeout_s)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._line, timeout_s or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read all it writes until its end; its streams are closed then.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        told = ["", ""]

        def read(place: int, stream: TextIO) -> None:
            with stream:
                told[place] = stream.read()

        streams = [(place, one) for place, one in enumerate((self.stdout, self.stderr)) if one and not one.closed]
        readers = [threading.Thread(target=read, args=one, daemon=True) for one in streams]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return told[0], told[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and the server has not said so yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, if it still runs."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """End it, if it still runs."""
        self.send_signal(signal.SIGTERM)


def start(*words: str | Path, cwd: Path = ROOT, stdout: int | None = None, stderr: int | None = None) -> Started:
    """Start ``labwright WORDS`` in `cwd`; to pipes that are read by their lines, or to handles of the test's own."""
    return Started(words, cwd, stdout, stderr)


def labwright(
    *words: str | Path, cwd: Path = ROOT, timeout_s: float = 90.0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``labwright WORDS`` in `cwd` to its end, as `subprocess.run` does with captured text.

    Raises:
        subprocess.TimeoutExpired: it has not ended after `timeout_s`; it was killed.
    """
    return _completed("", [*map(str, words)], cwd, timeout_s, env)


def python(code: str, *words: str | Path, cwd: Path, timeout_s: float = 110.0) -> subprocess.CompletedProcess[str]:
    """Run ``python -c CODE WORDS`` in `cwd` to its end, but for what it prints of an error that it does not catch.

    Raises:
        subprocess.TimeoutExpired: it has not ended after `timeout_s`; it was killed.
    """
    return _completed(code, [*map(str, words)], cwd, timeout_s, None)


def _completed(
    code: str, line: list[str], cwd: Path, timeout_s: float, env: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        out, error = Path(folder) / "out", Path(folder) / "err"
        environment = dict(os.environ if env is None else env)
        process = forks.Process(target=_run, args=(line, cwd, environment, out, error, code))
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


def _run(line: list[str], cwd: Path, env: dict[str, str], out: Path, error: Path, code: str = "") -> None:
    to, errors = (os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for path in (out, error))
    _become(line, cwd, env, to, errors, code)


def _run_on(line: list[str], cwd: Path, env: dict[str, str], out: Connection, error: Connection) -> None:
    to, errors = os.dup(out.fileno()), os.dup(error.fileno())
    out.close()
    error.close()
    _become(line, cwd, env, to, errors)


def _become(line: list[str], cwd: Path, env: dict[str, str], out: int, error: int, code: str = "") -> None:
    for number, handle in ((1, out), (2, error)):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    # As `python -m` and `-c` have it: the folder it is started in, and not where the tests found their modules.
    sys.path[:] = [str(cwd), *(entry for entry in sys.path if entry not in ("", ".", str(ROOT)))]
    sys.argv = ["-c" if code else "labwright", *line]
    from labwright.cli import main

    try:
        if code:
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as -c does
        else:
            main()
    finally:
        atexit._run_exitfuncs()  # a forked process of `multiprocessing` ends without them
