"""Commands to a running controller: what may be asked of it through the journal, and the event each becomes."""

from __future__ import annotations

from pydantic import ValidationError

from labwright.engine.events import Answered, DrainAsked, Event, PauseAsked, ResumeAsked, StopAsked
from labwright.journal import Command
from labwright.model.errors import ConfigError, unknown

COMMANDS = ("pause", "resume", "drain", "stop", "answer")


def event_of(command: Command) -> Event:
    """The event that a command asks for.

    Raises:
        ConfigError: there is no such command, or it says too little.
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
    except (ValidationError, TypeError) as error:
        raise ConfigError(f"command {command.id} ({command.kind}) is not understood: {error}") from error
    raise ConfigError(unknown("command", command.kind, COMMANDS))
