"""`labwright person|project|key|webhook|data-class` and links: a lab that is served is administered by typing."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from labwright.cli.init import make_lab
from labwright.client import Client, Request
from tests.forks import ROOT, labwright
from tests.service.desk.asking import DESK, until_true
from tests.service.served import Served, serving

pytestmark = pytest.mark.long

HOW_TO = ROOT / "docs" / "how-to"

GLOW = Request(
    project="solar",
    title="How it glows",
    protocol=("warm_up", "1"),
    terms="2026-04",
    contact="ada@example.org",
    parameters={"temperature": (25, "degC")},
    export_control="not_controlled",
)


class Office:
    """A lab that is served, and the folder in which its people type."""

    def __init__(self, served: Served, folder: Path) -> None:
        self.served = served
        self.folder = folder
        self.keep("admin", served.admin)

    def keep(self, who: str, key: str) -> None:
        file = self.folder / f"{who}.key"
        file.touch(0o600)
        file.write_text(key)

    def types(self, who: str, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        place = {"LABWRIGHT_URL": self.served.url, "LABWRIGHT_KEY": str(self.folder / f"{who}.key")}
        done = labwright(*words, cwd=self.folder, env={**os.environ, **place})
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def client(self, who: str) -> Client:
        return Client(self.served.url, key_file=self.folder / f"{who}.key")

    def json(self, who: str, *words: str | Path) -> list[Any]:
        return [json.loads(line) for line in self.types(who, *words, "--json").stdout.splitlines()]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    (folder / "lab_config" / "desk.yaml").write_text(DESK + "webhook_hosts: [127.0.0.1]\n")
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 5"))
    with serving(folder, folder / "var", "--speed", "100") as served:
        one = Office(served, tmp_path_factory.mktemp("office"))
        people = {"ada": ("requester", "solar"), "tom": ("operator", ""), "sam": ("safety_reviewer", "")}
        for name, (role, project) in people.items():
            one.keep(name, served.person(name, role, project=project))  # type: ignore[arg-type]
        one.keep("dee", served.person("dee", "data_steward"))
        yield one


@pytest.fixture(scope="module")
def request_(office: Office) -> str:
    """A request whose data were delivered."""
    with office.client("ada") as ada, office.client("tom") as tom, office.client("sam") as sam:
        name = ada.requests.submit(ada.requests.create(GLOW).id).id
        digest = ada.requests.get(name).digest
        tom.requests.accept(name, "technical", "fits", digest=digest)
        sam.requests.accept(name, "safety", "fits", digest=digest)
        ada.requests.wait(name, deadline_s=60)
    return name


def typed_in(page: str, heading: str) -> list[list[str]]:
    """The commands that a section of the manual has, as words."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    section = text.split(f"# {heading}\n")[1].split("\n## ")[0].split("\n### ")[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("labwright ")]
    assert lines
    return [shlex.split(line)[1:] for line in lines]


def test_people_are_let_in_as_the_manual_has_it(office: Office) -> None:
    for words in typed_in("serve-a-lab.md", "Let others in"):
        who = "dee" if words[:2] == ["key", "make"] and "--for" not in words else "admin"
        if words == ["key", "revoke", "ID"]:
            words[-1] = next(one["id"] for one in office.json("dee", "key", "list") if one["only"] == ["lab.read"])
            who = "dee"
        office.types(who, *words)
    for name in ("kim.key", "screen.key"):
        file = office.folder / name
        assert (file.stat().st_mode & 0o777, file.read_text()[:3]) == (0o600, "lw_")
    assert "opens nothing: it is none, was revoked" in office.types("kim", "key", "list", code=5).stderr
    assert "opens nothing" in office.types("screen", "status", code=5).stderr
    (kim,) = office.json("admin", "person", "show", "kim")
    assert (kim["roles"], kim["disabled_s"] is None) == (["data_steward", "operator"], False)
    (revoked,) = [one for one in office.json("dee", "key", "list") if one["only"]]
    assert revoked["revoked_s"] is not None
    assert "nothing: revoked 20" in office.types("dee", "key", "list").stdout


def test_a_project_is_filled_as_the_manual_has_it(office: Office) -> None:
    for words in typed_in("run-a-request-desk.md", "Let people in"):  # with another id: ada is in solar here
        office.types(
            "admin", *({"solar": "wind", "ada": "eve", "ada.key": "eve.key"}.get(word, word) for word in words)
        )
    (shown,) = office.json("eve", "project", "show", "wind")
    assert (shown["title"], shown["members"][0]["id"]) == ("Solar cells", "eve")
    assert shown["members"][0]["until_s"] == pytest.approx(4078630800)
    amounts = {kind: one["amount"] for kind, one in shown["quota"].items()}
    assert amounts == {"experiments": 200, "station_minutes": None, "cost": 500000}
    assert "requester until 2099-03-31 09:00:00 (UTC)" in office.types("admin", "person", "show", "eve").stdout
    (changed,) = office.json("admin", "project", "quota", "wind", "--cost", "none", "--station-minutes", "90")
    amounts = {kind: changed[kind]["amount"] for kind in ("experiments", "station_minutes", "cost")}
    assert amounts == {"experiments": 200, "station_minutes": 90, "cost": None}, "what is not named stays"
    refused = office.types("eve", "project", "quota", "wind", "--cost", "1", code=5).stderr
    assert "quota.set takes one of the roles admin" in refused
    unknown = office.types("admin", "project", "quota", "wnd", "--cost", "1", code=3).stderr
    assert "there is no project wnd" in unknown
    assert "is not a number" in office.types("admin", "project", "quota", "wind", "--cost", "much", code=2).stderr
    assert "did you mean 'eve'" in office.types("admin", "project", "leave", "wind", "eev", code=3).stderr
    assert "has no role in wind any more" in office.types("admin", "project", "leave", "wind", "eve").stderr
    assert office.json("eve", "project", "list") == []


def test_an_invitation_is_taken_once(office: Office) -> None:
    office.types("admin", "person", "add", "ina")
    done = office.types("admin", "person", "invite", "ina", "--hours", "1")
    (invitation,) = done.stdout.splitlines()
    assert f"once, at {office.served.url}/sign-in" in done.stderr
    assert httpx.get(f"{office.served.url}/sign-in", timeout=30).status_code == 200
    for status in (201, 401):
        body = {"invitation": invitation, "password": "a very long password"}
        assert httpx.post(f"{office.served.url}/v1/session", json=body, timeout=30).status_code == status
    office.types("admin", "person", "add", "robot", "--agent")
    assert "robot is a program" in office.types("admin", "person", "invite", "robot", code=3).stderr
    assert "did you mean 'ina'" in office.types("admin", "person", "invite", "inna", code=3).stderr


def test_who_may_not_and_who_is_not_there_is_said_in_words(office: Office) -> None:
    office.types("admin", "person", "add", "lee", "--role", "viewer", "--group", "cells")
    assert "there is a 'lee' already" in office.types("admin", "person", "add", "lee", code=5).stderr
    wrong = office.types("admin", "person", "add", "Lee", code=3).stderr
    assert "'Lee' is no id; did you mean 'lee'? It begins with a letter a to z" in wrong
    assert "'sölar' is no id. It begins" in office.types("admin", "project", "add", "sölar", code=3).stderr
    assert "is no mail address" in office.types("admin", "person", "add", "max", "--email", "max@", code=3).stderr
    for verb in (("show", "lei"), ("roles", "lei", "viewer"), ("disable", "lei")):
        assert "did you mean 'lee'?" in office.types("admin", "person", *verb, code=3).stderr
    assert "did you mean 'lee'?" in office.types("admin", "key", "make", "x", "--for", "lei", code=3).stderr
    join = ("project", "join", "solar", "lei", "--role", "requester")
    assert "did you mean 'lee'?" in office.types("admin", *join, code=3).stderr
    assert "did you mean 'viewer'?" in office.types("admin", "person", "roles", "lee", "viwer", code=3).stderr
    assert "or give --none" in office.types("admin", "person", "roles", "lee", code=2).stderr
    assert "no admin any more" in office.types("admin", "person", "roles", "admin", "viewer", code=5).stderr
    assert "no admin any more" in office.types("admin", "person", "disable", "admin", code=5).stderr
    (changed,) = office.json("admin", "person", "roles", "lee", "--none")
    assert (changed["roles"], changed["before"]) == ([], ["viewer"])
    for words in (("person", "list"), ("person", "add", "max"), ("person", "disable", "lee"), ("project", "add", "x")):
        assert "takes one of the roles admin" in office.types("ada", *words, code=5).stderr
    assert "takes one of the roles admin" in office.types("ada", "key", "make", "x", "--for", "lee", code=5).stderr


def test_a_key_is_alone_on_standard_output_or_in_a_file_of_its_own(office: Office) -> None:
    made = office.types("ada", "key", "make", "by night", "--only", "request.read", "--days", "2")
    (secret,) = made.stdout.splitlines()
    assert secret not in made.stderr
    office.keep("night", secret)
    assert office.json("night", "request", "list") == office.json("ada", "request", "list")
    assert office.types("night", "key", "list", code=5).stderr
    assert "did you mean 'lab.read'?" in office.types("ada", "key", "make", "x", "--only", "lab.red", code=3).stderr
    (of_night,) = [one for one in office.json("ada", "key", "list") if one["name"] == "by night"]
    assert secret.startswith(f"lw_{of_night['id']}_")
    office.types("ada", "key", "revoke", of_night["id"])
    assert "opens nothing" in office.types("night", "request", "list", code=5).stderr
    assert "there is no key" in office.types("ada", "key", "revoke", of_night["id"], code=3).stderr
    before = (office.folder / "ada.key").read_text()
    taken = office.types("ada", "key", "make", "x", "--out", "ada.key", code=3)
    assert "ada.key is there already, and is left as it is" in taken.stderr
    assert (office.folder / "ada.key").read_text() == before
    office.types("ada", "key", "make", "x", "--for", "tom", "--out", "toms.key", code=5)
    assert not (office.folder / "toms.key").exists(), "nothing was made"
    assert len(office.json("ada", "key", "list")) == 2
    (said,) = office.json("ada", "key", "make", "for a program", "--out", "program.key")
    assert (said["out"], "secret" in said) == ("program.key", False)
    (office.folder / "program.key").chmod(0o640)
    readable = office.types("program", "key", "list", code=5).stderr
    assert "program.key has the mode 0640: other users of this machine may read the key in it" in readable


def test_a_key_that_cannot_be_written_is_named_to_be_revoked(office: Office) -> None:
    script = 'exec "$0" -m labwright key make full > /dev/full'
    place = {"LABWRIGHT_URL": office.served.url, "LABWRIGHT_KEY": str(office.folder / "tom.key")}
    words = ["sh", "-c", script, sys.executable]
    done = subprocess.run(words, env={**os.environ, **place}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    (key,) = [one["id"] for one in office.json("tom", "key", "list") if one["name"] == "full"]
    assert "cannot be written (No space left on device), and the secret is said only once. Revoke" in done.stderr
    assert f"labwright key revoke {key}" in done.stderr


def test_webhooks_are_added_given_up_and_called_again(office: Office, request_: str) -> None:
    class Gone(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(410)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gone)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/labwright"
    try:
        added = office.types("ada", "webhook", "add", url, "--project", "solar", "--event", "cancel", "--out", "hook")
        assert (office.folder / "hook").read_text().startswith("whsec_")
        assert "is called from now on with cancel to requests of solar" in added.stderr
        (hook,) = office.json("ada", "webhook", "list")
        assert office.json("ada", "webhook", "notices", hook["id"]) == []
        with office.client("ada") as ada:
            ada.requests.cancel(ada.requests.create(GLOW).id, "a test")
        until_true(lambda: not office.json("ada", "webhook", "list")[0]["called"])
    finally:
        server.shutdown()
        server.server_close()
    assert f"given up: labwright webhook enable {hook['id']}" in office.types("ada", "webhook", "list").stdout
    shown = office.types("ada", "webhook", "notices", hook["id"]).stdout
    assert ("request.cancel" in shown, "410" in shown) == (True, True), shown
    office.types("ada", "webhook", "enable", hook["id"])
    assert office.json("ada", "webhook", "list")[0]["called"] is True
    assert "you have no webhook" in office.types("tom", "webhook", "remove", hook["id"], code=3).stderr
    office.types("ada", "webhook", "remove", hook["id"])
    assert office.json("ada", "webhook", "list") == []
    assert "in the clear: write https" in office.types("ada", "webhook", "add", "http://example.org", code=3).stderr
    wrong = ("webhook", "add", "https://127.0.0.1/", "--event", "delivr")
    assert "did you mean 'deliver'?" in office.types("ada", *wrong, code=3).stderr


def test_links_lead_to_what_was_found_until_they_are_withdrawn(office: Office, request_: str) -> None:
    (url,) = office.types("ada", "request", "link", request_, "--days", "1").stdout.splitlines()
    assert httpx.get(url, timeout=30).content.startswith(b"PK")
    (link,) = office.json("ada", "request", "links", request_)
    assert (link["made_by"], link["fetched"], link["over"]) == ("ada", 1, False)
    assert "works until" in office.types("ada", "request", "links", request_).stdout
    assert "until now 1 link did" in office.types("ada", "request", "links", request_, "--withdraw").stderr
    assert httpx.get(url, timeout=30).status_code == 404
    assert "withdrawn" in office.types("ada", "request", "links", request_).stdout
    assert "no request R99" in office.types("ada", "request", "link", "R99", code=3).stderr
    (made,) = office.json("ada", "request", "link", request_)
    assert made["url"].startswith(f"{office.served.url}/v1/deliveries/")
    assert "let no link work longer" in office.types("ada", "request", "link", request_, "--days", "999").stderr


def test_data_are_opened_and_granted_as_the_manual_has_it(office: Office, request_: str) -> None:
    office.types("admin", "person", "add", "gus")
    loosen = ("data-class", "set", request_, "open", "--export-control", "not_controlled", "--reason", "mine")
    assert "data.loosen takes one of the roles data_steward" in office.types("ada", *loosen, code=5).stderr
    for words in typed_in("run-a-request-desk.md", "Say who may see what was found"):
        office.types("dee", *(request_ if word == "R1" else word for word in words))
    (shown,) = office.json("ada", "data-class", "show", request_)
    assert (shown["data_class"], shown["effective"], shown["licence"]) == ("open", "closed", "CC-BY-4.0")
    office.types("dee", "data-class", "set", request_, "--no-embargo", "--reason", "published")
    (now,) = office.json("ada", "data-class", "show", request_)
    assert (now["effective"], now["licence"], now["export_control"]) == ("open", "CC-BY-4.0", "not_controlled")
    (granted,) = office.json("dee", "data-class", "grant", request_, "gus", "--reason", "joint paper")
    assert granted["granted"] == ["gus"]
    assert "did you mean 'gus'?" in office.types("dee", "data-class", "take-back", request_, "guss", code=3).stderr
    shared = ("data-class", "set", request_, "shared_closed", "--reason", "error")
    assert "give --group NAME" in office.types("tom", *shared, code=3).stderr
    office.types("ada", "request", "link", request_)
    said = office.types("tom", *shared, "--group", "cells")
    assert re.search(r"\d links? to them withdrawn", said.stderr)
    assert "shared with" in said.stdout
    (closed,) = office.json("tom", "data-class", "set", request_, "closed", "--reason", "error")
    assert (closed["data_class"], closed["groups"]) == ("closed", [])
    assert "data.loosen takes one of the roles data_steward" in office.types("tom", *loosen, code=5).stderr
    (campaign,) = [one["campaign"] for one in office.json("tom", "campaign", "list")]
    (of_request,) = office.json("dee", "data-class", "show", campaign)
    assert of_request["request"] == request_


def test_a_verb_of_a_service_says_on_a_folder_how_to_start_one(office: Office, tmp_path: Path) -> None:
    for words in (
        "person list",
        "project quota solar",
        "key list",
        "webhook list",
        "data-class show R1",
        "request list",
    ):
        done = labwright(*words.split(), "--data", tmp_path / "my data", env={"PATH": ""})
        assert done.returncode == 3, words
        assert f"labwright serve --data '{tmp_path}/my data', and name the URL" in done.stderr, words
    nothing = labwright("key", "list", env={"PATH": ""})
    assert (nothing.returncode, "name its URL with --url" in nothing.stderr) == (3, True)
    both = office.types("ada", "key", "list", "--url", office.served.url, "--lab", office.served.lab, code=3)
    assert "give one of both" in both.stderr
    assert "is no URL of a service" in office.types("ada", "key", "list", "--url", "http://[::1", code=3).stderr
