"""What happens to a campaign (events), and what is to be done about it (instructions); both plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from labwright.model.base import Frozen
from labwright.model.campaign import CampaignState, Earlier, StopAdvice, Suggestion, Veto
from labwright.model.instruments import HERE, REAL
from labwright.model.material import Part, StockAt, StockFacts, Used, WasteAt, nanolitres
from labwright.model.protocol import Move, Prepared, ProtocolSpec, StepOrder, StepOutcome
from labwright.model.protocol_parameters import Given
from labwright.model.records import Follow
from labwright.model.remarks import AS_MEASURED, About, Category, Said, Severity, Use
from labwright.model.spec import CampaignSpec

ENGINE = 4
"""Version of the engine's decisions: from 2 on, what the lab decides for a campaign is an event, `Granted`; from
3 on it brings samples to where they are needed; from 4 on, what begins is promised its material first, or waits."""


class Started(Frozen):
    """The campaign begins; with all that is needed to read its journal without its lab.

    Attributes:
        campaign: its id.
        spec: as it is run, changes from the command line included.
        protocols: the protocol and those that prepare it.
        lab: name of the lab.
        lab_sha256: hash of the lab's files.
        simulated: whether the instruments are.
        instruments: which: ``real``, simulated in the controller's own process (``here``), or where else.
        by: who started it.
        places: positions with an empty container for a sample, in the order of their use, as a campaign of an earlier
            version found them full; empty since what there is belongs to the lab (`Stocked`).
        lots_ml: what can be used of each stock; as `places`.
        container: the kind of container that each of its samples needs; empty if none.
        counted: sources and wastes whose use is counted by confirmed operations; of the others an experiment takes
            what its protocol promised, as of all stocks in campaigns of earlier releases.
        prepares: what each preparation takes of each material at most, and adds to each waste, in the smallest unit.
        learnt_s: what steps took in earlier campaigns, by ``protocol/step``.
        earlier: experiments of earlier campaigns that the planner learns from, as the journal had them then.
        shared: devices that several stations have, by station; a sample has them for itself.
        optional: steps that a sample may go on without, by protocol: no other step needs what they find or do; none in
            campaigns of earlier releases.
        reads: names of the parameters that each step reads, by protocol and step; of others it is not known.
        slots: how many samples each station of its protocol works on at once; empty where no sample begins later than
            there is room for it, as in campaigns of earlier releases.
        naming: how things are called in its events: 1 where a question is ``CAMPAIGN?1`` and a veto counts all
            suggestions (``0007``), 2 where they are ``CAMPAIGN:q1`` and ``p3``.
        engine: version of the engine that has started it.
    """

    kind: Literal["started"] = "started"
    campaign: str
    spec: CampaignSpec
    protocols: tuple[ProtocolSpec, ...]
    lab: str = ""
    lab_sha256: str = ""
    simulated: bool = False
    instruments: str = ""
    by: str = ""
    places: tuple[str, ...] = ()
    lots_ml: dict[str, float] = {}
    container: str = ""
    counted: tuple[str, ...] = ()
    prepares: dict[str, dict[str, int]] = {}
    learnt_s: dict[str, float] = {}
    earlier: tuple[Earlier, ...] = ()
    shared: dict[str, tuple[str, ...]] = {}
    optional: dict[str, tuple[str, ...]] = {}
    reads: dict[str, dict[str, tuple[str, ...]]] = {}
    slots: dict[str, int] = {}
    naming: Literal[1, 2] = 1
    engine: int = 1

    @property
    def deck(self) -> str:
        """Which instruments, also of a campaign that was started before the journal named them."""
        return self.instruments or (HERE if self.simulated else REAL)


class Resumed(Frozen):
    """Another controller resumes the campaign: the one before has died or was ended.

    Attributes:
        epoch: of the new controller.
        by: who started it.
        because: why.
        used: what the steps that were under way have taken of the stocks so far, by step and stock.
        shared: devices that several stations have now, by station; as before if None.
        engine: version of the engine that resumes it.
    """

    kind: Literal["resumed"] = "resumed"
    epoch: int
    by: str = ""
    because: str = ""
    used: dict[str, dict[str, Used]] = {}
    shared: dict[str, tuple[str, ...]] | None = None
    engine: int = 1


class Begun(Frozen):
    """What the lab decides about an experiment that a campaign wants.

    Attributes:
        proposal: id of a person's proposal (``p3``); empty for the planner's suggestion.
        place: position of its empty container; empty where the lab handles none.
        lacking: which stock does not last for it, in words; empty if it begins.
        takes: the stock that it takes each material of.
        promised: what it is promised of each stock, and room in each waste; by what it uses if none is named.
    """

    proposal: str = ""
    place: str = ""
    lacking: str = ""
    takes: dict[str, str] = {}
    promised: dict[str, int] = {}


class Prepares(Frozen):
    """A preparation that a campaign makes.

    Attributes:
        protocol: its name.
        takes: the stock that it takes each material of.
        promised: what it is promised of each stock, and room in each waste.
    """

    protocol: str
    takes: dict[str, str] = {}
    promised: dict[str, int] = {}


class Removal(Frozen):
    """What a person is asked to take out of the lab, since no step can begin before.

    Attributes:
        label: of the experiment that waits.
        resource: where a container stands; empty for the sample of the one that waits.
        left: the experiment that is over and has left it there, as ``campaign/label``; empty if it is no sample's.
        why: why the one that waits cannot go on, in words; empty if it and others wait for what the other has.
    """

    label: str
    resource: str = ""
    left: str = ""
    why: str = ""


class Start(Frozen):
    """A step that begins, where more is decided than that.

    Attributes:
        step_id: of the step.
        station: that carries it out, where its protocol names a kind of them.
        slot: the position it is about, where a station works on several samples, each by itself.
        batch: id of the step whose orders its batch follows; empty where there is no batch.
        keeps: positions and devices that are kept for its sample from now on, as reservations name them.
        booked: which of these positions is for which later step.
    """

    step_id: str
    station: str = ""
    slot: str = ""
    batch: str = ""
    keeps: tuple[str, ...] = ()
    booked: dict[str, str] = {}

    @property
    def plain(self) -> bool:
        """Whether nothing is decided but that it begins."""
        return self == Start(step_id=self.step_id)


class Carried(Frozen):
    """A move that begins.

    Attributes:
        label: of the experiment.
        move: from where to where, and by what.
        station: that carries it out.
        expected_s: how long it should take, lab seconds.
        keeps: positions and devices that are kept for its sample from now on, as reservations name them.
        booked: which of these positions is for which later step.
    """

    label: str
    move: Move
    station: str
    expected_s: float
    keeps: tuple[str, ...] = ()
    booked: dict[str, str] = {}


class Granted(Frozen):
    """What the lab lets a campaign do now.

    Attributes:
        begins: experiments that begin, or cannot.
        steps: ids of steps that begin, each with its station, positions and devices.
        starts: steps that begin, where more is decided.
        moves: containers that are carried to where they are needed next.
        removals: what a person is asked to take out of the lab.
        lacking: experiments that are given up before anything of them begins, and what they lack, in words; by label.
        prepares: preparations that it makes itself, of those whose results campaigns share.
        preparing: preparations that it makes itself, with what they are promised.
        lacks: what a preparation needs that is not there, in words: the campaign fails; empty if it does not.
        short: what its next experiment, or preparation, waits for that the lab has too little of, in words; empty if
            it waits no more; as before if None.
        lost: why its next experiment, or preparation, does not begin: stations that do not work; as `short`.
        prepared: preparations that it need not make: another campaign has.
        why: why samples start, continue or begin their batch before others that wait, in words; by label. Of those
            that only came first nothing is said.
        closed: which stations its samples wait for that people have, or want before a step would be over, in words;
            empty if they wait for none; as before if None.
    """

    kind: Literal["granted"] = "granted"
    prepares: tuple[str, ...] = ()
    preparing: tuple[Prepares, ...] = ()
    lacks: str = ""
    short: str | None = None
    closed: str | None = None
    why: dict[str, str] = {}
    lost: str | None = None
    prepared: tuple[Prepared, ...] = ()
    begins: tuple[Begun, ...] = ()
    steps: tuple[str, ...] = ()
    starts: tuple[Start, ...] = ()
    moves: tuple[Carried, ...] = ()
    removals: tuple[Removal, ...] = ()
    lacking: dict[str, str] = {}


class _Takes(Frozen):
    """What an experiment takes.

    Attributes:
        uses_ml: millilitres of each stock, in journals of earlier releases.
        uses: of each material, and what it adds to each waste, in the smallest unit.
    """

    uses_ml: dict[str, float] = {}
    uses: dict[str, int] = {}

    @property
    def amounts(self) -> dict[str, int]:
        """In the smallest unit, whatever release has written it."""
        return {**{name: nanolitres(ml) for name, ml in self.uses_ml.items()}, **self.uses}


class Suggested(_Takes):
    """The planner has answered.

    Attributes:
        suggestion: as it will be carried out.
        asked: what the planner said, where it had to be moved to something that can be made.
        seconds: how long the planner took.
        advice: whether it thinks that going on is worth it, where the campaign has a rule on that.
    """

    kind: Literal["suggested"] = "suggested"
    suggestion: Suggestion
    asked: Suggestion | None = None
    seconds: float = 0.0
    advice: StopAdvice | None = None


class NotSuggested(Frozen):
    """The planner cannot answer, or nothing it says can be carried out."""

    kind: Literal["not_suggested"] = "not_suggested"
    reason: str


class Infeasible(Frozen):
    """A suggestion that the protocol cannot carry out in this lab; it is recorded and not tried."""

    kind: Literal["infeasible"] = "infeasible"
    suggestion: Suggestion
    reason: str


class Proposed(_Takes):
    """A person wants an experiment; it comes before any that a planner suggests.

    Attributes:
        suggestion: parameters that the protocol can make, and why they are wanted.
    """

    kind: Literal["proposed"] = "proposed"
    suggestion: Suggestion
    by: str = ""
    because: str = ""


class Vetoed(Frozen):
    """A person forbids a proposal that has not started, or a region around a point.

    Attributes:
        trial: id of the proposal (``p3``); empty where a point is meant.
        veto: the point, and how far around it; None where a proposal is meant.
    """

    kind: Literal["vetoed"] = "vetoed"
    trial: str = ""
    veto: Veto | None = None
    by: str = ""
    because: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.trial) == (self.veto is not None):
            raise ValueError("a veto is on a proposal, or on a point: give one of both")
        return self


class StepEnded(Frozen):
    """A station has ended a step."""

    kind: Literal["step_ended"] = "step_ended"
    outcome: StepOutcome


class StepLate(Frozen):
    """A step takes far longer than it should; a person may want to look."""

    kind: Literal["step_late"] = "step_late"
    step_id: str
    running_s: float
    expected_s: float


class Noted(Frozen):
    """Something a person should know, that changes nothing: the journal was away, a set-point is held again."""

    kind: Literal["noted"] = "noted"
    words: str


class NoteWritten(Frozen):
    """A person has written something down.

    Attributes:
        id: of the note, ``N12``; its number is the lab's.
        about: what it is about.
        text: that.
        by: the person.
        said_s: wall time.
        replaces: id of the note that it takes the place of; empty if it is a new one.
    """

    kind: Literal["note_written"] = "note_written"
    id: str
    about: About
    text: Said
    by: str
    said_s: float
    replaces: str = ""


class DeviationOpened(Frozen):
    """Something was not as it should be.

    Attributes:
        id: of the deviation, ``D7``; its number is the lab's.
        about: an experiment, a campaign or a station.
        experiments: labels of those whose results it concerns.
        expected: what should have been.
        happened: what was instead.
        category: where it comes from.
        severity: how bad it is.
        action: what was done about it at once; empty if nothing was.
        use: whether results of those experiments may be used.
        by: the person.
        said_s: wall time.
        uses: by label, whether results may be used from now on, by all deviations together; those that change.
        voids: preparations whose results no campaign takes over any more.
    """

    kind: Literal["deviation_opened"] = "deviation_opened"
    id: str
    about: About
    experiments: tuple[str, ...] = ()
    expected: Said
    happened: Said
    category: Category
    severity: Severity
    action: str = ""
    use: Use = AS_MEASURED
    by: str
    said_s: float
    uses: dict[str, Use] = {}
    voids: tuple[str, ...] = ()


class DeviationClosed(Frozen):
    """A person has come to a conclusion about a deviation.

    Attributes:
        id: of the deviation.
        about: what it is about.
        conclusion: that.
        use: whether results may be used from now on.
        by: the person.
        said_s: wall time.
        uses: as in `DeviationOpened`.
        voids: as there.
    """

    kind: Literal["deviation_closed"] = "deviation_closed"
    id: str
    about: About
    conclusion: Said
    use: Use = AS_MEASURED
    by: str
    said_s: float
    uses: dict[str, Use] = {}
    voids: tuple[str, ...] = ()


class PauseAsked(Frozen):
    """No further operation may start; those that run finish."""

    kind: Literal["pause_asked"] = "pause_asked"
    by: str = ""
    because: str = ""


class ResumeAsked(Frozen):
    """Operations may start again."""

    kind: Literal["resume_asked"] = "resume_asked"
    by: str = ""
    because: str = ""


class DrainAsked(Frozen):
    """No further experiment; those that run are finished."""

    kind: Literal["drain_asked"] = "drain_asked"
    by: str = ""
    because: str = ""


class Extended(Frozen):
    """The campaign may make more experiments than before; if it was over, it goes on once a controller resumes it.

    Attributes:
        budget: experiments in all, more than it has made.
        by: who wants it.
        because: why.
    """

    kind: Literal["extended"] = "extended"
    budget: Annotated[int, Field(ge=1)]
    by: str = ""
    because: str = ""


class StopAsked(Frozen):
    """The campaign is to end, with what is running: after the current operations, or now.

    Attributes:
        closeouts: whether steps that close out are done before it ends; not after a stop now, nor in earlier releases.
    """

    kind: Literal["stop_asked"] = "stop_asked"
    why: str
    now: bool = False
    by: str = ""
    closeouts: bool = False


class SampleStopAsked(Frozen):
    """A person gives one sample up: its step ends after the current operation, or now; everything else continues.

    Attributes:
        label: of its experiment.
    """

    kind: Literal["sample_stop_asked"] = "sample_stop_asked"
    label: str
    why: str
    now: bool = False
    by: str = ""


class Answered(Frozen):
    """A person has answered a question, or signed a task card.

    Attributes:
        readings: what that person has read, where it is a card that is done.
        parameters: with which values the step is repeated, where they are others than before: those that change.
        uses: what the experiment takes of each material with them, and adds to each waste, in the smallest unit.
        closeouts: whether steps that close out without the sample are done for one that is given up with it; they were
            not in earlier releases.
    """

    kind: Literal["answered"] = "answered"
    question: str
    answer: str
    by: str
    because: str
    readings: dict[str, Given] = {}
    parameters: dict[str, Given] = {}
    uses: dict[str, int] = {}
    closeouts: bool = False


class Overdue(Frozen):
    """No person has answered a question by its deadline."""

    kind: Literal["overdue"] = "overdue"
    question: str


class DeckChecked(Frozen):
    """A person has looked where the containers of a campaign that is over stand, and answers the question about it."""

    kind: Literal["deck_checked"] = "deck_checked"
    question: str
    answer: str
    by: str
    because: str


class Gone(Frozen):
    """What the books had in a place.

    Attributes:
        facts: of what.
        amount: what was known to be there, in the smallest unit.
        unknown: what of it may have been gone, or may have been there beside it.
    """

    facts: StockFacts
    amount: int
    unknown: int = 0


class Stocked(Frozen):
    """A deck has its first material; an event of the lab, as `Recounted` is.

    Attributes:
        stocks: what is there in each container.
        wastes: what is in each waste.
        gone: what the books had in each place before, which is there no more: other instruments, or simulated ones.
        lots_nl: as earlier releases have it: what is there of each material, nanolitres.
        dead_nl: what must stay of it.
        unknown_nl: what of it may be gone already.
        containers: the kind of container at each position, in the order of their use; empty where none stands.
        used_up: positions whose container has served, and the ``campaign/label`` that it served.
        inventory: hash of what the lab's files say of stocks and containers.
        by: who has started the controller.
        because: where the numbers are from.
    """

    kind: Literal["stocked"] = "stocked"
    stocks: dict[str, StockAt] = {}
    wastes: dict[str, WasteAt] = {}
    gone: dict[str, Gone] = {}
    lots_nl: dict[str, int] = {}
    dead_nl: dict[str, int] = {}
    unknown_nl: dict[str, int] = {}
    containers: dict[str, str] = {}
    used_up: dict[str, str] = {}
    inventory: str = ""
    by: str = ""
    because: str = ""


class Recounted(Frozen):
    """A person has counted, or refilled, what is there.

    Attributes:
        counts: what is there of each stock, or in each waste, that was counted, in its smallest unit.
        stocks: what is there in each container that was counted, with what the lab's files say of it.
        lots_nl: as earlier releases have it: what is there of each material, nanolitres.
        dead_nl: what must stay of it.
        containers: the kind of unused container at each position that was looked at; empty where none stands.
        used: what the steps under way had taken by then, by step and stock.
        inventory: hash of what the lab's files say of stocks and containers.
        by: the person.
        because: why.
    """

    kind: Literal["recounted"] = "recounted"
    counts: dict[str, int] = {}
    stocks: dict[str, StockAt] = {}
    lots_nl: dict[str, int] = {}
    dead_nl: dict[str, int] = {}
    containers: dict[str, str] = {}
    used: dict[str, dict[str, Used]] = {}
    inventory: str = ""
    by: str = ""
    because: str = ""


class Relabelled(Frozen):
    """Stocks that an earlier release has named by their materials are known by their containers.

    Attributes:
        stocks: what the lab's files say of each container.
        wastes: and of each waste.
        by: who has started the controller.
        because: why.
    """

    kind: Literal["relabelled"] = "relabelled"
    stocks: dict[str, StockAt] = {}
    wastes: dict[str, WasteAt] = {}
    by: str = ""
    because: str = "an earlier release counted stocks by material"


class _Booked(Frozen):
    """What a person books by hand.

    Attributes:
        by: the person.
        because: why.
    """

    by: str
    because: str


class Received(_Booked):
    """Containers have come, each with what is in it.

    What stood at a source where one of them stands now is on the shelf.

    Attributes:
        stocks: by container.
    """

    kind: Literal["received"] = "received"
    stocks: dict[str, StockAt]


class Adjusted(_Booked):
    """What is known of a stock is corrected.

    Attributes:
        stock: its container.
        change: what is there more than was known, or less; in its smallest unit.
    """

    kind: Literal["adjusted"] = "adjusted"
    stock: str
    change: int


class MovedByHand(_Booked):
    """A person has put a container elsewhere.

    Attributes:
        container: of a stock, or what stands in a position: ``position:NAME``.
        to: ``source:NAME``, ``position:NAME``, ``shelf``, or ``outside``: out of the lab, with what is in it.
        stations: that can dispense it there.
        into: the waste that takes what is dispensed there; empty if the sample does.
    """

    kind: Literal["moved_by_hand"] = "moved_by_hand"
    container: str
    to: str
    stations: tuple[str, ...] = ()
    into: str = ""


class Classified(_Booked):
    """A person has looked at a stock, or at a sample, and says whether it may be used.

    Attributes:
        what: a stock's container, or a sample as ``sample:CAMPAIGN/LABEL``.
        status: whether it may be used.
    """

    kind: Literal["classified"] = "classified"
    what: str
    status: Literal["released", "quarantined"]


class Disposed(_Booked):
    """A sample that is over was thrown away, kept, or given to other people.

    Attributes:
        sample: as ``CAMPAIGN/LABEL``.
        disposition: what has become of it.
    """

    kind: Literal["disposed"] = "disposed"
    sample: str
    disposition: Literal["disposed", "archived", "handed over"]


class Foreseen(Frozen):
    """The lab was rolled out from the state it was in: when its campaigns should end, and by which rule of dispatch.

    Attributes:
        at_s: lab time of that state.
        ends: lab time at which each campaign should end; none of those that came to a halt.
        order: of the rule of dispatch that is best.
        batch_wait_s: of that rule, lab seconds.
        flows: of that rule.
        batches: of that rule: ids of the samples that are to share each.
        moves: of that rule: samples and steps, in the order in which samples are brought to them.
        strict: of that rule.
        first_s: lab time at which all should be done if who came first is served first.
        chosen_s: by the rule that is best.
        tried: how many rules were rolled out.
    """

    kind: Literal["foreseen"] = "foreseen"
    at_s: float
    ends: dict[str, float] = {}
    order: Literal["first", "longest", "shortest", "nearest"] = "first"
    batch_wait_s: float = 0.0
    flows: bool = False
    batches: tuple[tuple[str, ...], ...] = ()
    moves: tuple[tuple[str, str], ...] = ()
    strict: bool = False
    first_s: float = 0.0
    chosen_s: float = 0.0
    tried: int = 1


class StationBooked(Frozen):
    """A person has a station for a time, to work there by hand.

    Attributes:
        id: of the booking, ``B3``; its number is the lab's.
        instruments: on which deck.
        station: its name.
        starts_s: lab time.
        ends_s: the same.
        by: the person.
        because: what for.
        said_s: wall time.
    """

    kind: Literal["station_booked"] = "station_booked"
    id: str
    instruments: str
    station: str
    starts_s: float
    ends_s: float
    by: str
    because: str
    said_s: float


class BookingEnded(Frozen):
    """A station is free before a booking was to end, or the booking is called off.

    Attributes:
        id: of the booking.
        ends_s: lab time at which it is over; before it was to start, if it is called off.
        by: the person.
        because: why.
        said_s: wall time.
    """

    kind: Literal["booking_ended"] = "booking_ended"
    id: str
    ends_s: float
    by: str
    because: str
    said_s: float


Booking = StationBooked | BookingEnded
"""When people have stations for themselves; a lab is laid out by it, and its core has no state of it."""

Booked = Received | Adjusted | MovedByHand | Classified | Disposed

BOOKED: TypeAdapter[Booked] = TypeAdapter(Annotated[Booked, Field(discriminator="kind")])

LabEvent = Stocked | Recounted | Relabelled | Foreseen | Booked
"""What happens to the lab, and to none of its campaigns."""

Remark = NoteWritten | DeviationOpened | DeviationClosed
"""What people say; the lab does nothing for it."""

Event = Annotated[
    Started
    | Resumed
    | Granted
    | Suggested
    | NotSuggested
    | Infeasible
    | Proposed
    | Vetoed
    | StepEnded
    | StepLate
    | Noted
    | PauseAsked
    | ResumeAsked
    | DrainAsked
    | Extended
    | StopAsked
    | SampleStopAsked
    | Answered
    | Overdue
    | DeckChecked
    | Stocked
    | Recounted
    | Relabelled
    | Foreseen
    | Received
    | Adjusted
    | MovedByHand
    | Classified
    | Disposed
    | NoteWritten
    | DeviationOpened
    | DeviationClosed
    | StationBooked
    | BookingEnded,
    Field(discriminator="kind"),
]
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass(frozen=True)
class Ask:
    """Ask the planner for one suggestion.

    Attributes:
        number: of the ask.
        state: what the planner may know: the campaign as it was when this was decided.
    """

    number: int
    state: CampaignState
    campaign: str = field(default="", compare=False)
    """Its id."""

    def __str__(self) -> str:
        return f"ask {self.number}"


@dataclass(frozen=True)
class RunStep:
    """Let a station carry out a step.

    Attributes:
        again: after a fault: what is harmless to do again is done again.
        batch: id of the step with whose order it is carried out; empty where it is alone.
    """

    station: str
    order: StepOrder
    timeout_s: float
    again: bool = False
    batch: str = ""

    def __str__(self) -> str:
        tried = f" attempt {self.order.attempt}" if self.order.attempt > 1 else ""
        return f"run {self.order.step_id} at {self.station}{tried}"


@dataclass(frozen=True)
class PauseStations:
    """Let no station start an operation, or let them continue."""

    on: bool
    campaign: str = field(default="", compare=False)
    """Its id."""

    def __str__(self) -> str:
        return "pause stations" if self.on else "let stations go on"


@dataclass(frozen=True)
class StopStations:
    """Let all stations end their operations."""

    why: str
    now: bool
    campaign: str = field(default="", compare=False)
    """Its id."""

    def __str__(self) -> str:
        return f"stop stations {'now' if self.now else 'after their operations'}"


@dataclass(frozen=True)
class StopStep:
    """Let a station end its operation for one step."""

    step_id: str
    station: str
    why: str
    now: bool

    def __str__(self) -> str:
        return f"stop {self.step_id} {'now' if self.now else 'after its operation'}"


@dataclass(frozen=True)
class Settle:
    """Record a person's answer about an operation that was in doubt.

    Attributes:
        part: what its device has counted, where only that is confirmed.
        follow: what comes after the part.
    """

    step_id: str
    n: int
    state: Literal["confirmed", "absent"]
    by: str
    because: str
    part: Part | None = None
    follow: Follow = ""

    def __str__(self) -> str:
        part = "" if self.part is None else f" {self.part.counted:g} {self.follow or 'taken'}"
        return f"settle {self.step_id}#{self.n} {self.state}{part}"


@dataclass(frozen=True)
class Signed:
    """A person has signed the card of a step: it has ended, and its station is free.

    Attributes:
        order: of the step.
        outcome: what that person has read, or why it could not be done.
    """

    station: str
    order: StepOrder = field(compare=False)
    outcome: StepOutcome = field(compare=False)

    def __str__(self) -> str:
        return f"signed {self.outcome.step_id} {self.outcome.state}"


@dataclass(frozen=True)
class AskPerson:
    """Show a question, or a task card, to people."""

    question: str
    text: str
    campaign: str = field(default="", compare=False)
    """Its id."""

    def __str__(self) -> str:
        return f"question {self.question}"


@dataclass(frozen=True)
class Finish:
    """The campaign is over."""

    state: Literal["completed", "stopped", "failed"]
    reason: str
    campaign: str = field(default="", compare=False)
    """Its id."""

    def __str__(self) -> str:
        return f"finish {self.state}"


Instruction = Ask | RunStep | PauseStations | StopStations | StopStep | Signed | Settle | AskPerson | Finish


def decisions(instructions: list[Instruction]) -> list[Any]:
    """Instructions as they are recorded beside their event, for comparison when it is replayed."""
    return [str(one) for one in instructions]
