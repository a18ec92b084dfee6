"""Proposals that keep what a batch has in common, in every kind of space."""

from typing import Any

import pytest

from labwright.model.campaign import CampaignState, Objective, Outcome, PlannerSpec, Trial
from labwright.model.errors import PlannerError
from labwright.model.space import Params, Space
from labwright.planners import Planner, load_planner
from labwright.planners._held import free_space

KEEPING = ("gp", "random", "sobol")

T: dict[str, Any] = {"type": "real", "name": "t", "unit": "degC", "low": 20, "high": 80}
A: dict[str, Any] = {"type": "real", "name": "a", "unit": "1", "low": 0, "high": 1}
B: dict[str, Any] = {"type": "real", "name": "b", "unit": "1", "low": 0, "high": 1}
S: dict[str, Any] = {"type": "categorical", "name": "s", "levels": ["DMF", "DMSO", "THF"]}
ROWS = tuple((t, a) for t in (20.0, 40.0, 60.0) for a in (n / 12 for n in range(13)))

SPACES: dict[str, tuple[dict[str, Any], Params]] = {
    "box": ({"parameters": [A, T, B]}, {"t": 45.0}),
    "steps": ({"parameters": [A, {**T, "step": 5}]}, {"t": 45.0}),
    "category held": ({"parameters": [A, S, B]}, {"s": "DMSO"}),
    "category free": ({"parameters": [T, S, B]}, {"t": 45.0}),
    "limit": ({"parameters": [A, B], "constraints": [{"coefficients": {"a": 1, "b": 1}, "bound": 1.2}]}, {"a": 0.9}),
    "sum": (
        {"parameters": [A, B, {**A, "name": "c"}], "constraints": [{"type": "mixture", "parameters": ["a", "b", "c"]}]},
        {"b": 0.5},
    ),
    "forbidden": (
        {
            "parameters": [A, S, {**S, "name": "base", "levels": ["K", "Na"]}],
            "constraints": [{"type": "forbidden", "when": {"s": "THF", "base": "K"}}],
        },
        {"s": "THF"},
    ),
    "pool": ({"parameters": [T, A], "pool": {"file": "x.csv", "rows": ROWS}}, {"t": 40.0}),
}


def state(name: str, space: dict[str, Any], held: Params, done: int) -> CampaignState:
    """With some experiments made anywhere, the last of them with what is held, and one of these pending."""
    spec = PlannerSpec(name=name)
    whole = CampaignState(
        space=Space.model_validate(space), objective=Objective(name="y", goal="max", unit="1"), seed=3, planner=spec
    )
    trials: list[Trial] = []
    for number in range(done + 1):
        last = {"held": held} if number >= done - 1 else {}
        (one,) = load_planner(PlannerSpec(name="random")).ask(
            whole.model_copy(update={"trials": tuple(trials), **last}), 1
        )
        value = sum(float(v) for v in one.params.values() if not isinstance(v, str)) + (number % 3)
        pending = number == done
        found = {} if pending else {"outcomes": {"y": Outcome(mean=value)}}
        trials.append(Trial(id=f"{number}", params=one.params, status="running" if pending else "done", **found))
    return whole.model_copy(update={"trials": tuple(trials), "held": held})


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("done", [1, 8])
def test_all_proposals_have_what_is_held(name: str, kind: str, done: int) -> None:
    space, held = SPACES[kind]
    now = state(name, space, held, done)
    planner: Planner = load_planner(now.planner)
    found = planner.ask(now, 3)
    tried = [trial.params for trial in now.trials]
    for one in found:
        assert {key: one.params[key] for key in held} == held
        assert list(one.params) == list(now.space.names)
        assert not now.space.violations(one.params)
        assert one.params not in tried
        assert one.rationale.endswith("as in its batch")
    assert len({tuple(one.params.values()) for one in found}) == 3
    assert planner.ask(now, 3) == found


@pytest.mark.parametrize("name", KEEPING)
def test_no_point_left_is_said_so(name: str) -> None:
    space, held = SPACES["pool"]
    now = state(name, space, held, 2)
    trials = [Trial(id=f"{a}", params={"t": 40.0, "a": a}, status="abandoned") for _, a in ROWS[:13]]
    with pytest.raises(PlannerError, match=r"untried|tried, pending"):
        load_planner(now.planner).ask(now.model_copy(update={"trials": (*now.trials, *trials)}), 1)
    with pytest.raises(PlannerError, match="no point of the space has t 30, which the experiments of its batch have"):
        load_planner(now.planner).ask(now.model_copy(update={"held": {"t": 30.0}}), 1)
    limited = Space.model_validate(
        {**SPACES["limit"][0], "constraints": [{"coefficients": {"a": 1, "b": 1}, "bound": 0.5}]}
    )
    with pytest.raises(PlannerError, match=r"no point of the space has a 0\.9"):
        free_space(now.model_copy(update={"space": limited, "held": {"a": 0.9}}))


def test_the_best_is_looked_for_where_it_can_be() -> None:
    """The model knows all experiments, whatever they had in common: the optimum along what is free is found."""
    planner = load_planner(PlannerSpec(name="gp"))
    space = Space.model_validate({"parameters": [A, B]})
    now = CampaignState(
        space=space,
        objective=Objective(name="y", goal="max", unit="1"),
        seed=1,
        planner=PlannerSpec(name="gp"),
        trials=tuple(
            Trial(
                id=f"{number}",
                params={"a": a, "b": b},
                status="done",
                outcomes={"y": Outcome(mean=-((b - 0.3 - 0.4 * a) ** 2))},
            )
            for number, (a, b) in enumerate([(x / 3, y / 3) for x in range(4) for y in range(4)])
        ),
        held={"a": 0.8},
    )
    (one,) = planner.ask(now, 1)
    assert one.params["a"] == 0.8
    assert one.params["b"] == pytest.approx(0.62, abs=0.06)
