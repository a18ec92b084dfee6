"""One campaign on an open lab, from its start to its end, in this process: the controller for as long as that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labwright.engine.campaign import Campaign
from labwright.engine.controller import OWN_PARTS, WATCHED_S, LabController, Parts, Watch
from labwright.engine.core import CampaignCore
from labwright.engine.earlier import learnt_from
from labwright.engine.events import Event
from labwright.engine.following import Follow, Follower
from labwright.journal import Journal, LoggedEvent
from labwright.lab import Lab
from labwright.stations import StationLink


@dataclass(frozen=True)
class CampaignEnd:
    """How a campaign ended.

    Attributes:
        campaign: its id.
        state: completed, stopped or failed.
        reason: in words.
        core: with all trials.
    """

    campaign: str
    state: Literal["completed", "stopped", "failed"]
    reason: str
    core: CampaignCore


class CampaignRun:
    """A controller that starts or resumes one campaign, and ends when all that it carries out is over.

    Args:
        lab: open; undisturbed where a campaign is resumed.
        campaign: fits the lab.
        journal: not controlled by another.
        data: folder of the runs.
        watch: called with every event after it was recorded, and the campaign after it, in a thread of its own; the
            campaign does not wait for it.
        run_closed: called with the file of every finished run, to upload it, in a thread of its own; may be None.
        resume: id of the campaign to resume; a new one if empty.
        by: who starts it.
        unattended: whether no person is there to answer: a question then ends the campaign, instead of holding it up.
        parts: what the controller does not make for itself.

    Raises:
        RefusedError: another controller runs on the journal, or the instruments were stopped and not reset.
        ConfigError: the journal does not hold the earlier campaigns it is to learn from.
    """

    def __init__(
        self,
        lab: Lab,
        campaign: Campaign,
        journal: Journal,
        data: Path,
        watch: Watch | None = None,
        run_closed: Callable[[Path], None] | None = None,
        *,
        resume: str = "",
        by: str = "",
        unattended: bool = False,
        parts: Parts = OWN_PARTS,
    ) -> None:
        if not resume:
            earlier = learnt_from(journal, campaign.spec, campaign.earlier, simulated=lab.simulated)
            campaign = campaign.learning(earlier)
        self.controller = LabController(
            lab,
            journal,
            data,
            run_closed,
            by=by,
            resume={resume: campaign} if resume else {},
            unattended=unattended,
            parts=parts,
        )
        self.campaign = resume or self.controller.start(campaign)
        self.core = self.controller.core.campaign(self.campaign)
        """The campaign."""
        self.controller.on_start = self._starts
        self._watching = self.follow(_told(watch)) if watch is not None else None

    @property
    def stations(self) -> Mapping[str, StationLink]:
        """The controller's, by name."""
        return self.controller.stations

    def run(self) -> CampaignEnd:
        """Run the campaign to its end; the lab is left in its safe state.

        Raises:
            JournalError: the journal refuses; everything was stopped, and what was measured before is in the journal.
        """
        try:
            self.controller.run(lambda: self.controller.all_over)
        finally:
            if self._watching is not None:  # sees the end, if it does not take long; the lab is safe by now
                self._watching.end()
                self._watching.wait(WATCHED_S)
                self._watching.close()
        end = self.controller.ends[self.campaign]
        return CampaignEnd(self.campaign, end.state, end.reason, self.core)

    def _starts(self, name: str) -> None:
        if name == self.campaign:  # it had run out, and is extended
            self.core = self.controller.core.campaign(name)

    def ask_to_stop(self, why: str, *, now: bool) -> None:
        """End it: after the current operations, or now with all devices halted. Callable from anywhere."""
        self.controller.ask_to_stop(why, now=now)

    def follow(self, tell: Follow) -> Follower:
        """Call `tell` with every event from now on, in a thread of its own.

        Call the follower's `end`, `wait` and `close` when `run` has returned.
        """
        return self.controller.follow(self.campaign, tell)


def _told(watch: Watch) -> Follow:
    def tell(logged: LoggedEvent, event: Event, core: CampaignCore) -> None:
        watch(event, core)

    return tell
