"""Whole campaigns: the reference lab's composition, a warm start from an earlier campaign, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.electrolyte_planner import CELSIUS, RELATIVE_NOISE, REPLICATES, SPACE, true_conductivity
from benchmarks.planners.functions import BRANIN_LEAST, branin, currin
from benchmarks.planners.ours import Ours
from benchmarks.planners.pools import start_rows
from benchmarks.planners.records import Records, digest
from benchmarks.planners.tables import Table
from labwright.model.campaign import CampaignState, Earlier, Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import Params, Real, Space
from labwright.planners import load_planner
from protocols.formulation import MOLALITY_LIMIT
from simulators.electrolyte import optimum

Run = Callable[[Ours, int], dict[str, Any]]

CLOSE = 0.985
"""Of the best conductivity there is."""
DESIGNS = 25
START = 5
AT_MOST = 40
"""Experiments of a warm or cold campaign."""
NEAR = 0.01
"""Regret on Branin, as a share of its range over the square, that a warm or cold campaign has to reach."""
RANGE = 308.0
"""Of Branin: its largest value on the square, 308.13, less its least, 0.398."""
BEFORE = 20
"""Experiments of the earlier campaign."""
BEFOREHAND = ("cold", "shifted", "misleading", "unrelated")
"""What a campaign knows when it begins."""
ENOUGH = 0.02
"""Regret at which an oracle stops, as a share of a table's range."""

SQUARE = Space(parameters=tuple(Real(name=name, low=0.0, high=1.0, unit="1") for name in ("a", "b")))


def electrolyte(planner: Ours, seed: int) -> dict[str, Any]:
    """Number of the first design whose true conductivity is within 1.5 % of the optimum; triplicates, 1.9 % noise."""
    best = optimum(CELSIUS, [MOLALITY_LIMIT]).conductivity_ms_per_cm
    rng = np.random.default_rng([seed, 19])
    state = _state(planner, SPACE, Objective(name="y", goal="max", unit="mS/cm"), seed)
    for number in range(1, DESIGNS + 1):
        (suggestion,) = load_planner(state.planner).ask(state, 1)
        true = true_conductivity(suggestion.params)
        if true >= CLOSE * best:
            return {"designs": number}
        readings = true * (1 + RELATIVE_NOISE * rng.normal(size=REPLICATES))
        sem = float(readings.std(ddof=1)) / np.sqrt(REPLICATES)
        state = _told(state, suggestion.params, float(readings.mean()), sem)
    return {"designs": DESIGNS + 1}


def _experiments_to_target(planner: Ours, seed: int, earlier: Callable[[Params], float] | None) -> int:
    """Experiments until Branin's regret is small; `earlier` is what a campaign before measured."""
    state = _state(planner, SQUARE, Objective(name="y", goal="min", unit="1"), seed)
    if earlier is not None:
        before = _state(planner, SQUARE, state.objective, seed + 1000)
        for _ in range(BEFORE):
            (suggestion,) = load_planner(before.planner).ask(before, 1)
            before = _told(before, suggestion.params, earlier(suggestion.params))
        state = state.model_copy(update={"earlier": (Earlier(name="before", trials=before.trials),)})
    for number in range(1, AT_MOST + 1):
        (suggestion,) = load_planner(state.planner).ask(state, 1)
        value = _branin(suggestion.params)
        if value - BRANIN_LEAST <= NEAR * RANGE:
            return number
        state = _told(state, suggestion.params, value)
    return AT_MOST + 1


def warm_start(planner: Ours, seed: int) -> dict[str, Any]:
    """Experiments to the target: cold, after a campaign on a shifted function, a misleading and an unrelated one."""

    def shifted(params: Params) -> float:
        moved: Params = {name: min(max(float(value) + 0.05, 0.0), 1.0) for name, value in params.items()}
        return 30.0 + 0.5 * _branin(moved)

    return {
        "cold": _experiments_to_target(planner, seed, None),
        "shifted": _experiments_to_target(planner, seed, shifted),
        "misleading": _experiments_to_target(planner, seed, lambda params: -_branin(params)),
        "unrelated": _experiments_to_target(planner, seed, lambda params: currin(_position(params))),
    }


def stopping(table: Table, planner: Ours, seed: int) -> dict[str, Any]:
    """When the planner advises to stop on a table, and when an oracle would have; and the regret then."""
    rows = start_rows(table, seed)
    state = _state(planner, table.pool, Objective(name="y", goal=table.goal, unit="1"), seed)
    state = state.model_copy(update={"planner": PlannerSpec(name="gp", options={"n_start": START})})
    for row in rows:
        state = _told(state, table.rows[row], float(table.y[row]))
    place = {tuple(row.values()): number for number, row in enumerate(table.rows)}
    losses, regrets, stopped = table.losses, [], 0
    span = float(losses.max() - losses.min())
    best = float(losses[rows].min())
    for number in range(START, 2 * AT_MOST + 1):
        regrets.append((best - float(losses.min())) / span)
        chosen = load_planner(state.planner)
        advice = chosen.advise_stop(state)
        if advice is not None and advice.stop and not stopped:
            stopped = number
            if regrets[-1] <= ENOUGH:
                break
        if stopped and regrets[-1] <= ENOUGH:
            break
        (suggestion,) = chosen.ask(state, 1)
        row = place[tuple(suggestion.params.values())]
        best = min(best, float(losses[row]))
        state = _told(state, suggestion.params, float(table.y[row]))
    oracle = next((START + n for n, regret in enumerate(regrets) if regret <= ENOUGH), START + len(regrets))
    stopped = stopped or START + len(regrets)
    regret = regrets[min(stopped - START, len(regrets) - 1)]
    return {"stopped": stopped, "oracle": oracle, "regret": round(regret, 5)}


CASES: dict[str, Run] = {"electrolyte": electrolyte, "warm": warm_start}


def run_all(variants: Mapping[str, Ours], tables: Sequence[Table], seeds: Iterable[int], out: Path) -> None:
    """Run what is not there yet."""
    cases = dict(CASES)
    for table in tables:
        cases[f"stop_{table.name}"] = lambda planner, seed, table=table: stopping(table, planner, seed)  # type: ignore[misc]
    for seed in seeds:
        for case, run in cases.items():
            for name, planner in variants.items():
                records = Records(out, "campaigns", name)
                key = (planner.version, _protocol(case), case, seed)
                if records.find(*key):
                    continue
                result = run(planner, seed)
                records.add(*key, **result)
                print(f"{case} {name} seed {seed}: {result}", flush=True)


def results(
    variants: Mapping[str, Ours], tables: Sequence[Table], out: Path
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What is kept, by planner and case."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, planner in variants.items():
        for case in [*CASES, *(f"stop_{table.name}" for table in tables)]:
            lines = Records(out, "campaigns", name).latest({case: _protocol(case)}, planner.version)
            if lines:
                found.setdefault(name, {})[case] = [lines[pair] for pair in sorted(lines)]
    return found


def report(found: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> None:
    """Medians, means and worst cases."""
    for name, cases in found.items():
        if "electrolyte" in cases:
            designs = [line["designs"] for line in cases["electrolyte"]]
            print(f"\n{name}: designs to within 1.5 % of the best conductivity: median {np.median(designs):.1f}, "
                  f"most {max(designs)} ({len(designs)} seeds)")  # fmt: skip
        if "warm" in cases:
            means = {kind: np.mean([line[kind] for line in cases["warm"]]) for kind in BEFOREHAND}
            words = ", ".join(f"{kind} {mean:.1f}" for kind, mean in means.items())
            print(f"{name}: mean experiments to the target on Branin: {words} ({len(cases['warm'])} seeds)")
        for case, lines in cases.items():
            if case.startswith("stop_"):
                ratios = [line["stopped"] / line["oracle"] for line in lines]
                regret = np.mean([line["regret"] for line in lines])
                print(
                    f"{name} {case}: stops after {np.mean(ratios):.2f} x the oracle's experiments, regret {regret:.3f}"
                )


def stop_ratio(cases: Mapping[str, list[dict[str, Any]]]) -> tuple[float, float] | None:
    """Mean experiments at the stop over the oracle's, and mean regret then, over all tables; None if not run."""
    lines = [line for case, some in cases.items() if case.startswith("stop_") for line in some]
    if not lines:
        return None
    ratio = sum(line["stopped"] for line in lines) / sum(line["oracle"] for line in lines)
    return ratio, float(np.mean([line["regret"] for line in lines]))


def _branin(params: Params) -> float:
    return branin(_position(params))


def _position(params: Params) -> np.ndarray:
    return np.array([float(params["a"]), float(params["b"])])


def _state(planner: Ours, space: Space, objective: Objective, seed: int) -> CampaignState:
    spec = PlannerSpec(name=planner.name, options=dict(planner.options))
    return CampaignState(space=space, objective=objective, seed=seed, planner=spec)


def _told(state: CampaignState, params: Params, value: float, sem: float | None = None) -> CampaignState:
    outcome = {"y": Outcome(mean=value, sem=sem)}
    trial = Trial(id=str(len(state.trials) + 1), params=params, status="done", outcomes=outcome)
    return state.model_copy(update={"trials": (*state.trials, trial)})


def _protocol(case: str) -> str:
    return digest(case, CLOSE, DESIGNS, AT_MOST, NEAR, BEFORE, BEFOREHAND, ENOUGH)
