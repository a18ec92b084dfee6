"""Rehearsals: how fast they are, and how near they come to the reference lab's simulated instruments.

    python -m benchmarks.rehearsal

100 samples of the reference lab in at most 1 s of processor time, a week of lab (2,000 steps) in at most 10 s; 12
experiments, four at once, with and without the preparation, within 5 % of the makespan on simulated instruments.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from labwright.cli.places import reference_lab
from labwright.engine import Campaign, load_campaign
from labwright.engine.campaign import campaign_files
from labwright.engine.campaign_plan import CampaignPlan, DeckState, plan_campaigns
from labwright.engine.inventory import DeckCount, from_files
from labwright.engine.lab import LabCore
from labwright.engine.layout import layout_of
from labwright.journal import Journal, journal_file
from labwright.journal.schema import step as step_table
from labwright.lab import LabFolder, read_lab
from labwright.model.material import nanolitres

SAMPLES, SAMPLES_S = 100, 1.0
WEEK_STEPS, WEEK_S = 2_000, 10.0
BUDGET, PARALLEL = 12, 4
NEAR = 0.05
LITRES_ML = 10_000.0
WEEK_TIMES = 10
"""Steps of the week take so much longer than in the reference lab."""


def campaign_of(folder: LabFolder, budget: int, parallel: int) -> Campaign:
    """The reference lab's, of so many experiments."""
    path = campaign_files(folder.root)["conductivity"]
    found = load_campaign(folder, path, budget=budget, any_planner=True, sufficient=False)
    return replace(found, spec=found.spec.model_copy(update={"parallel": parallel}))


def endless(folder: LabFolder, samples: int) -> tuple[LabFolder, DeckState]:
    """The lab with material for all, and racks enough."""
    model = folder.model
    rack = model.positions["rack_1"]
    racks = {f"rack_{number}": rack for number in range(1, samples + 1)}
    arm = model.transports["arm"]
    reaches = {**arm.reaches, **dict.fromkeys(racks, "1")}
    changed = model.model_copy(
        update={
            "positions": {**model.positions, **racks},
            "transports": {"arm": arm.model_copy(update={"reaches": reaches})},
        }
    )
    full = from_files(changed)
    stocks = {name: one.model_copy(update={"count": nanolitres(LITRES_ML)}) for name, one in full.stocks.items()}
    wastes = {name: one.model_copy(update={"capacity": None}) for name, one in full.wastes.items()}
    core = LabCore(layout_of(changed))
    core.handle("", full.model_copy(update={"stocks": stocks, "wastes": wastes}), 0.0)
    return replace(folder, model=changed), DeckState(
        DeckCount("real", core.material.stocks, core.material.wastes, core.material.holds)
    )


def rehearsed(folder: LabFolder, samples: int, times: float = 1.0) -> tuple[CampaignPlan, float]:
    """A campaign of so many samples, and the processor time that it took."""
    wide, deck = endless(folder, samples)
    campaign = campaign_of(folder, samples, PARALLEL)
    expected_s = {
        f"{protocol.name}/{step.name}": step.expected_s * times
        for protocol in campaign.protocol_specs
        for step in protocol.steps
    }
    deck = replace(deck, learnt_s=expected_s if times != 1 else {})
    gc.collect()
    began_s = time.process_time()
    plan = plan_campaigns(wide, [campaign], deck)
    took_s = time.process_time() - began_s
    if plan.experiments != samples or plan.problems:
        raise AssertionError(f"{plan.experiments} of {samples}: {plan.problems}")
    return plan, took_s


def simulated(folder: LabFolder, data: Path) -> tuple[float, float]:
    """Lab seconds until the last step has ended, and until the first experiment has begun, on simulated instruments."""
    text = campaign_files(folder.root)["conductivity"].read_text(encoding="utf-8")
    spec = data / "four.yaml"
    spec.write_text(text.replace("name: conductivity\n", "name: four\n", 1) + f"parallel: {PARALLEL}\n")
    words = ["--simulated", "--no-store", "--budget", str(BUDGET), "--planner", "sobol", "--on-question", "fail"]
    command = [sys.executable, "-m", "labwright", "campaign", "run", str(spec), "--lab", str(folder.root)]
    subprocess.run([*command, "--data", str(data), *words], check=True, capture_output=True)
    with Journal.reading(journal_file(data)) as journal:
        rows = journal.read(
            sa.select(step_table.c.protocol, step_table.c.label, step_table.c.started_s, step_table.c.ended_s)
        )
    first_s = min(row["started_s"] for row in rows)
    experiments_s = min(row["started_s"] for row in rows if row["label"].isdigit())
    return max(row["ended_s"] for row in rows) - first_s, experiments_s - first_s


def main() -> int:
    """Print all figures; 1 if one misses its limit."""
    folder = read_lab(reference_lab())
    figures: list[tuple[str, float, float]] = []
    plan_campaigns(folder, [campaign_of(folder, 2, 2)], DeckState())  # whatever is imported late
    plan, took_s = rehearsed(folder, SAMPLES)
    print(f"{SAMPLES} samples: {len(plan.bars)} steps and moves, {plan.makespan_s / 3600:.1f} h of lab")
    figures.append((f"rehearsing {SAMPLES} samples / s of processor", took_s, SAMPLES_S))
    week, took_s = rehearsed(folder, WEEK_STEPS // 8, WEEK_TIMES)
    print(f"a week: {len(week.bars)} steps and moves, {week.makespan_s / 86400:.1f} d of lab")
    figures.append((f"rehearsing a week, {WEEK_STEPS} steps / s of processor", took_s, WEEK_S))
    with tempfile.TemporaryDirectory() as data:
        whole_s, preparing_s = simulated(folder, Path(data))
    near = plan_campaigns(folder, [campaign_of(folder, BUDGET, PARALLEL)], DeckState())
    for what, real_s, found_s in (
        ("together", whole_s, near.makespan_s),
        ("preparation", preparing_s, near.preparing_s),
        ("experiments", whole_s - preparing_s, near.makespan_s - near.preparing_s),
    ):
        print(f"{what}: simulated {real_s:.0f} s, rehearsed {found_s:.0f} s")
        figures.append((f"rehearsed against simulated, {what} / 1", abs(found_s / real_s - 1), NEAR))
    for name, value, limit in figures:
        print(f"{name}: {value:.3f} (at most {limit:g}){'' if value <= limit else '  MISSED'}")
    return int(any(value > limit for _, value, limit in figures))


if __name__ == "__main__":
    raise SystemExit(main())
