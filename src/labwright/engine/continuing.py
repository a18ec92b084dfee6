"""Campaigns under way, as a rehearsal of others continues them beside these."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from labwright.engine.events import Event, Suggested
from labwright.engine.forecasting import takes
from labwright.engine.foresight import View
from labwright.engine.layout import Layout
from labwright.engine.recovery import rebuilt_lab, unfinished_on
from labwright.engine.rehearsal import Rehearsal, Suggests, in_the_middle
from labwright.journal import Journal
from labwright.model.campaign import CampaignState


@dataclass(frozen=True)
class OtherEnd:
    """When a campaign under way ends.

    Attributes:
        campaign: its id.
        end_s: lab seconds from the start of the rehearsal; None if it comes to a halt.
        alone_s: the same without what is rehearsed beside it.
    """

    campaign: str
    end_s: float | None
    alone_s: float | None


@dataclass(frozen=True)
class UnderWay:
    """A lab whose campaigns are under way.

    Attributes:
        view: of the lab.
        takes: what an experiment of each campaign takes of materials and wastes, in the smallest unit, by id.
        preparing: names of the preparations that they make now, and share.
    """

    view: View
    takes: Mapping[str, Mapping[str, int]]
    preparing: frozenset[str] = frozenset()

    def rehearse(self, layout: Layout, suggests: Mapping[str, Suggests] | None = None) -> Rehearsal:
        """The lab on a clock that jumps.

        Args:
            layout: of the lab; another than now in a what-if.
            suggests: what the planners of further campaigns would suggest, by id.
        """
        others = suggests or {}

        def suggest(name: str, state: CampaignState) -> Event:
            return others[name](name, state) if name in others else self._suggestion(name, state)

        return replace(self.view, layout=layout).rehearse(suggest)

    def _suggestion(self, name: str, state: CampaignState) -> Suggested:
        """In the middle of its space; it takes what those before it took."""
        return in_the_middle(name, state).model_copy(update={"uses": dict(self.takes.get(name, {}))})


def under_way(journal: Journal, instruments: str) -> UnderWay | None:
    """The lab with its campaigns under way; None if there are none.

    Args:
        journal: of the lab.
        instruments: which deck (`Lab.instruments`).

    Raises:
        JournalError: an event cannot be understood.
    """
    live = unfinished_on(journal, instruments)
    if not live:
        return None
    lab = rebuilt_lab(journal, *live, instruments=instruments)
    counted = {*lab.material.wastes, *(stock.facts.material or name for name, stock in lab.material.stocks.items())}
    amounts = {
        name: {what: math.ceil(amount) for what, amount in takes(journal, name).items() if what in counted}
        for name in live
    }
    preparing = frozenset(lab.work.shared_preparations())
    return UnderWay(View.of(lab, Layout(), max(lab.now_s, time.time())), amounts, preparing)
