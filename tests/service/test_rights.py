"""Who may do what: the whole matrix, against a table written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from labwright.service.rights import ACTIONS, LAB_ROLES, ROLES, Action, DataClass, Kind, Principal, Resource, Role, can

TABLE = """
action                    guest viewer requester operator safety_reviewer data_steward admin agent service
lab.read                  .     x      .         x        x               x            x     .     x
lab.stop                  .     .      .         x        x               .            x     .     .
lab.reset                 .     .      .         x        .               .            x     .     .
lab.steer                 .     .      .         x        .               .            .     .     .
campaign.read             .     x      x         x        x               x            x     x     x
campaign.submit           .     .      .         x        .               .            .     .     .
campaign.steer            .     .      .         x        .               .            .     .     .
campaign.pause            .     .      x         x        x               .            x     x     .
campaign.stop             .     .      x         x        x               .            x     x     .
question.answer           .     .      .         x        .               .            .     .     .
note.write                .     .      x         x        x               x            x     .     .
deviation.write           .     .      .         x        x               x            x     .     .
sample.read               .     x      x         x        x               x            x     x     x
sample.book               .     .      .         x        .               .            .     .     .
stock.read                .     x      .         x        x               x            x     .     x
stock.book                .     .      .         x        .               .            .     .     .
request.read              .     x      x         x        x               x            x     x     x
request.write             .     .      x         .        .               .            .     x     .
request.submit            .     .      x         .        .               .            .     x     .
request.cancel            .     .      x         .        .               .            .     x     .
request.review_technical  .     .      .         x        .               .            .     .     .
request.review_safety     .     .      .         .        x               .            .     .     .
request.operate           .     .      .         x        .               .            .     .     .
data.read                 .     x      x         x        x               x            x     x     x
data.export               .     x      x         x        x               x            x     x     x
data.loosen               .     .      .         .        .               x            .     .     .
data.tighten              .     .      .         x        .               x            x     .     .
project.read              .     x      x         x        x               x            x     x     x
project.manage            .     .      .         .        .               .            x     .     .
quota.set                 .     .      .         .        .               .            x     .     .
key.own                   .     x      x         x        x               x            x     .     .
key.manage                .     .      .         .        .               .            x     .     .
person.manage             .     .      .         .        .               .            x     .     .
audit.read                .     .      .         .        .               x            x     .     .
limits.change             .     .      .         .        .               .            x     .     .
bypass.set                .     .      .         x        .               .            .     .     .
"""

KINDS: dict[str, Kind] = {
    "question": "lab", "note": "campaign", "deviation": "campaign", "quota": "project", "limits": "settings",
    "bypass": "settings",
}  # fmt: skip


def table() -> dict[tuple[Role, Action], bool]:
    first, *lines = (line.split() for line in TABLE.strip().splitlines())
    return {(role, line[0]): cell == "x" for line in lines for role, cell in zip(first[1:], line[1:], strict=True)}  # type: ignore[misc]


def having(role: Role, project: str = "p") -> Principal:
    """A person or a program with one role: in the whole lab where it counts there, else in a project."""
    if role in LAB_ROLES:
        return Principal("kim", roles=frozenset({role}))
    return Principal("kim", agent=role == "agent", projects={project: frozenset({role})})


def of(action: Action, project: str = "p") -> Resource:
    before = action.partition(".")[0]
    kind = KINDS.get(before, before)
    assert kind in get_args(Kind)
    return Resource(kind, "1", project=project, owner="kim" if kind == "campaign" else "")  # type: ignore[arg-type]


def test_the_whole_matrix() -> None:
    known = table()
    assert {action for _, action in known} == set(ACTIONS)
    assert {role for role, _ in known} == set(ROLES)
    decided = {(role, action): bool(can(having(role), action, of(action))) for role in ROLES for action in ACTIONS}
    assert {key: yes for key, yes in decided.items() if yes != known[key]} == {}


@pytest.mark.parametrize("role", [role for role in ROLES if role not in LAB_ROLES])
def test_a_role_in_one_project_counts_in_no_other(role: Role) -> None:
    elsewhere = having(role, project="other")
    allowed = [action for action in ACTIONS if can(elsewhere, action, of(action))]
    assert allowed == (["key.own"] if role == "requester" else [])


def test_an_operator_of_a_project_does_not_steer_the_lab() -> None:
    kim = Principal("kim", projects={"p": frozenset({"operator", "admin"})})
    assert can(kim, "campaign.steer", of("campaign.steer"))
    for action in ("lab.stop", "lab.steer", "stock.book", "limits.change", "person.manage", "audit.read"):
        assert not can(kim, action, of(action)), action


DATA = """
class          grouped stranger guest_of_it
open           x       x        x
shared_closed  x       .        x
closed         .       .        x
"""


@pytest.mark.parametrize("line", DATA.strip().splitlines()[1:])
def test_what_others_read_by_the_class_of_data(line: str) -> None:
    cls, *cells = line.split()
    what = Resource("data", "1", "p", data_class=cls, groups=frozenset({"consortium"}), granted=frozenset({"guest"}))  # type: ignore[arg-type]
    grouped = Principal("bob", groups=frozenset({"consortium"}))
    who = {"grouped": grouped, "stranger": Principal("carol"), "guest_of_it": Principal("guest")}
    for name, cell in zip(who, cells, strict=True):
        assert bool(can(who[name], "data.read", what)) == (cell == "x"), name
        assert not can(who[name], "data.loosen", what)
    assert not can(grouped, "campaign.stop", replace(what, kind="campaign"))


def test_no_class_is_readable_without_being_named() -> None:
    assert get_args(DataClass) == ("open", "shared_closed", "closed")
    assert Resource("data").data_class == "closed"


def test_who_asks_for_an_experiment_reviews_it_neither_way() -> None:
    both = Principal("kim", roles=frozenset({"operator", "safety_reviewer"}))
    mine = Resource("request", "r1", "p", owner="kim")
    for action in ("request.review_technical", "request.review_safety"):
        assert not can(both, action, mine)
        assert can(both, action, replace(mine, owner="lee"))
    assert "another reviewer" in can(both, "request.review_safety", mine).why


def test_a_program_decides_nothing_whatever_roles_it_was_given() -> None:
    bot = Principal("kim", agent=True, roles=LAB_ROLES, projects={"p": frozenset(ROLES)})
    allowed = {action for action in ACTIONS if can(bot, action, of(action))}
    assert allowed == {action for (role, action), yes in table().items() if role == "agent" and yes}


def test_a_request_is_changed_by_the_one_who_made_it_and_can_be_cancelled_by_the_project() -> None:
    theirs = Resource("request", "r1", "p", owner="lee")
    kim = having("requester")
    assert can(kim, "request.read", theirs)
    assert can(kim, "request.cancel", theirs)
    assert "another person's" in can(kim, "request.write", theirs).why
    assert not can(kim, "key.own", Resource("key", "k1", owner="lee"))


def test_a_key_allows_no_more_than_its_owner_may_and_less_if_it_says_so() -> None:
    kim = replace(having("operator"), only=frozenset({"lab.read", "person.manage"}))
    assert can(kim, "lab.read", Resource("lab"))
    assert can(kim, "lab.stop", Resource("lab")).why == "this key does not allow lab.stop"
    assert not can(kim, "person.manage", Resource("person")), "the owner may not either"


def test_a_refusal_says_who_may() -> None:
    kim = replace(having("requester"), name="Kim")
    assert can(kim, "campaign.steer", of("campaign.steer")).why == (
        "campaign.steer takes one of the roles operator in project p; Kim has requester"
    )


def test_a_program_takes_back_only_what_it_has_asked_for_itself() -> None:
    program = Principal("bot", agent=True, projects={"p": frozenset({"agent"})})
    person = Principal("ada", projects={"p": frozenset({"requester"})})
    for owner, mine in (("bot", True), ("ada", False)):
        what = Resource("request", "R1", project="p", owner=owner)
        assert bool(can(program, "request.cancel", what)) == mine
        assert can(person, "request.cancel", what)


@pytest.mark.parametrize("action", ["campaign.pause", "campaign.stop"])
def test_a_program_ends_only_campaigns_of_its_own_requests(action: Action) -> None:
    program = Principal("bot", agent=True, projects={"p": frozenset({"agent"})})
    person = Principal("ada", projects={"p": frozenset({"requester"})})
    for owner, mine in (("bot", True), ("ada", False), ("", False)):
        what = Resource("campaign", "c", project="p", owner=owner)
        assert bool(can(program, action, what)) == mine
        assert can(person, action, what)
    assert "ends only its own" in can(program, action, Resource("campaign", "c", project="p", owner="ada")).why
