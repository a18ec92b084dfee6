"""From what a planner or a person says to what can be made: checked by the protocol, before it becomes an event."""

from __future__ import annotations

from labwright.engine.campaign import Campaign
from labwright.engine.events import Event, Infeasible, NotSuggested, Proposed, Suggested
from labwright.lab.classes import in_words
from labwright.model.campaign import Suggestion
from labwright.model.errors import ConfigError, InfeasibleError, OutOfRangeError, PlannerError, RefusedError
from labwright.model.figures import spelled
from labwright.model.space import Params
from labwright.planners import Answer

NEAR = 0.05
"""A suggestion that cannot be made is moved if the nearest that can is no further than this share of each range."""


def reply(campaign: Campaign, answer: Answer) -> Event:
    """The event that a planner's answer is."""
    if answer.error:
        return NotSuggested(reason=answer.error)
    (suggestion,) = answer.suggestions
    asked: Suggestion | None = None
    try:
        _check(campaign, suggestion)
    except InfeasibleError as error:
        near = _nearest(campaign, suggestion, error)
        if near is None:
            words = ", ".join(f"{name} {spelled(value, 6)}" for name, value in error.nearest.items())
            return Infeasible(suggestion=suggestion, reason=f"{error} Nearest that can be made: {words}.")
        asked, suggestion = suggestion, near
    except OutOfRangeError as error:
        return Infeasible(suggestion=suggestion, reason=str(error))
    except PlannerError as error:
        return NotSuggested(reason=str(error))
    try:
        uses = _uses(campaign, suggestion)
    except PlannerError as error:
        return NotSuggested(reason=str(error))
    return Suggested(suggestion=suggestion, asked=asked, uses=uses, seconds=answer.seconds, advice=answer.advice)


def proposed(campaign: Campaign, params: Params, by: str, because: str) -> Event:
    """The event of a person's suggestion. It is not moved to what can be prepared: the person decides on that.

    Raises:
        ConfigError: the parameters are not the space's, or outside it.
        RefusedError: the protocol cannot make it.
    """
    campaign.spec.space.check(params)
    suggestion = Suggestion(params=params, rationale=f"suggested by {by}: {because}")  # reads truth values as levels
    try:
        _check(campaign, suggestion)
        uses = _uses(campaign, suggestion)
    except InfeasibleError as error:
        words = ", ".join(f"{name}={spelled(value, 6)}" for name, value in error.nearest.items())
        raise RefusedError(f"{error} The nearest that can be made: {words}") from error
    except PlannerError as error:
        raise ConfigError(str(error)) from error
    return Proposed(suggestion=suggestion, uses=uses, by=by, because=because)


def _uses(campaign: Campaign, suggestion: Suggestion) -> dict[str, int]:
    with in_words(PlannerError, "the protocol's consumption fails"):
        return campaign.protocols[campaign.spec.protocol].uses(campaign.given(suggestion.params))
    raise AssertionError("unreachable")


def _check(campaign: Campaign, suggestion: Suggestion) -> None:
    with in_words(PlannerError, "the protocol's check fails"):
        campaign.protocols[campaign.spec.protocol].check_made(campaign.given(suggestion.params))


def _nearest(campaign: Campaign, suggestion: Suggestion, error: InfeasibleError) -> Suggestion | None:
    """The suggestion moved to the nearest that can be made, if that is near; what is made is measured anyway."""
    space = campaign.spec.space
    moved = {**suggestion.params, **{k: v for k, v in error.nearest.items() if k in space.names}}
    shifts = [abs(a - b) for a, b in zip(space.to_unit(suggestion.params), space.to_unit(moved), strict=True)]
    if max(shifts) > NEAR or space.violations(moved):
        return None
    words = f"{suggestion.rationale}; moved to the nearest that can be made ({error})"
    near = suggestion.model_copy(update={"params": moved, "rationale": words})
    try:
        _check(campaign, near)
    except (InfeasibleError, OutOfRangeError):
        return None
    return near
