"""Requests for experiments: what is asked, what the lab finds of it, how far it is."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from labwright.answers.base import Answered, Sometimes, plain


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

    currency: str
    fixed: float
    experiment: float
    whole: float


class Quote(Answered):
    """What a request takes.

    Attributes:
        experiments: how many.
        fixed_minutes: minutes of stations before the first experiment, by station.
        minutes: of stations for each experiment, by station.
        materials: amounts for all of it, by material, as in ``1.2 mL``.
        containers: by kind.
        cost: in the desk's currency.
        starts_in_s: lab seconds from now until it could begin; null if that is not known.
        ends_in_s: the same until it could be over.
        notes: what a person should know of this, in words.
    """

    experiments: int
    fixed_minutes: dict[str, float] = {}
    minutes: dict[str, float] = {}
    materials: dict[str, str] = {}
    containers: dict[str, int] = {}
    cost: Cost
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
        quote: what it takes; null if that cannot be said.
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


@plain
class SampleHere(TypedDict, total=False):
    """A sample that has come with a request.

    Attributes:
        label: in the request.
        barcode: on its container.
        at_s: wall time of its arrival.
        by: who has booked it.
        place: where it was put; may be empty.
        condition: how it looked; may be empty.
        gone: ``returned``, ``stored`` or ``destroyed``; empty while it is here.
        gone_s: wall time since when; null while it is here.
        gone_by: who has booked that; null while it is here.
    """

    label: str
    barcode: str
    at_s: float
    by: str
    place: str
    condition: str
    gone: str
    gone_s: float | None
    gone_by: str | None


@plain
class Charge(TypedDict, total=False):
    """What a request takes of its project's quota.

    Attributes:
        reserved: when it was approved.
        charged: when it was over; null before.
    """

    reserved: float
    charged: float | None


@plain
class AbortAsked(TypedDict, total=False):
    """That a request is to be ended.

    Attributes:
        by: who has asked for it.
        because: why.
        at_s: wall time.
        trace: of the HTTP request.
    """

    by: str
    because: str
    at_s: float
    trace: str


@plain
class RequestOutcome(TypedDict, total=False):
    """What came of a request.

    Attributes:
        experiments: that were carried out.
        charged: what was charged, by what is counted.
        reason: why it ended so.
    """

    experiments: int
    charged: dict[str, float]
    reason: str


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
        valid_until_s: wall time until which its approval holds; null while it is not approved.
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


class WholeRequest(ListedRequest):
    """A request with all that is known of it.

    Attributes:
        digest: of its content; reviews name it.
        content: what is asked for.
        quote: what it takes; null while it was not submitted.
        needs: who has to accept it; null while it was not submitted.
        reviews: what was decided.
        samples: that have come.
        charges: what it takes of its project's quota, by what is counted.
        abort: that it is to be ended; null if no person has asked for that.
        outcome: what came of it; null before.
        possible: what may happen to it now.
    """

    digest: str
    content: dict[str, Any]
    quote: Quote | None = None
    needs: Needs | None = None
    reviews: list[Review] = []
    samples: list[SampleHere] = []
    charges: dict[str, Charge] = {}
    abort: AbortAsked | None = None
    outcome: RequestOutcome | None = None
    possible: list[str] = []


class RequestEvent(Answered):
    """Something that has happened to a request.

    Attributes:
        id: by which the stream is resumed.
        request: to which.
        event: what.
        before: the state until then; may be empty.
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


class MadeLink(Answered):
    """A link to what was found, for those without a key.

    Attributes:
        request: of which.
        expires_s: wall time until which it works.
        path: at this service; answered the first time only.
    """

    request: str = ""
    expires_s: float
    path: Sometimes[str] = ""


class KeptLink(Answered):
    """A link to what was found, without what opens it.

    Attributes:
        made_by: who has made it.
        made_s: wall time.
        expires_s: wall time until which it works.
        fetched: how often it was followed.
        revoked_s: wall time since when it was withdrawn; null if it was not.
        over: whether it works no more.
    """

    made_by: str
    made_s: float = 0.0
    expires_s: float = 0.0
    fetched: int = 0
    revoked_s: float | None = None
    over: bool = False


class LinksWithdrawn(Answered):
    """Links that were withdrawn.

    Attributes:
        request: of which.
        links_withdrawn: how many worked until then.
    """

    request: str
    links_withdrawn: int


class Webhook(Answered):
    """Where what happens to requests is sent.

    Attributes:
        id: of it.
        url: that is called.
        project: of whose requests; empty for all that its owner may see.
        events: that are sent; all if there are none.
        created_s: wall time.
        called: whether it is; it is given up after many failures.
        failures: one after another.
        why: it was given up; empty while it is called.
    """

    id: str
    url: str
    project: str = ""
    events: list[str] = []
    created_s: float = 0.0
    called: bool = True
    failures: int = 0
    why: str = ""


class MadeWebhook(Webhook):
    """A webhook that was made.

    Attributes:
        secret: that signs what is sent; answered the first time only.
    """

    secret: Sometimes[str] = ""


@plain
class NoticeData(TypedDict, total=False):
    """What a notice says.

    Attributes:
        event: id of what has happened.
        request: to which.
        project: whose it is.
        title: what it is about.
        before: its state until then; may be empty.
        after: its state since.
        by: who did it; ``labwright`` for the desk itself.
        because: why.
        campaign: that carries it out; empty before.
    """

    event: int
    request: str
    project: str
    title: str
    before: str
    after: str
    by: str
    because: str
    campaign: str


@plain
class NoticeBody(TypedDict, total=False):
    """What is sent to a webhook, as Standard Webhooks has it.

    Attributes:
        type: ``request.`` and the event.
        timestamp: when it happened, as ISO 8601 has it.
        data: what happened.
    """

    type: str
    timestamp: str
    data: NoticeData


class Notice(Answered):
    """What was sent to a webhook, or is to be.

    Attributes:
        id: of it.
        event: id of what has happened.
        body: what is sent.
        made_s: wall time.
        due_s: wall time at which it is tried next; null if it was sent or given up.
        tries: how many.
        sent_s: wall time at which it was taken; null before.
        error: of the last try; empty if there was none.
    """

    id: str
    event: int = 0
    body: NoticeBody = {}
    made_s: float = 0.0
    due_s: float | None = None
    tries: int = 0
    sent_s: float | None = None
    error: str = ""
