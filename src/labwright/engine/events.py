"""What happens to a campaign (events), and what is to be done about it (instructions); both plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from labwright.model.base import Frozen
from labwright.model.campaign import CampaignState, Suggestion
from labwright.model.protocol import ProtocolSpec, StepOrder, StepOutcome
from labwright.model.spec import CampaignSpec


class Started(Frozen):
    """The campaign begins; with all that is needed to read its journal without its lab.

    Attributes:
        campaign: its id.
        spec: as it is run, changes from the command line included.
        protocols: the protocol and those that prepare it.
        lab: name of the lab.
        lab_sha256: hash of the lab's files.
        simulated: whether the instruments are.
    """

    kind: Literal["started"] = "started"
    campaign: str
    spec: CampaignSpec
    protocols: tuple[ProtocolSpec, ...]
    lab: str = ""
    lab_sha256: str = ""
    simulated: bool = False


class Suggested(Frozen):
    """The planner has answered."""

    kind: Literal["suggested"] = "suggested"
    suggestion: Suggestion
    place: str


class NotSuggested(Frozen):
    """The planner cannot answer, or nothing it says can be carried out."""

    kind: Literal["not_suggested"] = "not_suggested"
    reason: str


class Infeasible(Frozen):
    """A suggestion that the protocol cannot carry out in this lab; it is recorded and not tried."""

    kind: Literal["infeasible"] = "infeasible"
    suggestion: Suggestion
    reason: str


class StepEnded(Frozen):
    """A station has ended a step."""

    kind: Literal["step_ended"] = "step_ended"
    outcome: StepOutcome


class StopAsked(Frozen):
    """A person wants the campaign to end."""

    kind: Literal["stop_asked"] = "stop_asked"
    why: str
    now: bool = False


Event = Annotated[Started | Suggested | NotSuggested | Infeasible | StepEnded | StopAsked, Field(discriminator="kind")]
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass(frozen=True)
class Ask:
    """Ask the planner for one suggestion."""

    state: CampaignState


@dataclass(frozen=True)
class RunStep:
    """Let a station carry out a step."""

    station: str
    order: StepOrder


@dataclass(frozen=True)
class StopStations:
    """Let all stations end what they do."""

    why: str
    now: bool


@dataclass(frozen=True)
class Finish:
    """The campaign is over."""

    state: Literal["completed", "stopped", "failed"]
    reason: str


Instruction = Ask | RunStep | StopStations | Finish
