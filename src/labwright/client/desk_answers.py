"""Answers of a request desk, typed; what a newer service says besides is kept."""

from __future__ import annotations

from typing import Any

from labwright.client.answers import Answered


class Finding(Answered):
    """Something that is wrong with a request.

    Attributes:
        pointer: JSON pointer to its place in the request.
        code: for programs; it stays the same.
        detail: what, which value, which limit and what to do, in words.
    """

    pointer: str = ""
    code: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.pointer, self.detail)))


class Cost(Answered):
    """What a request costs.

    Attributes:
        currency: of the numbers.
        fixed: whatever comes of it.
        experiment: for each experiment that is carried out.
        whole: if all are.
    """

    currency: str = ""
    fixed: float = 0.0
    experiment: float = 0.0
    whole: float = 0.0


class Quote(Answered):
    """What a request takes.

    Attributes:
        experiments: how many.
        fixed_minutes: minutes of stations before the first experiment, by station.
        minutes: of stations for each experiment, by station.
        materials: amounts for all of it, by material.
        cost: in the desk's currency.
        starts_in_s: lab seconds until it could begin; None if that is not known.
        ends_in_s: the same until it could be over.
        notes: what a person should know of this.
    """

    experiments: int = 0
    fixed_minutes: dict[str, float] = {}
    minutes: dict[str, float] = {}
    materials: dict[str, str] = {}
    cost: Cost = Cost()
    starts_in_s: float | None = None
    ends_in_s: float | None = None
    notes: list[str] = []


class Needs(Answered):
    """How many people have to accept a request.

    Attributes:
        technical: operators.
        safety: safety reviewers.
    """

    technical: int = 1
    safety: int = 1


class Look(Answered):
    """What the lab finds of a request that is only looked at.

    Attributes:
        valid: whether nothing is wrong with it.
        problems: everything that is.
        quote: what it takes; None if that cannot be said.
        needs: who has to accept it.
    """

    valid: bool
    problems: list[Finding] = []
    quote: Quote | None = None
    needs: Needs = Needs()


class Review(Answered):
    """What a reviewer has decided.

    Attributes:
        kind: ``technical`` or ``safety``.
        reviewer: who.
        decision: ``accept``, ``return`` or ``reject``.
        because: why, or what is asked.
        at_s: wall time.
        void: whether it was about another content than there is now.
    """

    kind: str
    reviewer: str
    decision: str
    because: str = ""
    at_s: float = 0.0
    void: bool = False


class ListedRequest(Answered):
    """A request as a list has it.

    Attributes:
        id: as ``R17``.
        project: whose it is.
        owner: who asks.
        title: what it is about.
        state: how far it is.
        priority: how soon it is needed.
        waits_for: in words.
        campaign: that carries it out; empty before.
        created_s: wall time.
        changed_s: wall time.
        valid_until_s: wall time until which its approval holds.
    """

    id: str
    project: str
    owner: str
    title: str
    state: str
    priority: str = "routine"
    waits_for: str = ""
    campaign: str = ""
    created_s: float = 0.0
    changed_s: float = 0.0
    valid_until_s: float | None = None


class KeptRequest(ListedRequest):
    """A request as the service keeps it.

    Attributes:
        digest: of its content; reviews name it.
        content: what is asked for.
        quote: what it takes; None while it was not submitted.
        needs: who has to accept it; None while it was not submitted.
        reviews: what was decided.
        samples: that have come.
        charges: ``reserved`` and ``charged``, by what is counted.
        abort: that was asked for: ``by``, ``because``.
        outcome: what came of it: ``experiments``, ``charged``, ``reason``.
        possible: what may happen to it now.
        version: of the answer; an edit names it, and is refused if the request has changed since.
    """

    digest: str
    content: dict[str, Any]
    quote: Quote | None = None
    needs: Needs | None = None
    reviews: list[Review] = []
    samples: list[dict[str, Any]] = []
    charges: dict[str, dict[str, Any]] = {}
    abort: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None
    possible: list[str] = []
    version: str = ""


class RequestEvent(Answered):
    """Something that has happened to a request.

    Attributes:
        id: by which the stream is resumed.
        request: to which.
        event: what.
        before: the state until then.
        after: the state since.
        actor: who; ``labwright`` for the desk itself.
        because: why.
        at_s: wall time.
        detail: the rest.
    """

    id: int
    request: str = ""
    event: str
    before: str = ""
    after: str = ""
    actor: str = ""
    because: str = ""
    at_s: float = 0.0
    detail: dict[str, Any] = {}


class Link(Answered):
    """A link to what was found, for those without a key.

    Attributes:
        url: that leads there.
        expires_s: wall time until which it does.
    """

    url: str
    expires_s: float


class Offer(Answered):
    """A protocol that may be requested.

    Attributes:
        name: of it.
        version: that the lab carries out.
        title: to show.
        summary: what a requester should know.
        parameters: ``name``, ``unit``, ``allowed`` and more of each.
        results: ``name`` and ``unit`` of each.
        stations: at which it works.
        minutes: that an experiment takes.
    """

    name: str
    version: str
    title: str = ""
    summary: str = ""
    parameters: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    stations: list[str] = []
    minutes: float = 0.0


class Capabilities(Answered):
    """What a lab offers.

    Attributes:
        lab: its name.
        title: to show.
        terms: the version that requesters have to accept.
        currency: of prices.
        experiments: that one request may ask for.
        protocols: that may be requested.
        stations: with their limits, by name.
        open: whether a controller runs.
        under_way: campaigns.
        queue: requests that wait.
    """

    lab: str = ""
    title: str = ""
    terms: str = ""
    currency: str = ""
    experiments: int = 0
    protocols: list[Offer] = []
    stations: dict[str, dict[str, Any]] = {}
    open: bool = False
    under_way: int = 0
    queue: int = 0
