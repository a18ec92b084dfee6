"""Signing in at an OpenID provider: a small one over real HTTP, with keys of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from labwright.cli.init import make_lab
from labwright.model.errors import RefusedError
from labwright.service.origin import local_path
from labwright.service.signin import provider
from tests.forks import labwright
from tests.service.desk import asking
from tests.service.served import once
from tests.service.test_admin import Alone, alone_in

MISSING = find_spec("joserfc") is None and not os.environ.get("LABWRIGHT_REQUIRE_BACKENDS")
needs_it = pytest.mark.skipif(MISSING, reason="the extra `oidc` is not installed: make test-backends")
pytestmark = pytest.mark.backends

AUDIENCE = "https://lab.example.org/api"

GROUPS = """
groups:
  lab-operators: {roles: [operator]}
  lab-admins: {roles: [admin]}
  solar-team: {projects: {solar: [requester]}}
"""


class Issuer:
    """An OpenID provider that says yes to everyone whom a test names."""

    def __init__(self) -> None:
        from joserfc.jwk import ECKey, KeySet, RSAKey

        self.keys: Any = KeySet([RSAKey.generate_key(2048, {"kid": "r1"}), ECKey.generate_key("P-256", {"kid": "e1"})])
        self.claims: dict[str, Any] = {}
        self.challenges: dict[str, str] = {}
        self.nonce: str | None = None
        self.asked: list[str] = []
        self.down = False
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if self.path == "/.well-known/openid-configuration":
                    places = {"authorization_endpoint": "/go", "token_endpoint": "/token", "jwks_uri": "/keys"}
                    self.answer({"issuer": outer.url, **{name: outer.url + path for name, path in places.items()}})
                else:
                    self.answer(outer.keys.as_dict(private=False))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                proof = hashlib.sha256(form["code_verifier"][0].encode()).digest()
                right = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
                if outer.challenges.pop(form["code"][0], None) != right:
                    self.answer({"error": "invalid_grant"}, 400)
                    return
                self.answer({"id_token": outer.token(aud="labwright", nonce=outer.nonce, **outer.claims)})

            def answer(self, body: Any, status: int = 200) -> None:
                raw = json.dumps(body).encode()
                self.send_response(503 if outer.down else status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *words: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def token(self, *, kid: str = "r1", alg: str = "RS256", key: Any = None, **claims: Any) -> str:
        from joserfc import jwt

        now = int(time.time())
        plain = {"iss": self.url, "aud": AUDIENCE, "sub": "s-1", "iat": now, "exp": now + 300}
        plain |= {"preferred_username": "Kim", **claims}
        given = {name: value for name, value in plain.items() if value is not None}
        signing = key if key is not None else next(one for one in self.keys.keys if one.kid == kid)
        return str(jwt.encode({"alg": alg, "kid": kid}, given, signing, algorithms=[alg]))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    if MISSING:
        pytest.skip("the extra `oidc` is not installed: make test-backends")
    one = Issuer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def alone(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    place = tmp_path_factory.mktemp("alone")
    (place / "oidc.yaml").write_text(
        f"issuer: {issuer.url}\nclient_id: labwright\naudience: {AUDIENCE}\n"
        f"callback: http://127.0.0.1:8765/v1/session/oidc/callback\n{GROUPS}"
    )
    with alone_in(place, rates={"wrong": 10_000}) as one:
        with one.client() as admin:
            admin.post("/v1/people", json={"id": "bot", "agent": True}, headers=once())
            admin.post("/v1/projects", json={"id": "solar"}, headers=once())
        yield one


def asked(alone: Alone, token: str) -> httpx.Response:
    return httpx.get(f"{alone.url}/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=30)


@needs_it
def test_a_token_is_a_key_and_groups_are_roles(alone: Alone, issuer: Issuer) -> None:
    first = asked(alone, issuer.token(groups=["lab-operators", "solar-team", "others"], name="Kim K."))
    assert first.status_code == 200, first.text
    found = first.json()
    assert (found["id"], found["name"], found["roles"]) == ("kim", "Kim K.", ["operator"])
    assert found["projects"] == {"solar": ["requester"]}
    later = asked(alone, issuer.token(alg="ES256", kid="e1", groups=[], preferred_username="kim.renamed"))
    assert (later.json()["id"], later.json()["roles"]) == ("kim", []), "known by the subject; in no group any more"
    with alone.client() as admin:
        assert next(one for one in admin.get("/v1/people").json()["items"] if one["id"] == "kim")["roles"] == []
        assert "person.linked" in [one["action"] for one in admin.get("/v1/audit?limit=500").json()["items"]]


@needs_it
def test_no_other_becomes_who_is_known_here(alone: Alone, issuer: Issuer) -> None:
    for claims in (
        {"sub": "s-9", "preferred_username": "admin", "groups": ["lab-admins"]},
        {"sub": "s-8", "preferred_username": "bot", "groups": ["lab-admins"]},
        {"sub": "s-2", "preferred_username": "kim"},  # the name was given to another
        {"sub": "s-7", "preferred_username": "../x"},
        {"sub": "a-machine", "preferred_username": None},
    ):
        refused = asked(alone, issuer.token(**claims))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), claims


@needs_it
def test_who_is_let_in_no_more_comes_in_by_no_token(alone: Alone, issuer: Issuer) -> None:
    token = issuer.token(sub="s-3", preferred_username="ray", groups=["lab-operators"])
    assert asked(alone, token).status_code == 200
    with alone.client() as admin:
        assert admin.delete("/v1/people/ray", headers=once()).status_code == 200
    assert asked(alone, token).status_code == 401


def forged(issuer: Issuer, header: dict[str, Any], signature: bytes = b"") -> str:
    """A token whose header says what it likes."""
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "s-1", "iat": now, "exp": now + 300}
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_signed(issuer: Issuer, secret: bytes) -> str:
    head, claims, _ = forged(issuer, {"alg": "HS256", "kid": "r1"}).split(".")
    signature = hmac.digest(secret, f"{head}.{claims}".encode(), "sha256")
    return f"{head}.{claims}." + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def untrue(issuer: Issuer) -> dict[str, str]:
    from joserfc.jwk import RSAKey

    now = int(time.time())
    rsa = next(one for one in issuer.keys.keys if one.kid == "r1")
    head, claims, signature = issuer.token().split(".")
    other = base64.urlsafe_b64encode(b'{"sub": "s-1"}').rstrip(b"=").decode()
    return {
        "no algorithm": forged(issuer, {"alg": "none"}),
        "no signature": f"{head}.{claims}.",
        "other claims": f"{head}.{other}.{signature}",
        "signed with the public key": hmac_signed(issuer, rsa.as_pem(private=False)),
        "an algorithm that is not allowed": issuer.token(alg="RS512"),
        "another's key": issuer.token(key=RSAKey.generate_key(2048, {"kid": "r1"})),
        "an unknown key": issuer.token(kid="zz", key=RSAKey.generate_key(2048, {"kid": "zz"})),
        "its own key": forged(issuer, {"alg": "RS256", "jwk": rsa.as_dict(private=False)}, b"x"),
        "another issuer": issuer.token(iss="https://evil.example"),
        "for another": issuer.token(aud="another"),
        "for no one": issuer.token(aud=None),
        "over": issuer.token(exp=now - 60),
        "without an end": issuer.token(exp=None),
        "from tomorrow": issuer.token(iat=now + 3600),
        "not yet": issuer.token(nbf=now + 3600),
        "about no one": issuer.token(sub=None),
        "nothing": "a.b.c",
        "critical": forged(issuer, {"alg": "RS256", "kid": "r1", "crit": ["x"]}, b"x"),
    }


@needs_it
def test_a_token_that_is_not_true_opens_nothing(alone: Alone, issuer: Issuer) -> None:
    assert asked(alone, issuer.token(exp=int(time.time()) - 5)).status_code == 200, "clocks differ a little"
    assert asked(alone, issuer.token(aud=["x", AUDIENCE])).status_code == 200
    found = {name: asked(alone, token).status_code for name, token in untrue(issuer).items()}
    assert found == dict.fromkeys(found, 401)


@needs_it
def test_new_keys_are_fetched_and_a_provider_that_is_away_stops_none_who_was_in(issuer: Issuer, tmp_path: Path) -> None:
    from joserfc.jwk import KeySet, RSAKey

    (tmp_path / "oidc.yaml").write_text(f"issuer: {issuer.url}\nclient_id: x\naudience: {AUDIENCE}\n")
    with alone_in(tmp_path) as one:
        before = issuer.keys
        assert asked(one, issuer.token()).status_code == 200
        issuer.down = True
        try:
            assert asked(one, issuer.token()).status_code == 200
        finally:
            issuer.down = False
        fetched = issuer.asked.count("/keys")
        for _ in range(20):
            assert asked(one, issuer.token(kid="zz", key=RSAKey.generate_key(2048, {"kid": "zz"}))).status_code == 401
        assert issuer.asked.count("/keys") <= fetched + 1, "no stranger has it fetch keys again and again"
        issuer.keys = KeySet([RSAKey.generate_key(2048, {"kid": "r2"})])
        try:
            for _ in range(600):
                answer = asked(one, issuer.token(kid="r2"))
                if answer.status_code == 200:
                    break
                time.sleep(0.05)
            assert answer.status_code == 200
        finally:
            issuer.keys = before


def away(alone: Alone, client: httpx.Client, issuer: Issuer, back: str = "/") -> dict[str, str]:
    """Go to the provider, which says yes; what comes back with the browser."""
    sent = client.get("/v1/session/oidc", params={"next": back})
    assert sent.status_code == 303, sent.text
    place = urlsplit(sent.headers["location"])
    query = {name: values[0] for name, values in parse_qs(place.query).items()}
    assert f"{place.scheme}://{place.netloc}{place.path}" == f"{issuer.url}/go"
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    code = query["state"][:8]
    issuer.challenges[code] = query["code_challenge"]
    issuer.nonce = query["nonce"]
    return {"state": query["state"], "code": code}


@needs_it
def test_a_browser_signs_in_and_goes_on_where_it_was(alone: Alone, issuer: Issuer) -> None:
    issuer.claims = {"sub": "s-5", "preferred_username": "liv", "groups": ["solar-team"]}
    with httpx.Client(base_url=alone.url) as tab, httpx.Client(base_url=alone.url) as other:
        answer = away(alone, tab, issuer, "/v1/me?x=1")
        stolen = other.get("/v1/session/oidc/callback", params=answer)
        assert stolen.status_code == 401, "another browser does not come back with it"
        back = tab.get("/v1/session/oidc/callback", params={**answer, "iss": issuer.url})
        assert (back.status_code, back.headers["location"]) == (303, "/v1/me?x=1"), back.text
        assert tab.get("/v1/me").json()["projects"] == {"solar": ["requester"]}
        assert tab.get("/v1/sessions").json()["items"][0]["how"] == "oidc"
        assert tab.get("/v1/session/oidc/callback", params=answer).status_code == 401, "once"
        for wrong in ({"state": "x"}, {"code": "unknown"}, {"iss": "https://evil.example"}, {"error": "access_denied"}):
            again = away(alone, other, issuer)
            assert other.get("/v1/session/oidc/callback", params={**again, **wrong}).status_code == 401, wrong
        again = away(alone, other, issuer)
        issuer.nonce = "another"
        assert other.get("/v1/session/oidc/callback", params=again).status_code == 401
        assert other.get("/v1/me").json()["id"] == "anonymous"


@needs_it
def test_a_link_takes_a_right_that_outlasts_the_session(alone: Alone, issuer: Issuer) -> None:
    token = issuer.token(sub="s-12", preferred_username="zoe", groups=["solar-team"])
    with alone.client() as admin, alone.client(token) as zoe:
        draft = zoe.post("/v1/requests", json=asking.asked(), headers=once())
        assert draft.status_code == 201, draft.text
        place = f"{draft.headers['location']}/deliveries"
        refused = zoe.post(place, json={}, headers=once())
        assert (refused.status_code, "outlasts a session" in refused.json()["detail"]) == (403, True)
        admin.put("/v1/projects/solar/members/zoe", json={"role": "requester"}, headers=once())
        assert "nothing was delivered yet" in zoe.post(place, json={}, headers=once()).json()["detail"]


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "javascript:x", "evil", "", "/\r\nSet-Cookie: a=b", "///evil.example", "http:evil.example", "/é",
    ],
)  # fmt: skip
def test_no_link_leads_elsewhere(wanted: str) -> None:
    assert local_path(wanted) == "/"
    assert local_path("/campaigns?of=x#y") == "/campaigns?of=x#y"


def test_what_is_not_installed_is_said_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "find_spec", lambda name: None)
    assert provider.read_provider(None, tmp_path) is None, "and no person is bothered who has no provider"
    (tmp_path / "oidc.yaml").write_text("issuer: https://login.example.org\nclient_id: x\n")
    with pytest.raises(RefusedError, match=r"pip install 'labwright\[oidc\]'"):
        provider.read_provider(None, tmp_path)


def test_without_a_provider_it_is_said(tmp_path: Path) -> None:
    with alone_in(tmp_path) as one:
        assert httpx.get(f"{one.url}/v1/session/oidc").status_code == 404


def test_mistakes_in_its_file_are_said_before_anything_is_served(tmp_path: Path) -> None:
    make_lab(tmp_path / "mine")
    file = tmp_path / "provider.yaml"
    words = ("serve", tmp_path / "mine", "--data", tmp_path / "var", "--no-store", "--simulated", "--oidc", file)
    missing = labwright(*words)
    assert (missing.returncode, "there is no such file" in missing.stderr) == (3, True), missing.stderr
    file.write_text("issuer: http://login.example.org\nclient_id: x\nalgorithms: [HS256]\ngruops: {}\n")
    wrong = labwright(*words)
    assert wrong.returncode == 3, wrong.stderr
    for said in ("no URL with https", "HS256", "gruops"):
        assert said in wrong.stderr
