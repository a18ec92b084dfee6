"""The core's state as rows of the journal's tables: only what an event has touched is written anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labwright.engine.core import CampaignCore
    from labwright.engine.experiment import Experiment, StepRun

Row = Mapping[str, Any]
Changes = dict[tuple[str, str], Row | None]


@dataclass
class Touched:
    """What has changed since the tables were written last."""

    campaign: bool = False
    experiments: dict[str, Experiment] = field(default_factory=dict)
    steps: dict[str, tuple[Experiment, StepRun]] = field(default_factory=dict)
    resources: set[str] = field(default_factory=set)
    questions: dict[str, Row] = field(default_factory=dict)
    lots: set[str] = field(default_factory=set)
    spent: list[tuple[str, str, str, float]] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)


def take_changes(core: CampaignCore) -> Changes:
    """The rows an event has changed, once."""
    touched, changes = core.touched, Changes()
    if touched.campaign or touched.experiments:
        changes["campaign", core.campaign] = _campaign(core)
    for label, one in touched.experiments.items():
        changes["experiment", f"{core.campaign}|{label}"] = _experiment(core, one)
    for step_id, (one, run) in touched.steps.items():
        changes["step", step_id] = _step(core, one, run)
    for resource in touched.resources:
        holder = core.resources.reserved.get(resource)
        row = {"resource": resource, "campaign": core.campaign}
        if holder is not None:
            row |= {"label": holder.label, "step_id": holder.step_id, "state": holder.state}
        changes["reservation", resource] = row if holder is not None else None
    for key, asked in touched.questions.items():
        changes["question", key] = asked
    for name in touched.lots:
        reserved_ml = core.resources.promised_ml.get(name, 0.0)
        usable_ml = core.resources.lots_ml.get(name, 0.0)
        changes["lot", name] = {"name": name, "usable_ml": usable_ml, "reserved_ml": reserved_ml}
    for number, (name, campaign, label, change_ml) in enumerate(touched.spent):
        entry = {"lot": name, "campaign": campaign, "label": label, "change_ml": change_ml, "why": "experiment"}
        changes["ledger", f"{campaign}|{label}|{number}"] = entry
    for name, holds in touched.positions.items():
        changes["position", name] = {"name": name, "holds": holds, "campaign": core.campaign}
    core.forget_changes()
    return changes


def _campaign(core: CampaignCore) -> Row:
    started = core.started
    return {
        "id": core.campaign,
        "name": started.spec.name,
        "title": started.spec.title,
        "state": core.phase,
        "reason": core.reason,
        "lab": started.lab,
        "lab_sha256": started.lab_sha256,
        "simulated": started.simulated,
        "budget": started.spec.budget,
        "tried": core.tried,
        "spec": started.spec.model_dump_json(),
    }


def _experiment(core: CampaignCore, one: Experiment) -> Row:
    return {
        "campaign": core.campaign,
        "label": one.label,
        "sample": one.sample,
        "protocol": one.protocol.name,
        "state": one.state,
        "reason": one.reason,
        "stands_at": one.stands_at,
        "trial": "" if one.trial is None else core.trials[one.trial].model_dump_json(),
    }


def _step(core: CampaignCore, one: Experiment, run: StepRun) -> Row:
    return {
        "step_id": run.step_id,
        "campaign": core.campaign,
        "label": one.label,
        "protocol": one.protocol.name,
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
