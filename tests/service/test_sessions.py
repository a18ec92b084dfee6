"""Browsers that are signed in: at the wire, with the service's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from labwright.service.database import Door, door_place
from labwright.service.schema import audit, password, session
from labwright.service.settings import ServiceSettings
from tests.service.served import once
from tests.service.test_admin import Alone, alone_in

GOOD = "seven purple otters hum"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with alone_in(tmp_path_factory.mktemp("alone")) as one:
        yield one


def browser(alone: Alone, **headers: str) -> httpx.Client:
    """A browser: it keeps cookies, and says where a request comes from."""
    return httpx.Client(base_url=alone.url, headers={"Sec-Fetch-Site": "same-origin", **headers}, timeout=30)


def person(alone: Alone, name: str, *roles: str) -> str:
    """A key of a new person."""
    with alone.client() as admin:
        admin.post("/v1/people", json={"id": name, "roles": list(roles)}, headers=once())
        made = admin.post("/v1/keys", json={"name": "x", "owner": name}, headers=once())
        assert made.status_code == 201, made.text
        return str(made.json()["secret"])


def invited(alone: Alone, name: str) -> str:
    with alone.client() as admin:
        made = admin.post(f"/v1/people/{name}/invitation", json={}, headers=once())
        assert made.status_code == 201, made.text
        return str(made.json()["invitation"])


def signed_in(client: httpx.Client, **how: str) -> Any:
    answer = client.post("/v1/session", json=how)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_invitation_without_a_password_opens_one_session_and_sets_none(alone: Alone) -> None:
    person(alone, "lin", "viewer")
    invitation = invited(alone, "lin")
    with browser(alone) as tab, browser(alone) as elsewhere:
        signed_in(tab, invitation=invitation)
        assert tab.get("/v1/me").json()["id"] == "lin"
        assert elsewhere.post("/v1/session", json={"invitation": invitation}).status_code == 401
        assert elsewhere.post("/v1/session", json={"person": "lin", "password": GOOD}).status_code == 401


def test_a_key_is_exchanged_for_a_session_that_ends_when_told(alone: Alone) -> None:
    key = person(alone, "ann", "viewer")
    with browser(alone) as tab, browser(alone) as other:
        assert tab.get("/v1/me").json()["id"] == "anonymous"
        answer = tab.post("/v1/session", json={"key": key})
        assert answer.status_code == 201, answer.text
        (cookie,) = answer.headers.get_list("set-cookie")
        name, *attributes = cookie.split("; ")
        assert name.startswith("labwright=")
        assert {one.lower() for one in attributes} == {"httponly", "path=/", "samesite=lax"}  # plain, on loopback
        assert tab.get("/v1/me").json()["roles"] == ["viewer"]
        first = tab.cookies["labwright"]
        signed_in(tab, key=key)
        assert tab.cookies["labwright"] != first, "a new one each time"
        other.cookies.set("labwright", first)
        assert other.get("/v1/me").json()["id"] == "anonymous", "the one before has ended"
        signed_in(other, key=key)
        items = tab.get("/v1/sessions").json()["items"]
        assert [one["this"] for one in items] == [False, True]
        assert {one["how"] for one in items} == {"key"}
        assert tab.delete(f"/v1/sessions/{items[0]['id']}").status_code == 204
        assert other.get("/v1/me").json()["id"] == "anonymous"
        signed_in(other, key=key)
        gone = tab.delete("/v1/session")
        assert gone.status_code == 204
        assert "Max-Age=0" in gone.headers["set-cookie"]
        assert other.get("/v1/me").json()["id"] == "ann"
        assert other.delete("/v1/sessions").status_code == 204
        assert other.get("/v1/me").json()["id"] == "anonymous"


def test_a_cookie_from_elsewhere_is_never_taken_up(alone: Alone) -> None:
    key = person(alone, "fia", "viewer")
    with browser(alone) as tab:
        tab.cookies.set("labwright", "a" * 43, domain="127.0.0.1")
        signed_in(tab, key=key)
        assert "a" * 43 not in [one.value for one in tab.cookies.jar if one.name == "labwright"]
    with browser(alone, Cookie="labwright=" + "a" * 43) as thief:
        assert thief.get("/v1/me").json()["id"] == "anonymous"


def test_what_a_session_may_follows_its_owner_at_once(alone: Alone) -> None:
    key = person(alone, "rob", "viewer")
    with browser(alone) as tab, alone.client() as admin:
        signed_in(tab, key=key)
        assert tab.get("/v1/people").status_code == 403
        admin.put("/v1/people/rob/roles", json={"roles": ["admin"]}, headers=once())
        assert tab.get("/v1/people").status_code == 200
        admin.put("/v1/people/rob/roles", json={"roles": []}, headers=once())
        assert tab.get("/v1/people").status_code == 403
        with httpx.Client(base_url=alone.url, headers={"Authorization": f"Bearer {key}"}) as rob:
            assert rob.get("/v1/me").json()["id"] == "rob"
            made = key.split("_")[1]
            assert admin.delete(f"/v1/keys/{made}").status_code == 204
            assert rob.get("/v1/me").status_code == 401, "a key that was revoked opens nothing, at once"
        assert tab.get("/v1/me").json()["id"] == "anonymous", "nor does the session that it began"
    key = person(alone, "dis", "viewer")
    with browser(alone) as tab, alone.client() as admin:
        signed_in(tab, key=key)
        assert tab.get("/v1/me").json()["id"] == "dis"
        assert admin.delete("/v1/people/dis", headers=once()).status_code == 200
        assert tab.get("/v1/me").json()["id"] == "anonymous"


def test_a_person_who_is_invited_sets_a_password(alone: Alone) -> None:
    key = person(alone, "pat", "operator")
    with browser(alone) as tab, browser(alone) as elsewhere:
        invitation = invited(alone, "pat")
        for weak in ("short", "password1234", "aaaaaaaaaaaaaaa", "pat123456789012"):
            refused = tab.post("/v1/session", json={"invitation": invitation, "password": weak})
            assert refused.status_code == 422, weak
        signed_in(tab, invitation=invitation, password=GOOD)
        assert tab.get("/v1/me").json()["id"] == "pat"
        again = elsewhere.post("/v1/session", json={"invitation": invitation, "password": GOOD + "!"})
        assert (again.status_code, again.json()["code"]) == (401, "unauthenticated"), "it is taken once"
        signed_in(elsewhere, person="pat", password=GOOD)
        wrong = tab.post("/v1/me/password", json={"password": GOOD + "2", "old": "no"})
        assert wrong.status_code == 401
        assert tab.post("/v1/me/password", json={"password": GOOD + "2", "old": GOOD}).status_code == 204
        assert tab.get("/v1/me").json()["id"] == "pat", "this one stays"
        assert elsewhere.get("/v1/me").json()["id"] == "anonymous", "all others have ended"
    scoped = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=alone.url, headers=scoped) as program:
        assert program.post("/v1/me/password", json={"password": "another good one"}).status_code == 401
    with Door(door_place(alone.data / "journal.sqlite")) as door:
        (kept,) = door.rows(sa.select(password).where(password.c.principal == "pat"))
        assert kept["hash"].startswith("$argon2id$v=19$m=9216,t=4,p=1$")
        everything = repr(door.rows(sa.select(session))) + repr(door.rows(sa.select(audit)))
        assert GOOD not in everything
        assert invitation not in everything


def test_who_is_known_is_not_said(alone: Alone) -> None:
    person(alone, "kat", "viewer")
    with alone.client() as admin:
        admin.post("/v1/people", json={"id": "robot", "agent": True}, headers=once())
    with browser(alone) as tab:
        signed_in(tab, invitation=invited(alone, "kat"), password=GOOD)
        answers = [
            tab.post("/v1/session", json={"person": name, "password": "not this one at all"}).json()
            for name in ("kat", "stranger.at.all", "admin", "robot", "x y")
        ]
        assert len({(one["status"], one["code"], one["detail"]) for one in answers}) == 1
        assert answers[0]["status"] == 401


def test_a_program_has_no_session_and_no_password(alone: Alone) -> None:
    with alone.client() as admin:
        admin.post("/v1/people", json={"id": "bot", "agent": True}, headers=once())
        key = admin.post("/v1/keys", json={"name": "x", "owner": "bot"}, headers=once()).json()["secret"]
        assert admin.post("/v1/people/bot/invitation", json={}, headers=once()).status_code == 422
    with browser(alone) as tab:
        assert tab.post("/v1/session", json={"key": key}).status_code == 403
    with httpx.Client(base_url=alone.url, headers={"Authorization": f"Bearer {key}"}) as bot:
        assert bot.post("/v1/me/password", json={"password": GOOD}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{url}"}, 403),
        ({"Origin": "{url}"}, 201),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[oops"}, 403),
        ({}, 201),
    ],
)
def test_a_page_of_another_site_changes_nothing(alone: Alone, headers: dict[str, str], status: int) -> None:
    with alone.client() as admin, httpx.Client(base_url=alone.url) as plain:
        signed = {**once(), **{name: value.format(url=alone.url) for name, value in headers.items()}}
        signed["Cookie"] = f"labwright={admin.post('/v1/session', json={'key': alone.key}).cookies['labwright']}"
        name = f"p{signed['Idempotency-Key'][:8]}"
        made = plain.post("/v1/projects", json={"id": name}, headers=signed)
        assert made.status_code == status, made.text
        assert made.json().get("code") == ("cross_site" if status == 403 else None)
        read = plain.get(f"/v1/projects/{name}", headers={**signed, "Sec-Fetch-Site": "cross-site"})
        assert read.status_code == (200 if status == 201 else 404), "reading is the browser's own to keep apart"


def test_a_change_with_a_cookie_takes_an_idempotency_key_too(alone: Alone) -> None:
    with browser(alone) as tab:
        signed_in(tab, key=alone.key)
        assert tab.post("/v1/projects", json={"id": "some"}).json()["code"] == "key_required"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:1", 200),
        ("LOCALHOST.", 200),
        ("[::1]:8765", 200),
        ("10.1.2.3", 200),
        ("lab.example.org", 200),
        ("evil.example", 421),
        ("lab.example.org.evil.example", 421),
        ("localhost@evil.example", 421),
        ("localhost/evil", 421),
        ("", 421),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_refused(named: Alone, host: str, status: int) -> None:
    with named.client() as client:
        answer = client.get("/v1/me", headers={"Host": host})
        assert answer.status_code == status, answer.text
        if status == 421:
            assert answer.json()["code"] == "misdirected"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with alone_in(tmp_path_factory.mktemp("named"), host_names=["lab.example.org"], proxy="127.0.0.9") as one:
        yield one


def test_behind_tls_a_cookie_is_of_this_host_alone(named: Alone, tmp_path: Path) -> None:
    with named.client() as client:
        cookie = client.post("/v1/session", json={"key": named.key}).headers["set-cookie"]
        name, *attributes = cookie.split("; ")
        assert name.startswith("__Host-labwright=")
        assert {one.lower() for one in attributes} == {"httponly", "path=/", "samesite=lax", "secure"}
        assert client.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"
    assert ServiceSettings(root=None, data=tmp_path, journal="x").cookie == "labwright"
