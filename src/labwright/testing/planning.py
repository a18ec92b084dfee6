"""`check_planner`: what every planner must do, however it thinks. For authors of planners as much as for us.

::

    def mine() -> Planner:
        return MyPlanner(n_start=4)

    def test_mine() -> None:
        check_planner(mine)
"""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

from labwright.model.campaign import (
    CampaignState,
    Explanation,
    Outcome,
    StopAdvice,
    Suggestion,
    Trial,
)
from labwright.model.errors import PlannerError
from labwright.model.space import Params, Space
from labwright.planners._proposals import key_of, sobol_points, vetoed
from labwright.planners.protocol import Capability, Planner
from labwright.testing._campaigns import campaigns, measured, needing, pool_of

__all__ = ["check_planner"]

MakePlanner = Callable[[], Planner]

PER_TRIAL = 2000
"""Bytes of JSON: a campaign of thousands of trials is saved and sent as a whole."""

HEAVY = ("baybe", "botorch", "optuna", "pandas", "skopt", "sklearn", "torch")
"""Libraries that only those wait for who use them."""

_N = 2  # suggestions of each ask
_PROCESS_S = 1800.0  # for a whole process that answers all asks once more
_THERE = """
import base64, json, pickle, sys
from labwright.model.campaign import CampaignState
given = json.load(sys.stdin)
planner = pickle.loads(base64.b64decode(given["make"]))()
states = [CampaignState.model_validate_json(text) for text in given["states"]]
found = [[one.model_dump_json() for one in planner.ask(state, given["n"])] for state in states]
print("answers", json.dumps(found))
"""


def check_planner(make_planner: MakePlanner, *, seconds: float = 60.0) -> list[str]:
    """Run every check on a planner: spaces of all kinds, and campaigns in all conditions.

    Args:
        make_planner: gives the planner. A function of a module, or a `functools.partial` of one: a new process calls
            it too, to see whether the same state gives the same suggestions there.
        seconds: wall time an ask may take, the first one apart: that one may load a library.

    Returns:
        the names of the checks that were run.

    Raises:
        AssertionError: listing every breach, a line each.
        Exception: an error of the planner that is no `PlannerError`; it goes through as it is.
    """
    planner = make_planner()
    found: list[str] = []
    done = []
    for check in CHECKS:
        found += [f"{check.__name__.removeprefix('_')}: {words}" for words in check(planner, make_planner, seconds)]
        done.append(check.__name__.removeprefix("_"))
    if found:
        raise AssertionError(f"planner {planner.name!r} breaks {len(found)} rules:\n  " + "\n  ".join(found))
    return done


def _is_a_planner(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    if not isinstance(planner, Planner):
        yield "it lacks a member of labwright.planners.Planner"
        return
    if strange := sorted(planner.capabilities - set(get_args(Capability))):
        yield f"it claims {', '.join(strange)}, which no campaign can need (known: {', '.join(get_args(Capability))})"


def _proposes_what_may_be_tried(planner: Planner, make: MakePlanner, seconds: float) -> Iterator[str]:
    """Inside the space, new, not vetoed, as many as asked for; twice the same, here and in a new process."""
    planner.ask(campaigns()["eight done"], 1)  # loads what it needs
    answers: dict[str, tuple[CampaignState, list[Suggestion]]] = {}
    for name, state in campaigns().items():
        before = state.model_dump_json()
        begun_s = time.monotonic()
        try:
            suggestions = planner.ask(state, _N)
        except PlannerError as error:
            yield f"{name}: it proposes nothing: {error}"
            continue
        took_s = time.monotonic() - begun_s
        yield from (f"{name}: {words}" for words in _wrong(state, suggestions, _N))
        if took_s > seconds:
            yield f"{name}: it took {took_s:.3g} s for an ask, more than {seconds:g} s"
        if state.model_dump_json() != before:
            yield f"{name}: it changed the state it was given"
        again = planner.ask(CampaignState.model_validate_json(_other_order(before)), _N)
        if _told(again) != _told(suggestions):
            yield f"{name}: asked again, with the same state read from JSON, it answers otherwise"
        answers[name] = (state, suggestions)
    there = _elsewhere(make, [state for state, _ in answers.values()])
    if isinstance(there, str):
        yield there
        return
    for (name, (_, here)), other in zip(answers.items(), there, strict=True):
        if other != _told(here):
            yield f"{name}: in a new process the same state gives other suggestions"


def _gives_as_many_as_asked_for(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    for name in ("nothing done", "eight done"):
        for n in (1, 5):
            state = campaigns()[name]
            yield from (f"{name}: {words}" for words in _wrong(state, planner.ask(state, n), n))


def _keeps_a_veto_on_its_own_choice(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    state = campaigns()["eight done"]
    for _attempt in range(2):
        (chosen,) = planner.ask(state, 1)
        if vetoed(state, chosen.params):
            yield f"it proposes {chosen.params}, which was vetoed"
        veto = {"params": chosen.params, "reach": 0.15, "by": "check_planner"}
        state = CampaignState.model_validate({**state.model_dump(), "vetoes": [*state.vetoes, veto]})


def _comes_to_an_end_with_a_pool(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    """All candidates once each, then words."""
    state = measured(pool_of(9), 6)
    for left in (3, 2, 1):
        try:
            (suggestion,) = planner.ask(state, 1)
        except PlannerError as error:
            yield f"{left} candidates are left, but it raises: {error}"
            return
        yield from _wrong(state, [suggestion], 1)
        trial = Trial(id=f"own {left}", params=suggestion.params, status="done", outcomes={"y": Outcome(mean=0.5)})
        state = state.model_copy(update={"trials": (*state.trials, trial)})
    for given, n in ((state, 1), (measured(pool_of(9), 6), 4)):
        try:
            planner.ask(given, n)
        except PlannerError as error:
            if len(str(error).split()) < 4:
                yield f"its message where no candidate is left, {str(error)!r}, names no next step"
        else:
            yield f"asked for {n}, it proposes something though {9 - len(given.trials)} candidates are left"


def _is_saved_in_few_bytes(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    state = campaigns()["eight done"]
    for suggestion in planner.ask(state, _N):
        if not suggestion.rationale:
            yield "a suggestion has no rationale"
        trial = Trial(
            id="0" * 26,
            params=suggestion.params,
            status="done",
            rationale=suggestion.rationale,
            outcomes={"y": Outcome(mean=1 / 3, sem=1 / 7)},
            measured_params=dict.fromkeys(state.space.names, 1 / 3),
        )
        if (size := len(trial.model_dump_json())) > PER_TRIAL:
            yield f"a trial of it is {size} bytes of JSON, more than {PER_TRIAL}; shorten the rationale"


def _says_what_it_knows(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    empty = campaigns()["nothing done"]
    points: list[Params] = [params for params, _ in zip(sobol_points(empty.space, 11), range(3), strict=False)]
    if planner.best(empty) is not None:
        yield "best: it recommends something though nothing was measured"
    if planner.predict(empty, []) != []:
        yield "predict: of no points it predicts something"
    try:
        planner.predict(empty, points)
        yield "predict: it predicts though nothing was measured; raise PlannerError"
    except PlannerError:
        pass
    for name in ("eight done", "eight done, some failed", "eight done, wanted small", "eight done, wanted near 0.4"):
        state = campaigns()[name]
        yield from (f"{name}: {words}" for words in _known(planner, state, points))


def _known(planner: Planner, state: CampaignState, points: Sequence[Params]) -> Iterator[str]:
    done = {trial.id: trial for trial in state.trials if trial.status == "done"}
    values = {name: trial.outcomes["y"].mean for name, trial in done.items()}
    wide = 10 * (max(values.values()) - min(values.values()))
    predicted = planner.predict(state, points)
    if len(predicted) != len(points):
        yield f"predict: {len(predicted)} predictions for {len(points)} points"
    for one in predicted:
        if one.sem is None:
            yield "predict: no standard error"
        if not min(values.values()) - wide <= one.mean <= max(values.values()) + wide:
            yield f"predict: {one.mean:g}, far from everything measured; is it in the objective's unit?"
    best = planner.best(state)
    if best is None or best.trial_id not in done or best.observed_trial_id not in done:
        yield "best: it recommends no trial that was done"
    else:
        top = max(done, key=lambda name: state.objective.merit(values[name]))
        if state.objective.merit(values[best.observed_trial_id]) < state.objective.merit(values[top]):
            yield f"best: trial {best.observed_trial_id} is reported as best observed, but {top} came out better"
        if best.params != done[best.trial_id].made:
            yield "best: the parameters are not those that trial really made"
    try:
        explained = planner.explain(state)
        if not isinstance(explained, Explanation):
            yield f"explain: a {type(explained).__name__}, no Explanation"
        elif strange := {one.parameter for one in explained.sensitivities} - set(state.space.names):
            yield f"explain: {', '.join(sorted(strange))} are no parameters"
    except PlannerError:
        pass
    advice = planner.advise_stop(state)
    if advice is not None and not (isinstance(advice, StopAdvice) and advice.reason):
        yield "advise_stop: no StopAdvice with a reason"


def _can_do_what_it_claims(planner: Planner, _: MakePlanner, __: float) -> Iterator[str]:
    for capability, state in needing().items():
        if capability not in planner.capabilities:
            continue
        try:
            suggestions = planner.ask(state, _N)
        except PlannerError as error:
            yield f"{capability}: it proposes nothing: {error}"
            continue
        yield from (f"{capability}: {words}" for words in _wrong(state, suggestions, _N))
        if _told(planner.ask(CampaignState.model_validate_json(state.model_dump_json()), _N)) != _told(suggestions):
            yield f"{capability}: asked again it answers otherwise"


def _costs_nothing_to_those_who_do_not_use_it(_: Planner, __: MakePlanner, ___: float) -> Iterator[str]:
    code = f"import sys, labwright.planners; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = _python(code, "")
    if done.returncode or done.stdout.strip():
        yield f"importing labwright.planners loads {done.stdout.strip() or done.stderr.strip()}"


CHECKS: tuple[Callable[[Planner, MakePlanner, float], Iterator[str]], ...] = (
    _is_a_planner,
    _proposes_what_may_be_tried,
    _gives_as_many_as_asked_for,
    _keeps_a_veto_on_its_own_choice,
    _comes_to_an_end_with_a_pool,
    _is_saved_in_few_bytes,
    _says_what_it_knows,
    _can_do_what_it_claims,
    _costs_nothing_to_those_who_do_not_use_it,
)


def _wrong(state: CampaignState, suggestions: Sequence[Suggestion], n: int) -> Iterator[str]:
    """What may not be tried of `suggestions`."""
    if len(suggestions) != n:
        yield f"asked for {n}, it proposes {len(suggestions)}"
    known = {_key(state.space, trial.params): trial for trial in state.trials}
    seen: set[tuple[object, ...]] = set()
    for one in suggestions:
        if broken := state.space.violations(one.params):
            yield f"it proposes {one.params}: {'; '.join(broken)}"
            continue
        key = _key(state.space, one.params)
        if key in known and not _may_be_repeated(known[key], one):
            yield f"it proposes {one.params}, which is trial {known[key].id!r} ({known[key].status})"
        if key in seen:
            yield f"it proposes {one.params} twice"
        if vetoed(state, one.params):
            yield f"it proposes {one.params}, which was vetoed"
        if wrong := [name for name, value in state.held.items() if one.params[name] != value]:
            yield f"it proposes {one.params}, although {', '.join(wrong)} is held at another value"
        seen.add(key)


def _may_be_repeated(trial: Trial, suggestion: Suggestion) -> bool:
    """Whether the reading of a trial is known to scatter, and the suggestion is marked as a repeat."""
    scatters = any(outcome.sem for outcome in trial.outcomes.values())
    return trial.status == "done" and scatters and "repeat" in suggestion.rationale


def _key(space: Space, params: Mapping[str, Any]) -> tuple[object, ...]:
    return key_of(space, dict(params))


def _told(suggestions: Sequence[Suggestion]) -> list[str]:
    return [one.model_dump_json() for one in suggestions]


def _other_order(text: str) -> str:
    """The same JSON with the keys of every object in another order, which means the same."""
    return json.dumps(json.loads(text), sort_keys=True)


def _elsewhere(make: MakePlanner, states: Sequence[CampaignState]) -> list[list[str]] | str:
    """The suggestions of a new process, as JSON; or in words why there are none."""
    try:
        recipe = base64.b64encode(pickle.dumps(make)).decode()
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        return f"make_planner is not to be had in a new process ({error}); give a function of a module"
    given = {"make": recipe, "states": [state.model_dump_json() for state in states], "n": _N}
    done = _python(_THERE, json.dumps(given))
    lines = [line for line in done.stdout.splitlines() if line.startswith("answers ")]
    if done.returncode or not lines:
        return f"in a new process it ends with: {done.stderr.strip()[-500:]}"
    found: list[list[str]] = json.loads(lines[-1].removeprefix("answers "))
    return found


def _python(code: str, given: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process. It finds the same modules; strings hash otherwise, so that an order of a set shows."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "12345"}
    return subprocess.run(  # noqa: S603 - our own code, above
        [sys.executable, "-c", code],
        input=given,
        capture_output=True,
        text=True,
        env=environment,
        timeout=_PROCESS_S,
        check=False,
    )
