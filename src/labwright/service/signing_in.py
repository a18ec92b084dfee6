"""Signing in and out, and the sessions that are open; passwords and invitations."""

from __future__ import annotations

import time
from typing import Annotated, Any, NoReturn

import orjson
import sqlalchemy as sa
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from labwright.answers.people import BrowserSession, Invited, StartedSession
from labwright.service.audit import Entry, append
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, items_of
from labwright.service.gate import ANONYMOUS, Asker, address_of
from labwright.service.once import Answer
from labwright.service.people import principal_of, who_has
from labwright.service.problems import Problem
from labwright.service.rights import Principal, Resource
from labwright.service.schema import session
from labwright.service.signin import passwords, sessions
from labwright.service.signin.cookies import put_cookie, take_cookie
from labwright.service.state import Asking, Here, Service

router = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["sessions"])

HOUR_S = 3600.0

Secret = Annotated[str, Field(max_length=200)]
Who = Annotated[str, Field(max_length=63)]


class SignIn(Body):
    """Signs in: with a key; with a person's id and password; or with an invitation, and the password that is to be.

    Attributes:
        key: an API key of a person.
        person: id.
        password: of that person; with an invitation the new one, or none: then it opens this one session.
        invitation: its secret.
    """

    key: Secret = ""
    person: Who = ""
    password: Secret = ""
    invitation: Secret = ""


class NewPassword(Body):
    """A password of one's own, instead of the one before.

    Attributes:
        password: the new one.
        old: the one before; left out where there is none.
    """

    password: Secret
    old: Secret = ""


class Invitation(Body):
    """Lets a person set a password.

    Attributes:
        hours: for which it holds.
    """

    hours: Annotated[float, Field(gt=0, le=720, allow_inf_nan=False)] = sessions.INVITED_S / HOUR_S


@router.post("/session", status_code=201, responses=answers(StartedSession, 201))
async def sign_in(service: Here, request: Request, body: SignIn) -> Response:
    """Sign in with a browser: the answer sets its cookie. A session that was open in it ends."""
    asker = Asker(ANONYMOUS, str(request.state.trace), address_of(request.scope))
    await to_thread.run_sync(service.pace.refuse, "wrong", asker.address)
    ways = (bool(body.key), bool(body.invitation), bool(body.person and not body.key and not body.invitation))
    alone = body.key or body.invitation
    if sum(ways) != 1 or not (alone or body.password) or (body.key and (body.password or body.person)):
        raise Problem("invalid", "sign in with key; with person and password; or with invitation, and a new password")
    if body.key:
        return await to_thread.run_sync(_with_key, service, request, asker, body.key)
    if body.invitation:
        return await _with_invitation(service, request, asker, body)
    return await _with_password(service, request, asker, body)


@router.delete("/session", status_code=204)
def sign_out(service: Here, asker: Asking) -> Response:
    """Sign out with this browser."""
    made = sessions.session_of(asker.who)
    if made:
        _end(service, asker, "sign_out", f"session/{made}", session.c.id == made)
    return take_cookie(Response(status_code=204), service.settings)


@router.get("/sessions", name="list", responses=answers(items_of(BrowserSession)))
def open_sessions(
    service: Here, asker: Asking, who: Annotated[str, Query(max_length=63, description="yours if left out")] = ""
) -> dict[str, Any]:
    """Browsers in which you are signed in; of others, for admins."""
    owner = _owner(service, asker, who or asker.who.id)
    mine = sessions.session_of(asker.who)
    return {"items": [{**one, "this": one["id"] == mine} for one in sessions.listed(service.door, owner)]}


@router.delete("/sessions", status_code=204)
def sign_out_everywhere(service: Here, asker: Asking, who: Annotated[str, Query(max_length=63)] = "") -> Response:
    """Sign out with all browsers; others, for admins."""
    owner = _owner(service, asker, who or asker.who.id)
    _end(service, asker, "sign_out", f"person/{owner}", session.c.principal == owner)
    response = Response(status_code=204)
    return take_cookie(response, service.settings) if owner == asker.who.id else response


@router.delete("/sessions/{name}", name="end", status_code=204)
def end_session(service: Here, asker: Asking, name: str) -> Response:
    """End a session of yours; of others, for admins."""
    owner = sessions.owner_of(service.door, name)
    _owner(service, asker, owner)
    if not owner:
        raise Problem("not_found", f"there is no open session {name[:40]}")
    _end(service, asker, "sign_out", f"session/{name}", session.c.id == name)
    return Response(status_code=204)


@router.post("/me/password", status_code=204)
async def set_password(service: Here, asker: Asking, body: NewPassword) -> Response:
    """Set a password of your own. All other sessions of yours end."""
    who = asker.who.id
    if asker.who is ANONYMOUS or asker.who.agent or asker.who.only is not None:
        await to_thread.run_sync(_refuse_own, service, asker)
    if await to_thread.run_sync(passwords.has_one, service.door, who):
        await to_thread.run_sync(service.pace.refuse, "wrong_for", who)
        if not await passwords.right(service.door, who, body.old):
            await to_thread.run_sync(_wrong, service, asker, who, "old is not your password")
    kept = await passwords.hashed(body.password, who)
    mine = sessions.session_of(asker.who)

    def write() -> None:
        with service.door.writing() as connection:
            passwords.keep(connection, who, kept)
            sessions.end(connection, session.c.principal == who, session.c.id != mine)
            append(connection, [Entry(who, "password.set", f"person/{who}", via=asker.who.key, trace=asker.trace)])
        service.gate.forget()

    await to_thread.run_sync(write)
    return Response(status_code=204)


@router.post("/people/{who}/invitation", status_code=201, responses=answers(Invited, 201))
async def invite(service: Here, asker: Asking, request: Request, who: str, body: Invitation) -> Response:
    """Let a person set a password: with the secret, which is answered once. One that was made before ends."""
    await service.gate.needs(asker, "person.manage", Resource("person", who))
    until_s = time.time() + body.hours * HOUR_S
    entry = Entry(
        asker.who.id, "person.manage", f"person/{who}", via=asker.who.key, after={"invited_until_s": until_s},
        trace=asker.trace,
    )  # fmt: skip

    def write(connection: sa.Connection) -> Answer:
        secret = sessions.invite(connection, who, asker.who.id, until_s)
        return Answer(201, {"id": who, "expires_s": until_s}, secret={"invitation": secret})

    return await service.once.change(request, asker, entry, write)


def _with_key(service: Service, request: Request, asker: Asker, key: str) -> Response:
    who = who_has(service.door, key)
    if who is None:
        service.gate.refuse_wrong(asker, "no such key")
        raise Problem("unauthenticated", "this key opens nothing: it is none, was revoked, or has expired")
    return started(service, request, asker, who, "key")


async def _with_password(service: Service, request: Request, asker: Asker, body: SignIn) -> Response:
    """As long and with the same words for one who is not known, has no password, or is let in no more."""
    await to_thread.run_sync(service.pace.refuse, "wrong_for", body.person)
    right = await passwords.right(service.door, body.person, body.password)
    who = await to_thread.run_sync(principal_of, service.door, body.person)
    if not right or who is None or who.agent:
        await to_thread.run_sync(_wrong, service, asker, body.person, "person and password do not belong together")
    assert who is not None  # noqa: S101 - `_wrong` has raised
    return await to_thread.run_sync(started, service, request, asker, who, "password")


async def _with_invitation(service: Service, request: Request, asker: Asker, body: SignIn) -> Response:
    name = await to_thread.run_sync(sessions.invited, service.door, body.invitation)
    who = await to_thread.run_sync(principal_of, service.door, name) if name else None
    if who is None or who.agent or body.person not in ("", name):
        await to_thread.run_sync(service.gate.refuse_wrong, asker, "no such invitation")
        raise Problem("unauthenticated", "this invitation opens nothing: it is none, was taken, or has expired")
    kept = await passwords.hashed(body.password, name) if body.password else ""

    def write() -> bool:
        with service.door.writing() as connection:
            if not sessions.accept(connection, body.invitation):
                return False
            if not kept:
                return True
            passwords.keep(connection, name, kept)
            sessions.end(connection, session.c.principal == name)
            append(connection, [Entry(name, "password.set", f"person/{name}", via="invitation", trace=asker.trace)])
        service.gate.forget()
        return True

    if not await to_thread.run_sync(write):
        raise Problem("unauthenticated", "this invitation was taken meanwhile")
    return await to_thread.run_sync(started, service, request, asker, who, "invitation")


def started(
    service: Service,
    request: Request,
    asker: Asker,
    who: Principal,
    how: sessions.How,
    granted: dict[str, Any] | None = None,
) -> Response:
    """The answer to one who has signed in, with the cookie of a new session.

    Args:
        service: with its database.
        request: with the browser's headers; a session that its cookie holds ends.
        asker: who asked, before it was known who.
        who: signs in.
        how: that was shown to be so.
        granted: what an OpenID provider says.

    Raises:
        Problem: a program does not sign in.
    """
    made = begin(service, request, asker, who, how, granted)
    body = orjson.dumps({"id": who.id, "session": made.id, "expires_s": made.expires_s})
    return put_cookie(Response(body, 201, media_type="application/json"), service.settings, made)


def begin(
    service: Service,
    request: Request,
    asker: Asker,
    who: Principal,
    how: sessions.How,
    granted: dict[str, Any] | None = None,
) -> sessions.NewSession:
    """Start a session of one who has signed in; as `started`.

    Raises:
        Problem: a program does not sign in.
    """
    if who.agent:
        raise Problem("forbidden", f"{who.id} is a program: it sends its key with each request, and has no session")
    visitor = sessions.Visitor(asker.address, request.headers.get("user-agent", ""))
    before = request.cookies.get(service.settings.cookie, "")
    with service.door.writing() as connection:
        if before:
            sessions.end(connection, sessions.with_secret(before))
        made = sessions.start(connection, who, how, visitor, granted)
        after = {"how": how, "address": asker.address}
        append(
            connection, [Entry(who.id, "sign_in", f"session/{made.id}", via=who.key, after=after, trace=asker.trace)]
        )
    service.gate.forget()
    return made


def _owner(service: Service, asker: Asker, owner: str) -> str:
    """Whose sessions are looked at, if they are one's own or one may.

    Raises:
        Problem: they are not.
    """
    if asker.who is ANONYMOUS or owner != asker.who.id:
        service.gate.need(asker, "person.manage", Resource("person", owner))
    return owner


def _end(service: Service, asker: Asker, action: str, target: str, *which: sa.ColumnElement[bool]) -> None:
    with service.door.writing() as connection:
        sessions.end(connection, *which)
        append(connection, [Entry(asker.who.id, action, target, via=asker.who.key, trace=asker.trace)])
    service.gate.forget()


def _refuse_own(service: Service, asker: Asker) -> NoReturn:
    if asker.who is ANONYMOUS:
        raise Problem("unauthenticated", "sign in, or send a key")
    words = "a program has keys, and no password" if asker.who.agent else "this key does not allow everything"
    service.gate.record(
        [Entry(asker.who.id, "password.set", "", False, asker.who.key, because=words, trace=asker.trace)]
    )
    raise Problem("forbidden", words)


def _wrong(service: Service, asker: Asker, person: str, words: str) -> NoReturn:
    """Refuse a wrong password, and count it.

    Raises:
        Problem: always.
    """
    service.gate.refuse_wrong(asker, "wrong password", person)
    service.pace.count("wrong_for", person)
    raise Problem("unauthenticated", words)
