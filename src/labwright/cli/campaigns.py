"""`labwright campaign list` and `show`: how campaigns stand, from the journal's tables alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Place, latches_of, seen
from labwright.cli.words import answer_command, readings_of, valued, when
from labwright.facts.campaigns import campaign_facts
from labwright.journal import Journal, Latch, open_latches
from labwright.journal.latch import waiting_in_words
from labwright.journal.listing import listed
from labwright.journal.reading import choose, controller, listed_rows
from labwright.model.figures import spelled, with_unit
from labwright.model.instruments import HERE, REAL
from labwright.model.material import said
from labwright.model.names import column
from labwright.model.protocol import ProtocolSpec
from labwright.model.remarks import AS_MEASURED

if TYPE_CHECKING:
    from labwright.client import Client


def go_on_words(row: dict[str, Any]) -> str:
    """What to type where no controller runs a campaign that is not over."""
    return f"resume it with: labwright campaign run {row['name']}"


def list_campaigns(place: Place, *, json: bool) -> None:
    """All campaigns, the newest last."""

    def here(journal: Journal) -> tuple[list[dict[str, Any]], str, list[Latch]]:
        now = controller(journal)
        return [listed(journal, row, now) for row in listed_rows(journal)], now.who, open_latches(journal)

    def there(client: Client) -> tuple[list[dict[str, Any]], str, list[Latch]]:
        rows = [one.model_dump(mode="json", exclude_unset=True) for one in client.campaigns.list()]
        return rows[::-1], client.lab.controller(), latches_of(client.lab.latches())

    found = seen(place, here, there)
    rows, who, latches = found.facts
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
    title = f"{found.name}: controller {who}" if who else f"{found.name}: no controller runs"
    table(
        title,
        ("campaign", "state", "instruments", "tried", "best measured", "started (UTC)", "controller", "waits for"),
        shown,
        json=False,
    )
    _say_stops(latches, found.option)


def _say_stops(latches: Sequence[Latch], option: str) -> None:
    """Stops that hold, each with the command that resets it."""
    for one in latches:
        console.print(waiting_in_words(one, latches, option), style="bold yellow", markup=False)


def show_campaign(place: Place, name: str, *, json: bool) -> None:
    """One campaign: how it stands, and what happened last.

    Raises:
        ConfigError: there is none.
    """

    def here(journal: Journal) -> tuple[dict[str, Any], str, list[Latch]]:
        now = controller(journal)
        return campaign_facts(journal, choose(journal, name), now), now.who, open_latches(journal)

    def there(client: Client) -> tuple[dict[str, Any], str, list[Latch]]:
        campaign = client.campaigns.id_of(name)
        facts = client.campaigns.facts(campaign)
        return facts, client.lab.controller(), latches_of(client.lab.latches())

    found = seen(place, here, there)
    facts, who, latches = found.facts
    if json:
        emit(facts)
        return
    protocols = [ProtocolSpec.model_validate(one) for one in facts["protocols"]]
    _print_facts(facts, protocols, who, found.option)
    _say_stops(latches, found.option)


def _instruments_words(row: dict[str, Any]) -> str:
    """On which instruments: those of a simulation are never taken for real ones."""
    where = "" if row["instruments"] in (HERE, REAL, "") else f" {row['instruments']}"
    return f"SIMULATED{where}" if row["simulated"] else "real"


def _kind(earlier: dict[str, Any]) -> str:
    return {True: "SIMULATED", False: "real", None: "not in this journal"}[earlier["simulated"]]


def _best_words(row: dict[str, Any]) -> str:
    if row["best"] is None:
        return ""
    best = valued(row["best"], row["objective"]["unit"])
    if row["front"] is None:
        return best
    return f"{row['objective']['name']} {best}; {counted(row['front'], 'experiment')} on the Pareto front"


def _best_with_parameters(facts: dict[str, Any], protocols: list[ProtocolSpec]) -> str:
    """The best outcome, and of which experiment it is, with its parameters, each value with its unit."""
    best = _best_words(facts)
    experiment = next((one for one in facts["experiments"] if one["experiment"] == facts["best_experiment"]), None)
    if not best or experiment is None:
        return best
    units = {one.name: getattr(one, "unit", "1") for protocol in protocols for one in protocol.parameters}
    values = [f"{name} {with_unit(spelled(v), units.get(name, '1'))}" for name, v in experiment["parameters"].items()]
    return f"{best} in experiment {facts['best_experiment']}\n{', '.join(values)}"


def _print_facts(facts: dict[str, Any], protocols: list[ProtocolSpec], who: str, option: str) -> None:
    head = [
        ("campaign", f"{facts['campaign']}: {facts['title']}"),
        ("state", facts["state"] + (f": {facts['reason']}" if facts["reason"] else "")),
        ("instruments", _instruments_words(facts)),
        ("tried", f"{facts['tried']} of {facts['budget']} experiments"),
        ("best measured", _best_with_parameters(facts, protocols)),
        ("fixed", ", ".join(f"{name} {spelled(value)}" for name, value in facts["fixed"].items())),
        ("started (UTC)", f"{when(facts['began_s'])}, by {facts['by'] or 'an unnamed person'}"),
        ("controller", who if facts["controller"] else "no controller runs this campaign"),
        ("waits for", "\n".join(facts["waits_for"])),
    ]
    if facts["learns_from"]:
        head.append(("learns from", "\n".join(f"{one['campaign']} ({_kind(one)})" for one in facts["learns_from"])))
    table("SIMULATED" if facts["simulated"] else "", ("what", ""), head, json=False)
    samples = [
        (
            one["experiment"],
            one["sample"],
            one["state"]
            + (f": {one['reason']}" if one["reason"] else "")
            + (f"; to be used: {one['use']}" if one.get("use", AS_MEASURED) != AS_MEASURED else ""),
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
        print(answer_command(one["id"], option, readings_of(one)))  # noqa: T201 - to be copied, so no table may wrap it
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
