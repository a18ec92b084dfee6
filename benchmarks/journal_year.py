"""A lab's year in one journal: 120,000 events of 100 campaigns; what looking at it costs.

Run it with ``.venv/bin/python -m benchmarks.journal_year``; it ends with 1 if a limit is missed.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labwright.journal import Journal, journal_file, schema
from labwright.journal.reading import choose
from labwright.model.campaign import Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec

CAMPAIGNS, EXPERIMENTS, STEPS = 100, 120, 8
"""Each experiment is suggested and granted, and its steps end: ten events."""

NAMES = 12
LIMIT_S = 0.5
"""Wall seconds to find the campaign that is meant; processor seconds of a list of all, with Python's start."""

MORE_S = 0.1
"""Processor seconds that a list of the year may take beyond that of a new journal."""

REPEATS = 5
DAY_S = 86_400.0

AXES = ("salt", "ec", "dmc", "temperature")


def main() -> int:
    """Make the year, look at it, and hold the times against the limit."""
    with tempfile.TemporaryDirectory(prefix="labwright-year-") as folder:
        data = Path(folder)
        began = time.perf_counter()
        events = write_year(journal_file(data))
        print(f"{events} events of {CAMPAIGNS} campaigns written in {time.perf_counter() - began:.1f} s")
        drawn, listed, new = listed_s(data), listed_s(data, "--json"), listed_s(new_journal(data / "new"), "--json")
        status = listed_s(data, "--json", verb=("status",))
        chosen = chosen_s(journal_file(data))
    print(f"campaign list, processor time      {drawn:6.3f} s")
    print(f"  without drawing the table        {listed:6.3f} s")
    print(f"  of which with a new journal      {new:6.3f} s")
    print(f"status, processor time             {status:6.3f} s")
    print(f"the campaign that is meant         {chosen:6.3f} s")
    missed = [
        words
        for words, seconds, limit_s in (
            ("campaign list", listed, LIMIT_S),
            ("what a year adds to it", listed - new, MORE_S),
            ("status", status, LIMIT_S),
            ("the choice of a campaign", chosen, LIMIT_S),
        )
        if seconds > limit_s
    ]
    print(f"over the limit: {', '.join(missed)}" if missed else "all limits kept")
    return int(bool(missed))


def new_journal(data: Path) -> Path:
    """A data folder whose journal holds nothing."""
    Journal(journal_file(data)).close()
    return data


def listed_s(data: Path, *options: str, verb: tuple[str, ...] = ("campaign", "list")) -> float:
    """Processor seconds of a verb, from its process' start to its end; the least of several."""
    command = [str(Path(sys.executable).with_name("labwright")), *verb, "--data", str(data), *options]
    took = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(took)


def chosen_s(place: Path) -> float:
    """Median wall seconds to find the campaign that is meant, in a journal that is open."""
    took = []
    with Journal.reading(place) as journal:
        for _ in range(REPEATS):
            began = time.perf_counter()
            choose(journal, "")
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def write_year(place: Path) -> int:
    """Rows as the engine writes them, in bulk; how many events there are."""
    Journal(place).close()
    spec = CampaignSpec(
        name="cells",
        title="A year of cells",
        protocol="cell",
        space=Space(parameters=tuple(Real(name=name, low=0.0, high=1.0, unit="1") for name in AXES)),
        objective=Objective(name="conductivity", goal="max", unit="mS/cm"),
        planner=PlannerSpec(name="labwright"),
        budget=EXPERIMENTS,
    )
    engine = sa.create_engine(f"sqlite:///{place}")
    events = 0
    with engine.begin() as connection:
        for number in range(CAMPAIGNS):
            events += _write_campaign(connection, number, spec)
    engine.dispose()
    return events


def _write_campaign(connection: sa.Connection, number: int, spec: CampaignSpec) -> int:
    name = f"cells_{number % NAMES}"
    campaign, over = f"{name}-2026-{number:04d}", number < CAMPAIGNS - 1
    at_s = number * DAY_S * 3.65
    row = {
        "id": campaign, "name": name, "title": "A year of cells", "state": "completed" if over else "running",
        "reason": "the budget is spent" if over else "", "lab": "electrolyte", "lab_sha256": "0" * 64,
        "simulated": False, "instruments": "real", "budget": EXPERIMENTS, "tried": EXPERIMENTS, "began_s": at_s,
        "ended_s": at_s + DAY_S if over else None, "planner": "labwright",
        "objectives": f"[{spec.objective.model_dump_json()}]", "best": 10.0,
    }  # fmt: skip
    connection.execute(sa.insert(schema.campaign).values(**row))
    connection.execute(sa.insert(schema.campaign_spec).values(campaign=campaign, spec=spec.model_dump_json()))
    rows: dict[sa.Table, list[dict[str, Any]]] = {
        schema.event: [_event(campaign, "started", at_s, spec=spec.model_dump(mode="json"))]
    }
    for n in range(1, EXPERIMENTS + 1):
        _write_experiment(rows, campaign, n, at_s + n * 600.0)
    for table, many in rows.items():
        connection.execute(sa.insert(table), many)
    return len(rows[schema.event])


def _write_experiment(rows: dict[sa.Table, list[dict[str, Any]]], campaign: str, n: int, at_s: float) -> None:
    label = f"{n:04d}"
    params = {name: ((n * (place + 3)) % 97) / 97 for place, name in enumerate(AXES)}
    trial = Trial(
        id=label,
        params=params,
        status="done",
        outcomes={"conductivity": Outcome(mean=8.0 + (n * 37 % 101) / 50, sem=0.05)},
        rationale="expected improvement 0.12 mS/cm over the best so far, where the model is least certain",
        predicted=Outcome(mean=9.0, sem=0.4),
    )
    own = {"campaign": campaign, "label": label}
    told = {"suggestion": {"params": params, "rationale": trial.rationale}}
    rows[schema.event] += [
        _event(campaign, "suggested", at_s, **told),
        _event(campaign, "granted", at_s, steps=[label]),
    ]
    rows.setdefault(schema.trial, []).append(
        {**own, "n": n, "id": label, "status": "done", "source": "planner", "trial": trial.model_dump_json()}
    )
    sample = {"sample": f"{campaign}-{label}", "protocol": "cell", "state": "complete"}
    rows.setdefault(schema.experiment, []).append({**own, **sample})
    for step in range(STEPS):
        step_id, name, began_s = f"{campaign}/{label}/step_{step}", f"step_{step}", at_s + 60.0 * step
        outcome = {"step_id": step_id, "state": "done", "results": {f"mass_{one}": 1.234567 for one in range(8)}}
        rows[schema.event].append(_event(campaign, "step_ended", began_s + 60.0, outcome=outcome))
        rows.setdefault(schema.step, []).append(
            {**own, "step_id": step_id, "protocol": "cell", "name": name, "round": 1, "station": "s", "state": "done",
             "attempt": 1, "expected_s": 60.0, "started_s": began_s, "ended_s": began_s + 60.0}
        )  # fmt: skip
        rows.setdefault(schema.intent, []).append(
            {**own, "step_id": step_id, "step": name, "n": 0, "attempt": 1, "kind": "set", "device": "pump",
             "axis": "volume", "value": 1.0, "reconcile": "by_counter", "epoch": 1, "state": "confirmed",
             "prepared_s": began_s}
        )  # fmt: skip


def _event(campaign: str, kind: str, at_s: float, **payload: Any) -> dict[str, Any]:
    return {
        "campaign": campaign, "kind": kind, "lab_time_s": at_s, "wall_time_s": at_s, "instruments": "real",
        "payload": json.dumps({"kind": kind, **payload}), "decisions": '["ask 1"]',
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
