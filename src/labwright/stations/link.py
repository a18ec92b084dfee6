"""How the engine reaches a station, wherever the station runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from labwright.model.protocol import StepOrder, StepOutcome

Finished = Callable[[StepOutcome], None]


class StationLink(Protocol):
    """A station, in this process or another, keyed by step id."""

    name: str

    def start(self, order: StepOrder, epoch: int) -> None:
        """Start a step; its end goes to the `Finished` that the link was created with.

        Raises:
            RefusedError: the station is busy, or knows a newer controller than `epoch`.
        """

    def poll(self, step_id: str) -> StepOutcome | None:
        """How a step ended; None while it runs or if it is not known here."""

    def stop(self, why: str, *, now: bool) -> None:
        """End the step that runs after its current operation; or now: devices halted, the station latched."""

    def latch(self, why: str) -> None:
        """Begin nothing any more, now and later, without a word on a wire; `stop` with `now` does this first."""

    def pause(self, *, on: bool) -> None:
        """Let no operation begin any more, or let them begin again; what is under way ends."""

    def close(self) -> None:
        """Stop, and bring every device to its safe state."""
