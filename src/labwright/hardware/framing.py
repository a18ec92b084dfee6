"""Where a message on a wire begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Framing(Protocol):
    """How bytes on a wire become messages."""

    def encode(self, command: str) -> bytes:
        """The bytes that carry `command`."""

    def split(self, buffer: bytes) -> tuple[str, int] | None:
        """The first whole message in `buffer` and the number of bytes it took; None while it is incomplete.

        Raises:
            BadReplyError: the bytes can never become a message (checksum, wrong start).
        """


@dataclass(frozen=True)
class Lines:
    """One message, one line.

    Args:
        send: what ends a command; text, or bytes.
        receive: what ends a reply; blanks and carriage returns before it are removed.

    Raises:
        TypeError: a line end is empty, or neither text nor bytes.
    """

    send: str | bytes = "\r\n"
    receive: str | bytes = "\n"

    def __post_init__(self) -> None:
        for name in ("send", "receive"):
            ending = getattr(self, name)
            if not isinstance(ending, (str, bytes)) or not ending:
                raise TypeError(f'Lines({name}={ending!r}): write the line end as text, as in Lines({name}="\\r\\n")')

    def encode(self, command: str) -> bytes:
        """The command and its line end, as ASCII."""
        return command.encode("ascii") + _bytes(self.send)

    def split(self, buffer: bytes) -> tuple[str, int] | None:
        """The first whole line."""
        ending = _bytes(self.receive)
        end = buffer.find(ending)
        if end < 0:
            return None
        # latin-1 maps every byte, so garbage reaches the parser, which refuses it in words.
        return buffer[:end].decode("latin-1").rstrip("\r "), end + len(ending)


def _bytes(ending: str | bytes) -> bytes:
    return ending.encode("latin-1") if isinstance(ending, str) else ending
