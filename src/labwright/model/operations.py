"""How doubt about a physical operation is settled, and what was found."""

from __future__ import annotations

from typing import Any, Literal

from labwright.model.base import Frozen

Reconcile = Literal["by_command_id", "by_counter", "by_state", "ask"]
"""From the surest to none: the device knows commands by id; it counts what it did; doing it again is harmless; a person
is asked."""


class Evidence(Frozen):
    """What a device says of an operation that may or may not have happened.

    Attributes:
        state: it happened whole, it did not begin, or neither can be said.
        words: what was found, for a person.
        result: a measurement's readings, if the device kept them.
    """

    state: Literal["confirmed", "absent", "unknown"]
    words: str
    result: dict[str, Any] | None = None
