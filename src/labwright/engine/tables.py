"""The core's state as rows of the journal's tables: only the rows that an event has changed are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labwright.model.material import NL_PER_ML

if TYPE_CHECKING:
    from labwright.engine.core import CampaignCore
    from labwright.engine.experiment import Experiment, StepRun

Row = Mapping[str, Any]
Changes = dict[tuple[str, str], Row | None]


@dataclass(frozen=True)
class Spent:
    """An entry of the ledger: what a step, or a whole experiment whose steps are not counted, has taken of a stock.

    Attributes:
        number: of the entry in its campaign, from 1.
        stock: its name.
        campaign: its id.
        label: of the experiment.
        step_id: of the step; empty for a whole experiment, by what its protocol promised.
        change_nl: what is known to be gone, below 0; nanolitres.
        unknown_nl: by how much more (or less) may be gone than before, nanolitres.
        change_ml: as `change_nl`, in millilitres.
    """

    number: int
    stock: str
    campaign: str
    label: str
    step_id: str
    change_nl: int
    unknown_nl: int
    change_ml: float

    def row(self, preparation: bool) -> Row:
        """As it is written to the journal."""
        return {
            "lot": self.stock,
            "campaign": self.campaign,
            "label": self.label,
            "change_ml": self.change_ml,
            "why": "preparation" if preparation else "experiment",
            "step_id": self.step_id,
            "change_nl": self.change_nl,
            "unknown_nl": self.unknown_nl,
        }


@dataclass
class Touched:
    """What has changed since the tables were written last."""

    campaign: bool = False
    spec: bool = False
    experiments: dict[str, Experiment] = field(default_factory=dict)
    steps: dict[str, tuple[Experiment, StepRun]] = field(default_factory=dict)
    resources: set[str] = field(default_factory=set)
    questions: dict[str, Row] = field(default_factory=dict)
    lots: set[str] = field(default_factory=set)
    spent: list[Spent] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)


def take_changes(core: CampaignCore) -> Changes:
    """The rows an event has changed, once."""
    touched, changes = core.touched, Changes()
    if touched.campaign or touched.experiments:
        changes["campaign", core.campaign] = _campaign(core) | ({"spec": _spec(core)} if touched.spec else {})
    for label, one in touched.experiments.items():
        changes["experiment", f"{core.campaign}|{label}"] = _experiment(core, one)
    for step_id, (one, run) in touched.steps.items():
        changes["step", step_id] = _step(core, one, run)
    for resource in touched.resources:
        holder = core.resources.reserved.get(resource)
        row = {"resource": resource, "campaign": core.campaign}
        if holder is not None:
            row |= {"label": holder.label, "step_id": holder.step_id, "state": holder.state}
        changes["reservation", f"{core.campaign}|{resource}"] = row if holder is not None else None
    for key, asked in touched.questions.items():
        changes["question", key] = asked
    for name in touched.lots:
        unknown_nl = core.resources.used[name].unknown_nl if name in core.resources.used else 0
        changes["lot", f"{core.campaign}|{name}"] = {
            "campaign": core.campaign,
            "name": name,
            "usable_ml": core.resources.left_ml(name),
            "reserved_ml": core.resources.reserved_ml(name),
            "unknown_ml": unknown_nl / NL_PER_ML,
        }
    for spent in touched.spent:  # numbered, so that of several events in one transaction none hides another's entry
        changes["ledger", f"{spent.campaign}|{spent.number}"] = spent.row(spent.label in core.spec.prepare)
    for name, holds in touched.positions.items():
        changes["position", f"{core.campaign}|{name}"] = {"campaign": core.campaign, "name": name, "holds": holds}
    core.forget_changes()
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
