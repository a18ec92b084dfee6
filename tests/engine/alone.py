"""A campaign alone in a lab, for tests of what one campaign does."""

from __future__ import annotations

from typing import Any

from labwright.engine import CampaignCore, LabCore
from labwright.engine.events import Event, Instruction, Started
from labwright.engine.snapshots import dumped
from labwright.engine.tables import take_changes
from labwright.model.rows import Changes


class Alone:
    """The core of a lab with one campaign, whose attributes are this one's too."""

    def __init__(self, lab: LabCore | None = None) -> None:
        self.lab = lab or LabCore()
        self.core: CampaignCore = self.lab.campaign("c-1")
        self.events: list[Event] = []
        """All that it has handled."""

    def handle(self, event: Event, at_s: float = 0.0) -> list[Instruction]:
        """Take an event, and what the lab lets the campaign do then."""
        decided = self.take(event, at_s)
        self.events.append(event)
        for grant in self.lab.grant(at_s):
            self.events.append(grant.event)
            decided += grant.instructions
        return decided

    def take(self, event: Event, at_s: float = 0.0) -> list[Instruction]:
        """Take an event as it is in the journal, where what the lab grants is an event too."""
        if isinstance(event, Started) and self.core.phase == "draft":
            self.core.campaign = self.core.proposals.campaign = event.campaign
            self.lab.campaigns = {event.campaign: self.core}
        return self.lab.handle(self.core.campaign, event, at_s)

    def changes(self) -> Changes:
        return take_changes(self.lab)

    def snapshot(self) -> bytes:
        return dumped(self.lab, whole=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)
