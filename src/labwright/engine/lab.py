"""The core of a lab: events in, instructions out. No clock, no file, no thread.

Campaigns say what is to be tried (`labwright.engine.core`), the work brings samples through their steps
(`labwright.engine.work`), the dispatcher says who gets which station (`labwright.engine.dispatch`). The same code on a
virtual clock rehearses a lab, and fed with journalled events it rebuilds its state, byte for byte.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from labwright.engine.core import CampaignCore
from labwright.engine.dirty import DirtyRows
from labwright.engine.dispatch import Dispatcher
from labwright.engine.events import Event, Instruction, Started
from labwright.engine.material import Material
from labwright.engine.questions import Questions
from labwright.engine.reservations import Reservations
from labwright.engine.work import Work


class LabCore:
    """A lab's campaigns, and all that they share.

    Attributes:
        campaigns: by id, in the order in which they came.
        now_s: lab time of the newest event.
        dirty: what has changed since the tables were written last.
    """

    def __init__(self) -> None:
        self.dirty = DirtyRows()
        self.work = Work(self.dirty, Reservations(self.dirty), Material(self.dirty), Questions(self.dirty))
        self.dispatcher = Dispatcher(self.work)
        self.campaigns: dict[str, CampaignCore] = {}
        self.now_s = 0.0

    @property
    def material(self) -> Material:
        """Containers and stocks."""
        return self.work.material

    @property
    def reservations(self) -> Reservations:
        """Who has which station and position."""
        return self.work.reservations

    def campaign(self, campaign: str) -> CampaignCore:
        """The campaign of this id; a draft if it is not known."""
        if campaign not in self.campaigns:
            self.campaigns[campaign] = CampaignCore(campaign, self.dispatcher)
        return self.campaigns[campaign]

    def handle(self, campaign: str, event: Event, at_s: float) -> list[Instruction]:
        """Take an event of a campaign; what is to be done now.

        Args:
            campaign: its id.
            event: what has happened.
            at_s: when, in lab time, as the journal keeps it.

        Raises:
            IllegalEventError: the event does not fit the state, which is as before.
        """
        core = self.campaign(campaign)
        decided = core.take(event)
        self.now_s = at_s
        if isinstance(event, Started):
            self._stock(event)
        decided += self.work.settle(self.campaigns)
        core.begin()
        decided += self.work.settle(self.campaigns)
        decided += core.advance()
        decided += self._dispatch()
        return decided + core.finish()

    def snapshot(self) -> bytes:
        """The whole state as canonical JSON; equal states give equal bytes."""
        how = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
        state = {
            "campaigns": self.campaigns,
            "work": {
                name: value for name, value in vars(self.work).items() if name not in ("dirty", "_changed", "_at")
            },
        }
        return orjson.dumps(state, default=_plain, option=how)

    def _stock(self, event: Started) -> None:
        """A campaign begins with the material that its lab has for it."""
        self.material.places = list(event.places)
        self.material.lots_ml = dict(event.lots_ml)
        self.material.counted = frozenset(event.counted)
        self.dirty.lots.update(event.lots_ml)

    def _dispatch(self) -> list[Instruction]:
        held = [core.campaign for core in self.campaigns.values() if core.paused or core.stop_asked]
        return [
            self.work.start(experiment, run, self.campaigns[experiment.owner])
            for experiment, run in self.dispatcher.ready(held)
        ]


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, deque):
        return list(value)
    hidden = ("dirty", "_dispatcher", "_started")
    return {name: kept for name, kept in vars(value).items() if name not in hidden}
