"""What no well-meant client sends, over real sockets: it is refused in the form of all others, and harms no other."""

from __future__ import annotations

import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.service import classes, people
from labwright.service.database import Door, door_place
from labwright.service.desk import requests
from labwright.service.desk.requests import By
from labwright.service.headers import HEADERS
from labwright.service.schema import audit
from tests.service.served import once
from tests.service.test_admin import Alone, alone_in
from tests.service.test_sessions import person
from tests.service.test_stream import record


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    with alone_in(tmp_path_factory.mktemp("alone")) as one:
        yield one


def place(alone: Alone) -> tuple[str, int]:
    host, port = alone.url.removeprefix("http://").split(":")
    return host, int(port)


def said(alone: Alone, sent: bytes) -> bytes:
    """What is answered to bytes, up to the end of the connection, which they ask for or cause."""
    with socket.create_connection(place(alone), 20) as line:
        line.sendall(sent)
        answer = b""
        while part := line.recv(65536):
            answer += part
    return answer


HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

ODD: dict[str, tuple[bytes, int]] = {
    "both lengths": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "a signed length": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + b"Content-Length: +1\r\n\r\na", 400),
    "a negative length": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\na", 400),
    "a coding that is none": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: xchunked\r\n\r\n", 400),
    "a chunk that is none": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + CHUNKED + b"\r\nzz\r\n", 400),
    "a space before the colon": (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X-A : b\r\n\r\n", 400),
    "a NUL in a header": (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X-A: a\0b\r\n\r\n", 400),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Host: evil.example\r\n\r\n", 400),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a huge header": (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X: a\r\n" * 20_000 + b"\r\n", 431),
    "a huge path": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 431),
    "a whole URL": (b"GET http://evil.example/healthz HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    "a tunnel": (b"CONNECT evil.example:80 HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    "TRACE": (b"TRACE /healthz HTTP/1.1\r\n" + HEAD + b"Authorization: secret\r\n\r\n", 405),
    "OPTIONS": (b"OPTIONS /v1/keys HTTP/1.1\r\n" + HEAD + b"Origin: https://evil.example\r\n\r\n", 405),
    "HEAD": (b"HEAD /healthz HTTP/1.1\r\n" + HEAD + b"\r\n", 405),
    "a word of its own": (b"BREW /healthz HTTP/1.1\r\n" + HEAD + b"\r\n", 405),
    "no ASCII in a key": (b"GET /v1/status HTTP/1.1\r\n" + HEAD + b"Authorization: Bearer \xff\xfe\r\n\r\n", 401),
    "too much": (b"POST /v1/keys HTTP/1.1\r\n" + HEAD + b"Content-Length: 99999999\r\n\r\n", 413),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_is_odd_is_refused_in_the_form_of_all_others(alone: Alone, odd: str) -> None:
    sent, status = ODD[odd]
    head, _, body = said(alone, sent).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert int(first.split()[1]) == status, head
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert {name: headers.get(name.lower()) for name in HEADERS} == HEADERS
    assert "server" not in headers
    assert not [name for name in headers if name.startswith("access-control")]
    if odd != "HEAD":
        assert json.loads(body)["status"] == status
        assert b"secret" not in body


def test_every_answer_has_its_headers(alone: Alone) -> None:
    with alone.client() as admin:
        answers = [
            *(
                admin.get(path)
                for path in ("/healthz", "/readyz", "/v1/me", "/nothing", "/openapi.json", "/v1/commands/x")
            ),
            admin.post("/v1/people", content=b"{"),
            admin.get("/v1/me", headers={"Host": "evil.example"}),
            admin.get("/v1/stations"),
        ]
        with admin.stream("GET", "/v1/events") as stream:
            answers.append(stream)
    assert {answer.status_code for answer in answers} >= {200, 404, 421, 422, 503}
    for answer in answers:
        found = {name: answer.headers.get(name) for name in HEADERS}
        assert found == HEADERS or found == {**HEADERS, "Cache-Control": "no-cache"}, answer.url  # a stream's own
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-trace-id"])


NAMES = [
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "a\x00b",
    "/etc/passwd",
    "..\\..\\x",
    "CON",
    "a\r\nX-B: c",
    "\x1b[31m",
]


def test_no_name_leads_to_a_file_or_breaks_a_route(alone: Alone) -> None:
    with alone.client() as admin:
        described = admin.get("/openapi.json").json()["paths"]
        paths = [(path, method) for path, methods in described.items() for method in methods if "{" in path]
        assert len(paths) > 30
        for path, method in paths:
            for name in NAMES:
                at = re.sub(r"\{[^}]+\}", quote(name, safe=""), path)
                answer = admin.request(method, at, headers=once(), json={} if method in ("post", "put") else None)
                assert answer.status_code in (400, 404, 405, 409, 422, 428, 503), (method, at, answer.text)
                assert "root:" not in answer.text


BODIES: dict[str, tuple[bytes, str]] = {
    "a key twice": (b'{"id": "a", "id": "b"}', "duplicate_key"),
    "no number": (b'{"id": NaN}', "not_a_number"),
    "infinity": (b'{"id": -Infinity}', "not_a_number"),
    "too large a number": (b'{"id": 1e999}', "not_a_number"),
    "deep lists": (b"[" * 50_000 + b"]" * 50_000, "too_deep"),
    "deep objects": (b'{"a":' * 40 + b"1" + b"}" * 40, "too_deep"),
    "many items": (b"[" + b"0," * 20_000 + b"0]", "too_large"),
    "too many bytes": (b'{"id": "' + b"a" * 1_100_000 + b'"}', "too_large"),
    "half a body": (b'{"id": ', "malformed"),
    "no UTF-8": (b'{"id": "\xff"}', "malformed"),
    "a lone surrogate": (b'{"id": "a", "name": "\\ud800"}', "malformed"),
    "a huge integer": (b'{"id": ' + b"9" * 5000 + b"}", "not_a_number"),
    "a whole number beyond 2^53": (b'{"id": -9007199254740993}', "not_a_number"),
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_odd_is_refused(alone: Alone, body: str) -> None:
    sent, code = BODIES[body]
    with alone.client() as admin:
        headers = {**once(), "Content-Type": "application/json"}
        answer = admin.post("/v1/people", content=sent, headers=headers)
        assert answer.json()["code"] == code, answer.text
        assert answer.status_code < 500

        def chunks() -> Iterator[bytes]:
            yield sent

        unknown = admin.post("/v1/people", content=chunks(), headers=headers)  # its length is not said before
        assert unknown.json()["code"] == code


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "a\\udfffb"])
@pytest.mark.parametrize("path", ["/v1/requests", "/v1/requests:validate", "/v1/lab/stop", "/v1/people"])
def test_a_text_that_cannot_be_kept_is_refused_before_anything_is_done(alone: Alone, path: str, text: str) -> None:
    sent = f'{{"project": "solar", "title": "{text}", "because": "{text}"}}'
    with alone.client() as admin:
        answer = admin.post(path, content=sent, headers={**once(), "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), answer.text
    assert "leave it out" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/requests?project=%00", "/v1/requests?owner=a%00b", "/v1/people/a%00b"])
def test_an_address_with_a_character_that_cannot_be_kept_is_refused(alone: Alone, path: str) -> None:
    with alone.client() as admin:
        answer = admin.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), answer.text
        assert admin.get("/v1/requests?project=%2500").status_code == 200


def test_a_half_sent_request_is_in_no_other_s_way(alone: Alone) -> None:
    lines = [socket.create_connection(place(alone), 20) for _ in range(60)]
    head = b"POST /v1/people HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    try:
        for number, line in enumerate(lines):
            line.sendall(head[: 20 + number] if number % 2 else head + b"\r\n{")
        with alone.client() as admin:
            assert all(admin.get("/v1/me").status_code == 200 for _ in range(5))
    finally:
        for line in lines:
            line.close()


def test_nothing_that_is_sent_writes_a_line_of_the_log(tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    evil = "x\r\nCRITICAL: all is lost \x1b[31m"
    with alone_in(tmp_path) as one:
        with one.client() as admin:
            admin.get(f"/v1/campaigns/{quote(evil, safe='')}")
            admin.post("/v1/people", json={"id": evil}, headers={"Idempotency-Key": "a"})
            admin.post("/v1/session", json={"person": evil, "password": evil})
            admin.get("/v1/me", headers={"traceparent": "00-\t-x-01", "X-Forwarded-For": "1\t2"})
        said(one, b"GET /\r\nCRITICAL HTTP/1.1\r\n\r\n")
        said(one, b"GET /healthz HTTP/1.1\r\nHost: a\x1b[31m\r\nConnection: close\r\n\r\n")
        one.end()
    written = capfd.readouterr()
    assert "CRITICAL" not in written.err + written.out
    assert "\x1b" not in written.err + written.out


def test_an_idempotency_key_is_its_owners_alone(alone: Alone) -> None:
    person(alone, "ida", "admin")
    first = once()
    with alone.client() as admin:
        made = admin.post("/v1/projects", json={"id": "first"}, headers=first)
        key = admin.post("/v1/keys", json={"name": "x", "owner": "ida"}, headers=once()).json()["secret"]
        assert made.status_code == 201
        again = admin.post("/v1/projects", json={"id": "first"}, headers=first)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    with alone.client(key) as ida:
        other = ida.post("/v1/projects", json={"id": "first"}, headers=first)
        assert (other.status_code, other.json()["code"]) == (409, "refused"), "it is done again, and cannot be"
    with httpx.Client(base_url=alone.url) as anonymous:
        assert anonymous.post("/v1/projects", json={"id": "first"}, headers=first).status_code == 401


def test_an_unknown_key_takes_as_long_as_a_wrong_secret(file_door: Door) -> None:
    with file_door.writing() as connection:
        key = people.first_admin(connection)
    assert key is not None
    wrong, unknown = key.secret[:-4] + "AAAA", "lw_00000000_" + "A" * 43

    def took_s(shown: str) -> float:
        began = time.perf_counter()
        assert people.who_has(file_door, shown) is None
        return time.perf_counter() - began

    took = {shown: [took_s(shown)] for shown in (wrong, unknown)}
    for _ in range(400):  # by turns, so that what the machine does meanwhile is in both
        for shown, times in took.items():
            times.append(took_s(shown))
    slow, fast = statistics.median(took[wrong]), statistics.median(took[unknown])
    assert 0.6 < slow / fast < 1.7


def test_a_stream_ends_when_its_reader_may_no_longer(alone: Alone) -> None:
    key = person(alone, "sue", "viewer")
    with alone.client(key) as sue, alone.client() as admin, Journal(alone.data / "journal.sqlite") as journal:
        journal.control("a test")
        ended = threading.Event()
        with sue.stream("GET", "/v1/events", params={"after": 0}) as stream:
            assert stream.status_code == 200

            def read() -> None:
                for _ in stream.iter_raw():
                    pass
                ended.set()

            reader = threading.Thread(target=read, daemon=True)
            reader.start()
            assert admin.delete("/v1/people/sue", headers=once()).status_code == 200
            record(journal, 1)  # is not shown any more
            assert ended.wait(20)


def campaign_of(journal: Journal, name: str) -> None:
    """A campaign of which nothing is known but that it is there."""
    empty = {sa.Float: 0.0, sa.Integer: 0, sa.Boolean: False}
    table = schema.campaign
    needed = {one.name: empty.get(type(one.type), "") for one in table.c if not one.nullable and not one.server_default}

    def write(connection: sa.Connection) -> None:
        connection.execute(sa.insert(table).values(**{**needed, "id": name}))
        connection.execute(sa.insert(schema.campaign_spec).values(campaign=name, spec="{}"))

    journal.write_alone(write)


@pytest.mark.parametrize("of", ["request", "campaign"])
def test_a_stream_ends_with_the_grant_that_it_was_opened_by(alone: Alone, of: Literal["request", "campaign"]) -> None:
    key = person(alone, f"guest-{of}")
    with (
        alone.client(key) as guest,
        Journal(alone.data / "journal.sqlite") as journal,
        Door(door_place(alone.data / "journal.sqlite")) as door,
    ):
        if of == "campaign":
            campaign_of(journal, "c-1")
            name, path = "c-1", "/v1/events?campaign=c-1"
        else:
            content = {"project": "solar", "title": "x", "priority": "routine", "samples": []}
            with door.writing() as connection:
                row = requests.create(connection, content, By("ada"))
            name, path = f"R{row['n']}", f"/v1/requests/R{row['n']}/events"
        assert guest.get(path).status_code in (403, 404)
        with door.writing() as connection:
            classes.allow(connection, of, name, f"guest-{of}", None)
        journal.control("a test")
        ended = threading.Event()
        with guest.stream("GET", path) as stream:
            assert stream.status_code == 200

            def read() -> None:
                for _ in stream.iter_raw():
                    pass
                ended.set()

            threading.Thread(target=read, daemon=True).start()
            with door.writing() as connection:
                classes.withdraw(connection, of, name, f"guest-{of}")
            ends_s = time.monotonic() + 10
            while not ended.wait(0.2) and time.monotonic() < ends_s:
                record(journal, 1)
            assert ended.is_set()


def test_refusals_of_one_kind_are_counted_not_written_one_by_one(tmp_path: Any) -> None:
    with alone_in(tmp_path) as one:
        with httpx.Client(base_url=one.url) as anonymous:
            for _ in range(30):
                anonymous.get("/v1/status")
                anonymous.get("/v1/me", headers={"Authorization": "Bearer lw_00000000_" + "A" * 43})
        one.end()
        with Door(door_place(tmp_path / "journal.sqlite")) as door:
            rows = door.rows(sa.select(audit).where(audit.c.allowed == sa.false()).order_by(audit.c.seq))
        assert [row["action"] for row in rows] == ["lab.read", "sign_in", "lab.read", "sign_in"]
        assert [re.findall(r"; (\d+) times more", row["because"]) for row in rows[2:]] == [["29"], ["29"]]
        assert "from 127.0.0.1" in rows[1]["because"]
