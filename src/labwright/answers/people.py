"""People, programs and projects; keys and sessions; the audit trail."""

from __future__ import annotations

from typing_extensions import TypedDict

from labwright.answers.base import Answered, Sometimes, plain


class Named(Answered):
    """What something was done with.

    Attributes:
        id: of that.
    """

    id: str


class Person(Answered):
    """A person or a program that is let in.

    Attributes:
        id: of that one.
        kind: ``person``, ``agent`` or ``service``.
        name: to show.
        email: where to write to; may be empty.
        roles: in the whole lab.
        groups: that data may be shared with.
        created_s: wall time since when that one is known.
        disabled_s: wall time since when that one is let in no more; null while let in.
    """

    id: str
    kind: str = "person"
    name: str = ""
    email: str = ""
    roles: list[str] = []
    groups: list[str] = []
    created_s: float | None = None
    disabled_s: float | None = None


class RolesSet(Answered):
    """Roles that a person has now.

    Attributes:
        id: of the person.
        roles: in the whole lab.
    """

    id: str
    roles: list[str]


@plain
class Member(TypedDict, total=False):
    """Who has a role in a project.

    Attributes:
        id: of the person or program.
        role: there.
        until_s: wall time at which it ends; null if it does not.
    """

    id: str
    role: str
    until_s: float | None


class Project(Answered):
    """A project.

    Attributes:
        id: of it.
        title: to show.
        created_s: wall time of its beginning.
        closed_s: wall time of its end; null while it is open.
        members: who has a role in it.
    """

    id: str
    title: str = ""
    created_s: float | None = None
    closed_s: float | None = None
    members: list[Member] = []


class Joined(Answered):
    """A role that was given in a project.

    Attributes:
        project: its id.
        id: of the person or program.
        role: there.
        until_s: wall time at which it ends; null if it does not.
    """

    project: str
    id: str
    role: str
    until_s: float | None = None


class Left(Answered):
    """Who has no role in a project any more.

    Attributes:
        project: its id.
        id: of the person or program.
    """

    project: str
    id: str


class KeptKey(Answered):
    """A key; what opens something is not kept.

    Attributes:
        id: of it.
        name: what it is for, in words.
        only: actions that it allows; null for all that its owner may do.
        created_s: wall time.
        expires_s: wall time after which it opens nothing; null if it does not expire.
        revoked_s: wall time since when it opens nothing; null if it was not revoked.
        used_s: wall time of its last use, roughly; null if it was not used.
    """

    id: str
    name: str = ""
    only: list[str] | None = None
    created_s: float = 0.0
    expires_s: float | None = None
    revoked_s: float | None = None
    used_s: float | None = None


class MadeKey(Answered):
    """A key that was made.

    Attributes:
        id: of it.
        expires_s: wall time after which it opens nothing.
        secret: what is sent; answered the first time only.
    """

    id: str
    expires_s: float
    secret: Sometimes[str] = ""


class StartedSession(Answered):
    """A session that was started; the answer has its cookie.

    Attributes:
        id: of the person.
        session: its id.
        expires_s: wall time at which it ends.
    """

    id: str
    session: str
    expires_s: float


class BrowserSession(Answered):
    """A browser that is signed in.

    Attributes:
        id: of the session.
        how: it was started: ``key``, ``password``, ``invitation`` or ``oidc``.
        key: id of that key; empty without one.
        created_s: wall time.
        seen_s: wall time of its last use, roughly.
        expires_s: wall time at which it ends.
        address: of the network.
        browser: as it names itself.
        this: whether it is the one that asks.
    """

    id: str
    how: str
    key: str = ""
    created_s: float
    seen_s: float
    expires_s: float
    address: str = ""
    browser: str = ""
    this: bool = False


class Invited(Answered):
    """An invitation to set a password.

    Attributes:
        id: of the person.
        expires_s: wall time until which it holds.
        invitation: its secret; answered the first time only.
    """

    id: str
    expires_s: float
    invitation: Sometimes[str] = ""


class AuditRow(Answered):
    """Who did, or was refused, what.

    Attributes:
        seq: its number.
        at_s: wall time.
        actor: id of who it was.
        via: id of the key or session; may be empty.
        action: what was done.
        target: to what, as ``KIND/ID``.
        allowed: whether it was.
        before: as JSON in a text; may be empty.
        after: as JSON in a text; may be empty.
        because: why.
        trace: of the request.
        version: of Labwright.
        previous: digest of the row before.
        digest: of this row with that.
    """

    seq: int
    at_s: float
    actor: str
    via: str = ""
    action: str
    target: str = ""
    allowed: bool = True
    before: str = ""
    after: str = ""
    because: str = ""
    trace: str = ""
    version: str = ""
    previous: str = ""
    digest: str = ""


class AuditPage(Answered):
    """A page of the audit trail.

    Attributes:
        items: rows, oldest first.
        next: `cursor` of the next page; null on the last one.
        head: number and digest of the newest row, as ``NUMBER:DIGEST``.
    """

    items: list[AuditRow] = []
    next: int | None = None
    head: str = ""


class AuditVerification(Answered):
    """Whether the audit trail holds together.

    Attributes:
        head: number and digest of the newest row.
        anchors: heads that were written beside it.
        wrong: what is wrong with it, in words; empty if nothing is.
    """

    head: str
    anchors: int = 0
    wrong: list[str] = []


class TracedCommand(Answered):
    """A command to the controller.

    Attributes:
        id: its number.
        campaign: whose controller was asked; empty for the lab.
        kind: what was asked.
        by: who has asked.
        asked_s: wall time.
        answer: what the controller has answered; empty before.
    """

    id: int
    campaign: str = ""
    kind: str
    by: str = ""
    asked_s: float
    answer: str = ""


class TracedOperation(Answered):
    """A physical operation.

    Attributes:
        step_id: of the step.
        n: number in that step.
        attempt: number of it.
        kind: of operation.
        device: that does it.
        axis: of the device; may be empty.
        value: that was set; null if none was.
        state: ``prepared``, ``confirmed``, ``absent`` or ``unknown``.
        prepared_s: lab time before it.
        decided_s: lab time at which its outcome was known; null before.
    """

    step_id: str
    n: int
    attempt: int = 0
    kind: str
    device: str = ""
    axis: str = ""
    value: float | None = None
    state: str
    prepared_s: float = 0.0
    decided_s: float | None = None


class Trace(Answered):
    """What one request over HTTP has led to.

    Attributes:
        trace: its id, as the answer's X-Trace-Id has it.
        audit: rows of the trail.
        commands: to the controller.
        campaigns: ids of those that they have started.
        operations: of these, the first 1000.
        operations_in_all: how many there are.
    """

    trace: str
    audit: list[AuditRow] = []
    commands: list[TracedCommand] = []
    campaigns: list[str] = []
    operations: list[TracedOperation] = []
    operations_in_all: int = 0
