"""Two streams: what people read goes to stderr, what programs read to stdout."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

EXIT = {"completed": 0, "failed": 1, "stopped": 130}
"""Exit codes of a campaign's ends."""


class _Console(Console):
    """A console whose reader may end: `campaign run 2>&1 | head` must not end a campaign."""

    def on_broken_pipe(self) -> None:
        """Print nothing more, and continue."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


# What is printed is text: "[bold]" in a path is no markup, ":100:" in a name is no emoji.
console = _Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


@contextlib.contextmanager
def working(words: str) -> Iterator[Callable[[str], None]]:
    """Say in a terminal what is done while it takes long, with the seconds; in a pipe nothing.

    Args:
        words: what is done.

    Yields:
        takes how far it is, in words.
    """
    if not console.is_terminal:
        yield lambda more: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    far = TextColumn("{task.fields[far]}")
    shown = Progress(SpinnerColumn(), TextColumn(words, markup=False), far, TimeElapsedColumn(),
                     console=console, transient=True)  # fmt: skip
    with shown as progress:
        task = progress.add_task(words, far="")
        yield lambda more: progress.update(task, far=more)


def emit(*values: Any) -> None:
    """JSON objects on stdout, each on a line of its own."""
    # SQLAlchemy's names of columns are strings of a kind of their own.
    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    sys.stdout.write("".join(orjson.dumps(value, option=option).decode() + "\n" for value in values))
    sys.stdout.flush()


def emitted(*values: Any) -> bool:
    """As `emit`, for what continues without a reader; False once the process that read our output has ended."""
    try:
        emit(*values)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more at its end
        return False
    return True


def counted(number: int, thing: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {thing}{'s' if number != 1 else ''}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, json: bool) -> None:
    """A table for people on stdout, or its rows as JSON."""
    if json:
        for row in rows:
            emit(dict(zip(columns, row, strict=True)))
        return
    shown = Table(title=title or None, title_justify="left")
    for column in columns:
        shown.add_column(column)
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    out = Console(highlight=False, markup=False, emoji=False)  # a cell is text: labwright[extra] is no markup
    if not out.is_terminal:
        out.width = 200  # a pipe or file has no width of its own
    out.print(shown)


def whoami() -> str:
    """The user and machine that run this program, for the journal."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
