"""Who may do what: one function decides for the API, the event stream, the command line, exports and the console.

Roles are the lab's (an operator is one everywhere) or a project's (a requester of one project). What a role may do at
all is a table; what it may do it to depends on the project, on who asked for it, and on the class of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Role = Literal[
    "guest",
    "viewer",
    "requester",
    "operator",
    "safety_reviewer",
    "data_steward",
    "admin",
    "agent",
    "service",
]
"""``guest``: sees what was granted, and nothing else; ``viewer``: reads the lab; ``requester``: asks for experiments of
a project, and reads its data; ``operator``: steers the lab, reviews requests technically; ``safety_reviewer``: reviews
their safety; ``data_steward``: classes of data, and the audit trail; ``admin``: people, keys, projects, quotas;
``agent``: a program that asks as a requester does, and never decides; ``service``: the controller's own identity."""

DataClass = Literal["open", "shared_closed", "closed"]

Kind = Literal["lab", "campaign", "sample", "stock", "request", "data", "project", "key", "person", "audit", "settings"]
"""What is acted on."""

Action = Literal[
    "lab.read",
    "lab.stop",
    "lab.reset",
    "lab.steer",
    "campaign.read",
    "campaign.submit",
    "campaign.steer",
    "campaign.pause",
    "campaign.stop",
    "question.answer",
    "note.write",
    "deviation.write",
    "sample.read",
    "sample.book",
    "stock.read",
    "stock.book",
    "request.read",
    "request.write",
    "request.submit",
    "request.cancel",
    "request.review_technical",
    "request.review_safety",
    "request.operate",
    "data.read",
    "data.export",
    "data.loosen",
    "data.tighten",
    "project.read",
    "project.manage",
    "quota.set",
    "key.own",
    "key.manage",
    "person.manage",
    "audit.read",
    "limits.change",
    "bypass.set",
]

ROLES: tuple[Role, ...] = get_args(Role)
ACTIONS: tuple[Action, ...] = get_args(Action)

_SEES: frozenset[Action] = frozenset(
    {"project.read", "campaign.read", "sample.read", "request.read", "data.read", "data.export"}
)
"""What belongs to a project."""

_LOOKS: frozenset[Action] = _SEES | {"lab.read", "stock.read", "key.own"}
"""The whole lab: stations, queue and stocks included."""

_ASKS: frozenset[Action] = frozenset(
    {"request.write", "request.submit", "request.cancel", "campaign.pause", "campaign.stop"}
)

_SAYS: frozenset[Action] = frozenset({"note.write", "deviation.write"})
"""What people of the lab say about anything in it; researchers write notes on what is their project's."""

_MAY: Mapping[Role, frozenset[Action]] = {
    "guest": frozenset(),
    "viewer": _LOOKS,
    "requester": _SEES | _ASKS | {"key.own", "note.write"},
    "operator": _LOOKS
    | _SAYS
    | {
        "lab.stop", "lab.reset", "lab.steer", "campaign.submit", "campaign.steer", "campaign.pause", "campaign.stop",
        "question.answer", "sample.book", "stock.book", "request.review_technical", "request.operate", "bypass.set",
        "data.tighten",
    },
    "safety_reviewer": _LOOKS | _SAYS | {"request.review_safety", "lab.stop", "campaign.pause", "campaign.stop"},
    "data_steward": _LOOKS | _SAYS | {"data.loosen", "data.tighten", "audit.read"},
    "admin": _LOOKS
    | _SAYS
    | {
        "lab.stop", "lab.reset", "campaign.pause", "campaign.stop", "project.manage", "quota.set", "key.manage",
        "person.manage", "audit.read", "limits.change", "data.tighten",
    },
    "agent": _SEES | _ASKS,
    "service": _LOOKS - {"key.own"},
}  # fmt: skip

_GRANTED: frozenset[Action] = frozenset({"campaign.read", "sample.read", "request.read", "data.read"})
"""What may be granted by name."""

_BY_CLASS: frozenset[Action] = frozenset({"campaign.read", "sample.read", "data.read", "data.export"})
"""What is open to others by the class of the data."""

_OF_PROJECTS: frozenset[Kind] = frozenset({"campaign", "sample", "request", "data", "project"})
"""Kinds that belong to a project: a role in another one does not count. Without a project they are the lab's own."""

LAB_ROLES: frozenset[Role] = frozenset({"viewer", "operator", "safety_reviewer", "data_steward", "admin", "service"})
"""Roles that count in the whole lab; a requester and an agent have theirs in projects."""


@dataclass(frozen=True)
class Principal:
    """Who acts.

    Attributes:
        id: of the person or program.
        name: to show.
        agent: whether it is a program that acts by its own judgement.
        roles: in the whole lab, of `LAB_ROLES`.
        projects: roles in projects, by the project's id.
        groups: of people data may be shared with.
        only: actions that the key allows, if it does not allow all that its owner may do.
        key: id of the API key, or of the session; empty inside the process.
    """

    id: str
    name: str = ""
    agent: bool = False
    roles: frozenset[Role] = frozenset()
    projects: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    only: frozenset[Action] | None = None
    key: str = ""


@dataclass(frozen=True)
class Resource:
    """What is acted on.

    Attributes:
        kind: of thing.
        id: of it; empty for all of a kind.
        project: whose it is; empty if no project's.
        owner: id of who asked for it, or whose key it is; of a campaign, who made the request that became it.
        data_class: of data, and of what shows data.
        groups: that it is shared with, if it is ``shared_closed``.
        granted: ids of those to whom it was granted by name.
    """

    kind: Kind
    id: str = ""
    project: str = ""
    owner: str = ""
    data_class: DataClass = "closed"
    groups: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Decision:
    """Whether it may be done, and why not, in words."""

    allowed: bool
    why: str = ""

    def __bool__(self) -> bool:
        return self.allowed


YES = Decision(True)


def can(who: Principal, action: Action, what: Resource) -> Decision:
    """Decide whether a principal may do something.

    Args:
        who: acts.
        action: is to be done.
        what: it is done to.

    Returns:
        yes; or no, and why.
    """
    if who.only is not None and action not in who.only:
        return Decision(False, f"this key does not allow {action}")
    if who.agent and action not in _MAY["agent"]:
        return Decision(False, f"{action} takes a person: a program may not do it, whatever roles it was given")
    if action in _GRANTED and who.id in what.granted:
        return YES
    if action in _BY_CLASS and _shared(who, what):
        return YES
    roles = _roles(who, what)
    if not any(action in _MAY[role] for role in roles):
        return Decision(False, _why_not(who, action, what, roles))
    if action in ("request.review_technical", "request.review_safety") and what.owner == who.id:
        return Decision(False, "the person who asks for an experiment does not review it: another reviewer has to")
    own: tuple[Action, ...] = (
        "key.own",
        "request.write",
        "request.submit",
        *(("request.cancel",) if who.agent else ()),
    )
    if who.agent and action in ("campaign.pause", "campaign.stop") and what.owner != who.id:
        return Decision(False, f"{what.kind} {what.id} is of no request of this program, which ends only its own")
    if action in own and what.owner not in ("", who.id):
        return Decision(False, f"{what.kind} {what.id} is another person's, who alone changes it")
    return YES


def _roles(who: Principal, what: Resource) -> set[Role]:
    """Roles that count for a resource."""
    roles = set(who.roles & LAB_ROLES)
    if what.kind in _OF_PROJECTS:
        return roles | set(who.projects.get(what.project, ()))
    if what.kind == "key":  # with a role anywhere, one may have a key
        return roles.union(*who.projects.values())
    return roles


def _shared(who: Principal, what: Resource) -> bool:
    """Whether data is open to this principal by its class, whatever the roles."""
    if what.data_class == "open":
        return True
    return what.data_class == "shared_closed" and bool(what.groups & who.groups)


def _why_not(who: Principal, action: Action, what: Resource, roles: set[Role]) -> str:
    needed = [role for role in ROLES if action in _MAY[role] and role != "service"]
    where = f" in project {what.project}" if what.project and what.kind in _OF_PROJECTS else ""
    mine = ", ".join(sorted(roles)) or "none there"
    return f"{action} takes one of the roles {', '.join(needed)}{where}; {who.name or who.id} has {mine}"
