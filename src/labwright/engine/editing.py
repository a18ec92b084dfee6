"""From values that a person wants a step repeated with to an event: checked as when the experiment began."""

from __future__ import annotations

from labwright.engine.campaign import Campaign
from labwright.engine.core import CampaignCore
from labwright.engine.events import Answered
from labwright.lab.classes import in_words
from labwright.model.errors import ConfigError, InfeasibleError, OutOfRangeError, RefusedError, unknown
from labwright.model.figures import spelled


def edited(event: Answered, campaign: Campaign, core: CampaignCore) -> Answered:
    """An answer with the values as the protocol gets them, those alone that change, and what it takes with them.

    Args:
        event: an answer with other values.
        campaign: whose protocol checks them.
        core: of that campaign.

    Raises:
        ConfigError: a value is not offered, not allowed, or outside the campaign's space.
        RefusedError: the protocol cannot make it.
    """
    question = core.questions.get(event.question)
    if question is None:
        return event  # the core says what is wrong with it
    known = [str(one["name"]) for one in question.parameters]
    if strange := [name for name in event.parameters if name not in known]:
        what = f"parameter that {question.step_id} can be repeated with"
        raise ConfigError("; ".join(unknown(what, name, known) for name in strange))
    experiment, protocol = core.live[question.label], campaign.protocols[campaign.spec.protocol]
    before = experiment.parameters
    values = protocol.spec.given({**before, **event.parameters})
    changed = {name: values[name] for name in event.parameters if values[name] != before.get(name)}
    if not changed:
        return event.model_copy(update={"parameters": {}})
    try:
        space, index = campaign.spec.space, core.trial_of(experiment)
        if index is not None and any(name in space.names for name in changed):
            space.check(core.edited_params(index, changed))
        protocol.spec.check(values)
        with in_words(ConfigError, "the protocol's check fails"):
            protocol.check_made(values)
        with in_words(ConfigError, "the protocol's consumption fails"):
            return event.model_copy(update={"parameters": changed, "uses": protocol.uses(values)})
    except OutOfRangeError as error:
        raise ConfigError(f"{error}; {question.id} stays open") from error
    except InfeasibleError as error:
        words = ", ".join(f"{name}={spelled(value, 6)}" for name, value in error.nearest.items())
        raise RefusedError(f"{error} The nearest that can be made: {words}. {question.id} stays open") from error
    raise AssertionError("unreachable")
