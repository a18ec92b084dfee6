"""People, programs, projects and keys: who is let in, as what, and for how long."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import sqlalchemy as sa

from labwright.model.errors import ConfigError, RefusedError
from labwright.service.database import Door
from labwright.service.people import (
    NewKey,
    add_person,
    add_project,
    disable,
    first_admin,
    join,
    leave,
    make_key,
    principal_of,
    revoke,
    set_roles,
    who_has,
)
from labwright.service.rights import Principal
from labwright.service.schema import api_key


def begin(door: Door) -> NewKey:
    with door.writing() as connection:
        key = first_admin(connection)
        add_person(connection, "kim", shown="Kim", groups=["consortium"])
        add_person(connection, "bot", kind="agent")
        add_project(connection, "solar", "Solar cells")
        assert first_admin(connection) is None, "it is made once"
    assert key is not None
    return key


def test_the_first_key_is_the_admins_and_is_kept_nowhere(door: Door) -> None:
    key = begin(door)
    admin = who_has(door, key.secret)
    assert admin is not None
    assert admin == Principal("admin", "first admin", roles=frozenset({"admin"}), key=key.id)
    (row,) = door.rows(sa.select(api_key))
    secret = key.secret.split("_", 2)[2]
    assert row["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in repr(row)
    assert row["used_s"] == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    "wrong",
    ["", "lw_", "lw_00000000_" + "a" * 43, "Bearer", "\x00", "lw_é", "{key}x", " {key}", "{key}\n", "{other}"],
)
def test_what_is_no_key_opens_nothing(file_door: Door, wrong: str) -> None:
    key = begin(file_door).secret
    assert who_has(file_door, wrong.format(key=key, other=key[:-1] + ("a" if key[-1] != "a" else "b"))) is None


def test_a_key_that_was_revoked_or_has_expired_opens_nothing(door: Door) -> None:
    begin(door)
    with door.writing() as connection:
        keys = [
            make_key(connection, "kim", "notebook", expires_s=at) for at in (None, time.time() + 60, time.time() - 1)
        ]
        assert revoke(connection, keys[0].id) == "kim"
    assert [who_has(door, key.secret) is not None for key in keys] == [False, True, False]
    with pytest.raises(ConfigError, match="there is no key"), door.writing() as connection:
        revoke(connection, keys[0].id)


def test_who_is_let_in_no_more_has_no_key(door: Door) -> None:
    begin(door)
    with door.writing() as connection:
        key = make_key(connection, "kim", "notebook")
        disable(connection, "kim")
    assert who_has(door, key.secret) is None


def test_roles_in_projects_count_until_they_end(door: Door) -> None:
    begin(door)
    with door.writing() as connection:
        join(connection, "solar", "kim", "requester")
        join(connection, "solar", "kim", "data_steward", until_s=time.time() - 1)
        join(connection, "solar", "bot", "agent", until_s=time.time() + 60)
        key = make_key(connection, "kim", "notebook", only=["data.read"])
    kim = who_has(door, key.secret)
    assert kim == Principal(
        "kim", "Kim", projects={"solar": frozenset({"requester"})}, groups=frozenset({"consortium"}),
        only=frozenset({"data.read"}), key=key.id,
    )  # fmt: skip
    bot = principal_of(door, "bot")
    assert bot is not None
    assert bot == Principal("bot", agent=True, projects={"solar": frozenset({"agent"})})
    with door.writing() as connection:
        leave(connection, "solar", "kim")
    kim = principal_of(door, "kim")
    assert kim is not None
    assert kim.projects == {}


def test_a_lab_keeps_an_admin(door: Door) -> None:
    begin(door)
    with pytest.raises(RefusedError, match="no admin any more"), door.writing() as connection:
        disable(connection, "admin")
    with pytest.raises(RefusedError, match="no admin any more"), door.writing() as connection:
        set_roles(connection, "admin", ["operator"])
    with door.writing() as connection:
        set_roles(connection, "kim", ["admin", "operator"])
        disable(connection, "admin")
    assert principal_of(door, "admin") is None


MISTAKES: dict[str, tuple[Callable[[Any], object], str]] = {
    "an id of other letters": (lambda c: add_person(c, "кim"), "is no id"),
    "an id with a path": (lambda c: add_project(c, "../x", ""), "is no id"),
    "the same person twice": (lambda c: add_person(c, "kim"), "there is a 'kim' already"),
    "the same project twice": (lambda c: add_project(c, "solar", ""), "there is a project 'solar' already"),
    "a program that steers": (lambda c: add_person(c, "bot2", kind="agent", roles=["operator"]), "is a program"),
    "a program that comes to steer": (lambda c: set_roles(c, "bot", ["operator"]), "bot is a program"),
    "a program that reviews": (lambda c: join(c, "solar", "bot", "safety_reviewer"), "bot is a program"),
    "a person as a program": (lambda c: join(c, "solar", "kim", "agent"), "kim is no program"),
    "a requester of everything": (lambda c: add_person(c, "lee", roles=["requester"]), "is one of a project"),
    "an unknown role": (lambda c: join(c, "solar", "kim", cast(Any, "boss")), "boss"),
    "an unknown project": (lambda c: join(c, "sun", "kim", "viewer"), "no project 'sun'"),
    "an unknown person": (lambda c: make_key(c, "lee", ""), "no 'lee'"),
    "an unknown action": (lambda c: make_key(c, "kim", "", only=cast(Any, ["lab.sell"])), "lab.sell"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_refused_in_words(file_door: Door, mistake: str) -> None:
    begin(file_door)
    does, words = MISTAKES[mistake]
    with pytest.raises((ConfigError, RefusedError), match=words), file_door.writing() as connection:
        does(connection)
