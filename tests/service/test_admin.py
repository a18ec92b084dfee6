"""People, projects and the audit trail over HTTP: the service's own process, without a lab."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.model.errors import JournalError
from labwright.service.audit import anchor_file, read_anchors, verify
from labwright.service.database import Door, door_place
from labwright.service.people import first_admin
from labwright.service.process import BOUND
from labwright.service.schema import audit
from labwright.service.settings import ServiceSettings
from tests.forks import labwright
from tests.service.served import once


@dataclass
class Alone:
    """A service without a controller."""

    data: Path
    process: subprocess.Popen[str]
    url: str
    key: str

    def client(self, key: str = "") -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key or self.key}"}, timeout=30)

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()  # as if the controller had ended
        assert self.process.wait(20) == 0


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    with alone_in(tmp_path) as one:
        yield one


@contextlib.contextmanager
def alone_in(tmp_path: Path, **more: Any) -> Iterator[Alone]:
    journal = tmp_path / "journal.sqlite"
    Journal(journal).close()
    with Door(door_place(journal)) as door, door.writing() as connection:
        key = first_admin(connection)
    assert key is not None
    settings = ServiceSettings(root=tmp_path, data=tmp_path, journal=str(journal), **{"port": 0, **more})
    words = [sys.executable, "-m", "labwright.service"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(settings.model_dump_json() + "\n")
        process.stdin.flush()
        yield Alone(tmp_path, process, process.stdout.readline().removeprefix(BOUND).strip(), key.secret)
        process.kill()


def test_people_are_let_in_given_roles_and_let_in_no_more(alone: Alone) -> None:
    with alone.client() as admin:
        assert admin.get("/readyz").json() == {"status": "not ready", "missing": ["controller"]}
        first = once()
        for _ in range(2):  # sent again: it is the same person
            made = admin.post("/v1/people", json={"id": "kim", "name": "Kim", "roles": ["operator"]}, headers=first)
            assert (made.status_code, made.json()) == (201, {"id": "kim"}), made.text
        twice = admin.post("/v1/people", json={"id": "kim"}, headers=once())
        assert (twice.status_code, twice.json()["code"]) == (409, "refused")
        for body, code in (
            ({"id": "Кim"}, "string_pattern_mismatch"),
            ({"id": "lee", "roles": ["boss"]}, "literal_error"),
        ):
            wrong = admin.post("/v1/people", json=body, headers=once())
            assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, code)
        assert admin.post("/v1/people", json={"id": "bot", "agent": True}, headers=once()).status_code == 201
        assert admin.post("/v1/projects", json={"id": "solar", "title": "Solar"}, headers=once()).status_code == 201
        member = {"role": "requester", "until": "2099-03-31T23:59:59+09:00"}
        joined = admin.put("/v1/projects/solar/members/kim", json=member, headers=once())
        assert joined.json()["until_s"] == pytest.approx(4078652399)
        deciding = admin.put("/v1/projects/solar/members/bot", json={"role": "operator"}, headers=once())
        assert (deciding.status_code, "bot is a program" in deciding.json()["detail"]) == (422, True)
        assert [one["id"] for one in admin.get("/v1/projects").json()["items"][0]["members"]] == ["kim"]
        assert [one["id"] for one in admin.get("/v1/people").json()["items"]] == ["admin", "bot", "kim"]
        alone_admin = admin.put("/v1/people/admin/roles", json={"roles": ["viewer"]}, headers=once())
        assert "no admin any more" in alone_admin.json()["detail"]
        assert admin.delete("/v1/people/kim", headers=once()).status_code == 200
        found = admin.get("/v1/audit?limit=500").json()["items"]
        assert [(one["action"], one["target"]) for one in found if not one["allowed"]] == [
            ("person.manage", "person/kim"),
            ("project.manage", "project/solar/bot"),
            ("person.manage", "person/admin"),
        ]
        assert admin.get("/v1/audit/verification").json()["wrong"] == []


def test_where_nothing_can_be_sent_is_refused_before_it_is_kept(alone: Alone) -> None:
    with alone.client() as admin:
        unwritable = admin.post("/v1/people", json={"id": "lee", "email": "lee@"}, headers=once())
        assert (unwritable.status_code, "no mail address" in unwritable.json()["detail"]) == (422, True)
        hook = admin.post("/v1/webhooks", json={"url": "https://a..b/"}, headers=once())
        assert (hook.status_code, "has no address" in hook.json()["detail"]) == (409, True)


def test_what_was_done_to_the_trail_is_seen_in_the_file_and_from_the_command_line(alone: Alone) -> None:
    with alone.client() as admin:
        for name in ("ann", "bo", "cy"):
            admin.post("/v1/people", json={"id": name}, headers=once())
    alone.end()
    (head,) = read_anchors(anchor_file(alone.data))
    assert head.seq == 3, "the last head is written when the service ends"
    place = ("--data", alone.data)
    listed = labwright("audit", "list", *place, "--json")
    assert [json.loads(line)["target"] for line in listed.stdout.splitlines()] == [
        "person/ann",
        "person/bo",
        "person/cy",
    ]
    fine = labwright("audit", "verify", *place)
    assert fine.returncode == 0, fine.stderr
    assert "3 rows, 1 head written elsewhere: nothing was changed in it" in fine.stderr
    with Door(door_place(alone.data / "journal.sqlite")) as door:
        with door.writing() as connection:
            connection.execute(sa.delete(audit).where(audit.c.seq == 3))
        assert verify(door) == []
    cut = labwright("audit", "verify", *place)
    assert cut.returncode == 1
    assert "its end was removed" in cut.stderr
    Journal(alone.data / "other" / "journal.sqlite").close()
    nothing = labwright("audit", "list", "--data", alone.data / "other")
    assert (nothing.returncode, "nothing was served from here over HTTP yet" in nothing.stderr) == (3, True)


def test_what_no_controller_took_in_time_is_withdrawn_and_never_done(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite"
    with Journal(place) as journal:
        old, new = (journal.command("c-1", "resume", {}, by="kim", because="x", key=key) for key in ("kim:1", "kim:2"))
        person = journal.command("c-1", "resume", {}, by="kim", because="x")
        journal.write_alone(
            lambda connection: connection.execute(
                sa.update(schema.command).where(schema.command.c.id != new).values(asked_s=time.time() - 60)
            )
        )
        with alone_in(tmp_path):
            for _ in range(500):
                if journal.answer_to(old) is not None:
                    break
                time.sleep(0.02)
        assert str(journal.answer_to(old)).startswith("withdrawn: no controller took it")
        assert [journal.answer_to(number) for number in (new, person)] == [None, None]


def test_with_a_certificate_it_speaks_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    with alone_in(tmp_path, certificate=certificate, private_key=key) as one:
        assert one.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=certificate)
        assert httpx.get(f"{one.url}/healthz", verify=context).json() == {"status": "ok"}


def test_tables_of_a_newer_labwright_are_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "door.sqlite"
    Door(place).close()
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE door_version SET version_num = '9999'")
    with pytest.raises(JournalError, match=r"has the revision 9999.*update Labwright"):
        Door(place)


def test_an_address_that_is_taken_is_named_with_what_to_do(alone: Alone) -> None:
    port = int(alone.url.rpartition(":")[2])
    settings = ServiceSettings(root=alone.data, data=alone.data, journal=str(alone.data / "journal.sqlite"), port=port)
    words = [sys.executable, "-m", "labwright.service"]
    done = subprocess.run(words, input=settings.model_dump_json() + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert f"it cannot listen on 127.0.0.1, port {port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
