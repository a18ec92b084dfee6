"""`labwright campaign pause`, `resume`, `drain`, `stop`, `suggest`, `veto`: through the journal, to the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labwright.cli.campaigns import go_on_words
from labwright.cli.output import console, emit, whoami
from labwright.cli.sites import Place, done, latches_of, option_of, seen
from labwright.journal import Journal, asking, latch_of, reset_command
from labwright.journal.latch import reset_typed
from labwright.journal.reading import is_paused, space_of
from labwright.model.cells import level_of
from labwright.model.errors import ConfigError, unknown
from labwright.model.latch import WHOLE_LAB, latch_sample
from labwright.model.numbers import number
from labwright.model.space import Categorical, Integer, Parameter, Params, ParamValue, Space
from labwright.model.states import OVER

if TYPE_CHECKING:
    from labwright.client import Client

DONE = {
    "pause": "{id} is paused: no operation starts; those under way run to their end. Resume with: "
    "labwright campaign resume {id}",
    "resume": "{id} is resumed: operations may start again",
    "drain": "Drain recorded: {id} starts no further experiment; those under way are carried out to their end",
    "extend": "{id} may make {budget} experiments now",
    "stop": "Stop recorded: {id} ends after the operations under way and what closes out; its samples are given up",
    "stop now": "Stop recorded: all devices of {id} are halted at once, and its samples are given up; nothing starts "
    "on these instruments until a person resets the stop: {reset}",
    "stop sample now": "Stop recorded: the devices that work on sample {sample} of {id} are halted at once, and it is "
    "given up; the campaign's other samples continue. The sample's stop holds until a person resets it: {reset}",
    "suggest": "proposal {trial} comes next, before any suggestion of the planner; it gets the number of its "
    "experiment when it starts. Withdraw it with: labwright campaign veto {id} {trial} --by NAME --reason TEXT",
    "suggest started": "experiment {trial} has started with these values",
    "veto": "Veto recorded: neither planner nor person can start an experiment at these values in {id}",
    "veto proposal": "Veto recorded: proposal {what} is withdrawn and will not start; the next proposal of {id}, or "
    "what its planner suggests, takes its place",
}
"""Confirmations: what has happened, and what happens next."""


def steer(place: Place, name: str, kind: str, payload: Mapping[str, Any], *, by: str, because: str, json: bool) -> None:
    """Ask the controller of a campaign to do something, and wait for its answer.

    Raises:
        ConfigError: there is no such campaign.
        RefusedError: it is over, no controller runs it, or its controller refuses.
        JournalError: its controller does not answer; the command is taken back.
    """

    def here(journal: Journal) -> tuple[dict[str, Any], str, str]:
        steered = asking.steer(journal, name, kind, payload, by=by or whoami(), because=because)
        row = steered.campaign
        latch = latch_of(journal, row["id"])
        scope = latch.scope if latch else WHOLE_LAB
        if sample := str(payload.get("sample", "")):
            scope = latch_sample(row["id"], sample)
        return row, steered.trial, reset_command(journal, row["instruments"], scope)

    def there(client: Client) -> tuple[dict[str, Any], str, str]:
        campaign = client.campaigns.id_of(name)
        command = client.campaigns.steer(campaign, kind, payload, because)
        facts = client.campaigns.facts(campaign)
        latches = latches_of(client.lab.latches())
        mine = [one.scope for one in latches if campaign in (one.campaign, one.scope.campaign)]
        sample = str(payload.get("sample", ""))
        scope = latch_sample(campaign, sample) if sample else mine[-1] if mine else WHOLE_LAB
        reset = reset_typed(latches, option_of(place), facts["instruments"], scope)
        return {**facts, "id": campaign}, command.result, reset

    row, trial, reset = done(place, here, there)
    if json:
        named = {"trial": trial} if trial else {}
        emit({"campaign": row["id"], "command": kind, "answer": "done", "state": row["state"], **named})
        return
    console.print(_confirmation(row, kind, payload, trial, reset), style="bold", markup=False)


def _confirmation(row: dict[str, Any], kind: str, payload: Mapping[str, Any], trial: str, reset: str) -> str:
    """What has happened, and what happens next."""
    which = kind
    if payload.get("now"):
        which = "stop sample now" if "sample" in payload else "stop now"
    elif kind == "suggest" and not trial.startswith("p"):
        which = "suggest started"
    elif "trial" in payload:
        which = "veto proposal"
    words = DONE[which].format(
        id=row["id"],
        trial=trial,
        what=payload.get("trial", ""),
        budget=payload.get("budget"),
        sample=payload.get("sample"),
        reset=reset,
    )
    if row["state"] in OVER:
        return f"{words}. It is {row['state']} now: {row['reason']}"
    if kind == "drain" and is_paused(row):
        return f"{words}, once it is resumed: labwright campaign resume {row['id']}"
    return words


def extend(
    place: Place,
    root: Path,
    name: str,
    budget: int,
    *,
    by: str,
    because: str,
    lab_changed: bool,
    json: bool,
) -> None:
    """Let a campaign make more experiments, whether it is under way or has run out.

    Raises:
        ConfigError: there is no such campaign, or the person or the reason is not named.
        RefusedError: it may not make them, or its controller refuses.
        JournalError: its controller does not answer; the command is taken back.
    """
    from labwright.engine.extending import extend as extend_campaign
    from labwright.lab import read_lab

    def here(journal: Journal) -> dict[str, Any]:
        return extend_campaign(
            journal, name, budget, by=by, because=because, folder=lambda: read_lab(root), lab_changed=lab_changed
        ).campaign

    def there(client: Client) -> dict[str, Any]:
        asking.refuse_unnamed(by, because)
        campaign = client.campaigns.id_of(name)
        client.campaigns.extend(campaign, budget, because, lab_changed=lab_changed)
        return {**client.campaigns.facts(campaign), "id": campaign}

    row = done(place, here, there)
    # What this process has claimed is free again.
    runs = seen(place, lambda reader: reader.controlled(), lambda client: bool(client.lab.controller())).facts
    if json:
        emit({"campaign": row["id"], "command": "extend", "answer": "done", "state": row["state"]})
        return
    words = _confirmation(row, "extend", {"budget": budget}, "", "")
    if not runs:
        words += f". No controller runs; {go_on_words(row)}"
    console.print(words, style="bold", markup=False)


def suggest(place: Place, name: str, values: Sequence[str], *, by: str, because: str, json: bool) -> None:
    """Ask for an experiment of one's own, as `steer` does.

    Raises:
        ConfigError: the person or the reason is not named, or these are no values of the campaign's space.
    """
    asking.refuse_unnamed(by, because)
    space = _space(place, name)
    params = _values(space, values)
    space.check(params)
    steer(place, name, "suggest", {"params": params}, by=by, because=because, json=json)


def veto(place: Place, name: str, what: Sequence[str], reach: float, *, by: str, because: str, json: bool) -> None:
    """Withdraw a proposal that has not started, or forbid a point and what is around it, as `steer` does.

    Raises:
        ConfigError: the person or the reason is not named, or these are no values of the campaign's space.
    """
    asking.refuse_unnamed(by, because)
    if len(what) == 1 and "=" not in what[0]:
        if reach:
            raise ConfigError(f"--reach is for values, not for proposal {what[0]!r}; leave it out")
        payload: dict[str, Any] = {"trial": what[0]}
    else:
        space = _space(place, name)
        params = _values(space, what)
        known = dict(zip(space.names, space.parameters, strict=True))
        if wrong := [words for key, value in params.items() for words in known[key].violations(value)]:
            raise ConfigError("; ".join(wrong))
        payload = {"params": params, "reach": reach}
    steer(place, name, "veto", payload, by=by, because=because, json=json)


def _space(place: Place, name: str) -> Space:
    def there(client: Client) -> Space:
        return Space.model_validate(client.campaigns.space(client.campaigns.id_of(name)))

    return seen(place, lambda journal: space_of(journal, name), there).facts


def _values(space: Space, words: Sequence[str]) -> Params:
    """``name=value`` as parameters of a space.

    Raises:
        ConfigError: every word that is none.
    """
    known = dict(zip(space.names, space.parameters, strict=True))
    params: Params = {}
    wrong = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            wrong.append(f"{word!r} is not NAME=VALUE")
        elif key not in known:
            wrong.append(unknown("parameter", key, list(known)))
        elif key in params:
            wrong.append(f"{key} is given twice")
        else:
            try:
                params[key] = _value(known[key], text)
            except ConfigError as error:
                wrong.append(f"{key}: {error}")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return params


def _value(parameter: Parameter, text: str) -> ParamValue:
    """A value as a person types it.

    Raises:
        ConfigError: it is no level of a category, or no number.
    """
    if isinstance(parameter, Categorical):
        return level_of(parameter.levels, text) or text
    try:
        value = number(text)
    except ConfigError as error:
        raise ConfigError(f"{error}; give it in {parameter.unit!r}, without the unit") from error
    return int(value) if isinstance(parameter, Integer) and value.is_integer() else value
