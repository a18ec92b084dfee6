"""Commands to the controller that runs: asked through the journal, and answered there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labwright.journal.journal import Journal
from labwright.journal.latch import instruments_words, place_option
from labwright.journal.reading import Controller, choose, controller, is_paused
from labwright.model.errors import ConfigError, JournalError, RefusedError
from labwright.model.instruments import HERE
from labwright.model.states import OVER

DEADLINE_S = 30.0
"""A controller takes commands at once, unless its journal is away or it hangs."""

TAP_S = 0.5
"""A tap may be lost: it is a datagram. So the controller is tapped again, and looked for."""

LOOK_S = 0.05

GRACE_S = 1.0
"""A controller that had read a command before it was withdrawn writes its answer meanwhile."""


@dataclass(frozen=True)
class Steered:
    """What a controller has done for a campaign.

    Attributes:
        campaign: the campaign's row, as it is afterwards.
        answer: ``done``.
        trial: the id of a proposal that was made; empty for other commands.
    """

    campaign: dict[str, Any]
    answer: str
    trial: str


def steer(journal: Journal, name: str, kind: str, payload: Mapping[str, Any], *, by: str, because: str) -> Steered:
    """Ask the controller of a campaign to do something, and wait for its answer.

    Raises:
        ConfigError: there is no such campaign.
        RefusedError: it is over, no controller runs it, or its controller refuses.
        JournalError: its controller does not answer; the command is taken back.
    """
    row = choose(journal, name)
    refuse_untakable(row, kind, controller(journal))
    command = journal.command(row["id"], kind, payload, by=by, because=because)
    answer = answer_or_withdrawn(journal, command, lambda: choose(journal, row["id"])["state"] in OVER)
    row = choose(journal, row["id"])
    if answer is None:
        refuse_untakable(row, kind, controller(journal))
        raise JournalError(
            f"the controller of {row['id']} has not taken {kind!r} within {DEADLINE_S:g} s; it was withdrawn and "
            "will not take effect. See what the controller does (labwright campaign watch), or press Ctrl-C "
            "where it runs"
        )
    if answer.startswith("withdrawn:"):
        raise RefusedError(f"{kind!r} was not taken by the controller of {row['id']}, and will not be: {answer}")
    if answer.startswith("refused:"):
        why = re.sub(rf"^{re.escape(row['id'])} takes no '\w+' now: ", "", answer.partition(": ")[2])
        raise RefusedError(f"the controller refuses to {kind} {row['id']}: {why}")
    answered, _, trial = answer.partition(": ")
    return Steered(row, answered, trial)


def ask_controller(journal: Journal, kind: str, payload: Mapping[str, Any], *, by: str, because: str) -> str:
    """Ask the controller that runs for something that is not for one campaign, and wait for its answer.

    Returns:
        what it answers, without ``done``.

    Raises:
        RefusedError: none runs, or it refuses.
        JournalError: it does not answer; the command was withdrawn.
    """
    refuse_no_controller(journal, kind)
    command = journal.command("", kind, payload, by=by, because=because)
    answer = answer_or_withdrawn(journal, command)
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


def refuse_no_controller(journal: Journal, kind: str) -> None:
    """Refuse what only a controller can take.

    Raises:
        RefusedError: none runs.
    """
    if not journal.controlled():
        raise RefusedError(
            f"no controller runs on {journal.name}, so it cannot take {kind!r}; nothing was recorded. Start one with: "
            f"labwright serve {place_option(journal)}"
        )


def stop_now(
    journal: Journal, *, station: str = "", campaign: str = "", sample: str = "", by: str, because: str
) -> Steered | None:
    """Stop the lab now, or what is named; for a campaign or a sample, what its controller has done.

    Args:
        journal: of the lab.
        station: only this one.
        campaign: only this one, by id or name.
        sample: only this one, as ``CAMPAIGN/LABEL``.
        by: who stops.
        because: why.

    Raises:
        ConfigError: more than one is named, or there is no such one.
        RefusedError: no controller runs, or it refuses.
        JournalError: it does not answer; the command was withdrawn.
    """
    owner, payload = what_stops(station=station, campaign=campaign, sample=sample)
    if owner is not None:
        return steer(journal, owner, "stop", payload, by=by, because=because)
    ask_controller(journal, "stop", payload, by=by, because=because)
    return None


def what_stops(*, station: str = "", campaign: str = "", sample: str = "") -> tuple[str | None, dict[str, Any]]:
    """The campaign a stop is for, None for the lab or a station; and the command's payload.

    Raises:
        ConfigError: more than one is named, or a sample without its campaign.
    """
    if sum(map(bool, (station, campaign, sample))) > 1:
        raise ConfigError("--station, --campaign and --sample exclude each other: name one, or none for the whole lab")
    if station:
        return None, {"now": True, "station": station}
    if sample:
        owner, _, label = sample.rpartition("/")
        if not owner:
            raise ConfigError(f"--sample takes CAMPAIGN/LABEL, not {sample!r}: several campaigns may have such a label")
        return owner, {"now": True, "sample": label}
    return campaign or None, {"now": True}


def wait(journal: Journal, command: int, gone: Callable[[], bool] = lambda: False) -> str | None:
    """The controller's answer to a command; None if it gives none: it has died, or ended, or does not look.

    Args:
        journal: with the command.
        command: its id.
        gone: whether the controller has no reason to answer any more.
    """
    deadline = time.monotonic() + DEADLINE_S
    tap = time.monotonic() + TAP_S
    while (answer := journal.answer_to(command)) is None:
        now = time.monotonic()
        if now >= deadline:
            return None
        if now >= tap:
            if not journal.controlled() or gone():
                return journal.answer_to(command)  # it may have answered just before it ended
            journal.wake_controller()
            tap = now + TAP_S
        time.sleep(LOOK_S)
    return answer


def answer_or_withdrawn(journal: Journal, command: int, gone: Callable[[], bool] = lambda: False) -> str | None:
    """The controller's answer to a command; None if there is none, and then it was taken back for good."""
    try:
        answer = wait(journal, command, gone)
    except KeyboardInterrupt:
        journal.withdraw(command, "the process that asked for it has ended")
        raise
    if answer is not None:
        return answer
    if journal.withdraw(command, f"no controller took it within {DEADLINE_S:g} s") and journal.controlled():
        time.sleep(GRACE_S)
    answer = str(journal.answer_to(command))
    return None if answer.startswith("withdrawn:") else answer


def refuse_unnamed(by: str, because: str) -> None:
    """Refuse a request without a person and a reason.

    Raises:
        ConfigError: one of them is empty.
    """
    if not by.strip() or not because.strip():
        raise ConfigError(
            "--by and --reason must name the person and the reason: the journal records both; nothing was sent"
        )


def refuse_untakable(row: Mapping[str, Any], kind: str, here: Controller) -> None:
    """Refuse what no controller can take.

    Args:
        row: of the campaign.
        kind: of command.
        here: the controller that runs, if one does.

    Raises:
        RefusedError: the campaign is over, or no controller runs it.
    """
    campaign, name = row["id"], row["name"]
    if row["state"] in OVER:
        raise RefusedError(f"{campaign} is {row['state']} ({row['reason']}); there is nothing to {kind}")
    if kind == "pause" and is_paused(row):
        raise RefusedError(f"{campaign} is already paused; resume it with: labwright campaign resume {campaign}")
    if kind == "resume" and not is_paused(row) and here.runs:
        raise RefusedError(f"{campaign} is not paused: it is {row['state']}; there is nothing to resume")
    if here.runs and not here.may_run(campaign):
        raise RefusedError(
            f"{campaign} is not under way, so nothing was recorded for it: the controller ({here.who}) works on "
            f"{', '.join(sorted(here.campaigns))}. Name one of those, or resume {campaign} after them: labwright "
            f"campaign run {name}"
        )
    if not here.runs:
        advice = f"resume it with: labwright campaign run {name}"
        if kind == "stop":
            advice += f"; labwright campaign run {name} --new gives it up and starts another"
        raise RefusedError(
            f"no controller runs {campaign}, so it cannot take {kind!r}; nothing was recorded. It is {row['state']}, "
            f"and was interrupted: {advice}"
        )


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
        how = " (--simulated)" if here == HERE else ""
        raise RefusedError(
            f"the controller ({controller(journal).who}) runs on {instruments_words(here)}, not on "
            f"{instruments_words(instruments)}; hand it campaigns for those{how}, or end it first"
        )
