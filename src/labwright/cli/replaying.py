"""`labwright campaign replay`: decide everything again from the journal, and report what differs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from labwright.cli.output import console, counted, emit, working
from labwright.cli.sites import Place, on_folder
from labwright.engine import CampaignCore, replayed
from labwright.engine.events import Ask, Infeasible, NotSuggested, Suggested, decisions
from labwright.journal import Journal, LoggedEvent
from labwright.journal.reading import choose
from labwright.model.campaign import CampaignState, Suggestion
from labwright.model.errors import LabwrightError
from labwright.planners import Planner, load_planner

RELATIVE = 1e-9
"""Two numbers agree to this; a planner's linear algebra may add in another order on another machine."""

SHOWN = 5
"""Differences shown to a person; with --json all are."""


BROKEN = (LabwrightError, LookupError, ValueError, TypeError, RuntimeError)
"""What the core may raise on an event that was edited."""


@dataclass(frozen=True)
class Difference:
    """Something that differs.

    Attributes:
        event: id.
        kind: of the event.
        field: of it.
        then: as the journal has it.
        now: as it is decided again.
    """

    event: int
    kind: str
    field: str
    then: Any
    now: Any


@dataclass
class Compared:
    """What was compared, and what differs."""

    events: int = 0
    decisions: int = 0
    suggestions: int = 0
    differences: list[Difference] = field(default_factory=list)


def replay_campaign(place: Place, name: str, *, json: bool) -> int:
    """Replay a campaign, over or not; 0 if every decision is the same again, 1 if not.

    Raises:
        ConfigError: there is no such campaign.
    """
    with Journal.reading(on_folder(place, "deciding everything again (campaign replay)")) as journal:
        row = choose(journal, name)
        campaign = row["id"]
        with working("replaying") as say:
            compared = _replay(journal, campaign, say)
    different = compared.differences
    if json:
        for one in different:
            emit({"campaign": campaign, **vars(one)})
        emit(
            {
                "campaign": campaign,
                "state": row["state"],
                "events": compared.events,
                "decisions": compared.decisions,
                "suggestions": compared.suggestions,
                "differences": len(different),
            }
        )
        return 1 if different else 0
    console.print(
        f"{campaign} ({row['state']}): {counted(compared.events, 'event')}, {counted(compared.decisions, 'decision')} "
        f"of the engine and {counted(compared.suggestions, 'answer')} of the planner were compared",
        markup=False,
    )
    for one in different[:SHOWN]:
        console.print(f"event {one.event} ({one.kind}), {one.field}:", style="bold red", markup=False)
        console.print(f"  then: {one.then}\n  now:  {one.now}", markup=False)
    if not different:
        console.print("all agree", style="bold", markup=False)
    else:
        more = f", the first {SHOWN} above" if len(different) > SHOWN else ""
        console.print(f"{counted(len(different), 'difference')}{more}", style="bold red", markup=False)
    return 1 if different else 0


def _replay(journal: Journal, campaign: str, say: Callable[[str], None]) -> Compared:
    """Replay and compare; what the core cannot handle any more ends it, and is a difference."""
    compared = Compared()
    asked: CampaignState | None = None
    planner: Planner | LabwrightError | None = None
    last = 0
    steps = replayed(journal, campaign)
    while True:
        try:
            step = next(steps, None)
        except BROKEN as error:
            bad = next(journal.events(campaign, last), None)
            if bad is None:
                raise
            words = str(error) if isinstance(error, LabwrightError) else f"{type(error).__name__}: {error}"
            compared.differences.append(Difference(bad.id, bad.kind, "the event itself", "was handled", words))
            return compared
        if step is None:
            return compared
        logged, event, instructions, core = step
        last = logged.id
        compared.events += 1
        say(f"{counted(compared.events, 'event')}, {counted(compared.suggestions, 'answer')} of the planner")
        compared.differences += _decisions(compared, logged, decisions(instructions))
        if planner is None:
            planner = _planner(core)
        if isinstance(event, (Suggested, Infeasible, NotSuggested)) and asked is not None:
            compared.suggestions += 1
            compared.differences += _suggestion(logged, event, planner, asked)
        for one in instructions:
            if isinstance(one, Ask):
                asked = one.state


def _planner(core: CampaignCore) -> Planner | LabwrightError:
    try:
        return load_planner(core.spec.planner)
    except LabwrightError as error:
        # Of another version, or its library is not installed: the engine's decisions can be compared all the same.
        return error


def _decisions(compared: Compared, logged: LoggedEvent, now: list[Any]) -> Iterator[Difference]:
    then = logged.decisions
    compared.decisions += len(then)
    for number in range(max(len(then), len(now))):
        one = then[number] if number < len(then) else "nothing"
        other = now[number] if number < len(now) else "nothing"
        if one != other:
            yield Difference(logged.id, logged.kind, f"decision {number + 1}", one, other)


def _suggestion(
    logged: LoggedEvent,
    event: Suggested | Infeasible | NotSuggested,
    planner: Planner | LabwrightError,
    asked: CampaignState,
) -> Iterator[Difference]:
    """Ask the planner again for what it was asked then."""
    try:
        if isinstance(planner, LabwrightError):
            raise planner
        (again,) = planner.ask(asked, 1)
        advice = planner.advise_stop(asked) if getattr(event, "advice", None) is not None else None
    except LabwrightError as error:
        if not isinstance(event, NotSuggested) or str(error) not in event.reason:
            then = event.reason if isinstance(event, NotSuggested) else _told(event)
            yield Difference(logged.id, logged.kind, "planner", then, f"no suggestion: {error}")
        return
    if isinstance(event, NotSuggested):
        yield Difference(logged.id, logged.kind, "planner", f"no suggestion: {event.reason}", f"{again.params}")
        return
    # A suggestion that had to be moved to what can be made is compared as the planner gave it.
    raw = event.asked if isinstance(event, Suggested) and event.asked is not None else event.suggestion
    where = "asked" if raw is not event.suggestion else "suggestion"
    for name in dict.fromkeys([*raw.params, *again.params]):
        one, other = raw.params.get(name), again.params.get(name)
        if not _same(one, other):
            yield Difference(logged.id, logged.kind, f"{where}.params.{name}", one, other)
    for name in ("mean", "sem"):
        one, other = _predicted(raw, name), _predicted(again, name)
        if not _same(one, other):
            yield Difference(logged.id, logged.kind, f"{where}.predicted.{name}", one, other)
    if isinstance(event, Suggested) and event.advice is not None:
        for name in ("expected_gain", "noise", "regret_bound"):
            one, other = getattr(event.advice, name), getattr(advice, name, None)
            if not _same(one, other):
                yield Difference(logged.id, logged.kind, f"advice.{name}", one, other)


def _told(event: Suggested | Infeasible) -> str:
    return f"{event.suggestion.params}"


def _predicted(suggestion: Suggestion, name: str) -> Any:
    return getattr(suggestion.predicted, name, None)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE)
    return bool(one == other)
