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
        send: what ends a command.
        receive: what ends a reply; blanks and carriage returns before it are cut off.
    """

    send: str = "\r\n"
    receive: str = "\n"

    def encode(self, command: str) -> bytes:
        """The command and its line end, as ASCII."""
        return (command + self.send).encode("ascii")

    def split(self, buffer: bytes) -> tuple[str, int] | None:
        """The first whole line."""
        end = buffer.find(self.receive.encode("ascii"))
        if end < 0:
            return None
        # latin-1 maps every byte, so garbage reaches the parser, which refuses it in words.
        return buffer[:end].decode("latin-1").rstrip("\r "), end + len(self.receive)
