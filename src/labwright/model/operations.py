"""How it is found out whether a physical operation happened, and what was found."""

from __future__ import annotations

from typing import Any, Literal

from labwright.model.base import Frozen

Reconcile = Literal["by_command_id", "by_counter", "by_state", "ask"]
"""What an undecided operation is decided by.

``by_command_id``: the instrument keeps a table of the commands it took and tells the fate of each; ``by_counter``: it
counts what it did; ``by_state``: saying it again is harmless; ``ask``: only a person can tell.
"""


class Evidence(Frozen):
    """What is known about an operation whose end was not recorded.

    Attributes:
        state: it was done, it was not (and will not be), or neither is known.
        words: what was found, for a person.
        result: in JSON; for a measurement the readings the instrument kept, by attribute name.
        counted: how much of it was done, in the axis' unit, by the instrument's own counter; None without one.
    """

    state: Literal["confirmed", "absent", "unknown"]
    words: str
    result: dict[str, Any] | None = None
    counted: float | None = None
