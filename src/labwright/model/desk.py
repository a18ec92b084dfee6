"""The rules of a lab's request desk, as its file `lab_config/desk.yaml` has them: what is offered to whom, for what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from labwright.model.base import Frozen, Name, NotNegative, Positive, Whole
from labwright.model.quantities import Quantity
from labwright.model.reactivity import Group

HCode = Annotated[str, Field(pattern=r"^(EUH|H)[0-9]{3}[A-Za-z]{0,2}$")]
"""A hazard statement of GHS, as in ``H225``."""

Priority = Literal["routine", "soon", "urgent"]

Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Offer(Frozen):
    """A protocol that may be requested.

    Attributes:
        prepare: protocols that its campaigns carry out once before the first experiment.
        withdrawn: versions of it that are taken no more.
        summary: what a requester should know of it.
    """

    prepare: tuple[Name, ...] = ()
    withdrawn: tuple[str, ...] = ()
    summary: Annotated[str, Field(max_length=2000)] = ""


class Reviews(Frozen):
    """How many people have to accept a request.

    Attributes:
        technical: operators.
        safety: safety reviewers; one at least where a sample is explosive, pyrophoric, or harms by CMR effects.
    """

    technical: Annotated[Whole, Field(ge=1, le=10)] = 1
    safety: Annotated[Whole, Field(ge=0, le=10)] = 1


class MaterialPrice(Frozen):
    """What a material costs.

    Attributes:
        price: in the desk's currency.
        per: of this amount, as in ``1 mL``.
    """

    price: NotNegative
    per: Quantity


class Prices(Frozen):
    """What a request costs, in the desk's currency.

    Attributes:
        request: any.
        experiment: each experiment that is carried out.
        station_hour: an hour of a station, by name; none where it is left out.
        material: by name.
    """

    request: NotNegative = 0.0
    experiment: NotNegative = 0.0
    station_hour: dict[Name, NotNegative] = {}
    material: dict[str, MaterialPrice] = {}


class MailServer(Frozen):
    """A server that takes mail.

    Attributes:
        host: name or address.
        port: there.
        security: ``starttls``, ``tls`` from the beginning, or ``none``, for a server on this machine.
        user: to sign in as; not at all if empty.
        password_file: file with the password; it belongs outside the lab's folder.
        sender: address it comes from.
        link: how readers reach the service, as in ``https://lab.example.org``; put into mails if it is given.
    """

    host: Annotated[str, Field(min_length=1, max_length=255)]
    port: Annotated[Whole, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_file: Path | None = None
    sender: Annotated[str, Field(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=320)]
    link: Annotated[str, Field(pattern=r"^(https?://[^\s]+)?$", max_length=500)] = ""


class DeskPolicy(Frozen):
    """The rules of a request desk.

    Attributes:
        terms: the version of the terms that a requester has to accept.
        offers: protocols that may be requested, by name; those of the lab's campaigns if it is left out.
        reviews: who has to accept.
        approval_days: days for which an approval holds until the samples are here.
        delivery_days: days for which a link to what was found works.
        priorities: what each is as a campaign's priority.
        hastened: requests of a project above ``routine`` that may be open at once.
        open_requests: requests of a project that may be open at once.
        experiments: that one request may ask for.
        parallel: samples of one request on their way at once, at most.
        currency: of all prices.
        prices: what is charged.
        hazards: hazard statements of samples that a station takes, by its name; others are refused.
        reactivity: groups of the lab's own materials, by name; against them samples are held.
        webhook_hosts: hosts to which notices may go although they are in a private network, and without TLS.
        mail: server that takes notices by mail; none are sent if it is left out.
    """

    terms: Annotated[str, Field(min_length=1, max_length=40)] = "1"
    offers: dict[Name, Offer] | None = None
    reviews: Reviews = Reviews()
    approval_days: Positive = 30.0
    delivery_days: Positive = 14.0
    priorities: dict[Priority, Whole] = {"routine": 0, "soon": 5, "urgent": 10}
    hastened: Annotated[Whole, Field(ge=0)] = 2
    open_requests: Annotated[Whole, Field(ge=1)] = 100
    experiments: Annotated[Whole, Field(ge=1, le=10_000)] = 200
    parallel: Annotated[Whole, Field(ge=1, le=1000)] = 4
    currency: Annotated[str, Field(max_length=8)] = ""
    prices: Prices = Prices()
    hazards: dict[Name, tuple[HCode, ...]] = {}
    reactivity: dict[str, tuple[Group, ...]] = {}
    webhook_hosts: tuple[Text, ...] = ()
    mail: MailServer | None = None
