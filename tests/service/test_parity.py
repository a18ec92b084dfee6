"""What the command line does on a folder, it does through a service, too: the same answers, the same exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.http_page import PAGE
from labwright.cli.init import make_lab
from tests.forks import ROOT, labwright
from tests.service.served import Served, once, serving

VOLATILE = {"at_s", "heartbeat_s", "for_s", "saves_s"}
"""What is another number a moment later."""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """The reference lab, with a campaign that is over."""
    data = tmp_path_factory.mktemp("material")
    with serving(ROOT, data) as served:
        far = Far(served, served.person("oda", "operator", "data_steward"), data)
        ran = far.by_url("campaign", "run", "conductivity", "--budget", "1")
        assert ran.returncode == 0, ran.stderr
        yield far


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """A lab with a campaign under way."""
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 20"))
    with serving(folder, folder / "var", "--speed", "100") as served:
        yield Far(served, served.person("oda", "operator"), folder / "var")


class Far:
    """A lab that is reached both ways, by the same person."""

    def __init__(self, served: Served, key: str, place: Path) -> None:
        self.served = served
        self.key = key
        self.key_file = place / "key"
        self.key_file.touch(0o600)
        self.key_file.write_text(key)

    def by_url(self, *words: str) -> Any:
        return labwright(*words, "--url", self.served.url, "--key-file", str(self.key_file), "--json")

    def by_folder(self, *words: str) -> Any:
        lab = ("--lab", self.served.lab)
        data = () if words[0] == "station" else ("--data", self.served.data)
        return labwright(*words, *lab, *data, "--json")

    def same(self, *words: str, by: tuple[str, ...] = (), code: int = 0) -> list[Any]:
        """Both ways, and what was said; in the folder first."""
        here, there = self.by_folder(*words, *by), self.by_url(*words)
        assert (here.returncode, there.returncode) == (code, code), here.stderr + there.stderr
        found, far = ([json.loads(line) for line in done.stdout.splitlines()] for done in (here, there))
        assert plain(far) == plain(found)
        return found


def plain(said: Any) -> Any:
    if isinstance(said, dict):
        return {key: plain(value) for key, value in said.items() if key not in VOLATILE}
    return [plain(one) for one in said] if isinstance(said, list) else said


LOOKS = (
    "campaign list",
    "campaign show",
    "campaign show conductivity",
    "campaign watch",
    "inventory list",
    "inventory forecast",
    "inventory labels {out}.svg",
    "inventory labels {out}.svg rinse-1",
    "inventory export {out}.csv",
    "sample list",
    "sample list --campaign conductivity",
    "sample show 0001",
    "sample lineage 0001",
    "sample lineage rinse-1 --down",
    "question list",
    "question list --all",
    "run list",
    "audit list",
    "audit verify",
    "station list",
    "campaign export conductivity {out}.csv",
    "status",
)


SILENT = {"inventory forecast", "question list", "question list --all"}
"""Of a lab in which nothing is under way."""


@pytest.mark.parametrize("verb", LOOKS)
def test_what_is_looked_at_is_the_same_both_ways(material: Far, verb: str, tmp_path: Path) -> None:
    out = tmp_path / "file"
    here, there = material.by_folder, material.by_url
    said = []
    for way in (here, there):
        done = way(*verb.format(out=out).split())
        assert done.returncode == 0, done.stderr
        written = [path.read_bytes() for path in tmp_path.iterdir()]
        said.append((plain([json.loads(line) for line in done.stdout.splitlines()]), written))
    assert said[0] == said[1]
    assert said[0][0] or verb in SILENT


REFUSED = (
    ("campaign show nothing", 3),
    ("sample show nothing", 3),
    ("sample lineage nothing", 3),
    ("run show nothing", 3),
    ("inventory list --instruments nothing", 3),
    ("inventory labels {out}.svg nothing", 3),
    ("campaign export conductivity {out}.pdf", 2),
    ("reset --by oda --reason dry", 5),
    ("stop --by oda --reason smell --station nothing", 5),
    ("campaign pause --by oda --reason lunch", 5),
    ("question answer nothing yes --by oda --reason seen", 3),
    ("inventory move nothing shelf --by oda --reason tidy", 3),
    ("inventory adjust nothing=1mL --by oda --reason seen", 3),
    ("inventory count nothing=1mL --by oda --reason seen", 3),
    ("sample dispose nothing --by oda --reason old", 3),
)


@pytest.mark.parametrize(("verb", "code"), REFUSED)
def test_a_refusal_has_the_same_exit_code_both_ways(material: Far, verb: str, code: int, tmp_path: Path) -> None:
    words = verb.format(out=tmp_path / "file").split()
    here, there = material.by_folder(*words), material.by_url(*words)
    assert (here.returncode, there.returncode) == (code, code), here.stderr + there.stderr
    if code != 2:
        first, second = (json.loads(done.stdout.splitlines()[-1]) for done in (here, there))
        assert (first["error"], first["exit_code"]) == (second["error"], second["exit_code"])


BOOKS = (
    "inventory count rinse=40 --reason refilled",
    "inventory adjust rinse-1=-0.5mL --reason spilt",
    "inventory quarantine rinse-1 --reason cloudy",
    "inventory release rinse-1 --reason filtered",
    "sample quarantine 0001 --reason odd",
    "sample release 0001 --reason looked",
    "sample dispose 0001 --reason old",
)


@pytest.mark.parametrize("verb", BOOKS)
def test_what_is_booked_is_the_same_both_ways(material: Far, verb: str) -> None:
    (said,) = material.same(*verb.split(), by=("--by", "oda"))
    assert said["by"] == "oda"


def test_containers_are_received_and_moved_through_a_service(material: Far, tmp_path: Path) -> None:
    words = ("--labware", "bottle", "--material", "rinse", "--quantity", "58mL", "--reason", "new")
    known = json.loads(material.by_folder("inventory", "list").stdout)["stocks"]
    kind, made_of = next((one["stock"], one["material"]) for one in known if one["stock"] == "rinse-1")
    assert kind
    table = tmp_path / "containers.csv"
    exported = material.by_url("inventory", "export", str(table))
    assert exported.returncode == 0, exported.stderr
    head, *lines = table.read_text().splitlines()
    row = dict(zip(head.split(","), next(line for line in lines if line.startswith("rinse-1")).split(","), strict=True))
    words = ("--labware", row["labware"], "--material", made_of, "--quantity", "5mL", "--reason", "new")
    received = material.by_url("inventory", "receive", "rinse-9", *words)
    assert received.returncode == 0, received.stderr
    booked = json.loads(received.stdout)
    assert (booked["kind"], booked["by"], list(booked["stocks"])) == ("received", "oda", ["rinse-9"])
    table.write_text(f"{head}\n" + ",".join({**row, "container": "rinse-10", "place": "shelf"}.values()) + "\n")
    imported = material.by_url("inventory", "import", str(table), "--reason", "new")
    assert imported.returncode == 0, imported.stderr
    moved = material.by_url("inventory", "move", "rinse-10", "outside", "--reason", "wrong one")
    assert moved.returncode == 0, moved.stderr
    left = {one["stock"] for one in json.loads(material.by_folder("inventory", "list").stdout)["stocks"]}
    assert ("rinse-9" in left, "rinse-10" in left) == (True, False)


def test_material_is_looked_at_and_booked_over_http(material: Far) -> None:
    because, to = {"because": "seen"}, "/v1/inventory"
    with material.served.client(material.key) as oda:
        sample = oda.get("/v1/samples").json()["items"][-1]["sample"]
        assert oda.get(to).json()["wastes"]
        labware = next(one["labware"] for one in oda.get(f"{to}/containers").json()["items"])
        assert "<svg" in oda.get(f"{to}/labels").json()["svg"]
        assert oda.get(f"{to}/forecast").json()["items"] == []
        row = {"labware": labware, "material": "rinse", "quantity": "5 mL"}
        for path, body in (
            (f"{to}/count", {"what": ["rinse=41"]}),
            (f"{to}/receive", {"containers": {"rinse-11": row}}),
            (f"{to}/adjust", {"stock": "rinse-11", "change": "-1mL"}),
            (f"{to}/quarantine", {"stock": "rinse-11"}),
            (f"{to}/release", {"stock": "rinse-11"}),
            (f"{to}/move", {"container": "rinse-11", "to": "outside"}),
            (f"/v1/samples/{sample}/quarantine", {}),
            (f"/v1/samples/{sample}/release", {}),
            (f"/v1/samples/{sample}/dispose", {"disposition": "archived"}),
        ):
            done = oda.post(path, json={**because, **body}, headers=once())
            assert (done.status_code, done.json().get("state")) == (200, "done"), done.text


def test_a_run_is_shown_and_written_through_a_service(material: Far, tmp_path: Path) -> None:
    (first, *_) = [json.loads(line) for line in material.by_url("run", "list").stdout.splitlines()]
    documents = material.same("run", "show", first["run"])
    assert documents[0][0] == "start"
    place = ("--url", material.served.url, "--key-file", str(material.key_file))
    written = labwright("run", "export", first["run"], str(tmp_path / "run.jsonl"), *place)
    assert written.returncode == 0, written.stderr
    assert [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()] == documents


def test_the_report_is_fetched_and_is_a_page_that_carries_out_nothing(material: Far, tmp_path: Path) -> None:
    place = ("--url", material.served.url, "--key-file", str(material.key_file))
    fetched = labwright("report", "conductivity", *place, "--out", str(tmp_path / "page.html"))
    assert fetched.returncode == 0, fetched.stderr
    (campaign,) = [json.loads(line)["campaign"] for line in material.by_url("campaign", "list").stdout.splitlines()]
    page = (material.served.data / "reports" / f"{campaign}.html").read_text()
    assert (tmp_path / "page.html").read_text() == page
    with material.served.client() as admin:
        answer = admin.get(f"/v1/campaigns/{campaign}/report")
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_campaign_is_steered_through_a_service_as_on_its_folder(steered: Far) -> None:
    handed = steered.by_url("campaign", "submit", "first", "--budget", "60", "--planner", "random")
    assert handed.returncode == 0, handed.stderr
    campaign = json.loads(handed.stdout)["campaign"]
    because = ("--reason", "lunch")
    here = steered.by_folder("campaign", "pause", campaign, *because, "--by", "oda")
    there = steered.by_url("campaign", "resume", campaign, *because)
    assert (here.returncode, there.returncode) == (0, 0), here.stderr + there.stderr
    assert json.loads(here.stdout).keys() == json.loads(there.stdout).keys()
    again = steered.by_url("campaign", "resume", campaign, *because)
    assert (again.returncode, "is not paused" in again.stderr) == (5, True), again.stderr
    suggested = steered.by_url("campaign", "suggest", campaign, "temperature=40", *because)
    assert suggested.returncode == 0, suggested.stderr
    assert json.loads(suggested.stdout)["trial"]
    wrong = steered.by_url("campaign", "suggest", campaign, "temperature=400", *because)
    assert wrong.returncode == 3, wrong.stderr
    vetoed = steered.by_url("campaign", "veto", campaign, "temperature=50", "--reach", "0.01", *because)
    assert vetoed.returncode == 0, vetoed.stderr
    extended = steered.by_url("campaign", "extend", campaign, "--budget", "61", *because)
    assert extended.returncode == 0, extended.stderr
    questions: list[Any] = []
    while not questions:  # between two steps a stop interrupts nothing, and nothing is asked
        stopped = steered.by_url("stop", "--station", "heating", "--reason", "a spill")
        assert stopped.returncode == 0, stopped.stderr
        assert json.loads(stopped.stdout)["reset"].startswith(f"labwright reset --url {steered.served.url} --station")
        questions = steered.same("question", "list")
        reset = steered.by_url("reset", "--station", "heating", "--reason", "wiped up")
        assert reset.returncode == 0, reset.stderr
    (question,) = questions
    answered = steered.by_url("question", "answer", question["id"], "again", "--reason", "wiped up")
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["campaign"] == campaign
    named = steered.by_url("campaign", "drain", campaign, *because, "--by", "Ann")
    assert (named.returncode, "recorded; leave --by out" in named.stderr) == (5, True)
    drained = steered.by_url("campaign", "drain", campaign, *because)
    assert drained.returncode == 0, drained.stderr
    assert steered.by_url("campaign", "watch", campaign).returncode == 0
    late = steered.by_url("campaign", "stop", campaign, *because)
    assert late.returncode == 5
    more = steered.by_url("campaign", "extend", campaign, "--budget", "100", *because)
    assert (more.returncode, "drained" in more.stderr or "ended" in more.stderr) == (5, True), more.stderr


def test_a_campaign_is_steered_over_http(steered: Far) -> None:
    with steered.served.client(steered.key) as oda:
        handed = oda.post("/v1/campaigns", json={"name": "first", "budget": 50, "planner": "random"}, headers=once())
        place = handed.headers["location"]
        for verb, body in (
            ("suggest", {"params": {"temperature": 40}}),
            ("veto", {"params": {"temperature": 50}, "reach": 0.01}),
            ("extend", {"budget": 51}),
            ("pause", {}),
            ("resume", {}),
            ("stop", {"now": True}),
        ):
            done = oda.post(f"{place}/{verb}", json={"because": "seen", **body}, headers=once())
            assert (done.status_code, done.json().get("state")) == (200, "done"), done.text
            assert oda.get("/v1/status").json()["controller"]


def test_a_whole_campaign_is_sent_and_its_mistakes_are_named(steered: Far, tmp_path: Path) -> None:
    text = (steered.served.lab / "lab_config" / "campaigns" / "first.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("name: first", "name: mine").replace("high: 85", "high: 200"))
    wrong = steered.by_url("campaign", "submit", str(file), "--budget", "1")
    assert wrong.returncode == 3
    assert "temperature" in wrong.stderr
    assert "campaign.yaml" not in wrong.stderr
    file.write_text(text.replace("name: first", "name: mine"))
    handed = steered.by_url("campaign", "submit", str(file), "--budget", "1", "--planner", "random")
    assert handed.returncode == 0, handed.stderr
    assert json.loads(handed.stdout)["campaign"].startswith("mine-")
    unknown = steered.by_url("campaign", "submit", "fist")
    assert (unknown.returncode, "did you mean 'first'" in unknown.stderr) == (3, True), unknown.stderr


FOLDER_ONLY = ("campaign replay", "planner explain", "journal migrate")


@pytest.mark.parametrize("verb", FOLDER_ONLY)
def test_what_needs_the_journal_itself_says_so(steered: Far, verb: str) -> None:
    done = steered.by_url(*verb.split())
    assert (done.returncode, "not over HTTP" in done.stderr) == (5, True), done.stderr


ADMINISTERS = {
    "GET /v1/people": "person list",
    "GET /v1/people/{who}": "person show",
    "POST /v1/people": "person add",
    "PUT /v1/people/{who}/roles": "person roles",
    "DELETE /v1/people/{who}": "person disable",
    "POST /v1/people/{who}/invitation": "person invite",
    "GET /v1/projects": "project list",
    "GET /v1/projects/{name}": "project show",
    "POST /v1/projects": "project add",
    "PUT /v1/projects/{name}/members/{who}": "project join",
    "DELETE /v1/projects/{name}/members/{who}": "project leave",
    "GET /v1/projects/{name}/quota": "project quota",
    "PUT /v1/projects/{name}/quota": "project quota",
    "GET /v1/keys": "key list",
    "POST /v1/keys": "key make",
    "DELETE /v1/keys/{key}": "key revoke",
    "GET /v1/webhooks": "webhook list",
    "POST /v1/webhooks": "webhook add",
    "DELETE /v1/webhooks/{name}": "webhook remove",
    "POST /v1/webhooks/{name}/enable": "webhook enable",
    "GET /v1/webhooks/{name}/notices": "webhook notices",
    "GET /v1/requests/{name}/deliveries": "request links",
    "POST /v1/requests/{name}/deliveries": "request link",
    "DELETE /v1/requests/{name}/deliveries": "request links",
    "GET /v1/{things}/{name}/data-class": "data-class show",
    "PUT /v1/{things}/{name}/data-class": "data-class set",
    "PUT /v1/{things}/{name}/grants/{who}": "data-class grant",
    "DELETE /v1/{things}/{name}/grants/{who}": "data-class take-back",
}
"""Routes by which a lab is administered, and the verb of each, which tests/cli/test_admin_verbs.py types."""


def test_each_route_that_administers_a_lab_has_a_verb() -> None:
    about = re.compile(r"/v1/(people|projects|keys|webhooks|\{things\}|requests/\{name\}/deliveries)(/|$)")
    routes = re.findall(r"^\| `([A-Z]+ \S+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {one for one in routes if about.match(one.partition(" ")[2])} == set(ADMINISTERS)
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [verb for verb in ADMINISTERS.values() if f"| `labwright {verb}" not in reference] == []
