"""The service beside a controller: real processes, real HTTP, a lab on simulated instruments."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from labwright.cli.init import make_lab
from labwright.journal import Journal, journal_file, schema
from labwright.service.audit import listed, verify
from labwright.service.database import Door, door_place
from tests.service.served import Served, once, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    with serving(folder, folder / "var", "--speed", "100") as one:
        yield one


def until(holds: Any) -> None:
    for _ in range(1500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never was so")


def commands(served: Served, campaign: str) -> list[tuple[str, str]]:
    with Journal.reading(journal_file(served.data)) as journal:
        table = schema.command
        return [(row["kind"], row["answer"]) for row in journal.rows(table, table.c.campaign == campaign)]


def test_it_says_whether_it_and_the_lab_are_there(served: Served) -> None:
    with served.client("") as anonymous:
        assert anonymous.get("/healthz").json() == {"status": "ok"}
        until(lambda: anonymous.get("/readyz").json() == {"status": "ready", "missing": []})
        answer = anonymous.get("/v1/status")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "unauthenticated"
        assert answer.json()["trace"] == answer.headers["x-trace-id"]
        assert anonymous.get("/metrics").status_code == 401
        assert anonymous.get("/v1/events").json()["code"] == "unauthenticated"
        assert anonymous.get("/nothing").json()["detail"] == "nothing is at /nothing"
    with served.client() as admin:
        assert admin.get("/v1/me").json()["roles"] == ["admin"]
        assert admin.get("/v1/status").json()["controller"]["pid"] == served.controller.pid
        assert "labwright_controller_up 1.0" in admin.get("/metrics").text


def test_a_campaign_is_watched_and_steered(served: Served) -> None:
    campaign = served.submitted(50)
    with served.client(served.person("oda", "operator")) as oda:
        paused = oda.post(f"/v1/campaigns/{campaign}/pause", json={"because": "lunch"}, headers=once())
        assert (paused.status_code, paused.json()["state"]) == (200, "done"), paused.text
        until(lambda: oda.get(f"/v1/campaigns/{campaign}").json()["paused"])
        again = oda.post(f"/v1/campaigns/{campaign}/pause", json={"because": "lunch"}, headers=once())
        assert (again.status_code, again.json()["code"]) == (409, "refused")
        assert "already paused" in again.json()["detail"]
        for verb, body in (("resume", {}), ("suggest", {"params": {"temperature": 40}}), ("drain", {})):
            done = oda.post(f"/v1/campaigns/{campaign}/{verb}", json={"because": "so", **body}, headers=once())
            assert done.status_code == 200, done.text
        until(lambda: oda.get(f"/v1/campaigns/{campaign}").json()["state"] == "completed")
        (first, *_) = oda.get(f"/v1/campaigns/{campaign}/experiments").json()["items"]
        assert {"params", "status", "label"} <= first.keys()
        late = oda.post(f"/v1/campaigns/{campaign}/stop", json={"because": "late"}, headers=once())
        assert "there is nothing to stop" in late.json()["detail"]
        assert campaign in [one["campaign"] for one in oda.get("/v1/campaigns").json()["items"]]
    with Journal.reading(journal_file(served.data)) as journal:
        kinds = [event.kind for event in journal.events(campaign)]
        by = {event.payload.get("by") for event in journal.events(campaign) if event.kind == "pause_asked"}
    assert by == {"oda"}
    assert kinds.count("pause_asked") == 1


def test_what_is_sent_twice_is_done_once(served: Served) -> None:
    campaign = served.submitted(50)
    with served.client(served.person("oki", "operator")) as oki:
        key = once()
        path = f"/v1/campaigns/{campaign}/suggest"
        bodies = {"because": "look", "params": {"temperature": 31.5}}
        first, second = (oki.post(path, json=bodies, headers=key) for _ in range(2))
        assert first.status_code == second.status_code == 200
        assert first.json() == second.json()
        assert second.headers["idempotency-replayed"] == "true"
        other = oki.post(path, json={**bodies, "params": {"temperature": 32}}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")
        missing = oki.post(path, json=bodies)
        assert (missing.status_code, missing.json()["code"]) == (400, "key_required")
        assert [kind for kind, _ in commands(served, campaign)] == ["suggest"]
        oki.post(f"/v1/campaigns/{campaign}/drain", json={"because": "enough"}, headers=once())
        until(lambda: oki.get(f"/v1/campaigns/{campaign}").json()["state"] == "completed")


def test_a_station_is_stopped_and_reset_and_the_question_about_its_sample_answered(served: Served) -> None:
    campaign = served.submitted(30)
    with served.client(served.person("ola", "operator")) as ola:
        until(lambda: [one for one in ola.get("/v1/status").json()["stations"] if one["state"] == "running"])
        body = {"because": "a spill", "now": True, "station": "heating"}
        stopped = ola.post("/v1/lab/stop", json=body, headers=once())
        assert (stopped.status_code, stopped.json()["state"]) == (200, "done"), stopped.text
        until(lambda: ola.get("/v1/questions").json()["items"])
        (question,) = ola.get("/v1/questions").json()["items"]
        (latch,) = ola.get("/v1/status").json()["latches"]
        assert (question["campaign"], latch["because"]) == (campaign, "a spill")
        reset = ola.post("/v1/lab/reset", json={"latch": latch["id"], "because": "wiped up"}, headers=once())
        assert reset.status_code == 200, reset.text
        path, key = f"/v1/questions/{question['id']}/answer", once()
        wrong = ola.post(path, json={"answer": "agian", "because": "wiped up"}, headers=once())
        assert (wrong.status_code, "did you mean" in wrong.json()["detail"]) == (422, True)
        for _ in range(2):
            answered = ola.post(path, json={"answer": "again", "because": "wiped up"}, headers=key)
            assert (answered.status_code, answered.json()["state"]) == (200, "done"), answered.text
        assert ola.get("/v1/questions").json()["items"] == []
        late = ola.post(path, json={"answer": "again", "because": "wiped up"}, headers=once())
        assert "no open question" in late.json()["detail"]
        ola.post(f"/v1/campaigns/{campaign}/drain", json={"because": "seen enough"}, headers=once())


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "an unknown key": ({"because": "x", "paramz": {}}, 422, "extra_forbidden"),
    "no reason": ({}, 422, "missing"),
    "an empty reason": ({"because": ""}, 422, "string_too_short"),
    "a number as text": ({"because": "x", "budget": "12"}, 422, "int_type"),
    "a flag as a number": ({"because": "x", "budget": True}, 422, "int_type"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_bodies_are_taken_strictly_and_each_mistake_is_named(served: Served, mistake: str) -> None:
    body, status, code = REFUSED[mistake]
    verb = "extend" if "budget" in body else "pause"
    with served.client() as admin:
        answer = admin.post(f"/v1/campaigns/x/{verb}", json=body, headers=once())
    assert answer.status_code == status
    assert code in [one["code"] for one in answer.json()["errors"]]


RAW = {
    b'{"because": NaN}': (400, "not_a_number"),
    b'{"because": "a", "because": "b"}': (400, "duplicate_key"),
    b"[" * 5000: (400, "too_deep"),
    b"{": (400, "malformed"),
    b'{"because": "' + b"x" * 1_100_000 + b'"}': (413, "too_large"),
}


@pytest.mark.parametrize("raw", RAW, ids=[code for _, code in RAW.values()])
def test_what_is_no_proper_json_is_refused(served: Served, raw: bytes) -> None:
    with served.client() as admin:
        headers = {**once(), "Content-Type": "application/json"}
        answer = admin.post("/v1/campaigns/x/pause", content=raw, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == RAW[raw]
    assert len(answer.content) < 2000


def test_who_may_not_is_refused_and_that_is_recorded(served: Served) -> None:
    campaign = served.submitted(1)
    with served.client(served.person("rita", "requester", project="solar")) as rita:
        hidden = rita.get(f"/v1/campaigns/{campaign}")
        unknown = rita.get("/v1/campaigns/nothing")
        assert (hidden.status_code, unknown.status_code) == (404, 404)
        assert hidden.json()["code"] == unknown.json()["code"] == "not_found"
        assert rita.get("/v1/campaigns").json()["items"] == []
        stop = rita.post("/v1/lab/stop", json={"because": "x"}, headers=once())
        assert (stop.status_code, stop.json()["code"]) == (403, "forbidden")
        assert "takes one of the roles operator, safety_reviewer, admin" in stop.json()["detail"]
    with Door(door_place(journal_file(served.data))) as door:
        mine = [(row["action"], row["allowed"]) for row in listed(door, actor="rita", most=1000)]
        assert verify(door) == []
    assert ("lab.stop", 0) in mine
    assert ("campaign.read", 0) in mine


def test_keys_are_made_shown_once_and_revoked(served: Served) -> None:
    with served.client(served.person("kai", "operator")) as kai:
        key = once()
        made = kai.post("/v1/keys", json={"name": "notebook", "only": ["lab.read"]}, headers=key)
        assert made.status_code == 201, made.text
        again = kai.post("/v1/keys", json={"name": "notebook", "only": ["lab.read"]}, headers=key)
        assert (again.json()["id"], "secret" in again.json()) == (made.json()["id"], False)
        secret = made.json()["secret"]
        with served.client(secret) as notebook:
            assert notebook.get("/v1/status").status_code == 200
            stop = notebook.post("/v1/lab/stop", json={"because": "x"}, headers=once())
            assert stop.json()["detail"] == "this key does not allow lab.stop"
            assert notebook.post("/v1/keys", json={"name": "more"}, headers=once()).status_code == 403
            assert notebook.delete(f"/v1/keys/{made.json()['id']}").status_code == 403
        assert secret not in kai.get("/v1/keys").text
        assert kai.delete(f"/v1/keys/{made.json()['id']}").status_code == 204
        with served.client(secret) as notebook:
            assert notebook.get("/v1/me").status_code == 401


class Stream:
    """A client of the event stream."""

    def __init__(self, served: Served, headers: dict[str, str]) -> None:
        self.ids: list[int] = []
        self.kinds: list[str] = []
        self._served, self._headers = served, headers
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        try:
            with self._served.client() as client, client.stream("GET", "/v1/events", headers=self._headers) as answer:
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "id":
                        self.ids.append(int(value))
                    elif name == "event":
                        self.kinds.append(value)
        except httpx.HTTPError:
            pass  # the service was killed


def test_the_stream_is_resumed_without_a_gap_when_the_service_was_killed(served: Served) -> None:
    with served.client() as admin:
        since = int(admin.get("/v1/status").json()["last_event"])
    first = Stream(served, {"Last-Event-ID": str(since)})
    campaign = served.submitted(60)
    until(lambda: len(first.ids) > 5)
    said = len(served.said)
    pid = service_pid(served)
    os.kill(pid, signal.SIGKILL)
    first.thread.join(10)
    served.until(lambda: any("service listens" in line for line in served.said[said:]))
    second = Stream(served, {"Last-Event-ID": str(first.ids[-1])})
    with served.client() as admin:
        admin.post(f"/v1/campaigns/{campaign}/stop", json={"because": "seen enough"}, headers=once())
        until(lambda: admin.get(f"/v1/campaigns/{campaign}").json()["state"] == "stopped")
    with Journal.reading(journal_file(served.data)) as journal:
        wanted = [row["id"] for row in journal.rows(schema.event, schema.event.c.id > since, order=schema.event.c.id)]
    until(lambda: second.ids and second.ids[-1] >= wanted[-1])
    assert (first.ids + second.ids)[: len(wanted)] == wanted, "none is missing, and none came twice"
    assert "started" in first.kinds
    assert any("the lab continues" in line for line in served.said), "".join(served.said)


def service_pid(served: Served) -> int:
    """The child of the controller that listens."""
    for entry in Path("/proc").iterdir():
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if int(stat[1]) == served.controller.pid and b"labwright.service" in words:
            return int(entry.name)
    raise AssertionError("no service runs")


def test_openapi_describes_it(served: Served) -> None:
    with served.client("") as anonymous:
        described = anonymous.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert {"/v1/campaigns/{campaign}/pause", "/v1/events", "/healthz"} <= described["paths"].keys()
    assert json.dumps(described)


def test_a_command_that_a_controller_does_not_take_is_taken_back(served: Served) -> None:
    campaign = served.submitted(40)
    os.kill(served.controller.pid, signal.SIGSTOP)
    try:
        with served.client() as admin, served.client(served.person("vera", "viewer")) as viewer:
            waits = admin.post(f"/v1/campaigns/{campaign}/pause", json={"because": "lunch"}, headers=once())
            assert (waits.status_code, waits.json()["state"]) == (202, "waiting")
            place = waits.headers["location"]
            assert viewer.delete(place, headers=once()).status_code == 403
            back = admin.delete(place, headers=once())
            assert (back.status_code, back.json()["state"]) == (200, "withdrawn")
    finally:
        os.kill(served.controller.pid, signal.SIGCONT)
    with served.client() as admin:
        until(lambda: admin.get(f"/v1/campaigns/{campaign}").json()["tried"] > 0)
        assert admin.get(f"/v1/campaigns/{campaign}").json()["paused"] is False
        assert admin.post(f"/v1/campaigns/{campaign}/stop", json={"because": "done"}, headers=once()).status_code == 200
        assert admin.delete(place, headers=once()).json()["state"] == "withdrawn"


def test_a_campaign_that_is_sent_names_no_file_outside_the_lab(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("temperature\nhush\n")
    (served.lab / "linked.csv").symlink_to(secret)
    spec: dict[str, Any] = {
        "name": "sent",
        "title": "Sent",
        "protocol": "warm_up",
        "objective": {"name": "glow", "goal": "max", "unit": "1"},
        "planner": {"name": "sobol"},
        "budget": 1,
    }
    space = {"parameters": [{"type": "real", "name": "temperature", "unit": "degC", "low": 25, "high": 85}]}
    with served.client() as admin:
        admin.post("/v1/people", json={"id": "olga", "roles": ["operator"]}, headers=once())
        key = admin.post("/v1/keys", json={"name": "k", "owner": "olga"}, headers=once()).json()["secret"]
    with served.client(key) as operator:
        for file in (str(secret), f"../../{secret}", "linked.csv", "/etc/passwd"):
            body = {"spec": {**spec, "space": {**space, "pool": {"file": file}}}}
            answer = operator.post("/v1/campaigns", json=body, headers=once())
            assert answer.status_code == 422, answer.text
            assert "/space/pool/file: " in answer.json()["detail"]
            assert "lies outside the lab's folder" in answer.json()["detail"]
            assert "hush" not in answer.text
        many = {"spec": {**spec, "space": space, "fixed_[1-999999999]": 1}}  # in a file it would be a key for each
        answer = operator.post("/v1/campaigns", json=many, headers=once())
        assert (answer.status_code, "unknown key" in answer.json()["detail"]) == (422, True), answer.text
