"""A person has counted what a deck has: recorded where no controller runs."""

from __future__ import annotations

import time
from collections.abc import Mapping

import orjson
import sqlalchemy as sa

from labwright.engine.events import ENGINE, Recounted
from labwright.engine.inventory import deck_count, recount_of
from labwright.engine.lab import LabCore
from labwright.engine.recovery import rebuilt_lab, used_so_far
from labwright.engine.tables import take_changes
from labwright.engine.work import IllegalEventError
from labwright.journal import Journal, NewEvent, StepJournal, instruments_words, schema
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.material import Used
from labwright.model.states import OVER


def check_counted(model: LabModel, lots_ml: Mapping[str, float], containers: Mapping[str, str]) -> None:
    """Refuse to count what the lab does not have.

    Raises:
        ConfigError: every name that is not known.
    """
    wrong = [unknown("stock", name, list(model.stocks)) for name in lots_ml if name not in model.stocks]
    wrong += [unknown("position", name, list(model.positions)) for name in containers if name not in model.positions]
    for name, held in containers.items():
        kind = model.containers[held].labware if held in model.containers else held
        if held and kind not in model.labware:
            wrong.append(unknown("labware or container", held, [*model.labware, *model.containers]))
        elif held and name in model.positions and kind not in model.positions[name].takes:
            wrong.append(f"position {name} takes {', '.join(model.positions[name].takes)}, not a {kind}")
    if wrong:
        raise ConfigError("; ".join(wrong))


def under_way_used(lab: LabCore, steps: StepJournal) -> dict[str, dict[str, Used]]:
    """What the steps under way have taken of the stocks by now, by step and stock."""
    return {key: used for core in lab.campaigns.values() for key, used in used_so_far(steps, core).items()}


def recount_alone(
    journal: Journal,
    model: LabModel,
    instruments: str,
    lots_ml: Mapping[str, float],
    containers: Mapping[str, str],
    *,
    by: str,
    because: str,
) -> None:
    """Record what a person has counted, where no controller runs.

    Raises:
        ConfigError: the lab has no such stock, position or container.
        RefusedError: a controller runs, the deck was never filled, or what is counted is in use by a campaign that was
            interrupted.
    """
    check_counted(model, lots_ml, containers)
    journal.claim()
    if instruments == HERE:
        raise RefusedError("instruments simulated in a process that has ended are gone; the next ones come back full")
    if deck_count(journal, instruments) is None:
        raise RefusedError(
            f"{instruments_words(instruments)}: nothing was recorded yet of what is there. The first campaign takes "
            "what inventory.yaml says: write it there"
        )
    table = schema.campaign
    open_ = journal.rows(table, table.c.instruments == instruments, table.c.state.not_in(OVER))
    lab = rebuilt_lab(journal, *(str(row["id"]) for row in open_), instruments=instruments)
    event = recount_of(model, lots_ml, containers, by=by, because=because)
    event = event.model_copy(update={"used": under_way_used(lab, StepJournal(journal))})
    now_s = time.time()
    try:
        lab.handle("", event, now_s)
    except IllegalEventError as error:
        names = ", ".join(str(row["id"]) for row in open_)
        raise RefusedError(f"{error}. {names} was interrupted: resume it first; nothing was recorded") from error
    journal.control(by, instruments=instruments, engine=ENGINE)
    journal.record([_record(lab, event, now_s)])


def _record(lab: LabCore, event: Recounted, now_s: float) -> NewEvent:
    return NewEvent(
        campaign="",
        kind=event.kind,
        payload=event.model_dump_json().encode(),
        decisions=orjson.dumps([]),
        lab_time_s=now_s,
        changes=take_changes(lab),
        instruments=lab.instruments,
    )


def decks(journal: Journal) -> list[str]:
    """Decks whose material the journal knows, those of processes that have ended left out."""
    event = schema.event
    filled = sa.select(event.c.instruments).where(event.c.campaign == "", event.c.kind == "stocked").distinct()
    return sorted(str(row["instruments"]) for row in journal.read(filled))
