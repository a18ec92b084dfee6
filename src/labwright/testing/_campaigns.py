"""Campaigns of all kinds, on which planners are checked."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping
from typing import Any

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Trial
from labwright.model.space import Params, Space
from labwright.planners._proposals import sobol_points
from labwright.planners.protocol import Capability

__all__ = ["campaigns", "measured", "needing", "pool_of"]

_SEED = 20


def _real(name: str, low: float = 0.0, high: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"type": "real", "name": name, "low": low, "high": high, "unit": "1", **more}


_FOUR = [_real(name) for name in "abcd"]
_BOX = [_real("x", -2.0, 3.0), _real("y0", 10.0, 20.0), _real("z")]

SPACES: Mapping[str, dict[str, Any]] = {
    "a box": {"parameters": _BOX},
    "a logarithm, whole numbers, presets and steps": {
        "parameters": [
            _real("rate", 1e-3, 10.0, log=True),
            {"type": "integer", "name": "rinses", "low": 1, "high": 12},
            {"type": "ordinal", "name": "preset", "unit": "degC", "values": [60.0, 80.0, 120.0, 200.0]},
            _real("share", 0.0, 1.0, step=0.05),
        ]
    },
    "categories": {
        "parameters": [
            {"type": "categorical", "name": "salt", "levels": ["LiPF6", "LiFSI", "LiTFSI"]},
            {"type": "categorical", "name": "additive", "levels": ["none", "VC"]},
            _real("amount", 0.0, 2.0),
        ]
    },
    "a flag, a described choice and what must not meet": {
        "parameters": [
            {"type": "flag", "name": "stirred"},
            {
                "type": "categorical",
                "name": "solvent",
                "levels": ["DMC", "EMC", "PC"],
                "descriptors": {"DMC": {"epsilon": 3.1}, "EMC": {"epsilon": 3.0}, "PC": {"epsilon": 64.9}},
            },
            {"type": "integer", "name": "minutes", "low": 1, "high": 30},
            _real("share", step=0.05),
        ],
        "constraints": [{"type": "forbidden", "when": {"stirred": True, "solvent": ["DMC", "EMC"]}}],
    },
    "a mixture": {"parameters": _FOUR, "constraints": [{"type": "mixture", "parameters": list("abcd")}]},
    "a limit": {"parameters": _BOX, "constraints": [{"coefficients": {"x": 1.0, "y0": 0.2}, "bound": 4.0}]},
    "two of four": {
        "parameters": _FOUR,
        "constraints": [
            {"type": "mixture", "parameters": list("abcd")},
            {"type": "choose", "parameters": list("abcd"), "at_least": 1, "at_most": 2, "least": 0.05},
        ],
    },
    "what must not meet": {
        "parameters": [*_BOX, {"type": "categorical", "name": "gas", "levels": ["air", "argon"]}],
        "constraints": [{"type": "forbidden", "when": {"gas": "air", "x": {"above": 0.0}}, "because": "it burns"}],
    },
}


@functools.cache
def campaigns() -> Mapping[str, CampaignState]:
    """One campaign on each space, and one in each condition on a box."""
    few = measured(_space("a box"), 8)
    made = {f"on {name}": _with(measured(_space(name), 8), _ahead(name, 9), status="running") for name in SPACES}
    made["on a pool"] = _with(measured(pool_of(14), 8), _ahead_in(pool_of(14), 9), status="running")
    made |= {
        "nothing done": measured(_space("a box"), 0),
        "one done": measured(_space("a box"), 1),
        "eight done": few,
        "eight done, wanted small": _wanting(few, goal="min"),
        "eight done, wanted near 0.4": _wanting(few, goal="target", target=0.4),
        "eight done, wanted between 0.3 and 0.5": _wanting(few, goal="range", low=0.3, high=0.5),
        "eight done, all alike": _alike(few),
        "eight done, some failed": _with(_failed(few, "infeasible", 9), _ahead("a box", 10), **_infeasible),
        "eight done, faults of equipment": _failed(_failed(few, "equipment", 9), "aborted", 10),
        "only failures": _failed(_failed(measured(_space("a box"), 0), "infeasible", 1), "infeasible", 2),
        "eight done, some pending": _with(
            _with(few, _ahead("a box", 9), status="proposed"), _ahead("a box", 10), status="running"
        ),
        "eight done, one abandoned": _with(few, _ahead("a box", 9), status="abandoned"),
        "eight done, a person's beyond the bounds": _beyond(few),
        "eight done, a corner vetoed": CampaignState.model_validate(
            {**few.model_dump(), "vetoes": [{"params": {"x": 3.0, "y0": 20.0}, "reach": 0.6}, {"params": {"z": 0.0}}]}
        ),
    }
    return made


@functools.cache
def needing() -> Mapping[Capability, CampaignState]:
    """For each capability a campaign that needs it."""
    few = measured(_space("a box"), 8)
    base = few.model_dump()
    second = {"name": "second", "goal": "min", "unit": "1"}
    third = {"name": "third", "goal": "target", "unit": "1", "target": 0.2}
    earlier = measured(_space("a box"), 6, seed=_SEED + 1).model_dump()["trials"]
    changes: dict[Capability, dict[str, Any]] = {
        "two objectives": {"more_objectives": [second]},
        "more objectives": {"more_objectives": [second, third]},
        "outcome limits": {"outcome_limits": [{"name": "second", "unit": "1", "high": 0.5, "low": -2.0}]},
        "cost": {"cost": {"unit": "min", "base": 5.0, "per": {"z": 30.0}}},
        "fidelity": {"fidelity": {"parameter": "z", "target": 1.0}},
        "earlier campaigns": {"earlier": [{"name": "spring", "trials": earlier}]},
        "parameters that are equal within a batch": {"held": {"z": few.trials[2].params["z"]}},
    }
    return {name: CampaignState.model_validate({**base, **change}) for name, change in changes.items()}


def measured(space: Space, count: int, seed: int = _SEED) -> CampaignState:
    """A campaign with that many experiments, chosen by another planner than the one that is checked."""
    state = CampaignState(
        space=space,
        objective=Objective(name="y", goal="max", unit="mS"),
        seed=seed,
        planner=PlannerSpec(name="random"),
    )
    trials = []
    for number, params in enumerate(itertools.islice(sobol_points(space, seed), count)):
        outcomes = {
            name: Outcome(mean=round(_value(space, params, shift), 6), sem=0.01)
            for shift, name in enumerate(("y", "second", "third"))
        }
        trials.append(Trial(id=f"t{number}", params=params, status="done", outcomes=outcomes, source="import"))
    return state.model_copy(update={"trials": tuple(trials)})


def pool_of(count: int) -> Space:
    """A space of that many candidates, with ids."""
    rows = [[round(0.1 * number, 6), round(5.0 + (7 * number) % count, 6)] for number in range(count)]
    ids = [f"S{number}" for number in range(count)]
    pool = {"file": "candidates.csv", "sha256": "0" * 64, "rows": rows, "ids": ids}
    return Space.model_validate(
        {"parameters": [_real("u", 0.0, 0.1 * count), _real("v", 5.0, 5.0 + count)], "pool": pool}
    )


def _value(space: Space, params: Params, shift: int) -> float:
    """A smooth outcome with its optimum inside, another one for each shift."""
    unit = space.to_unit(params)
    return sum(math.cos(2.0 * (u - 0.3 - 0.2 * shift)) for u in unit) / len(unit)


@functools.cache
def _space(name: str) -> Space:
    return Space.model_validate(SPACES[name])


def _ahead(name: str, place: int) -> Params:
    return _ahead_in(_space(name), place)


def _ahead_in(space: Space, place: int) -> Params:
    """A point further along the sequence of `measured`."""
    return next(itertools.islice(sobol_points(space, _SEED), place, None))


_infeasible: dict[str, Any] = {"status": "failed", "fail_kind": "infeasible"}


def _with(state: CampaignState, params: Params, **fields: Any) -> CampaignState:
    trial = Trial.model_validate({"id": f"t{len(state.trials)}", "params": params, **fields})
    return state.model_copy(update={"trials": (*state.trials, trial)})


def _failed(state: CampaignState, kind: str, place: int) -> CampaignState:
    return _with(state, _ahead("a box", place), status="failed", fail_kind=kind)


def _wanting(state: CampaignState, **fields: Any) -> CampaignState:
    objective = Objective.model_validate({"name": "y", "unit": "mS", **fields})
    return state.model_copy(update={"objective": objective})


def _alike(state: CampaignState) -> CampaignState:
    same = {"y": Outcome(mean=4.0), "second": Outcome(mean=1.0), "third": Outcome(mean=1.0)}
    trials = tuple(trial.model_copy(update={"outcomes": same}) for trial in state.trials)
    return state.model_copy(update={"trials": trials})


def _beyond(state: CampaignState) -> CampaignState:
    """With an experiment of a person, asked for at a corner and weighed a thousandth of the range outside it."""
    return _with(
        state,
        {"x": 3.0, "y0": 10.0, "z": 1.0},
        status="done",
        source="human",
        measured_params={"x": 3.005, "z": 1.001},
        outcomes={name: {"mean": 0.6, "sem": 0.02} for name in ("y", "second", "third")},
    )
