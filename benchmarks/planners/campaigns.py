"""Whole campaigns: the reference lab's composition, a warm start from an earlier one, noisy lists, and when to stop."""

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
from labwright.model.space import Categorical, Params, Pool, Real, Space
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
SCATTER = (0.1, 0.2)
"""Of a reading, as a share of the range, where it is asked whether repeats pay."""
LONGEST = 80
"""Most experiments on a table, whether the advice to stop has come by then or not."""
BEFORE = 20
"""Experiments of the earlier campaign."""
BEFOREHAND = ("cold", "shifted", "misleading", "unrelated")
"""Which earlier campaign a campaign starts with."""
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
        state = _measured(state, suggestion.params, float(readings.mean()), sem)
    return {"designs": DESIGNS + 1}


def _experiments_to_target(planner: Ours, seed: int, earlier: Callable[[Params], float] | None) -> int:
    """Experiments until Branin's regret is small; `earlier` is what a campaign before measured."""
    state = _state(planner, SQUARE, Objective(name="y", goal="min", unit="1"), seed)
    if earlier is not None:
        before = _state(planner, SQUARE, state.objective, seed + 1000)
        for _ in range(BEFORE):
            (suggestion,) = load_planner(before.planner).ask(before, 1)
            before = _measured(before, suggestion.params, earlier(suggestion.params))
        state = state.model_copy(update={"earlier": (Earlier(name="before", trials=before.trials),)})
    for number in range(1, AT_MOST + 1):
        (suggestion,) = load_planner(state.planner).ask(state, 1)
        value = _branin(suggestion.params)
        if value - BRANIN_LEAST <= NEAR * RANGE:
            return number
        state = _measured(state, suggestion.params, value)
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


def repeats(planner: Ours, seed: int) -> dict[str, Any]:
    """True regret at what is recommended, of the range, with and without repeats, and how many there were."""
    found: dict[str, Any] = {}
    for name, (space, values, budget) in _noisy_lists().items():
        for scatter in SCATTER:
            for kind, allowed in (("with", True), ("without", False)):
                spec = PlannerSpec(name="gp", options={**planner.options, "repeats": allowed})
                state = CampaignState(
                    space=space, objective=Objective(name="y", goal="max", unit="1"), seed=seed, planner=spec
                )
                least, most = min(values.values()), max(values.values())
                rng = np.random.default_rng([seed, 3])
                for _ in range(budget):
                    (suggestion,) = load_planner(spec).ask(state, 1)
                    sem = scatter * (most - least)
                    reading = values[tuple(suggestion.params.values())] + sem * float(rng.normal())
                    state = _measured(state, suggestion.params, reading, sem)
                best = load_planner(spec).best(state)
                assert best is not None
                regret = (most - values[tuple(best.params.values())]) / (most - least)
                found[f"{name} {scatter:g} {kind}"] = round(regret, 5)
                if allowed:
                    tried = {tuple(trial.params.values()) for trial in state.trials}
                    found[f"{name} {scatter:g} repeats"] = budget - len(tried)
    return found


def _noisy_lists() -> dict[str, tuple[Space, dict[tuple[Any, ...], float], int]]:
    """Two short lists: a space, the true value of each point, and how many experiments there are."""
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=6), rng.normal(size=5)
    levels = ("ABCDEF", "UVWXY")
    mixed = Space(parameters=tuple(Categorical(name=n, levels=tuple(of)) for n, of in zip("ab", levels, strict=True)))
    pairs: dict[tuple[Any, ...], float] = {
        (a, b): float(first[i] + second[j] + 0.5 * rng.normal())
        for i, a in enumerate(levels[0])
        for j, b in enumerate(levels[1])
    }
    x = np.round(np.linspace(0, 1, 41), 6)
    y = np.sin(6 * x) * x + 0.72 * np.exp(-(((x - 0.35) / 0.06) ** 2))
    rows: dict[tuple[Any, ...], float] = {(float(a),): float(b) for a, b in zip(x, y, strict=True)}
    line = Space(
        parameters=(Real(name="a", low=0.0, high=1.0, unit="1"),), pool=Pool(file="line.csv", rows=tuple(rows))
    )
    return {"categories": (mixed, pairs, 26), "line": (line, rows, 34)}


def stopping(table: Table, planner: Ours, seed: int) -> dict[str, Any]:
    """When the planner advises to stop on a table, when an oracle would have, and the regret at the planner's stop.

    Both end at `LONGEST` experiments or the last row at the latest; an oracle that needs more counts as stopping there.
    """
    rows = start_rows(table, seed)
    state = _state(planner, table.pool, Objective(name="y", goal=table.goal, unit="1"), seed)
    options = {"n_start": START, **planner.options} if planner.name == "gp" else planner.options
    state = state.model_copy(update={"planner": PlannerSpec(name=planner.name, options=options)})
    for row in rows:
        state = _measured(state, table.rows[row], float(table.y[row]))
    place = {tuple(row.values()): number for number, row in enumerate(table.rows)}
    losses, span = table.losses, float(np.ptp(table.losses))
    longest = min(LONGEST, len(table.rows))
    best = float(losses[rows].min())
    stopped, oracle, regret = None, None, 0.0
    for number in range(START, longest + 1):
        now = (best - float(losses.min())) / span
        oracle = number if oracle is None and now <= ENOUGH else oracle
        chosen = load_planner(state.planner)
        if stopped is None:
            advice = chosen.advise_stop(state)
            regret = now
            stopped = number if advice is not None and advice.stop else None
        if number == longest or (stopped is not None and oracle is not None):
            break
        (suggestion,) = chosen.ask(state, 1)
        row = place[tuple(suggestion.params.values())]
        best = min(best, float(losses[row]))
        state = _measured(state, suggestion.params, float(table.y[row]))
    return {
        "stopped": stopped or longest,
        "advised": stopped is not None,
        "oracle": oracle or longest,
        "reached": oracle is not None,
        "regret": round(regret, 5),
    }


CASES: dict[str, Run] = {"electrolyte": electrolyte, "warm": warm_start, "repeats": repeats}


def run_all(
    variants: Mapping[str, Ours], tables: Sequence[Table], seeds: Iterable[int], out: Path, only: Sequence[str] = ()
) -> None:
    """Run what is not there yet; `only` names cases, all without."""
    cases = {case: run for case, run in CASES.items() if case in only or not only}
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
    """What is recorded, by planner and case."""
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
        if "repeats" in cases:
            _report_repeats(name, cases["repeats"])
        stops = {case.removeprefix("stop_"): lines for case, lines in cases.items() if case.startswith("stop_")}
        if stops:
            _report_stops(name, stops)


def _report_repeats(name: str, lines: Sequence[Mapping[str, float]]) -> None:
    print(f"\n{name}: mean true regret at what is recommended, of the range ({len(lines)} seeds)")
    for case in [key.removesuffix(" repeats") for key in lines[0] if key.endswith(" repeats")]:
        with_, without = (np.array([line[f"{case} {kind}"] for line in lines]) for kind in ("with", "without"))
        error = float((with_ - without).std() / np.sqrt(len(lines)))
        count = np.mean([line[f"{case} repeats"] for line in lines])
        words = f"{with_.mean():.4f} with {count:.1f} repeats, {without.mean():.4f} without"
        print(f"{case:<16}{words}; difference {(with_ - without).mean():+.4f} ± {error:.4f}")


def _report_stops(name: str, stops: Mapping[str, list[dict[str, Any]]]) -> None:
    print(
        f"\n{name}: experiments at the advice to stop and an oracle's, and regret at the stop as a share of the range"
    )
    heads = ("table", "stop", "oracle", "ratio", "regret", "median", "within 2 %", "runs", "no stop", "no oracle")
    print(f"{heads[0]:<16}" + "".join(f"{head:>11}" for head in heads[1:]))
    everything = [line for lines in stops.values() for line in lines]
    for table, lines in {**stops, "all": everything}.items():
        stopped, oracle = (float(np.mean([line[key] for line in lines])) for key in ("stopped", "oracle"))
        regrets = np.array([line["regret"] for line in lines])
        late = [sum(not line[key] for line in lines) for key in ("advised", "reached")]
        share = (regrets <= ENOUGH).mean()
        cells = [f"{stopped:.1f}", f"{oracle:.1f}", f"{stopped / oracle:.2f}", f"{regrets.mean():.4f}",
                 f"{np.median(regrets):.4f}", f"{share:.2f}", f"{len(lines)}", *map(str, late)]  # fmt: skip
        print(f"{table:<16}" + "".join(f"{cell:>11}" for cell in cells))
    each = [
        np.mean([one["stopped"] for one in lines]) / np.mean([one["oracle"] for one in lines])
        for lines in stops.values()
    ]
    print(f"mean of the tables' ratios {np.mean(each):.2f}; within {LONGEST} experiments, or to the last row")


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


def _measured(state: CampaignState, params: Params, value: float, sem: float | None = None) -> CampaignState:
    outcome = {"y": Outcome(mean=value, sem=sem)}
    trial = Trial(id=str(len(state.trials) + 1), params=params, status="done", outcomes=outcome)
    return state.model_copy(update={"trials": (*state.trials, trial)})


def _protocol(case: str) -> str:
    return digest(case, CLOSE, DESIGNS, AT_MOST, NEAR, BEFORE, BEFOREHAND, ENOUGH, LONGEST, "stop 2")
