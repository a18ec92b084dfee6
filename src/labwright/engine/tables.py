"""The state of a lab's core as rows of the journal's tables: only the rows that an event has changed are written."""

from __future__ import annotations

from typing import Any

from labwright.engine.core import CampaignCore
from labwright.engine.dirty import Changes, Row
from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.lab import LabCore
from labwright.model.material import NL_PER_ML


def take_changes(lab: LabCore, campaign: str) -> Changes:
    """The rows that the events of a campaign have changed, once."""
    dirty, changes, core = lab.dirty, Changes(), lab.campaign(campaign)
    if dirty.campaigns or dirty.experiments:
        spec = {"spec": _spec(core)} if campaign in dirty.specs else {}
        changes["campaign", campaign] = _campaign(core) | spec
    for experiment in dirty.experiments.values():
        changes["experiment", f"{experiment.owner}|{experiment.label}"] = _experiment(core, experiment)
    for step_id, (experiment, run) in dirty.steps.items():
        changes["step", step_id] = _step(experiment, run)
    for resource in dirty.resources:
        holder = lab.reservations.taken.get(resource)
        row = {"resource": resource, "campaign": campaign}
        if holder is not None:
            row |= {"label": holder.label, "step_id": holder.step_id, "state": holder.state}
        changes["reservation", f"{campaign}|{resource}"] = row if holder is not None else None
    for key, asked in dirty.questions.items():
        changes["question", key] = asked
    for name in dirty.lots:
        used = lab.material.used.get(name)
        changes["lot", f"{campaign}|{name}"] = {
            "campaign": campaign,
            "name": name,
            "usable_ml": lab.material.left_ml(name),
            "reserved_ml": lab.material.reserved_ml(name),
            "unknown_ml": used.unknown_nl / NL_PER_ML if used else 0.0,
        }
    for spent in dirty.spent:  # numbered, so that of several events in one transaction none hides another's entry
        changes["ledger", f"{spent.campaign}|{spent.number}"] = spent.row()
    for name, holds in dirty.positions.items():
        changes["position", f"{campaign}|{name}"] = {"campaign": campaign, "name": name, "holds": holds}
    dirty.clear()
    return changes


def _spec(core: CampaignCore) -> str:
    """Written once: with thousands of candidates it is by far the largest part of a campaign's row."""
    return core.spec.model_dump_json()


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
        "instruments": started.instruments or ("here" if started.simulated else "real"),
        "budget": started.spec.budget,
        "tried": core.tried,
    }


def _experiment(core: CampaignCore, experiment: Experiment) -> Row:
    trial = core.trial_of(experiment)
    return {
        "campaign": experiment.owner,
        "label": experiment.label,
        "sample": experiment.sample,
        "protocol": experiment.protocol.name,
        "state": experiment.state,
        "reason": experiment.reason,
        "stands_at": experiment.stands_at,
        "trial": "" if trial is None else core.trials[trial].model_dump_json(),
    }


def _step(experiment: Experiment, run: StepRun) -> Row:
    return {
        "step_id": run.step_id,
        "campaign": experiment.owner,
        "label": experiment.label,
        "protocol": experiment.protocol.name,
        "name": run.spec.name,
        "round": run.round,
        "station": run.spec.station,
        "state": run.state,
        "attempt": run.attempt,
        "error": run.error,
        "expected_s": run.expected_s,
        "started_s": run.started_s,
        "ended_s": run.ended_s,
    }
