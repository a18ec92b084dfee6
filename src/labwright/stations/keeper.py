"""Where a station records what it does: in the journal, wherever that is."""

from __future__ import annotations

from typing import Protocol

from labwright.model.records import Intent, Observation, StepRecord


class StepKeeper(Protocol):
    """Intents before the wire, outcomes and observations after it; every call returns when it is on the disk."""

    @property
    def epoch(self) -> int:
        """Of the controller; device hosts refuse an older one."""

    def recall(self, step_id: str) -> StepRecord:
        """All that is recorded of a step."""

    def prepare(self, intent: Intent) -> None:
        """Record an intent before its first byte reaches the wire.

        Raises:
            JournalError: it is not recorded; nothing may be sent.
        """

    def decide(self, intent: Intent, observation: Observation | None = None) -> None:
        """Record how an operation came out, and what it measured, together."""

    def observe(self, observation: Observation) -> None:
        """Record a reading."""
