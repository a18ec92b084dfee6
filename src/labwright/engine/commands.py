"""Commands to a running controller: what may be asked of it through the journal, and the event each becomes."""

from __future__ import annotations

from pydantic import ValidationError

from labwright.engine.asking import proposed
from labwright.engine.campaign import Campaign
from labwright.engine.events import Answered, DrainAsked, Event, PauseAsked, ResumeAsked, StopAsked, Vetoed
from labwright.journal import Command
from labwright.model.campaign import Veto
from labwright.model.errors import ConfigError, unknown

COMMANDS = ("pause", "resume", "drain", "stop", "answer", "suggest", "veto")


def event_of(command: Command, campaign: Campaign) -> Event:
    """The event that a command asks of a campaign.

    Raises:
        ConfigError: there is no such command, it says too little, or it suggests what the space does not allow.
        RefusedError: it suggests what the protocol cannot make.
    """
    by, because = command.by, command.because
    try:
        match command.kind:
            case "pause":
                return PauseAsked(by=by, because=because)
            case "resume":
                return ResumeAsked(by=by, because=because)
            case "drain":
                return DrainAsked(by=by, because=because)
            case "stop":
                why = f"stopped by {by}: {because}" if because else f"stopped by {by}"
                return StopAsked(why=why, now=bool(command.payload.get("now")), by=by)
            case "answer":
                return Answered(by=by, because=because, **command.payload)
            case "suggest":
                return proposed(campaign, command.payload.get("params", {}), by, because)
            case "veto" if "trial" in command.payload:
                if str(command.payload["trial"]).isdecimal():
                    raise ConfigError(
                        f"experiment {command.payload['trial']} has begun, or never will; only a proposal that has not "
                        "begun can be vetoed, by its id (p1, p2, ...), or a point, by its values (NAME=VALUE)"
                    )
                return Vetoed(trial=command.payload["trial"], by=by, because=because)
            case "veto":
                veto = Veto(by=by, because=because, **command.payload)
                return Vetoed(veto=veto, by=by, because=because)
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"command {command.id} ({command.kind}) is not understood: {error}") from error
    raise ConfigError(unknown("command", command.kind, COMMANDS))
