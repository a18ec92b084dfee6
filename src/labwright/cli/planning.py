"""`labwright planner list` and `explain`: which planners there are, and what one has learnt."""

from __future__ import annotations

from typing import Any

from labwright.cli.output import console, emit, table, working
from labwright.cli.sites import Place, on_folder
from labwright.cli.words import valued
from labwright.engine import CampaignCore, rebuilt
from labwright.journal import Journal
from labwright.journal.reading import choose
from labwright.model.campaign import Explanation, Outcome, PlannerSpec, Suggestion, Trial
from labwright.model.errors import ConfigError, PlannerError
from labwright.model.figures import figure, measured, spelled
from labwright.model.space import Params
from labwright.planners import PLANNERS, Planner, load_planner

SHOWN = 15
"""Left-out experiments that are shown to a person, those predicted worst first; with --json all are."""


def list_planners(*, json: bool) -> None:
    """All planners, with what each takes account of, or how to install it."""
    rows = []
    for name in PLANNERS:
        try:
            planner = load_planner(PlannerSpec(name=name))
        except (ConfigError, PlannerError) as error:
            rows.append({"planner": name, "installed": False, "takes_account_of": [], "words": str(error)})
            continue
        words = ", ".join(sorted(planner.capabilities)) or "one objective"
        rows.append(
            {"planner": name, "installed": True, "takes_account_of": sorted(planner.capabilities), "words": words}
        )
    if json:
        for row in rows:
            emit(row)
        return
    shown = [(row["planner"], "yes" if row["installed"] else "no", row["words"]) for row in rows]
    table("", ("planner", "installed", "takes account of"), shown, json=False)


def explain_campaign(place: Place, name: str, *, json: bool) -> None:
    """What the planner of a campaign has learnt, from the journal alone.

    Raises:
        ConfigError: there is no such campaign, or its planner is not there.
        PlannerError: too little was measured yet, or the planner has no model.
    """
    with (
        Journal.reading(on_folder(place, "asking a planner what it has learnt (planner explain)")) as journal,
        working("asking the planner:") as say,
    ):
        say("reading the campaign")
        campaign = choose(journal, name)["id"]
        core = rebuilt(journal, campaign)
        planner = load_planner(core.spec.planner)
        state = core.state()
        say("what the planner has learnt")
        learnt = planner.explain(state)
        say("whether to continue")
        advice = planner.advise_stop(state)
        say("what comes next")
        facts: dict[str, Any] = {
            "campaign": campaign,
            "planner": planner.name,
            "objective": core.spec.objective.model_dump(mode="json", exclude_none=True),
            **learnt.model_dump(mode="json"),
            "stop": None if advice is None else advice.model_dump(mode="json"),
            "last": _last(core),
            "next": _next(core, planner),
        }
    if json:
        emit(facts)
        return
    _print(facts, learnt, core)


def _last(core: CampaignCore) -> dict[str, Any] | None:
    """The experiment that was started last, and why."""
    begun: list[Trial] = [one for one in core.trials if one.status in ("running", "done")]
    if not begun:
        return None
    one = begun[-1]
    found = one.outcomes.get(core.spec.objective.name)
    return {
        **_point(one.params, one.rationale, one.predicted),
        "experiment": one.id,
        "trial": one.id,
        "measured": _outcome(found),
    }


def _next(core: CampaignCore, planner: Planner) -> dict[str, Any]:
    """What would be tried next, if anything were."""
    try:
        (one,) = planner.ask(core.state(), 1)
    except PlannerError as error:
        return {"params": None, "why": str(error), "predicted": None}
    assert isinstance(one, Suggestion)  # noqa: S101 - tells mypy
    return _point(one.params, one.rationale, one.predicted)


def _point(params: Params, why: str, predicted: Outcome | None) -> dict[str, Any]:
    return {"params": dict(params), "why": why, "predicted": _outcome(predicted)}


def _outcome(one: Outcome | None) -> dict[str, Any] | None:
    return None if one is None else one.model_dump(mode="json")


def _print(facts: dict[str, Any], learnt: Explanation, core: CampaignCore) -> None:
    unit = core.spec.objective.unit
    console.print(f"{facts['campaign']}, planner {facts['planner']}: {learnt.words}", markup=False)
    matter = [
        (one.parameter, f"{100 * one.share:.0f} %", "" if one.length is None else f"{one.length:.2g}")
        for one in learnt.sensitivities
    ]
    columns = ("parameter", "total effect (of the variance)", "changes over (of its range)")
    title = f"What matters to {core.spec.objective.name}; an interaction counts for each of its parameters, so the sum "
    table(f"{title}may exceed 100 %", columns, matter, json=False)
    worst = sorted(learnt.left_out, key=lambda one: -abs(one[1] - one[2]))
    left_out = [
        (trial, figure(reading), measured(mean, sd), f"{reading - mean:+.2g}")
        for trial, reading, mean, sd in worst[:SHOWN]
    ]
    heads = ("experiment", "measured", "leave-one-out prediction", "off by")
    inside = "" if unit == "1" else f", in {unit}"
    table(f"Each experiment predicted from the others{inside}; the worst first", heads, left_out, json=False)
    half, nine = learnt.calibration
    console.print(
        f"Of the measured values {100 * half:.0f} % lie in the central 50 %, {100 * nine:.0f} % in the central 90 %; "
        f"they are off by {valued(learnt.rmse, unit)} (root mean square).",
        markup=False,
    )
    if facts["stop"] is not None:
        console.print(f"Whether to continue: {facts['stop']['reason']}", markup=False)
    for word, one in (("Last", facts["last"]), ("Next", facts["next"])):
        if one is not None:
            where = "" if one["params"] is None else f"{_params(one['params'])}: "
            console.print(f"{word}: {where}{one['why']}", markup=False)


def _params(params: dict[str, Any]) -> str:
    return ", ".join(f"{k} {spelled(v)}" for k, v in params.items())
