"""`labwright station set`, `read` and `show`: what people do at a station by hand, by way of the controller."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from labwright.cli.output import console, emit, table
from labwright.cli.sites import Place, Seen, done, seen
from labwright.facts.by_hand import hand_facts, hand_list
from labwright.journal import Journal
from labwright.journal.asking import ask_controller, refuse_unnamed
from labwright.model.by_hand import HandWork
from labwright.model.errors import RefusedError

LOOK_S = 0.3
"""Wall seconds between two looks at an operation that is waited for."""

OPEN = ("waiting", "running")
"""States in which something comes of an operation without a person."""


def operate(place: Place, work: HandWork, *, by: str, because: str, wait: bool, json: bool) -> int:
    """Have something done at a station; the exit code.

    Args:
        place: of the journal, or a service.
        work: what.
        by: who wants it.
        because: why.
        wait: until it is done, or given up.
        json: whether a program reads what is said.

    Raises:
        ConfigError: it does not fit the lab.
        RefusedError: it is not done by hand, or not now.
        JournalError: the controller does not answer; the command was withdrawn.
    """
    payload = {"work": work.model_dump(mode="json")}

    def here(journal: Journal) -> str:
        refuse_unnamed(by, because)
        return ask_controller(journal, "operate", payload, by=by, because=because)

    campaign = done(place, here, lambda client: client.stations.operate(work, because))
    if not wait:
        if json:
            emit({"campaign": campaign})
        else:
            console.print(f"{work.what}: handed to the controller as {campaign}")
        return 0
    found = _followed(place, work.station, campaign, lambda words: None if json else console.print(words))
    if json:
        emit(found)
    elif found["state"] == "done":
        console.print(f"{work.what}: done{_values(found)}", style="bold")
    else:
        console.print(
            f"{work.what}: {found['state']}: {found['reason'] or ', '.join(found['questions'])}", style="bold"
        )
    return 0 if found["state"] == "done" else 1


def show_station(place: Place, station: str, *, json: bool) -> None:
    """What people have done at a station by hand, the newest first."""
    found: Seen[list[dict[str, Any]]] = seen(
        place, lambda journal: hand_list(journal, station), lambda client: client.stations.by_hand_facts(station)
    )
    if json:
        emit(*found.facts)
        return
    rows = [
        (one["campaign"], what_of(one), one["by"], one["because"], f"{one['state']}{_values(one)}",
         one["reason"] or "; ".join(one["waits_for"]))
        for one in found.facts
    ]  # fmt: skip
    table(f"By hand at {station}, last day", ("id", "what", "by", "reason", "state", ""), rows, json=False)


def what_of(found: dict[str, Any]) -> str:
    """What was asked for, in words."""
    if found["axis"] is None:
        return f"read {found['device']}"
    return f"set {found['device']}.{found['axis']} to {found['value']:g} {found['unit']}".rstrip()


def _values(found: dict[str, Any]) -> str:
    """What was found, in words; empty if nothing was."""
    if found["read_back"] is not None:
        return f", reads {found['read_back']:g} {found['unit']}".rstrip()
    return f", run {', '.join(found['runs'])}" if found["axis"] is None and found["runs"] else ""


def _followed(place: Place, station: str, campaign: str, say: Callable[[str], None]) -> dict[str, Any]:
    """An operation, once it does not go on without a person.

    Raises:
        RefusedError: it is gone.
    """
    said = ""
    while True:
        facts = seen(
            place,
            lambda journal: hand_facts(journal, campaign),
            lambda client: client.stations.hand_facts(station, campaign),
        ).facts
        if facts is None:
            raise RefusedError(f"{campaign} is not known any more")
        if facts["state"] not in OPEN:
            return facts
        words = f"waits for {'; '.join(facts['waits_for'])}" if facts["waits_for"] else facts["state"]
        if words != said:
            say(words)
            said = words
        time.sleep(LOOK_S)
