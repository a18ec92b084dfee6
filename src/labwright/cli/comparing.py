"""`labwright planner compare`: a campaign rehearsed with several planners on the lab's simulator."""

from __future__ import annotations

import math
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labwright.cli.output import console, counted, emit, table, whoami
from labwright.cli.places import find_campaign
from labwright.cli.simulating import opened
from labwright.cli.words import valued
from labwright.engine import Campaign, CampaignRun, load_campaign
from labwright.journal import Journal, journal_file
from labwright.model.campaign import PlannerSpec, Trial
from labwright.model.errors import ConfigError, LabwrightError
from labwright.model.figures import column, figure
from labwright.model.judging import counts, hypervolume, merits
from labwright.model.spec import CampaignSpec, StopRule
from labwright.planners import load_planner

SHORT = 0.015
"""The target lies this share of its value short of the best that any planner found: about a repeat's scatter."""

RESAMPLES = 2000
"""Of the seeds, for an interval; more do not move it by a whole experiment."""

BESIDE = ("sobol", "random")
"""Compared with by default: Sobol points and random ones."""


@dataclass(frozen=True)
class Rehearsal:
    """One campaign on the simulator.

    Attributes:
        planner: its name.
        seed: of planner and simulated world.
        trials: that were carried out, in their order.
        merits: of each by objective, larger is better; None for one that does not count.
    """

    planner: str
    seed: int
    trials: tuple[Trial, ...]
    merits: tuple[tuple[float, ...] | None, ...]


def compare_planners(
    root: Path,
    name: str,
    planners: Sequence[str],
    seeds: int,
    *,
    budget: int | None,
    target: float | None,
    data: Path,
    json: bool,
) -> None:
    """Rehearse a campaign with each planner and as many seeds, and show how soon each reaches the target.

    Raises:
        ConfigError: the campaign or a planner is wrong; nothing was rehearsed.
    """
    path = find_campaign(root, name)
    for planner in planners:
        load_planner(PlannerSpec(name=planner))
    chosen = _planners(root, path, planners, budget, data)
    first = next(iter(chosen.values())).spec
    done: list[Rehearsal] = []
    for seed in range(1, seeds + 1):
        for planner in chosen:
            console.print(f"rehearsing {planner}, seed {seed} of {seeds}", style="dim", markup=False)
            done.append(_rehearse(root, path, chosen[planner], planner, seed))
    if not any(one is not None for each in done for one in each.merits):
        raise ConfigError(f"campaign {first.name}: no experiment of any planner counts; look at its outcome limits")
    traces = {(one.planner, one.seed): trace for one, trace in zip(done, _traces(first, done), strict=True)}
    wanted, target_words = _target(first, list(traces.values()), target)
    rows = [_row(first, planner, [traces[planner, seed + 1] for seed in range(seeds)], wanted) for planner in chosen]
    if json:
        for row in rows:
            emit({"campaign": first.name, "target": target_words, **row})
        return
    title = f"SIMULATED {first.name}: {first.budget} experiments, {counted(seeds, 'seed')}; target: {target_words}"
    ends = column([row["best"] for row in rows])
    shown = [
        (
            row["planner"],
            f"{row['reached']} of {seeds}",
            _number(row["median"], first.budget),
            f"{_number(row['low'], first.budget)} to {_number(row['high'], first.budget)}",
            end or "none counts",
        )
        for row, end in zip(rows, ends, strict=True)
    ]
    table(title, ("planner", "reached", "experiments (median)", "90 % interval", _last_head(first)), shown, json=False)


def _planners(root: Path, path: Path, names: Sequence[str], budget: int | None, data: Path) -> dict[str, Campaign]:
    """The campaign with each planner, checked before anything is rehearsed.

    Raises:
        ConfigError: it is wrong, or a planner that was named does not do.
    """
    with opened(root, simulated=True, endpoints=None, speed=0, seed=1) as (folder, _, _):
        place = journal_file(data)
        if place.exists():  # what the campaign learns from is there
            with Journal.reading(place) as journal:
                own = load_campaign(folder, path, budget=budget, journal=journal)
        else:
            own = load_campaign(folder, path, budget=budget)
            if own.spec.warm_start:
                raise ConfigError(f"campaign {own.spec.name} learns from others, but {place} does not hold any")
        found = {}
        for name in dict.fromkeys(names or (own.spec.planner.name, *BESIDE)):
            if name == own.spec.planner.name:
                found[name] = own
                continue
            try:
                other = load_campaign(folder, path, budget=budget, planner=name)
            except ConfigError as error:
                if names:
                    raise
                console.print(f"left out: {error}", style="bold yellow", markup=False)
                continue
            found[name] = replace(other, earlier=own.earlier)
    return found


def _rehearse(root: Path, path: Path, campaign: Campaign, planner: str, seed: int) -> Rehearsal:
    """One campaign on fresh simulated instruments and a stepped clock, with a journal that is thrown away.

    Raises:
        LabwrightError: it failed or was stopped; a rehearsal that failed shows nothing.
    """
    spec = campaign.spec.model_copy(update={"seed": seed, "stop": StopRule()})
    with (
        tempfile.TemporaryDirectory(prefix="labwright-") as folder,
        opened(root, simulated=True, endpoints=None, speed=0, seed=seed) as (_, lab, world),
        Journal(journal_file(Path(folder))) as journal,
        lab,
    ):
        journal.claim()
        end = CampaignRun(lab, replace(campaign, spec=spec), journal, Path(folder), by=whoami()).run()
        if end.state != "completed":
            raise LabwrightError(f"{planner}, seed {seed}: the rehearsal {end.state}: {end.reason}")
        trials = tuple(one for one in end.core.trials if one.status == "done" or one.fail_kind == "equipment")
        return Rehearsal(planner, seed, trials, tuple(_judged(campaign, one, world) for one in trials))


def _judged(campaign: Campaign, trial: Trial, world: Any) -> tuple[float, ...] | None:
    """How good an experiment is: by the simulation's truth where it is known, else as measured."""
    spec = campaign.spec
    if not counts(trial, spec.outcome_limits, spec.fidelity):
        return None
    if not spec.more_objectives:
        if (truth := world.truth(campaign.given(trial.made))) is not None:
            return (spec.objective.merit(truth),)
    return merits(spec.objectives, trial)


def _traces(spec: CampaignSpec, done: Sequence[Rehearsal]) -> list[list[float]]:
    """After each experiment: the best merit so far, or the hypervolume of several objectives; -inf before the first."""
    seen = [one for each in done for one in each.merits if one is not None]
    low = tuple(
        one.merit(one.reference) if one.reference is not None else min(point[place] for point in seen)
        for place, one in enumerate(spec.objectives)
    )
    traces = []
    for each in done:
        trace: list[float] = []
        points: list[tuple[float, ...]] = []
        for one in each.merits:
            if one is not None:
                points.append(one)
            if not points:
                trace.append(-math.inf)
            elif len(low) == 1:
                trace.append(max(point[0] for point in points))
            else:
                trace.append(hypervolume(points, low))
        traces.append(trace)
    return traces


def _target(spec: CampaignSpec, traces: Sequence[Sequence[float]], target: float | None) -> tuple[float, str]:
    """The merit (or hypervolume) to reach, and what it is in words."""
    objective = spec.objective
    best = max(max(trace) for trace in traces if trace)
    if spec.more_objectives:
        wanted = (1 - SHORT) * best if target is None else target
        return wanted, f"hypervolume {figure(wanted)}"
    if target is not None:
        return objective.merit(target), valued(target, objective.unit)
    size = abs(best)
    if objective.goal in ("target", "range"):  # merit 0 is perfect there
        size = max(abs(one) for one in (objective.target, objective.low, objective.high) if one is not None)
    wanted = best - SHORT * size
    if objective.goal in ("max", "min"):
        return wanted, valued(wanted if objective.goal == "max" else -wanted, objective.unit)
    return wanted, f"off by at most {valued(max(-wanted, 0.0), objective.unit)}"


def _row(spec: CampaignSpec, planner: str, traces: Sequence[Sequence[float]], wanted: float) -> dict[str, Any]:
    """How soon a planner reaches the target, and how far it comes."""
    needed = [
        next((float(number) for number, value in enumerate(trace, 1) if value >= wanted), math.inf) for trace in traces
    ]
    low, high = interval(needed)
    last = statistics.median(max(trace, default=-math.inf) for trace in traces)
    sign = 1 if spec.more_objectives or spec.objective.goal == "max" else -1
    return {
        "planner": planner,
        "seeds": len(traces),
        "reached": sum(math.isfinite(one) for one in needed),
        "needed": [_finite(one) for one in needed],
        "median": _finite(statistics.median(needed)),
        "low": _finite(low),
        "high": _finite(high),
        "best": None if not math.isfinite(last) else sign * last,
    }


def _last_head(spec: CampaignSpec) -> str:
    """What the last column is called: how far a planner has come."""
    if spec.more_objectives:
        return "hypervolume at the end"
    words = "best at the end" if spec.objective.goal in ("max", "min") else "off at the end"
    return words if spec.objective.unit == "1" else f"{words} / {spec.objective.unit}"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The central 90 % of the median under resampling; infinite where a planner may never reach the target."""
    rng = random.Random(0)  # noqa: S311 - the same table each time, not secrets
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(0.05 * RESAMPLES)], medians[int(0.95 * RESAMPLES) - 1]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None, budget: int) -> str:
    return f"> {budget}" if value is None else f"{value:g}"
