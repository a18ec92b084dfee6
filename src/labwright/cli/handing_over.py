"""Secrets that a service answers once: alone on standard output, or in a new file that its owner alone may read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from labwright.cli.output import console, emit
from labwright.cli.words import quoted
from labwright.model.errors import ConfigError, LabwrightError

Made = TypeVar("Made")


def hand_over(
    make: Callable[[], Made],
    secret_of: Callable[[Made], str],
    out: Path | None,
    *,
    undo: Callable[[Made], str],
    json: Callable[[Made], dict[str, Any]] | None,
    name: str = "secret",
) -> Made:
    """Have something made, and hand over its secret.

    Args:
        make: has it made.
        secret_of: its secret.
        out: file to be written; standard output if None.
        undo: what to type, if the secret cannot be written, to be rid of what was made.
        json: facts for a program, the secret not among them; None if a person reads.
        name: of the secret among them.

    Returns:
        what was made.

    Raises:
        ConfigError: there is such a file.
        LabwrightError: it cannot be made; or its secret cannot be written.
    """
    handle = None if out is None else _new(out)
    try:
        made = make()
    except BaseException:
        if handle is not None and out is not None:
            os.close(handle)
            out.unlink()  # it is empty
        raise
    secret = secret_of(made)
    try:
        if handle is not None:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{secret}\n")
                file.flush()
                os.fsync(handle)
        elif json is None:
            sys.stdout.write(f"{secret}\n")
            sys.stdout.flush()
        if json is not None:
            emit({**json(made), **({name: secret} if out is None else {"out": str(out)})})
    except OSError as error:
        if out is None or json is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        raise LabwrightError(
            f"{out or 'standard output'} cannot be written ({error.strerror}), and the secret is said only once. "
            f"{undo(made)}"
        ) from error
    return made


def say_where(out: Path | None) -> None:
    """Say where the secret is, and whom it would help; for people."""
    if out is not None:
        console.print(f"Its secret is in {quoted(out)}, which you alone may read; it is shown nowhere else")
        return
    console.print("Its secret is the line on standard output; it is shown only now. With --out FILE it goes to a file")
    now = os.fstat(sys.stdout.fileno())
    if stat.S_ISREG(now.st_mode) and stat.S_IMODE(now.st_mode) & 0o077:
        console.print(
            f"Other users of this machine may read the file that it went to (mode {stat.S_IMODE(now.st_mode):04o}): "
            "make it yours alone with chmod 600, and type umask 077 before the next",
            style="bold",
        )


def _new(out: Path) -> int:
    """A new file that its owner alone may read.

    Raises:
        ConfigError: there is such a file.
    """
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"{out} is there already, and is left as it is; name another file") from error
    os.fchmod(handle, 0o600)  # whatever the umask is
    return handle
