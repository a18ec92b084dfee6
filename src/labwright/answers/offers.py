"""What a lab offers, what projects may take of it, and who may see data."""

from __future__ import annotations

from typing_extensions import TypedDict

from labwright.answers.base import Answered, Sometimes, plain, plain_open


@plain_open
class OfferedParameter(TypedDict, total=False):
    """A parameter of a protocol; its further fields are those of the protocol's file.

    Attributes:
        name: of it.
        allowed: values, in words.
    """

    name: str
    allowed: str


@plain_open
class OfferedResult(TypedDict, total=False):
    """A result of a protocol; its further fields are those of the protocol's file.

    Attributes:
        name: of it.
        unit: of it, where it has one.
    """

    name: str
    unit: Sometimes[str]


class Offer(Answered):
    """A protocol that may be requested.

    Attributes:
        name: of it.
        version: that the lab carries out.
        title: to show.
        summary: what a requester should know.
        parameters: of an experiment.
        results: of an experiment.
        stations: at which it works.
        labware: the kind of container that a sample is in; empty or null if in none.
        minutes: that an experiment takes.
    """

    name: str
    version: str
    title: str = ""
    summary: str = ""
    parameters: list[OfferedParameter] = []
    results: list[OfferedResult] = []
    stations: list[str] = []
    labware: str | None = None
    minutes: float = 0.0


@plain
class OfferedStation(TypedDict, total=False):
    """A station.

    Attributes:
        title: to show.
        kind: of station; may be empty.
        slots: samples that it takes at once.
        hazards: hazard statements that it is fit for.
        limits: lowest and highest value, by device and axis.
    """

    title: str
    kind: str
    slots: int
    hazards: list[str]
    limits: dict[str, dict[str, list[float | None]]]


@plain
class PriceOfMaterial(TypedDict, total=False):
    """What a material costs.

    Attributes:
        price: in the desk's currency.
        per: of this amount, as ``1 mL``.
    """

    price: float
    per: str


@plain
class PriceList(TypedDict, total=False):
    """What requests cost, in the desk's currency.

    Attributes:
        request: any.
        experiment: each that is carried out.
        station_hour: an hour of a station, by name; none where it is left out.
        material: by name.
    """

    request: float
    experiment: float
    station_hour: dict[str, float]
    material: dict[str, PriceOfMaterial]


@plain
class ReviewsNeeded(TypedDict, total=False):
    """How many people have to accept a request.

    Attributes:
        technical: operators.
        safety: safety reviewers.
    """

    technical: int
    safety: int


@plain
class CalibrationAge(TypedDict, total=False):
    """When a preparation that campaigns share was made.

    Attributes:
        made_s: lab time; null if it was not made on these instruments.
        due_s: lab time at which it is due again; null if it was not made.
        lasts_s: lab seconds for which it holds.
    """

    made_s: float | None
    due_s: float | None
    lasts_s: float


class Capabilities(Answered):
    """What a lab offers.

    Attributes:
        lab: its name.
        title: to show.
        terms: the version that requesters have to accept.
        currency: of prices.
        prices: of the desk.
        experiments: that one request may ask for.
        reviews: that a request needs at least.
        protocols: that may be requested.
        valid_s: lab seconds for which preparations hold that campaigns share, by protocol.
        stations: with their limits, by name.
        open: whether a controller runs.
        under_way: campaigns.
        queue: requests that wait.
        calibrations: of instruments, by protocol.
    """

    lab: str = ""
    title: str = ""
    terms: str = ""
    currency: str = ""
    prices: PriceList = {}
    experiments: int = 0
    reviews: ReviewsNeeded = {}
    protocols: list[Offer] = []
    valid_s: dict[str, float] = {}
    stations: dict[str, OfferedStation] = {}
    open: bool = False
    under_way: int = 0
    queue: int = 0
    calibrations: dict[str, CalibrationAge] = {}


class Amount(Answered):
    """What a project may take of something.

    Attributes:
        amount: in all; null without a limit.
        reserved: for requests that were approved.
        charged: for those that are over.
    """

    amount: float | None = None
    reserved: float = 0.0
    charged: float = 0.0


class ProjectQuota(Answered):
    """What a project may take, has reserved, and was charged.

    Attributes:
        experiments: how many.
        station_minutes: minutes of stations.
        cost: in the desk's currency.
    """

    experiments: Amount = Amount()
    station_minutes: Amount = Amount()
    cost: Amount = Amount()


class ClassOfData(Answered):
    """Who may see data, apart from its project.

    Attributes:
        request: whose data they are; left out for a campaign's own.
        campaign: the same; left out for those of a request.
        data_class: ``open``, ``shared_closed`` or ``closed``, once nothing is kept back any more.
        effective: the class now.
        groups: that they are shared with.
        embargo_until_s: wall time until which they are closed; null if they are not kept back.
        export_control: ``unreviewed``, ``not_controlled`` or ``controlled``.
        licence: under which others may use them; may be empty.
        granted: ids of those who may see them by name.
    """

    request: Sometimes[str] = ""
    campaign: Sometimes[str] = ""
    data_class: str
    effective: str = ""
    groups: list[str] = []
    embargo_until_s: float | None = None
    export_control: str = ""
    licence: str = ""
    granted: list[str] = []


@plain
class Exported(TypedDict, total=False):
    """Data that were taken away before: no class reaches these copies.

    Attributes:
        at_s: wall time.
        by: who has taken them.
        what: ``request/R17`` for a bundle, ``data/CAMPAIGN`` for a table.
        because: by which link; empty without one.
    """

    at_s: float
    by: str
    what: str
    because: str


class ClassSet(ClassOfData):
    """A class that was set.

    Attributes:
        exported_before: who has taken the data away, where fewer may see them now.
        links_withdrawn: links that led to them until then.
    """

    exported_before: list[Exported] = []
    links_withdrawn: int = 0
