"""Notes and deviations at the wire: who may say what, said once, beside a controller and where none runs."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from labwright.cli.init import make_lab
from labwright.client import Client, ProblemError
from labwright.journal import Journal, journal_file, schema
from tests.forks import labwright
from tests.service.desk.asking import until_true
from tests.service.served import Served, once, serving
from tests.service.test_rights_of_routes import SPEC
from tests.service.test_service import service_pid

SAID = {"expected": "60 °C", "happened": "71 °C", "category": "equipment", "severity": "major"}


class World:
    """A served lab with a project's campaign that is over, and people."""

    def __init__(self, served: Served) -> None:
        self.served = served
        keys = {
            "viewer": served.person("vic", "viewer"),
            "member": served.person("mia", "requester", project="solar"),
            "stranger": served.person("sam", "requester", project="wind"),
            "operator": served.person("oda", "operator"),
            "reviewer": served.person("rae", "safety_reviewer"),
            "anonymous": "",
        }
        self.keys = keys
        self.clients = {who: served.client(key) for who, key in keys.items()}
        self.campaign = self.start(3)
        watched = labwright("campaign", "watch", self.campaign, "--data", served.data)
        assert watched.returncode == 0, watched.stderr

    def start(self, budget: int) -> str:
        spec = {**SPEC, "project": "solar", "planner": {"name": "random"}, "budget": budget}
        handed = self.clients["operator"].post("/v1/campaigns", json={"spec": spec}, headers=once())
        assert handed.status_code == 201, handed.text
        return str(handed.json()["campaign"])

    def post(self, who: str, path: str, body: dict[str, Any], key: dict[str, str] | None = None) -> httpx.Response:
        return self.clients[who].post(path, json=body, headers=key or once())

    def made(self, who: str, path: str, body: dict[str, Any]) -> str:
        answer = self.post(who, path, body)
        assert (answer.status_code, answer.json()["state"]) == (200, "done"), answer.text
        return str(answer.json()["result"])

    def by_folder(self, *words: str, by: str = "oda") -> list[dict[str, Any]]:
        names = ("--by", by) if by else ()
        done = labwright(*words, "--data", str(self.served.data), "--lab", str(self.served.lab), *names, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 5"))
    with serving(folder, folder / "var", "--speed", "100") as served:
        one = World(served)
        yield one
        for client in one.clients.values():
            client.close()


def test_who_may_say_what_about_what(world: World) -> None:
    about = {"campaign": world.campaign, "experiment": "1"}
    codes = {
        who: [
            world.post(who, "/v1/notes", {**about, "text": "seen"}).status_code,
            world.post(who, "/v1/notes", {"station": "heating", "text": "seen"}).status_code,
            world.post(who, "/v1/deviations", {**about, **SAID}).status_code,
        ]
        for who in world.clients
    }
    assert codes == {
        "viewer": [403, 403, 403],
        "member": [200, 404, 403],
        "stranger": [404, 404, 404],
        "operator": [200, 200, 200],
        "reviewer": [200, 200, 200],
        "anonymous": [401, 401, 401],
    }
    seen = {who: world.clients[who].get("/v1/notes").json().get("items", []) for who in world.clients}
    assert [len(seen[who]) for who in ("viewer", "member", "stranger", "anonymous")] == [5, 3, 0, 0]
    assert {one["about"] for one in seen["member"]} == {"experiment"}
    note = next(one["id"] for one in seen["viewer"] if one["about"] == "station")
    assert world.post("member", f"/v1/notes/{note}/replace", {"text": "x"}).status_code == 404
    assert world.post("stranger", "/v1/notes/N1/replace", {"text": "x"}).status_code == 404
    assert world.clients["stranger"].get("/v1/deviations/D1").status_code == 404
    assert world.clients["stranger"].get("/v1/deviations/D99").status_code == 404
    assert world.clients["member"].get("/v1/deviations/D1").json()["happened"] == "71 °C"


def test_what_is_named_must_be_there(world: World) -> None:
    for body in (
        {"text": "x"},
        {"text": "x", "station": "heatin"},
        {"text": "x", "stock": "water"},
        {"text": "x", "campaign": world.campaign, "experiment": "99"},
        {"text": "x", "campaign": world.campaign, "station": "heating"},
        {"text": "  ", "station": "heating"},
    ):
        answer = world.post("operator", "/v1/notes", body)
        assert answer.status_code == 422, answer.text
    assert world.post("operator", "/v1/notes", {"text": "x", "campaign": "none"}).status_code == 404
    wrong = world.post("operator", "/v1/deviations", {"station": "heating", **SAID, "use": "not at all"})
    assert (wrong.status_code, "a station has no results" in wrong.json()["detail"]) == (422, True)
    assert (
        world.post("operator", "/v1/deviations", {"station": "heating", **SAID, "severity": "bad"}).status_code == 422
    )


def test_what_is_sent_twice_is_said_once(world: World) -> None:
    key, body = once(), {"station": "heating", "text": "the fan rattles"}
    first, second = (world.post("operator", "/v1/notes", body, key) for _ in range(2))
    assert first.json() == second.json()
    found = world.clients["viewer"].get("/v1/notes", params={"station": "heating"}).json()["items"]
    assert [one["text"] for one in found].count("the fan rattles") == 1
    key, path = once(), f"/v1/notes/{first.json()['result']}/replace"
    first, second = (world.post("operator", path, {"text": "the pump rattles"}, key) for _ in range(2))
    assert first.json() == second.json()
    again = world.post("operator", path, {"text": "no"})
    assert (again.status_code, again.json()["code"]) == (409, "refused")


def test_a_result_that_may_not_be_used_is_seen_by_whoever_exports_it(world: World) -> None:
    about = {"campaign": world.campaign, "experiment": "0002"}
    one = world.made("operator", "/v1/deviations", {**about, **SAID, "severity": "critical", "use": "not at all"})
    note = world.made("member", "/v1/notes", {**about, "text": "=I was not there"})
    text = world.clients["member"].get(f"/v1/campaigns/{world.campaign}/export").text
    rows = {row["experiment"]: row for row in csv.DictReader(io.StringIO(text))}
    assert (rows["0002"]["use"], rows["0001"]["use"]) == ("not at all", "as measured")
    assert rows["0002"]["notes"] == f"{note} mia: =I was not there"
    assert rows["0002"]["deviations"].startswith(f"{one} critical, equipment, open: expected 60 °C")
    assert float(rows["0002"]["glow"]), "what was measured stays"
    trials = world.clients["member"].get(f"/v1/campaigns/{world.campaign}/experiments").json()["items"]
    assert [trial["use"] for trial in trials if trial["label"]] == ["as measured", "not at all", "as measured"]
    best = max(trial["outcomes"]["glow"]["mean"] for trial in trials if trial["use"] == "as measured")
    shown = world.clients["member"].get(f"/v1/campaigns/{world.campaign}").json()
    assert shown["best"] == best
    kinds = [
        one["kind"] for one in world.clients["member"].get(f"/v1/campaigns/{world.campaign}/events").json()["items"]
    ]
    assert {"note_written", "deviation_opened"} <= set(kinds)

    path = f"/v1/deviations/{one}/close"
    mine = world.post("operator", path, {"conclusion": "fine"})
    assert (mine.status_code, "another person closes it" in mine.json()["detail"]) == (409, True)
    assert world.post("member", path, {"conclusion": "fine"}).status_code == 403
    world.made("reviewer", path, {"conclusion": "the probe was loose", "use": "as measured"})
    found = world.clients["member"].get(f"/v1/deviations/{one}").json()
    assert (found["state"], found["closed_by"], found["use"]) == ("closed", "rae", "as measured")
    assert world.post("reviewer", path, {"conclusion": "again"}).status_code == 409
    open_ones = world.clients["member"].get("/v1/deviations", params={"open": "true"}).json()["items"]
    assert one not in [other["id"] for other in open_ones]


def test_what_is_said_is_in_the_audit_trail_and_in_the_trace(world: World) -> None:
    answer = world.post("member", "/v1/notes", {"campaign": world.campaign, "text": "for the record"})
    with world.served.client() as admin:
        trace = admin.get(f"/v1/traces/{answer.headers['x-trace-id']}").json()
        trail = list(admin.get("/v1/audit", params={"actor": "mia", "limit": 1000}).json()["items"])
    assert [one["kind"] for one in trace["commands"]] == ["note"]
    newest = trail[-1]
    assert (newest["action"], newest["target"]) == ("note.write", f"campaign/{world.campaign}")
    assert "for the record" in json.dumps(newest["after"])


def test_the_command_line_and_the_client_say_the_same(world: World, tmp_path: Path) -> None:
    (made,) = world.by_folder("note", "write", "by folder", "--campaign", "first", "--experiment", "3")
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text(world.keys["operator"])
    far = ("--url", world.served.url, "--key-file", str(key), "--json")
    for words in (
        ("note", "write", "by url", "--campaign", world.campaign, "--experiment", "3"),
        ("note", "replace", made["note"], "by url instead"),
        ("deviation", "open", "--campaign", world.campaign, "--experiment", "1", "--experiment", "3", "--expected", "a",
         "--happened", "b", "--category", "data", "--severity", "minor", "--use", "not for the planner"),
    ):  # fmt: skip
        done = labwright(*words, *far)
        assert done.returncode == 0, done.stderr
    deviation = json.loads(done.stdout)["deviation"]
    lists: list[tuple[str, ...]] = [
        ("note", "list", "--campaign", world.campaign),
        ("deviation", "list"),
        ("deviation", "show", deviation),
    ]
    for shown in lists:
        near = world.by_folder(*shown, by="")
        assert near
        assert [json.loads(line) for line in labwright(*shown, *far).stdout.splitlines()] == near
    with Client(world.served.url, world.keys["reviewer"]) as lab:
        assert lab.deviations.show(deviation).experiments == ["0001", "0003"]
        lab.deviations.close(deviation, "a typo", use="as measured")
        assert lab.notes.replace(lab.notes.write("hm", station="heating"), "aha")
        assert [one.text for one in lab.notes.list(station="heating")][-2:] == ["hm", "aha"]
        with pytest.raises(ProblemError, match="was closed by rae"):
            lab.deviations.close(deviation, "twice")


@pytest.mark.long
def test_a_campaign_under_way_is_asked_without_it_and_its_decisions_are_repeated(world: World) -> None:
    campaign = world.start(8)
    path = f"/v1/campaigns/{campaign}"
    until_true(lambda: world.clients["viewer"].get(path).json()["tried"] > 1)
    about = {"campaign": campaign, "experiment": "1"}
    world.made("operator", "/v1/deviations", {**about, **SAID, "use": "not at all"})
    world.made("operator", "/v1/notes", {"sample": f"{campaign}/0001", "text": "cloudy"})
    tried = world.clients["viewer"].get(path).json()["tried"]
    until_true(lambda: world.clients["viewer"].get(path).json()["tried"] > tried)
    assert world.post("operator", f"{path}/stop", {"because": "enough"}).status_code == 200
    until_true(lambda: world.clients["viewer"].get(path).json()["state"] == "stopped")
    replayed = labwright("campaign", "replay", campaign, "--data", world.served.data)
    assert replayed.returncode == 0, replayed.stderr + replayed.stdout
    trials = world.clients["viewer"].get(f"{path}/experiments").json()["items"]
    assert [one["use"] for one in trials if one["label"]][:2] == ["not at all", "as measured"]


def test_a_service_killed_before_it_answers_has_it_said_once(world: World) -> None:
    key, body = once(), {"campaign": world.campaign, "text": "in the dark"}
    said = len(world.served.said)
    pid = world.served.controller.pid
    service = service_pid(world.served)

    os.kill(pid, signal.SIGSTOP)
    try:
        sending = threading.Thread(target=_post, args=(world.clients["operator"], "/v1/notes", body, key))
        sending.start()
        until_true(lambda: [row for row in commands(world) if "in the dark" in row["payload"]])
        os.kill(service, signal.SIGKILL)
        sending.join(30)
    finally:
        os.kill(pid, signal.SIGCONT)
    world.served.until(lambda: any("service listens" in line for line in world.served.said[said:]))
    with world.served.client(world.keys["operator"]) as again:
        answer = again.post("/v1/notes", json=body, headers=key)
        assert (answer.status_code, answer.json()["state"]) == (200, "done"), answer.text
        found = again.get("/v1/notes", params={"campaign": world.campaign}).json()["items"]
    assert [one["id"] for one in found if one["text"] == "in the dark"] == [answer.json()["result"]]


@pytest.mark.long
def test_a_controller_killed_before_it_answers_has_recorded_both_or_neither(tmp_path: Path) -> None:
    """The event and the answer to its command are one transaction."""
    make_lab(tmp_path / "mine")
    key, body = once(), {"station": "heating", "text": "was it said?"}
    with serving(tmp_path / "mine", tmp_path / "var", "--speed", "100") as served:
        with served.client(served.person("olaf", "operator")) as olaf:
            sending = threading.Thread(target=lambda: _post(olaf, "/v1/notes", body, key))
            sending.start()
            with Journal.reading(journal_file(served.data)) as journal:
                until_true(lambda: journal.rows(schema.command))
            os.kill(served.controller.pid, signal.SIGKILL)
            sending.join(30)
    with serving(tmp_path / "mine", tmp_path / "var", "--speed", "100") as served:
        with (
            served.client(served.person("olga", "operator")) as olga,
            Journal.reading(journal_file(served.data)) as journal,
        ):
            (command,) = journal.rows(schema.command)
            found = olga.get("/v1/notes").json()["items"]
    assert command["taken_s"] is not None
    assert [one["id"] for one in found] == (["N1"] if command["answer"] == "done: N1" else [])
    assert command["answer"] == "done: N1" or command["answer"].startswith("withdrawn")


def _post(client: httpx.Client, path: str, body: dict[str, Any], key: dict[str, str]) -> None:
    try:
        client.post(path, json=body, headers=key)
    except httpx.HTTPError:
        pass  # it is killed


def commands(world: World) -> list[Any]:
    with Journal.reading(journal_file(world.served.data)) as journal:
        return journal.rows(schema.command, schema.command.c.kind == "note")


def test_where_no_controller_runs_the_command_line_says_it_to_the_journal(tmp_path: Path) -> None:
    lab, data = tmp_path / "mine", tmp_path / "var"
    make_lab(lab)
    at = ("--lab", str(lab), "--data", str(data))
    run = ("campaign", "run", "first", "--simulated", "--planner", "random", *at, "--no-store")
    ran = labwright(*run, "--budget", "3")
    assert ran.returncode == 0, ran.stderr
    for words in (
        ("note", "write", "the second one looks odd", "--campaign", "first", "--experiment", "2", "--by", "ann"),
        ("note", "replace", "N1", "the second one is odd", "--by", "bea"),
        ("note", "write", "cleaned", "--station", "heating", "--by", "bea"),
        ("deviation", "open", "--campaign", "first", "--experiment", "2", "--expected", "a", "--happened", "b",
         "--category", "operator", "--severity", "critical", "--use", "not for the planner", "--by", "ann"),
    ):  # fmt: skip
        done = labwright(*words, *at)
        assert done.returncode == 0, done.stderr
    assert "Deviation D1 is open" in done.stderr
    own = labwright("deviation", "close", "D1", "so it is", "--by", "ann", *at)
    assert (own.returncode, "another person closes it" in own.stderr) == (5, True)
    assert labwright("note", "write", "x", "--station", "heatng", "--by", "ann", *at).returncode == 3
    out = tmp_path / "table.csv"
    assert labwright("campaign", "export", "first", str(out), *at).returncode == 0
    second = list(csv.DictReader(out.read_text().splitlines()))[1]
    assert (second["use"], second["notes"]) == ("not for the planner", "N2 bea: the second one is odd")
    assert labwright("campaign", "replay", "first", *at).returncode == 0
    page = tmp_path / "page.html"
    assert labwright("report", "first", *at, "--out", str(page)).returncode == 0
    text = page.read_text()
    for part in ("<s>the second one looks odd</s> replaced by N2", "to be used: not for the planner", "D1"):
        assert part in text, part
    again = labwright(*run, "--budget", "1")
    assert again.returncode == 0, again.stderr
