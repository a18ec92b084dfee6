"""Sessions as rows, on both databases, and what waits at the wire: without a process of its own."""

from __future__ import annotations

import asyncio
import socket
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn

from labwright.model.errors import ConfigError
from labwright.service import front, wire
from labwright.service.database import Door
from labwright.service.people import add_person, disable, make_key, revoke, who_has
from labwright.service.problems import Problem
from labwright.service.schema import session
from labwright.service.signin import passwords, sessions
from labwright.service.signin.sessions import IDLE_S, Visitor, holder

HERE = Visitor("10.0.0.1", "Browser\x1b[31m\r\n 1.0")


def started(door: Door, name: str = "kim") -> tuple[sessions.NewSession, str]:
    """A session of a new person, begun with a key, and the key's id."""
    with door.writing() as connection:
        add_person(connection, name, roles=["viewer"])
        key = make_key(connection, name, "x", only=["lab.read"], expires_s=time.time() + 3600)
    who = who_has(door, key.secret)
    assert who is not None
    with door.writing() as connection:
        return sessions.start(
            connection, who, "key", HERE, {"roles": ["operator"], "projects": {"solar": ["requester"]}}
        ), key.id


def put(door: Door, **values: Any) -> None:
    with door.writing() as connection:
        connection.execute(sa.update(session).values(**values))


def test_a_session_is_its_owners_with_what_the_key_and_the_provider_say(door: Door) -> None:
    made, _ = started(door)
    who = holder(door, made.secret)
    assert who is not None
    assert (who.id, who.only, who.key) == ("kim", frozenset({"lab.read"}), f"session:{made.id}")
    assert who.roles == {"viewer", "operator"}
    assert who.projects == {"solar": {"requester"}}
    assert made.expires_s < time.time() + 3601, "no longer than its key"
    (row,) = sessions.listed(door, "kim")
    assert row["browser"] == "Browser[31m 1.0", "as text, and nothing a terminal would carry out"
    assert made.secret not in repr(door.rows(sa.select(session)))
    for wrong in ("", made.secret[:-1], made.id, made.secret + " "):
        assert holder(door, wrong) is None


@pytest.mark.parametrize("how", ["idle", "over", "ended", "key", "disabled"])
def test_a_session_ends(door: Door, how: str) -> None:
    made, key = started(door)
    with door.writing() as connection:
        add_person(connection, "admin", roles=["admin"])
    assert holder(door, made.secret) is not None
    if how == "idle":
        put(door, seen_s=time.time() - IDLE_S - 1)
    elif how == "over":
        put(door, expires_s=time.time() - 1)
    else:
        with door.writing() as connection:
            if how == "ended":
                assert sessions.end(connection, session.c.id == made.id) == 1
            elif how == "key":
                revoke(connection, key)
            else:
                disable(connection, "kim")
    assert holder(door, made.secret) is None


def test_an_invitation_is_taken_once_and_ends_the_one_before(door: Door) -> None:
    with door.writing() as connection:
        add_person(connection, "kim")
        add_person(connection, "bot", kind="agent")
        first = sessions.invite(connection, "kim", "admin", time.time() + 60)
        second = sessions.invite(connection, "kim", "admin", time.time() + 60)
        for name in ("bot", "no.one"):
            with pytest.raises(ConfigError):
                sessions.invite(connection, name, "admin", time.time() + 60)
    assert (sessions.invited(door, first), sessions.invited(door, second)) == ("", "kim")
    with door.writing() as connection:
        assert [sessions.accept(connection, second) for _ in range(2)] == [True, False]
        late = sessions.invite(connection, "kim", "admin", time.time() - 1)
    assert [sessions.invited(door, one) for one in (second, late)] == ["", ""]


def test_who_has_no_password_takes_as_long_as_a_wrong_one(file_door: Door) -> None:
    async def took() -> dict[str, list[float]]:
        with file_door.writing() as connection:
            add_person(connection, "kim")
            passwords.keep(connection, "kim", await passwords.hashed("seven purple otters", "kim"))
        assert await passwords.right(file_door, "kim", "seven purple otters")
        found: dict[str, list[float]] = {"kim": [], "no.one": []}
        for _ in range(12):  # by turns, so that what the machine does meanwhile is in both
            for name, times in found.items():
                began = time.perf_counter()
                assert not await passwords.right(file_door, name, "eight purple otters")
                times.append(time.perf_counter() - began)
        return found

    times = asyncio.run(took())
    assert 0.6 < statistics.median(times["kim"]) / statistics.median(times["no.one"]) < 1.7


def test_half_a_request_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_S", 0.1)
    monkeypatch.setattr(front, "BODY_S", 0.1)

    async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        bounded = front._bounded(receive)
        try:
            while (await bounded()).get("more_body"):
                pass
            status = 200
        except Problem as problem:
            status = problem.status
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", lifespan="off", timeout_keep_alive=1, **wire.wire_options())
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
            for sent, answered in (
                (b"", b""),
                (b"GET / HT", b""),
                (post + b"12345", b"HTTP/1.1 408"),
                (post.replace(b"POST", b"PUT") + b"123456789GET / HT", b"HTTP/1.1 200"),
            ):
                with socket.create_connection(listening.getsockname(), 20) as line:
                    line.sendall(sent)
                    answer = b""
                    while part := line.recv(1000):  # until it is closed
                        answer += part
                assert answer[: len(answered)] == answered
        finally:
            server.should_exit = True
            thread.join(20)
