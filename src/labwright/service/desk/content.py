"""What a request says: read strictly, every text and every list with an end."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from labwright.model.desk import HCode, Priority
from labwright.model.reactivity import Group
from labwright.service.bodies import Body
from labwright.service.people import NAME
from labwright.service.rights import DataClass

RUNS_MOST = 1000
SAMPLES_MOST = 200

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\u200b-\u200f]")
"""Control characters, and those that change the direction in which a text is read or that are not seen at all."""


def _plain(text: str) -> str:
    """A text as people read it.

    Raises:
        ValueError: it has characters that are not seen, or turn the text around.
    """
    if found := _CONTROL.search(text):
        raise ValueError(
            f"character U+{ord(found[0]):04X} at position {found.start()} is a control character, is not seen, or "
            "turns the text around; leave it out"
        )
    return unicodedata.normalize("NFC", text)


def _line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("it has more than one line; write it on one")
    return _plain(text)


Line = Annotated[str, Field(max_length=200), AfterValidator(_line)]
Notes = Annotated[str, Field(max_length=10_000), AfterValidator(_plain)]
Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Plain letters: what looks alike and is not the same must not be mistaken for a sample."""
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Unit = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_line)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Measured(Body):
    """A number with its unit.

    Attributes:
        value: the number.
        unit: of it; ``"1"`` for a ratio.
    """

    value: Finite
    unit: Unit


def _kind(given: Any) -> str:
    if isinstance(given, bool):
        return "flag"
    return {dict: "measured", int: "count", float: "number", str: "text"}.get(type(given), "measured")


Given = Annotated[
    Annotated[Measured, Tag("measured")]
    | Annotated[bool, Tag("flag")]
    | Annotated[int, Field(ge=-(2**53), le=2**53), Tag("count")]
    | Annotated[Finite, Tag("number")]
    | Annotated[Line, Tag("text")],
    Discriminator(_kind),
]
"""A value of a parameter: a number with its unit, a whole number without one, a truth value, a choice or a text."""

Values = Annotated[dict[Name, Given], Field(max_length=200)]


class ProtocolRef(Body):
    """A protocol of the lab's.

    Attributes:
        name: of it.
        version: that was looked at.
    """

    name: Name
    version: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_line)]


class PlannerRef(Body):
    """One of the lab's planners.

    Attributes:
        name: of it.
        options: that it takes.
    """

    name: Name
    options: Annotated[dict[Name, bool | Finite | Line], Field(max_length=20)] = {}


class CampaignAsked(Body):
    """A campaign: what is to be found out, in which space, with how many experiments.

    Attributes:
        space: ``parameters`` and ``constraints``, as in a campaign's file.
        objective: what is sought.
        more_objectives: further ones.
        outcome_limits: limits that an experiment must keep to count.
        fixed: the protocol's other parameters.
        budget: experiments.
        replicates: of each point.
        stop: when to end earlier.
        planner: who chooses.
    """

    space: Annotated[dict[str, Any], Field(max_length=2)]
    objective: Annotated[dict[str, Any], Field(max_length=10)]
    more_objectives: Annotated[list[dict[str, Any]], Field(max_length=10)] = []
    outcome_limits: Annotated[list[dict[str, Any]], Field(max_length=20)] = []
    fixed: Values = {}
    budget: Annotated[int, Field(ge=1, le=10_000)]
    replicates: Annotated[int, Field(ge=1, le=100)] = 1
    stop: Annotated[dict[str, Any], Field(max_length=10)] = {}
    planner: PlannerRef = PlannerRef(name="gp")


class Sheet(Body):
    """A safety data sheet.

    Attributes:
        reference: where it is, or its number.
        sha256: of the file.
    """

    reference: Line
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SampleDeclared(Body):
    """A sample that comes with the request.

    Attributes:
        label: unique in the request; it is written on the container.
        composition: what is in it.
        cas: registry numbers of what is in it.
        amount: how much there is.
        form: what it looks like.
        hazards: hazard statements of GHS; none if there are none.
        groups: reactivity groups; needed where there is a hazard.
        sheet: its safety data sheet; needed where there is a hazard.
        disposition: what becomes of it afterwards.
    """

    label: Label
    composition: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_line)]
    cas: Annotated[list[Annotated[str, Field(pattern=r"^[0-9]{2,7}-[0-9]{2}-[0-9]$")]], Field(max_length=50)] = []
    amount: Measured
    form: Literal["solid", "powder", "liquid", "solution", "film", "device"]
    hazards: Annotated[list[HCode], Field(max_length=40)] = []
    groups: Annotated[list[Group], Field(max_length=10)] = []
    sheet: Sheet | None = None
    disposition: Literal["return", "store", "destroy"]


class ExportControl(Body):
    """What the requester declares under export control law.

    Attributes:
        status: ``unreviewed`` if no person has looked.
        regime: under which it is controlled.
        item: its number there.
    """

    status: Literal["unreviewed", "not_controlled", "controlled"]
    regime: Line = ""
    item: Line = ""


class Content(Body):
    """A request.

    Exactly one of `parameters` (a single experiment), `runs` (a list of them) and `campaign` is given.

    Attributes:
        project: whose it is.
        title: what it is about.
        protocol: to be carried out.
        parameters: of a single experiment.
        runs: parameters of each experiment, in their order.
        campaign: or what a planner is to find out.
        samples: that come with it.
        priority: how soon it is needed.
        cost_most: what it may cost at most, in the desk's currency.
        data_class: wanted for what is found.
        export_control: as the requester declares it.
        terms: the version of the terms that the requester accepts.
        contact: who answers questions about it.
        notes: anything else; for people only.
    """

    project: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    title: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
    protocol: ProtocolRef
    parameters: Values | None = None
    runs: Annotated[list[Values], Field(min_length=1, max_length=RUNS_MOST)] | None = None
    campaign: CampaignAsked | None = None
    samples: Annotated[list[SampleDeclared], Field(max_length=SAMPLES_MOST)] = []
    priority: Priority = "routine"
    cost_most: Annotated[Finite, Field(ge=0)] | None = None
    data_class: DataClass = "closed"
    export_control: ExportControl
    terms: Annotated[str, Field(max_length=40), AfterValidator(_line)]
    contact: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
    notes: Notes = ""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("parameters", "runs", "campaign") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of parameters (a single experiment), runs (a list of them) and campaign; given is "
                f"{' and '.join(given) or 'none'}"
            )
        return self

    @property
    def listed(self) -> list[tuple[str, dict[str, Given]]]:
        """The experiments that it lists, each with its place in the request; none where a planner chooses them."""
        if self.parameters is not None:
            return [("/parameters", self.parameters)]
        return [(f"/runs/{number}", one) for number, one in enumerate(self.runs or ())]

    def dumped(self) -> dict[str, Any]:
        """As JSON; what was not given is left out."""
        return self.model_dump(mode="json", exclude_none=True)


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of a request's content as canonical JSON: what reviewers accept is exactly this."""
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
