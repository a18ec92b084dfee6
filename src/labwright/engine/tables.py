"""The state of a lab's core as rows of the journal's tables: only the rows that an event has changed are written."""

from __future__ import annotations

from typing import Any

import orjson

from labwright.engine.core import CampaignCore
from labwright.engine.dirty import DirtyRows
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.lab import LabCore
from labwright.engine.stocks import Stock, Waste
from labwright.model.rows import Changes, Key, Row


def take_changes(lab: LabCore) -> Changes:
    """The rows that events have changed, of all campaigns and of the lab, once."""
    dirty, deck = lab.dirty, lab.instruments
    changes: dict[Key, Row | None] = {}
    campaigns = [*dirty.campaigns, *(experiment.owner for experiment in dirty.experiments.values())]
    for campaign in dict.fromkeys(campaigns):
        changes["campaign", campaign] = _campaign(lab.campaigns[campaign])
    for campaign in dirty.specs:
        spec = lab.campaigns[campaign].spec.model_dump_json()
        changes["campaign_spec", campaign] = {"campaign": campaign, "spec": spec}
    for campaign, index in dirty.trials:
        changes["trial", campaign, index + 1] = _trial(lab.campaigns[campaign], index)
    for campaign, index in dirty.vetoes:
        changes["veto", campaign, index + 1] = _veto(lab.campaigns[campaign], index)
    for experiment in dirty.experiments.values():
        changes["experiment", experiment.owner, experiment.label] = _experiment(experiment)
        if (sample := _sample(experiment, deck)) != experiment.sample_row:
            experiment.sample_row = changes["sample", experiment.owner, experiment.label] = sample
    for (campaign, label), said in dirty.samples.items():
        row = changes.get(("sample", campaign, label)) or {"campaign": campaign, "label": label}
        changes["sample", campaign, label] = {**row, **said}
    for step_id, (experiment, run) in dirty.steps.items():
        changes["step", step_id] = _step(experiment, run)
    for key, asked in dirty.questions.items():
        changes["question", key] = asked
    changes |= dirty.remarks
    for step_id, waiting in dirty.waits.items():
        changes["waiting", step_id] = None if waiting is None else {"instruments": deck, **vars(waiting)}
    _of_the_deck(lab, dirty, deck, changes)
    dirty.clear()
    return changes


def _of_the_deck(lab: LabCore, dirty: DirtyRows, deck: str, changes: dict[Key, Row | None]) -> None:
    """What all campaigns on these instruments share."""
    for resource in dirty.resources:
        holder = lab.reservations.taken.get(resource)
        row: dict[str, Any] | None = None
        if holder is not None:
            row = {"instruments": deck, "resource": resource, "campaign": holder.owner, "label": holder.label}
            row |= {"step_id": holder.step_id, "state": holder.state}
        changes["reservation", deck, resource] = row
    for name in dirty.stocks:
        stock = lab.material.stocks.get(name)
        changes["stock", deck, name] = None if stock is None else {"instruments": deck, "name": name, **_stock(stock)}
    for name in dirty.wastes:
        changes["waste", deck, name] = {"instruments": deck, "name": name, **_waste(lab.material.wastes[name])}
    for one in dirty.transfers:  # numbered, so that of several events in one transaction none hides another's entry
        changes["ledger", deck, one.campaign, one.number] = {**one.row(), "instruments": deck}
    for name in dirty.preparations:
        made = lab.work.preparations.get(name)
        known = None if made is None else {"instruments": deck, **made.model_dump(exclude={"results", "stations"})}
        if made is not None and known is not None:
            known["results"] = orjson.dumps(made.results).decode()
        changes["preparation", deck, name] = known
    for name, held in dirty.positions.items():
        changes["position", deck, name] = {
            "instruments": deck,
            "name": name,
            "campaign": held.campaign,
            "label": held.label,
            "holds": held.kind,
            "since_s": held.since_s,
            "used_up": held.used_up,
        }


def _stock(stock: Stock) -> dict[str, Any]:
    facts = stock.facts
    return {
        "material": facts.material,
        "lot": facts.lot,
        "unit": facts.unit,
        "count": stock.count,
        "dead": stock.dead,
        "used": stock.used.amount,
        "unknown": stock.used.unknown,
        "reserved": stock.promised,
        "since_s": stock.since_s,
        "facts": facts.model_dump_json(exclude_defaults=True),
        "doubts": orjson.dumps(stock.doubts).decode(),
    }


def _waste(waste: Waste) -> dict[str, Any]:
    return {
        "capacity": waste.capacity,
        "unit": waste.unit,
        "level": waste.level,
        "unknown": waste.unknown,
        "reserved": waste.promised,
        "station": waste.station,
    }


def _campaign(core: CampaignCore) -> dict[str, Any]:
    started = core.started
    return {
        "id": core.campaign,
        "name": started.spec.name,
        "title": started.spec.title,
        "state": core.status,
        "reason": core.reason,
        "lab": started.lab,
        "lab_sha256": started.lab_sha256,
        "simulated": started.simulated,
        "instruments": started.deck,
        "budget": core.budget,
        "tried": core.tried,
        "priority": started.spec.priority,
        "began_s": core.began_s,
        "ended_s": core.ended_s,
        "planner": started.spec.planner.name,
        "objectives": core.objectives,
        "best": core.best,
        "front": core.on_front,
        "short": core.short,
        "closed": core.closed,
        "lost": core.lost,
    }


def _trial(core: CampaignCore, index: int) -> Row:
    trial = core.trials[index]
    return {
        "campaign": core.campaign,
        "n": index + 1,
        "id": trial.id,
        "status": trial.status,
        "source": trial.source,
        "label": trial.id if core.has_experiment(trial) else "",
        "trial": trial.model_dump_json(),
    }


def _veto(core: CampaignCore, index: int) -> Row:
    veto = core.vetoes[index]
    return {
        "campaign": core.campaign,
        "n": index + 1,
        "params": orjson.dumps(veto.params).decode(),
        "reach": veto.reach,
        "by": veto.by,
        "because": veto.because,
    }


def _experiment(experiment: Experiment) -> Row:
    return {
        "campaign": experiment.owner,
        "label": experiment.label,
        "sample": experiment.sample,
        "protocol": experiment.protocol.name,
        "state": experiment.state,
        "reason": experiment.reason,
        "stands_at": experiment.stands_at,
        "began_s": experiment.began_s,
        "results": _results(experiment),
    }


def _sample(experiment: Experiment, deck: str) -> Row:
    return {
        "campaign": experiment.owner,
        "label": experiment.label,
        "id": experiment.sample_row.get("id") or experiment.uuid,
        "instruments": deck,
        "labware": experiment.protocol.labware,
        "made_s": experiment.began_s,
        "place": experiment.stands_at,
        "disposition": experiment.disposition,
        "quarantine": experiment.quarantine or ", ".join(experiment.doubts),
    }


def _results(experiment: Experiment) -> str:
    if not experiment.has_results:
        return ""
    return orjson.dumps(experiment.protocol.declared(experiment.results())).decode()


def _step(experiment: Experiment, run: StepRun) -> Row:
    return {
        "step_id": run.step_id,
        "campaign": experiment.owner,
        "label": experiment.label,
        "protocol": run.carrier or experiment.protocol.name,
        "name": run.spec.name,
        "round": run.round,
        "station": run.station,
        "state": run.state,
        "attempt": run.attempt,
        "error": run.error,
        "expected_s": run.expected_s,
        "started_s": run.started_s,
        "ended_s": run.ended_s,
    }
