"""A campaign rebuilt from its events: to resume it, to report it, to audit it."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Collection, Iterator

import orjson
import sqlalchemy as sa
from pydantic import ValidationError

from labwright.engine.core import CampaignCore
from labwright.engine.events import (
    ENGINE,
    EVENTS,
    Event,
    Extended,
    Instruction,
    Resumed,
    Started,
    StopAsked,
    decisions,
)
from labwright.engine.inventory import restore_material
from labwright.engine.lab import LabCore
from labwright.engine.snapshots import UnreadableSnapshotError, loaded
from labwright.engine.tables import take_changes
from labwright.engine.work import IllegalEventError
from labwright.journal import Journal, LoggedEvent, NewEvent, StepJournal
from labwright.journal.schema import campaign as campaign_table
from labwright.journal.schema import trial as trial_table
from labwright.model.campaign import Trial
from labwright.model.errors import ConfigError, JournalError, unknown
from labwright.model.instruments import HERE
from labwright.model.material import Used
from labwright.model.states import OVER

_log = logging.getLogger(__name__)


def unfinished(journal: Journal, name: str = "", instruments: str = "") -> str | None:
    """The newest campaign that has not ended; None if all have.

    Args:
        journal: that keeps them.
        name: of the campaign; any if empty.
        instruments: that it is on (`Lab.instruments`); any if empty.
    """
    table = campaign_table
    query = sa.select(table.c.id).where(table.c.state.not_in(OVER))
    if name:
        query = query.where(table.c.name == name)
    if instruments:
        query = query.where(table.c.instruments == instruments)
    if not (found := {str(row["id"]) for row in journal.read(query)}):
        return None
    return next((one for one in reversed(journal.campaigns()) if one in found), None)


def unfinished_on(journal: Journal, instruments: str) -> list[str]:
    """All campaigns on these instruments that have not ended, in the order in which they began."""
    table = campaign_table
    query = sa.select(table.c.id).where(table.c.state.not_in(OVER), table.c.instruments == instruments)
    known = {str(row["id"]) for row in journal.read(query)}
    return [campaign for campaign in journal.campaigns() if campaign in known]


def campaigns_on(journal: Journal) -> list[tuple[str, str]]:
    """All campaigns, the newest last, and the instruments each is on."""
    known = {row["id"]: str(row["instruments"]) for row in journal.rows(campaign_table)}
    return [(one, known.get(one) or started(journal, one).deck) for one in journal.campaigns()]


def replayed(
    journal: Journal, campaign: str, lab: LabCore | None = None, after: int = 0
) -> Iterator[tuple[LoggedEvent, Event, list[Instruction], CampaignCore]]:
    """A campaign's events one by one, what the core decides on each, and the core after it.

    Args:
        journal: that keeps them.
        campaign: its id.
        lab: as the event `after` left it, to continue from there; a new one if None.
        after: id of the last event it has handled.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: an event cannot be understood.
    """
    lab = lab or LabCore()
    core = lab.campaign(campaign)
    for logged in journal.events(campaign, after):
        event = understood(journal, logged)
        instructions = lab.handle(campaign, event, logged.lab_time_s)
        lab.dirty.clear()
        yield logged, event, instructions, core
    if core.phase == "draft":
        raise ConfigError(f"{journal.name}: {unknown('campaign', campaign, journal.campaigns())}")


def started(journal: Journal, campaign: str) -> Started:
    """How a campaign began, without going through all that followed.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: its first event cannot be understood.
    """
    first = next(replayed(journal, campaign))
    return first[-1].started


def rebuilt(journal: Journal, campaign: str) -> CampaignCore:
    """The core of a campaign as its last event left it."""
    return rebuilt_lab(journal, campaign).campaign(campaign)


def alone(journal: Journal, campaign: str, before: int | None = None) -> LabCore:
    """A lab that has handled a campaign's events, and nothing else.

    Args:
        journal: that keeps them.
        campaign: its id.
        before: id of the first event that it has not handled; it has handled all if None.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: an event cannot be understood.
    """
    lab = LabCore()
    for logged in journal.events(campaign):
        if before is not None and logged.id >= before:
            break
        lab.handle(campaign, understood(journal, logged), logged.lab_time_s)
        lab.dirty.clear()
    if lab.campaign(campaign).phase == "draft":
        raise ConfigError(f"{journal.name}: {unknown('campaign', campaign, journal.campaigns())}")
    return lab


def rebuilt_lab(journal: Journal, *campaigns: str, instruments: str = "") -> LabCore:
    """The core of a lab as the last events of its campaigns left it, with the material that its deck has.

    Args:
        journal: that keeps them.
        campaigns: ids of those that are under way, all on one deck.
        instruments: which deck (`Lab.instruments`), so that its newest snapshot spares the events before, if it can be
            read; that of the campaigns if empty.

    Raises:
        ConfigError: there is no such campaign.
        JournalError: an event cannot be understood.
    """
    if campaigns and (restored := _restored(journal, instruments, campaigns)) is not None:
        restore_material(journal, restored)
        return restored
    lab = LabCore()
    if campaigns and not instruments:
        instruments = started(journal, campaigns[0]).deck
    of_lab = (logged for logged in journal.events("") if logged.instruments == instruments)
    of_campaigns = (journal.events(campaign) for campaign in campaigns)
    for logged in heapq.merge(of_lab, *of_campaigns, key=lambda logged: logged.id):
        try:
            lab.handle(logged.campaign, understood(journal, logged), logged.lab_time_s)
        except IllegalEventError as error:
            if logged.campaign:
                raise
            # It was about what another campaign had used or left, which is over; what is where, the tables say.
            _log.info("event %d of the lab says nothing about what is under way: %s", logged.id, error)
        lab.dirty.clear()
    for campaign in campaigns:
        if lab.campaign(campaign).phase == "draft":
            raise ConfigError(f"{journal.name}: {unknown('campaign', campaign, journal.campaigns())}")
    lab.instruments = instruments
    restore_material(journal, lab)
    return lab


def _restored(journal: Journal, instruments: str, campaigns: Collection[str]) -> LabCore | None:
    """The lab by its newest snapshot and all that has happened on these instruments since; None if that cannot be.

    Each controller's first events are recorded with a snapshot, so that what came after the newest was decided in a lab
    of the very campaigns that are in it.
    """
    found = by_snapshot(journal, instruments)
    if found is None:
        return None
    lab, after = found
    try:
        for logged in journal.events_on(instruments, after):
            event = understood(journal, logged)
            if isinstance(event, Extended) and logged.campaign not in lab.campaigns:  # it was over
                lab.take_back(logged.campaign, alone(journal, logged.campaign, logged.id))
            lab.handle(logged.campaign, event, logged.lab_time_s)
            lab.dirty.clear()
            if (core := lab.campaigns.get(logged.campaign)) is not None and core.over:
                lab.forget(logged.campaign)
    except IllegalEventError as error:
        _log.warning("the snapshot after event %d is not used: %s", after, error)
        return None
    for other in [name for name in lab.campaigns if name not in campaigns]:
        lab.leave_out(other)
    return lab if set(campaigns) == set(lab.campaigns) else None


def by_snapshot(
    journal: Journal, instruments: str, only: Collection[str] | None = None, until: int | None = None
) -> tuple[LabCore, int] | None:
    """A lab as a snapshot has it, and the id of the last event in it; None if there is none that can be read.

    Args:
        journal: that keeps it.
        instruments: whose it is.
        only: campaigns to keep; all if None.
        until: id of the last event that may be in it; any if None.
    """
    if instruments in ("", HERE):
        return None
    snapshot = journal.newest_snapshot(instruments, ENGINE, until)
    if snapshot is None:
        return None
    table = trial_table

    def trials(campaign: str, number: int) -> list[Trial]:
        first = sa.select(table.c.trial).where(table.c.campaign == campaign, table.c.n <= number).order_by(table.c.n)
        return [Trial.model_validate_json(row["trial"]) for row in journal.read(first)]

    try:
        return loaded(snapshot.state, lambda campaign: started(journal, campaign), trials, only), snapshot.event_id
    except UnreadableSnapshotError as error:
        _log.info("the snapshot after event %d is not used: %s", snapshot.event_id, error)
        return None


def view(journal: Journal, campaign: str, until: int | None = None) -> tuple[LabCore, int]:
    """A lab of one campaign to replay its events in, and the id of the last event that it has handled already.

    Args:
        journal: that keeps it.
        campaign: its id.
        until: id of the last event that it may have handled; any if None.
    """
    table = campaign_table
    decks = [str(row["instruments"]) for row in journal.rows(table, table.c.id == campaign)]
    found = by_snapshot(journal, decks[0], [campaign], until) if decks else None
    return found if found is not None and campaign in found[0].campaigns else (LabCore(), 0)


def understood(journal: Journal, logged: LoggedEvent) -> Event:
    """The event that a line of the journal is.

    Raises:
        JournalError: it cannot be understood.
    """
    try:
        event: Event = EVENTS.validate_python(logged.payload)
    except ValidationError as error:
        raise JournalError(
            f"{journal.name}: event {logged.id} ({logged.kind}) of {logged.campaign} cannot be understood; was it "
            f"written by another version of Labwright? {error.errors()[0]['msg']}"
        ) from error
    return event


def close_unfinished(journal: Journal, campaign: str, why: str, by: str) -> None:
    """End a campaign that will not be resumed; what was under way is given up.

    Args:
        journal: claimed by this process.
        campaign: its id.
        why: in words.
        by: who ends it.
    """
    lab = rebuilt_lab(journal, campaign)
    core = lab.campaign(campaign)
    epoch = journal.control(by)
    used = used_so_far(StepJournal(journal), core)
    events: list[Event] = [
        StopAsked(why=why, now=True, by=by),
        Resumed(epoch=epoch, by=by, because=why, used=used, engine=ENGINE),
    ]
    kept = [decided_now(lab, campaign, event, time.time()) for event in events if not core.over]
    journal.record(kept)


def decided_now(lab: LabCore, campaign: str, event: Event, now_s: float) -> NewEvent:
    """An event that no controller takes, as it is to be recorded with all it changes.

    Args:
        lab: as the events before have left it.
        campaign: its id.
        event: what happens.
        now_s: lab time.
    """
    decided = decisions(lab.handle(campaign, event, now_s))
    return NewEvent(
        campaign=campaign,
        kind=event.kind,
        payload=event.model_dump_json().encode(),
        decisions=orjson.dumps(decided),
        lab_time_s=now_s,
        changes=take_changes(lab),
        instruments=lab.instruments,
    )


def used_so_far(steps: StepJournal, core: CampaignCore) -> dict[str, dict[str, Used]]:
    """What the steps under way have taken of the stocks, by the operations in the journal; by step and stock."""
    running = [run.step_id for one in core.live.values() for run in one.running if run.state == "running"]
    found = {step_id: steps.used(step_id) for step_id in running}
    return {step_id: used for step_id, used in found.items() if used}
