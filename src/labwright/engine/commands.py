"""Commands to a running controller: what may be asked of it through the journal, and the event each becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError, model_validator

from labwright.engine.asking import proposed
from labwright.engine.campaign import Campaign
from labwright.engine.events import (
    BOOKED,
    Answered,
    Booked,
    DeckChecked,
    DrainAsked,
    Event,
    Extended,
    PauseAsked,
    ResumeAsked,
    SampleStopAsked,
    StopAsked,
    Vetoed,
)
from labwright.engine.remarks import ConclusionAsked, DeviationAsked, NoteAsked, RemarkAsked
from labwright.engine.station_bookings import BookingAsked, EndAsked
from labwright.journal import Command
from labwright.model.base import Frozen
from labwright.model.by_hand import HandWork
from labwright.model.campaign import Veto
from labwright.model.errors import ConfigError, unknown
from labwright.model.remarks import AS_MEASURED, About, Category, Said, Severity, Use
from labwright.model.spec import CampaignSpec

LONGEST = 10_000
"""Characters of a name, a reason or an answer; whatever is longer was not typed by a person."""

Text = Annotated[StrictStr, Field(max_length=LONGEST)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)] | Annotated[StrictInt, Field(ge=-(2**53), le=2**53)]
Values = Annotated[dict[Text, Number | Text], Field(max_length=LONGEST)]


class _Payload(Frozen):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Nothing(_Payload):
    """Of `pause`, `resume` and `drain`."""


class _Extend(_Payload):
    budget: Annotated[StrictInt, Field(ge=1, le=2**53)]


class _ExtendEnded(_Extend):
    campaign: Text
    lab_changed: StrictBool = False


class _Stop(_Payload):
    now: StrictBool = False
    sample: Text = ""


class _StopLab(_Payload):
    now: StrictBool = False
    station: Text = ""


class _Reset(_Payload):
    latch: StrictInt


class _Submit(_Payload):
    spec: dict[str, Any]
    lab_sha256: Text


class _Recount(_Payload):
    counts: Annotated[dict[Text, Annotated[int, Field(strict=True, ge=0, lt=2**63)]], Field(max_length=LONGEST)]
    containers: Annotated[dict[Text, Text], Field(max_length=LONGEST)]


class _Book(_Payload):
    event: Annotated[dict[Text, Any], Field(max_length=100)]


class _Note(_Payload):
    text: Said
    about: About | None = None
    replaces: Annotated[Text, Field(max_length=64)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.about is None) == (not self.replaces):
            raise ValueError("it says what it is about, or which note it replaces: give one of both")
        return self


class _Deviate(_Payload):
    about: About
    expected: Said
    happened: Said
    category: Category
    severity: Severity
    action: Text = ""
    use: Use = AS_MEASURED
    experiments: Annotated[tuple[Text, ...], Field(max_length=LONGEST)] = ()


class _Conclude(_Payload):
    deviation: Text
    conclusion: Said
    use: Use | None = None


class _BookStation(_Payload):
    station: Text
    starts_s: Number | None = None
    ends_s: Number | None = None
    for_s: Number | None = None
    sample_present_ok: StrictBool = False


class _EndBooking(_Payload):
    booking: Annotated[Text, Field(max_length=64)]


class _CheckDeck(_Payload):
    question: Text
    answer: Text


class _Operate(_Payload):
    work: HandWork


class _Answer(_Payload):
    question: Text
    answer: Text
    readings: Annotated[dict[Text, StrictBool | Number | Text], Field(max_length=LONGEST)] = {}
    parameters: Annotated[dict[Text, StrictBool | Number | Text], Field(max_length=LONGEST)] = {}


class _Suggest(_Payload):
    params: Values


class _Veto(_Payload):
    trial: Text = ""
    params: Values | None = None
    reach: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.trial) == (self.params is not None):
            raise ValueError("it names an experiment (trial), or values (params): give one of both")
        if self.trial and self.reach:
            raise ValueError("reach is for values, not for an experiment")
        return self


PAYLOADS: dict[str, type[_Payload]] = {
    "pause": _Nothing,
    "resume": _Nothing,
    "drain": _Nothing,
    "extend": _Extend,
    "stop": _Stop,
    "answer": _Answer,
    "suggest": _Suggest,
    "veto": _Veto,
}


LAB_PAYLOADS: dict[str, type[_Payload]] = {
    "stop": _StopLab,
    "reset": _Reset,
    "submit": _Submit,
    "extend": _ExtendEnded,
    "recount": _Recount,
    "book": _Book,
    "check_deck": _CheckDeck,
    "note": _Note,
    "deviate": _Deviate,
    "conclude": _Conclude,
    "operate": _Operate,
    "book_station": _BookStation,
    "end_booking": _EndBooking,
}
"""Of commands that are not for one campaign."""


@dataclass(frozen=True)
class LabStop:
    """A person stops the lab, or a station.

    Attributes:
        station: its name; the whole lab if empty.
        now: halt devices; after the operations under way if not.
        why: with the person's name.
        by: the person.
    """

    station: str
    now: bool
    why: str
    by: str


@dataclass(frozen=True)
class LatchReset:
    """A person resets a stop.

    Attributes:
        latch: its id in the journal.
        by: the person.
        because: what that person has seen and done.
    """

    latch: int
    by: str
    because: str


@dataclass(frozen=True)
class Counted:
    """A person has counted what is there.

    Attributes:
        counts: by stock or waste, in its smallest unit.
        containers: by position; empty where none is.
        by: the person.
        because: why.
    """

    counts: Mapping[str, int]
    containers: Mapping[str, str]
    by: str
    because: str


@dataclass(frozen=True)
class Submitted:
    """A person hands over a campaign.

    Attributes:
        spec: what is to be carried out.
        lab_sha256: of the lab's files it was checked against.
        by: the person.
    """

    spec: CampaignSpec
    lab_sha256: str
    by: str


@dataclass(frozen=True)
class ExtendAsked:
    """A person extends a campaign that has run out.

    Attributes:
        campaign: its id.
        event: what it is to take.
        lab_changed: that person has checked what changed in the lab since it was started.
    """

    campaign: str
    event: Extended
    lab_changed: bool


@dataclass(frozen=True)
class DeckAnswered:
    """A person has looked at the deck, and answers the question about it.

    Attributes:
        event: what is recorded of the campaign that left it in doubt.
    """

    event: DeckChecked


@dataclass(frozen=True)
class Saying:
    """A person says something.

    Attributes:
        asked: that.
        by: the person.
        said_s: wall time.
    """

    asked: RemarkAsked
    by: str
    said_s: float


@dataclass(frozen=True)
class HandAsked:
    """A person wants something done at a station by hand.

    Attributes:
        work: what.
        by: the person.
        because: why.
    """

    work: HandWork
    by: str
    because: str


@dataclass(frozen=True)
class OfStation:
    """A person wants a station for a time, or has no need of it any longer.

    Attributes:
        asked: that.
        by: the person.
    """

    asked: BookingAsked | EndAsked
    by: str


class _Asked(Frozen):
    """What every command has."""

    kind: Text
    by: Text
    because: Text


def event_of(command: Command, campaign: Campaign) -> Event:
    """The event that a command asks of a campaign.

    Raises:
        ConfigError: there is no such command, it is not understood, or it suggests what the space does not allow.
        RefusedError: it suggests what the protocol cannot make.
    """
    try:
        asked = _Asked(kind=command.kind, by=command.by, because=command.because)
        by, because = asked.by, asked.because
        match _payload(command, PAYLOADS):
            case _Stop(now=now, sample=sample):
                why = _stop_words(by, because)
                if sample:
                    return SampleStopAsked(label=sample, why=why, now=now, by=by)
                return StopAsked(why=why, now=now, by=by, closeouts=not now)
            case _Extend(budget=budget):
                return Extended(budget=budget, by=by, because=because)
            case _Answer(question=question, answer=answer, readings=readings, parameters=parameters):
                return Answered(
                    question=question, answer=answer, by=by, because=because, readings=readings, parameters=parameters,
                    closeouts=True,
                )  # fmt: skip
            case _Suggest(params=params):
                return proposed(campaign, params, by, because)
            case _Veto(params=None, trial=trial):
                if trial.isdecimal():
                    raise ConfigError(
                        f"experiment {trial} has started, or never will; only a proposal that has not started can be "
                        "vetoed, by its id (p1, p2, ...), or a point, by its values (NAME=VALUE)"
                    )
                return Vetoed(trial=trial, by=by, because=because)
            case _Veto(params=params, reach=reach):
                return Vetoed(veto=Veto(params=params, reach=reach, by=by, because=because), by=by, because=because)
        if asked.kind == "pause":
            return PauseAsked(by=by, because=because)
        if asked.kind == "resume":
            return ResumeAsked(by=by, because=because)
        return DrainAsked(by=by, because=because)
    except ValidationError as error:
        raise ConfigError(f"command {command.id} is not understood: {_mistakes(error)}") from error


LabCommand = (
    LabStop | LatchReset | Submitted | ExtendAsked | Counted | Booked | DeckAnswered | Saying | HandAsked | OfStation
)
"""What a command asks of the lab."""


def lab_command_of(command: Command) -> LabCommand:
    """What a command asks of the lab.

    Raises:
        ConfigError: there is no such command, or it is not understood.
    """
    try:
        asked = _Asked(kind=command.kind, by=command.by, because=command.because)
        match _payload(command, LAB_PAYLOADS):
            case _StopLab(now=now, station=station):
                return LabStop(station, now, _stop_words(asked.by, asked.because), asked.by)
            case _Reset(latch=latch):
                return LatchReset(latch, asked.by, asked.because)
            case _Book(event=booked):
                return BOOKED.validate_python({**booked, "by": asked.by, "because": asked.because})
            case _Recount(counts=counts, containers=containers):
                return Counted(counts, containers, asked.by, asked.because)
            case _ExtendEnded(campaign=campaign, budget=budget, lab_changed=lab_changed):
                extended = Extended(budget=budget, by=asked.by, because=asked.because)
                return ExtendAsked(campaign, extended, lab_changed)
            case _CheckDeck(question=question, answer=answer):
                event = DeckChecked(question=question, answer=answer, by=asked.by, because=asked.because)
                return DeckAnswered(event)
            case _Note() | _Deviate() | _Conclude() as said:
                return Saying(_remark(said), asked.by, command.asked_s)
            case _Operate(work=work):
                return HandAsked(work, asked.by, asked.because)
            case _BookStation() as wanted:
                fields = {name: getattr(wanted, name) for name in type(wanted).model_fields}
                return OfStation(BookingAsked(because=asked.because, **fields), asked.by)
            case _EndBooking(booking=booking):
                return OfStation(EndAsked(booking, asked.because), asked.by)
            case _Submit(spec=spec, lab_sha256=sha256):
                return Submitted(CampaignSpec.model_validate(spec), sha256, asked.by)
    except ValidationError as error:
        raise ConfigError(f"command {command.id} is not understood: {_mistakes(error)}") from error
    raise AssertionError("unreachable")


def _remark(said: _Note | _Deviate | _Conclude) -> RemarkAsked:
    fields = {name: getattr(said, name) for name in type(said).model_fields}
    match said:
        case _Note():
            return NoteAsked(**fields)
        case _Deviate():
            return DeviationAsked(**fields)
    return ConclusionAsked(**fields)


def _stop_words(by: str, because: str) -> str:
    return f"stopped by {by}: {because}" if because else f"stopped by {by}"


def stop_now_of(command: Command, campaign: Campaign) -> StopAsked | SampleStopAsked | None:
    """The stop-now that a command asks; None if it asks something else, or is not understood."""
    if command.kind != "stop":
        return None
    try:
        event = event_of(command, campaign)
    except ConfigError:
        return None
    return event if isinstance(event, (StopAsked, SampleStopAsked)) and event.now else None


def _payload(command: Command, payloads: Mapping[str, type[_Payload]]) -> _Payload:
    """The payload of a command, checked: any program may have written the table it comes from.

    Raises:
        ConfigError: there is no such command, or its payload is no JSON object.
        ValidationError: it is not what such a command has.
    """
    kind: Any = command.kind
    if not isinstance(kind, str) or kind not in payloads:
        raise ConfigError(unknown("command", str(kind)[:100], list(payloads)))
    if not isinstance(command.payload, dict):
        raise ConfigError(f"command {command.id} ({kind}) is not understood: its payload is no JSON object")
    return payloads[kind].model_validate(command.payload)


def _mistakes(error: ValidationError) -> str:
    """Each mistake with its place; what was given may be huge, and is not repeated."""
    mistakes = [
        f"{'.'.join(map(str, one['loc'])) or 'payload'}: {one['msg']}" for one in error.errors(include_input=False)
    ]
    return "; ".join(word[:200] for word in mistakes[:5]) + (
        f"; and {len(mistakes) - 5} more" if len(mistakes) > 5 else ""
    )
