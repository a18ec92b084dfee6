"""Commands to the controller of a lab that are not for one campaign: `labwright stop`, `campaign submit`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labwright.cli.campaigns import controller
from labwright.cli.output import console, emit, whoami
from labwright.cli.steering import DEADLINE_S, GRACE_S, LOOK_S, TAP_S, steer
from labwright.journal import Journal, instruments_words, open_latches, place_option, reset_command
from labwright.model.errors import ConfigError, JournalError, RefusedError
from labwright.model.latch import WHOLE_LAB, latch_station


def ask_controller(journal: Journal, kind: str, payload: Mapping[str, Any], *, by: str, because: str) -> str:
    """Ask the controller that runs to do something, and wait for its answer.

    Returns:
        what it answers, without ``done``.

    Raises:
        RefusedError: none runs, or it refuses.
        JournalError: it does not answer; the command was withdrawn.
    """
    if not journal.controlled():
        raise RefusedError(
            f"no controller runs on {journal.name}, so it cannot take {kind!r}; nothing was recorded. Start one with: "
            f"labwright serve {place_option(journal)}"
        )
    command = journal.command("", kind, payload, by=by or whoami(), because=because)
    answer = _answer(journal, command)
    if answer is None:
        raise JournalError(
            f"the controller has not taken {kind!r} within {DEADLINE_S:g} s; it was withdrawn and will not take "
            "effect. See what the controller does (labwright campaign watch), or press Ctrl-C where it runs"
        )
    if answer.startswith("withdrawn:"):
        raise RefusedError(f"{kind!r} was not taken by the controller, and will not be: {answer}")
    if answer.startswith("refused:"):
        raise RefusedError(f"the controller refuses to {kind}: {answer.partition(': ')[2]}")
    return answer.partition(": ")[2]


def _answer(journal: Journal, command: int) -> str | None:
    """The controller's answer; None if there is none, and then the command was withdrawn for good."""
    deadline = time.monotonic() + DEADLINE_S
    tap = time.monotonic() + TAP_S
    try:
        while (answer := journal.answer_to(command)) is None and (now := time.monotonic()) < deadline:
            if now >= tap:
                if not journal.controlled():
                    break
                journal.wake_controller()
                tap = now + TAP_S
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        journal.withdraw(command, "the process that asked for it has ended")
        raise
    if answer is None:
        journal.withdraw(command, f"no controller took it within {DEADLINE_S:g} s")
        time.sleep(GRACE_S)
        answer = str(journal.answer_to(command))
        return None if answer.startswith("withdrawn: no controller") else answer
    return answer


def stop(place: str | Path, *, station: str, campaign: str, sample: str, by: str, because: str, json: bool) -> None:
    """Stop the lab, a station, a campaign or a sample now: its devices are halted, and nothing of it starts again.

    Raises:
        ConfigError: more than one is named, or there is no such one.
        RefusedError: no controller runs, or it refuses.
        JournalError: it does not answer; the command was withdrawn.
    """
    if sum(map(bool, (station, campaign, sample))) > 1:
        raise ConfigError("--station, --campaign and --sample exclude each other: name one, or none for the whole lab")
    if campaign:
        steer(place, campaign, "stop", {"now": True}, by=by, because=because, json=json)
        return
    if sample:
        owner, _, label = sample.rpartition("/")
        steer(place, owner, "stop", {"now": True, "sample": label}, by=by, because=because, json=json)
        return
    with Journal(place) as journal:
        payload: dict[str, Any] = {"now": True, **({"station": station} if station else {})}
        ask_controller(journal, "stop", payload, by=by, because=because)
        newest = journal.controller()
        scope = latch_station(station) if station else WHOLE_LAB
        latches = [one for one in open_latches(journal) if one.scope == scope]
        instruments = latches[-1].instruments if latches else str(newest["instruments"] if newest else "")
        reset = reset_command(journal, instruments, scope)
    if json:
        emit({"stopped": scope.kind, "station": station, "instruments": instruments, "reset": reset})
        return
    what = f"station {station} is stopped: its devices are halted, and the sample there is held" if station else (
        "all stations are stopped: their devices are halted, the campaigns end, and their samples are given up"
    )  # fmt: skip
    console.print(f"{what}. Nothing starts there until a person resets the stop: {reset}", style="bold", markup=False)


def submit(journal: Journal, spec: Mapping[str, Any], lab_sha256: str, *, by: str) -> str:
    """Hand a campaign to the controller that runs; the campaign's id.

    Raises:
        RefusedError: none runs, or it refuses.
        JournalError: it does not answer; the command was withdrawn.
    """
    return ask_controller(journal, "submit", {"spec": spec, "lab_sha256": lab_sha256}, by=by, because="")


def deck_of(journal: Journal) -> str:
    """The instruments of the controller that runs; empty if none does."""
    newest = journal.controller() if journal.controlled() else None
    return str(newest["instruments"]) if newest is not None else ""


def refuse_other_deck(journal: Journal, instruments: str) -> None:
    """A controller takes only campaigns for its own instruments.

    Raises:
        RefusedError: it runs on others.
    """
    here = deck_of(journal)
    if here != instruments:
        raise RefusedError(
            f"the controller ({controller(journal).who}) runs on {instruments_words(here)}, not on "
            f"{instruments_words(instruments)}; hand it campaigns for those, or end it first"
        )
