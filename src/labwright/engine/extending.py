"""A campaign that has run out makes more experiments: who may extend it, and how it becomes an event.

Where a controller runs it is asked, and takes the campaign up at once. Where none runs the event is written to the
journal, and the next controller takes the campaign up, as one that was interrupted between two experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from labwright.engine.campaign import Campaign, resume_campaign
from labwright.engine.events import ENGINE, Extended
from labwright.engine.filling import left_at
from labwright.engine.inventory import DeckCount
from labwright.engine.lab import LabCore
from labwright.engine.lifecycle import refuse_doubtful_deck
from labwright.engine.recovery import alone, decided_now
from labwright.engine.sufficing import check_candidates, check_material
from labwright.journal import Journal, instruments_words
from labwright.journal.asking import Steered, ask_controller, refuse_other_deck, refuse_unnamed, steer
from labwright.journal.reading import choose
from labwright.lab import LabFolder
from labwright.model.errors import RefusedError
from labwright.model.instruments import HERE
from labwright.model.states import OVER


@dataclass(frozen=True)
class Extension:
    """A campaign that may be extended.

    Attributes:
        name: its id.
        campaign: as it was started.
        lab: that has handled its events, and nothing else.
        last: id of the newest of them.
    """

    name: str
    campaign: Campaign
    lab: LabCore
    last: int


def extend(
    journal: Journal,
    name: str,
    budget: int,
    *,
    by: str,
    because: str,
    folder: Callable[[], LabFolder],
    lab_changed: bool = False,
) -> Steered:
    """Let a campaign make more experiments, whether it is under way or has run out.

    Args:
        journal: of the lab.
        name: of the campaign, or its id.
        budget: experiments in all.
        by: who wants it.
        because: why.
        folder: reads the lab's files; called only where no controller does it.
        lab_changed: a person has checked what changed in the lab since the campaign was started.

    Raises:
        ConfigError: there is no such campaign, or the person or the reason is not named.
        RefusedError: it was stopped or has failed, it has made as many already, too little is left for them, the lab
            has changed, or its controller refuses.
        JournalError: its controller does not answer; the command is taken back.
    """
    refuse_unnamed(by, because)
    row = choose(journal, name)
    campaign = str(row["id"])
    if row["state"] not in OVER and (journal.controlled() or not alone(journal, campaign).campaign(campaign).resting):
        try:
            return steer(journal, campaign, "extend", {"budget": budget}, by=by, because=because)
        except RefusedError:
            if choose(journal, campaign)["state"] not in OVER:  # or it has run out meanwhile
                raise
    if journal.controlled():
        refuse_other_deck(journal, row["instruments"])
        asked = {"campaign": campaign, "budget": budget, "lab_changed": lab_changed}
        ask_controller(journal, "extend", asked, by=by, because=because)
    else:
        event = Extended(budget=budget, by=by, because=because)
        _record(journal, folder(), campaign, event, lab_changed=lab_changed)
    return Steered(choose(journal, campaign), "done", "")


def extendable(
    journal: Journal,
    folder: LabFolder,
    campaign: str,
    budget: int,
    *,
    instruments: str,
    count: DeckCount | None,
    running: Collection[str] = (),
    lab_changed: bool = False,
) -> Extension:
    """A campaign that has run out, if it may make so many experiments; nothing is changed.

    Args:
        journal: only read.
        folder: the lab's files.
        campaign: its id.
        budget: experiments in all.
        instruments: on which they are to be made.
        count: what their deck has left; as the lab's files say if None.
        running: campaigns that the controller works on now.
        lab_changed: a person has checked what changed in the lab since it was started.

    Raises:
        ConfigError: there is no such campaign, or its protocol has changed.
        RefusedError: it may not.
    """
    last = journal.last_event(campaign)
    lab = alone(journal, campaign)
    core = lab.campaign(campaign)
    if core.started.deck != instruments:
        raise RefusedError(
            f"{campaign} ran on {instruments_words(core.started.deck)}, not on {instruments_words(instruments)}; what "
            "the ones measure says nothing about the others. Extend it there, or start another here"
        )
    if not (core.over or core.resting):
        raise RefusedError(
            f"{campaign} was interrupted, and no controller carries it out; resume it with: labwright campaign run "
            f"{core.spec.name}. Then extend it"
        )
    if why := core.no_extension(budget):
        raise RefusedError(f"{campaign} cannot be extended to {budget} experiments: {why}")
    made = resume_campaign(folder, core.started, changed=lab_changed)
    check_candidates(core.spec.model_copy(update={"budget": budget}))
    rest = core.spec.model_copy(update={"budget": budget - core.tried, "prepare": core.to_prepare})
    check_material(folder, rest, made.protocols, count)
    refuse_doubtful_deck(journal, instruments, made.protocol_specs, bool(made.container), running)
    return Extension(campaign, made, lab, last)


def _record(journal: Journal, folder: LabFolder, campaign: str, event: Extended, *, lab_changed: bool) -> None:
    """Write the event where no controller runs, and keep one from starting meanwhile."""
    journal.claim()
    instruments = str(choose(journal, campaign)["instruments"])
    count = None if instruments == HERE else left_at(journal, folder.model, instruments)
    found = extendable(
        journal, folder, campaign, event.budget, instruments=instruments, count=count, lab_changed=lab_changed
    )
    journal.control(event.by, instruments=instruments, engine=ENGINE)
    kept = decided_now(found.lab, campaign, event, found.lab.now_s)
    journal.record([replace(kept, instruments=instruments)])
