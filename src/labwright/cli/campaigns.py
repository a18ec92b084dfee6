"""`labwright campaign list` and `show`: how campaigns stand, from the journal's tables alone."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import orjson

from labwright.cli.output import console, counted, emit, table
from labwright.cli.words import answer_command, told, valued, when
from labwright.journal import Journal, open_latches, place_option, schema, waiting_words
from labwright.journal.listing import listed
from labwright.journal.reading import (
    Controller,
    campaign_rows,
    choose,
    controller,
    questions_of,
)
from labwright.model.campaign import Trial
from labwright.model.figures import spelled, with_unit
from labwright.model.instruments import HERE, REAL
from labwright.model.material import said
from labwright.model.names import column
from labwright.model.protocol import ProtocolSpec
from labwright.model.records import Intent

LAST = 12
"""Events that `show` lists."""


def go_on_words(row: dict[str, Any]) -> str:
    """What to type where no controller runs a campaign that is not over."""
    return f"resume it with: labwright campaign run {row['name']}"


def list_campaigns(place: str | Path, *, json: bool) -> None:
    """All campaigns, the newest last."""
    with Journal.reading(place) as journal:
        here = controller(journal)
        rows = [listed(journal, row, here) for row in campaign_rows(journal)]
        stops = _stops(journal)
        name = journal.name
    if json:
        for row in rows:
            emit(row)
        return
    shown = [
        (
            row["campaign"],
            row["state"],
            _instruments_words(row),
            f"{row['tried']}/{row['budget']}",
            _best_words(row),
            when(row["began_s"]),
            "runs" if row["controller"] else "",
            "\n".join(row["waits_for"]),
        )
        for row in rows
    ]
    title = f"{name}: controller {here.who}" if here.runs else f"{name}: no controller runs"
    table(
        title,
        ("campaign", "state", "instruments", "tried", "best measured", "started (UTC)", "controller", "waits for"),
        shown,
        json=False,
    )
    for words in stops:
        console.print(words, style="bold yellow", markup=False)


def _stops(journal: Journal) -> list[str]:
    """Stops that hold, each with the command that resets it."""
    return [waiting_words(journal, one) for one in open_latches(journal)]


def show_campaign(place: str | Path, name: str, *, json: bool) -> None:
    """One campaign: how it stands, and what happened last.

    Raises:
        ConfigError: there is none.
    """
    with Journal.reading(place) as journal:
        row = choose(journal, name)
        here = controller(journal)
        facts = _facts(journal, row, here)
        protocols = [ProtocolSpec.model_validate(one) for one in next(journal.events(row["id"])).payload["protocols"]]
        stops, option = _stops(journal), place_option(journal)
    if json:
        emit(facts)
        return
    _print_facts(facts, protocols, here, option)
    for words in stops:
        console.print(words, style="bold yellow", markup=False)


def _instruments_words(row: dict[str, Any]) -> str:
    """On which instruments: those of a simulation are never taken for real ones."""
    where = "" if row["instruments"] in (HERE, REAL, "") else f" {row['instruments']}"
    return f"SIMULATED{where}" if row["simulated"] else "real"


def _learns_from(journal: Journal, first: dict[str, Any]) -> list[dict[str, Any]]:
    """Earlier campaigns that the planner learns from, and whether they were simulated."""
    known = {row["id"]: bool(row["simulated"]) for row in journal.rows(schema.campaign)} if first.get("earlier") else {}
    return [{"campaign": one["name"], "simulated": known.get(one["name"])} for one in first.get("earlier", ())]


def _kind(earlier: dict[str, Any]) -> str:
    return {True: "SIMULATED", False: "real", None: "not in this journal"}[earlier["simulated"]]


def _stocks(journal: Journal, instruments: str) -> list[dict[str, Any]]:
    """What is left of the stocks of these instruments."""
    stock = schema.stock
    return [
        {
            "instruments": instruments,
            "name": one["name"],
            "material": one["material"],
            "unit": one["unit"],
            "usable": one["count"] - one["dead"] - one["used"],
            "reserved": one["reserved"],
            "unknown": one["unknown"],
        }
        for one in journal.rows(stock, stock.c.instruments == instruments, order=stock.c.name)
    ]


def _best_words(row: dict[str, Any]) -> str:
    if row["best"] is None:
        return ""
    best = valued(row["best"], row["objective"]["unit"])
    if row["front"] is None:
        return best
    return f"{row['objective']['name']} {best}; {counted(row['front'], 'experiment')} on the Pareto front"


def _facts(journal: Journal, row: dict[str, Any], here: Controller) -> dict[str, Any]:
    """All that `show` shows."""
    from labwright.engine.deck import deck_questions  # takes seconds to import, and `campaign stop` must not wait

    campaign = row["id"]
    question, experiment, step = schema.question, schema.experiment, schema.step
    reservation, intent = schema.reservation, schema.intent
    steps = journal.rows(step, step.c.campaign == campaign, order=step.c.step_id)
    by_label: dict[str, list[dict[str, Any]]] = {}
    for one in steps:
        by_label.setdefault(one["label"], []).append({**one})
    doubts = journal.rows(
        intent,
        intent.c.campaign == campaign,
        intent.c.state.in_(("prepared", "unknown")),
        order=(intent.c.prepared_s),
    )
    events = deque(journal.events(campaign), maxlen=LAST)
    first = next(journal.events(campaign))
    trial = schema.trial
    trials = {
        one["label"]: Trial.model_validate_json(one["trial"])
        for one in journal.rows(trial, trial.c.campaign == campaign, trial.c.label != "")
    }
    here_listed = listed(journal, row, here)
    return {
        **here_listed,
        "best_experiment": _best_experiment(here_listed, trials),
        "by": first.payload.get("by", ""),
        "learns_from": _learns_from(journal, first.payload),
        "lab": row["lab"],
        "fixed": first.payload["spec"].get("fixed", {}),
        "experiments": [
            {
                "experiment": one["label"],
                "sample": one["sample"],
                "protocol": one["protocol"],
                "state": one["state"],
                "reason": one["reason"],
                "parameters": dict(trials[one["label"]].params) if one["label"] in trials else {},
                "results": orjson.loads(one["results"] or "{}"),
                "location": one["stands_at"],
                "stands_at": one["stands_at"],  # its name before, for scripts that read it
                "steps": [
                    {key: at[key] for key in ("step_id", "name", "station", "state", "attempt", "round", "error")}
                    for at in by_label.get(one["label"], [])
                ],
            }
            for one in journal.rows(experiment, experiment.c.campaign == campaign, order=experiment.c.label)
        ],
        "questions": [
            *questions_of(journal, question.c.campaign == campaign, question.c.state == "open"),
            *(
                {**one.row(), "choices": one.choices}
                for one in deck_questions(journal, running=here.under_way)
                if one.campaign == campaign
            ),
        ],
        "reservations": [
            {key: one[key] for key in ("resource", "state", "label", "step_id")}
            for one in journal.rows(reservation, reservation.c.campaign == campaign, order=reservation.c.resource)
        ],
        "stocks": _stocks(journal, row["instruments"]),
        "doubts": [
            {
                "intent": f"{one['step_id']}#{one['n']}",
                "attempt": one["attempt"],
                "state": one["state"],
                "what": Intent.model_construct(**one).what,
                "words": one["words"],
                "since_s": one["prepared_s"],
            }
            for one in doubts
        ],
        "events": [
            {"id": one.id, "wall_time_s": one.wall_time_s, "kind": one.kind, "words": told(one.payload)}
            for one in events
        ],
    }


def _best_experiment(listed: dict[str, Any], trials: dict[str, Trial]) -> str:
    """Label of the experiment whose outcome is the best; empty if none counts."""
    name = listed["objective"]["name"]
    done = {label: one.outcomes[name].mean for label, one in trials.items() if one.status == "done"}
    return next((label for label, mean in done.items() if mean == listed["best"]), "")


def _best_with_parameters(facts: dict[str, Any], protocols: list[ProtocolSpec]) -> str:
    """The best outcome, and of which experiment it is, with its parameters, each value with its unit."""
    best = _best_words(facts)
    experiment = next((one for one in facts["experiments"] if one["experiment"] == facts["best_experiment"]), None)
    if not best or experiment is None:
        return best
    units = {one.name: getattr(one, "unit", "1") for protocol in protocols for one in protocol.parameters}
    values = [f"{name} {with_unit(spelled(v), units.get(name, '1'))}" for name, v in experiment["parameters"].items()]
    return f"{best} in experiment {facts['best_experiment']}\n{', '.join(values)}"


def _print_facts(facts: dict[str, Any], protocols: list[ProtocolSpec], here: Controller, option: str) -> None:
    head = [
        ("campaign", f"{facts['campaign']}: {facts['title']}"),
        ("state", facts["state"] + (f": {facts['reason']}" if facts["reason"] else "")),
        ("instruments", _instruments_words(facts)),
        ("tried", f"{facts['tried']} of {facts['budget']} experiments"),
        ("best measured", _best_with_parameters(facts, protocols)),
        ("fixed", ", ".join(f"{name} {spelled(value)}" for name, value in facts["fixed"].items())),
        ("started (UTC)", f"{when(facts['began_s'])}, by {facts['by'] or 'an unnamed person'}"),
        ("controller", here.who if facts["controller"] else "no controller runs this campaign"),
        ("waits for", "\n".join(facts["waits_for"])),
    ]
    if facts["learns_from"]:
        head.append(("learns from", "\n".join(f"{one['campaign']} ({_kind(one)})" for one in facts["learns_from"])))
    table("SIMULATED" if facts["simulated"] else "", ("what", ""), head, json=False)
    samples = [
        (
            one["experiment"],
            one["sample"],
            one["state"] + (f": {one['reason']}" if one["reason"] else ""),
            _steps_words(one["steps"]),
            one["location"],
        )
        for one in facts["experiments"]
    ]
    _section("Experiments", ("experiment", "sample", "state", "steps", "location"), samples)
    _print_results(facts["experiments"], protocols)
    asked = [
        (one["id"], one["text"], "\n".join(f"{answer}: {means}" for answer, means in one["choices"].items()))
        for one in facts["questions"]
    ]
    _section("Open questions", ("question", "what is asked", "answers"), asked)
    for one in facts["questions"]:
        print(answer_command(one["id"], option))  # noqa: T201 - to be copied, so no table may wrap it
    held = [(one["resource"], one["state"], one["step_id"] or one["label"]) for one in facts["reservations"]]
    _section("Reserved", ("what", "state", "for"), held)
    amounts = ("usable", "reserved", "unknown")
    stocks = [(one["name"], *(said(one[name], one["unit"]) for name in amounts)) for one in facts["stocks"]]
    _section("Stocks", ("stock", "usable", "reserved", "in doubt"), stocks)
    columns = ("operation", "what", "state", "")
    under_way = [one for one in facts["doubts"] if one["state"] == "prepared" and facts["controller"]]
    in_doubt = [one for one in facts["doubts"] if one not in under_way]
    for title, ones in (
        ("Operations under way", under_way),
        ("Operations that may or may not have happened", in_doubt),
    ):
        _section(title, columns, [(one["intent"], one["what"], one["state"], one["words"]) for one in ones])
    _section(
        "What happened last",
        ("event", "when (UTC)", "what"),
        [(one["id"], when(one["wall_time_s"]), one["words"]) for one in facts["events"]],
    )


def _print_results(experiments: list[dict[str, Any]], protocols: list[ProtocolSpec]) -> None:
    """What each experiment, and each preparation, was made with and has found: a table a protocol."""
    for protocol in protocols:
        mine = [one for one in experiments if one["protocol"] == protocol.name]
        searched = list(dict.fromkeys(name for one in mine for name in one["parameters"]))
        units = {one.name: getattr(one, "unit", "") for one in (*protocol.parameters, *protocol.results)}
        heads = [column(name, units.get(name, "")) for name in searched]
        heads += [column(one.name, units[one.name]) for one in protocol.results]
        rows = [
            (
                one["experiment"],
                *map(spelled, one["parameters"].values()),
                *(result.shown(one["results"]) for result in protocol.results),
            )
            for one in mine
            if one["results"]
        ]
        _section(f"Results of {protocol.name}", ("experiment", *heads), rows)


def _steps_words(steps: list[dict[str, Any]]) -> str:
    """How many are done, and which are not."""
    done = sum(at["state"] in ("done", "skipped") for at in steps)
    words = [f"{done} of {len(steps)} done"]
    for at in steps:
        if at["state"] not in ("done", "skipped", "waiting"):
            words.append(f"{at['name']} {at['state']}" + (f" (attempt {at['attempt']})" if at["attempt"] > 1 else ""))
    return "\n".join(words)


def _section(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        table(f"\n{title}", columns, rows, json=False)
